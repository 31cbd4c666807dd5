// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* One row of two: see merge.h. */
#include <string.h>
#include "merge.h"

/* Which of two values is larger depends on what 0 says: never, or for ever. */
static bool is_larger(enum field_kind kind, uint64_t a, uint64_t b)
{
	if (kind != FIELD_AGE && kind != FIELD_UNTIL)
		return a > b;
	if (!a || !b)
		return kind == FIELD_AGE ? !b : !a;
	return (int64_t)(a - b) > 0;
}

/* A counter that has come to its end stays there. */
static uint64_t add(uint64_t a, uint64_t b, uint16_t size)
{
	uint64_t most = size < sizeof(most) ? (1ULL << 8 * size) - 1 : UINT64_MAX;

	return a > most - b ? most : a + b;
}

static uint64_t merge(const struct schema_field *field, uint64_t own, uint64_t image)
{
	switch ((enum field_merge)field->merge) {
	case MERGE_MAX:
		return is_larger(field->kind, own, image) ? own : image;
	case MERGE_SUM:
		return add(own, image, field->size);
	case MERGE_UNION:
		return own | image;
	case MERGE_IMAGE:
		break;
	}
	return image;
}

static void merge_field(const struct schema_field *field, const uint8_t *own, uint8_t *row)
{
	for (uint16_t i = 0; i < field->count; i++) {
		uint16_t at = field->offset + i * field->stride;
		uint64_t a = 0, b = 0;

		/* Numbers of this host: little-endian, as everything that roam runs on. */
		memcpy(&a, own + at, field->size);
		memcpy(&b, row + at, field->size);
		b = merge(field, a, b);
		memcpy(row + at, &b, field->size);
	}
}

void merge_row(enum schema_table_id table, const void *own, void *row)
{
	const struct schema_table *schema = &schema_tables[table];

	for (uint16_t i = 0; i < schema->field_count; i++) {
		if (schema->fields[i].merge != MERGE_IMAGE)
			merge_field(&schema->fields[i], own, row);
	}
}
