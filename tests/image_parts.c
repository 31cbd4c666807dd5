// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Images in parts: see image_parts.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include "image_parts.h"
#include "schema.h"

static void *must(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

/* ---- bytes ---- */

int image_bytes_write(const void *bytes, size_t size, void *arg)
{
	struct image_bytes *image = arg;

	if (image->len + size > image->room) {
		image->room = 2 * (image->len + size);
		image->at = must(realloc(image->at, image->room));
	}
	memcpy(image->at + image->len, bytes, size);
	image->len += size;
	return 0;
}

int image_bytes_read(void *bytes, size_t size, void *arg)
{
	struct image_bytes *image = arg;

	if (image->len - image->read < size)
		return -ENODATA;
	memcpy(bytes, image->at + image->read, size);
	image->read += size;
	return 0;
}

void image_bytes_free(struct image_bytes *image)
{
	free(image->at);
	*image = (struct image_bytes){};
}

void image_seal(uint8_t *bytes, size_t size)
{
	uint64_t checksum;

	if (size < sizeof(checksum))
		return;
	size -= sizeof(checksum);
	checksum = XXH3_64bits(bytes, size);
	memcpy(bytes + size, &checksum, sizeof(checksum));
}

/* ---- apart ---- */

static int take_rows(struct image_part *part)
{
	struct image_rows head;
	uint8_t *plain;
	size_t got;

	if (part->size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, part->bytes, sizeof(head));
	if (!(head.flags & IMAGE_ROWS_ZSTD))
		return 0;
	if (head.raw_size > IMAGE_BLOCK_MAX)
		return -EBADMSG;
	plain = must(malloc(sizeof(head) + head.raw_size));
	got = ZSTD_decompress(plain + sizeof(head), head.raw_size, part->bytes + sizeof(head),
			      part->size - sizeof(head));
	head.flags &= ~IMAGE_ROWS_ZSTD;
	memcpy(plain, &head, sizeof(head));
	free(part->bytes);
	part->bytes = plain;
	part->size = sizeof(head) + head.raw_size;
	return ZSTD_isError(got) || got != head.raw_size ? -EBADMSG : 0;
}

static int take_part(const uint8_t *bytes, size_t size, struct image_parts *parts)
{
	struct image_part *part = &parts->part[parts->count];
	struct image_section section;

	memcpy(&section, bytes, sizeof(section));
	if (section.size > size - sizeof(section) || section.size > IMAGE_SECTION_MAX ||
	    parts->count == IMAGE_PARTS_MAX)
		return -EBADMSG;
	part->type = section.type;
	part->size = section.size;
	part->bytes = must(malloc(section.size + 1));
	memcpy(part->bytes, bytes + sizeof(section), section.size);
	parts->count++;
	return section.type == IMAGE_ROWS ? take_rows(part) : 0;
}

int image_parts_take(const uint8_t *bytes, size_t size, struct image_parts *ret_parts)
{
	struct image_section section;
	struct image_parts parts = {};
	int err = 0;

	if (size < sizeof(parts.start))
		return -EBADMSG;
	memcpy(&parts.start, bytes, sizeof(parts.start));
	for (size_t at = sizeof(parts.start); !err; at += sizeof(section) + section.size) {
		if (size - at < sizeof(section)) {
			err = -EBADMSG;
			break;
		}
		memcpy(&section, bytes + at, sizeof(section));
		if (section.type == IMAGE_END)
			break;
		err = take_part(bytes + at, size - at, &parts);
	}
	if (err)
		image_parts_free(&parts);
	else
		*ret_parts = parts;
	return err;
}

void image_parts_free(struct image_parts *parts)
{
	for (uint32_t i = 0; i < parts->count; i++)
		free(parts->part[i].bytes);
	parts->count = 0;
}

/* ---- together ---- */

static void put_end(struct image_bytes *image, const uint64_t *counts, uint32_t tables)
{
	struct image_end end = { tables };
	struct image_section section = {
		.type = IMAGE_END,
		.size = sizeof(end) + tables * sizeof(*counts) + sizeof(uint64_t),
	};
	uint64_t checksum = 0;

	image_bytes_write(&section, sizeof(section), image);
	image_bytes_write(&end, sizeof(end), image);
	image_bytes_write(counts, tables * sizeof(*counts), image);
	image_bytes_write(&checksum, sizeof(checksum), image);
	image_seal(image->at, image->len);
}

void image_parts_put(const struct image_parts *parts, struct image_bytes *ret_image)
{
	uint64_t counts[IMAGE_PARTS_MAX] = {};
	uint32_t tables = 0;

	*ret_image = (struct image_bytes){};
	image_bytes_write(&parts->start, sizeof(parts->start), ret_image);
	for (uint32_t i = 0; i < parts->count; i++) {
		const struct image_part *part = &parts->part[i];
		struct image_section section = { .type = part->type, .size = part->size };
		struct image_rows rows;

		image_bytes_write(&section, sizeof(section), ret_image);
		image_bytes_write(part->bytes, part->size, ret_image);
		tables += part->type == IMAGE_SCHEMA;
		if (part->type != IMAGE_ROWS || part->size < sizeof(rows) || !tables)
			continue;
		memcpy(&rows, part->bytes, sizeof(rows));
		counts[tables - 1] += rows.rows;
	}
	put_end(ret_image, counts, tables);
}

/* ---- looking for something ---- */

struct image_part *image_parts_schema(struct image_parts *parts, const char *table)
{
	for (uint32_t i = 0; i < parts->count; i++) {
		struct image_part *part = &parts->part[i];

		if (part->type == IMAGE_SCHEMA && part->size >= sizeof(struct image_schema) &&
		    !strncmp((const char *)part->bytes, table,
			     sizeof(((struct image_schema *)0)->name)))
			return part;
	}
	return NULL;
}

struct image_part *image_parts_rows(struct image_parts *parts, const char *table)
{
	struct image_part *part = image_parts_schema(parts, table);

	if (!part || part + 1 == parts->part + parts->count || part[1].type != IMAGE_ROWS)
		return NULL;
	return part + 1;
}

/* Bytes of a field's record in its schema: an ENUM's names follow it. */
static uint32_t record_size(const struct image_field *field)
{
	uint16_t names;

	if (field->kind != FIELD_ENUM)
		return sizeof(*field);
	memcpy(&names, field + 1, sizeof(names));
	return sizeof(*field) + sizeof(names) + names * IMAGE_LIST_NAME_LEN;
}

struct image_field *image_parts_field(struct image_parts *parts, const char *table,
				      const char *field)
{
	struct image_part *schema = image_parts_schema(parts, table);
	uint32_t at = sizeof(struct image_schema);

	while (schema && at < schema->size) {
		struct image_field *found = (struct image_field *)(schema->bytes + at);

		if (!strncmp(found->name, field, sizeof(found->name)))
			return found;
		at += record_size(found);
	}
	return NULL;
}

uint8_t *image_parts_at(struct image_parts *parts, const char *table, const char *field,
			uint32_t row)
{
	const struct image_schema *schema =
		(const struct image_schema *)image_parts_schema(parts, table)->bytes;

	return image_parts_rows(parts, table)->bytes + sizeof(struct image_rows) +
	       row * schema->row_size + image_parts_field(parts, table, field)->offset;
}

/* ---- changing something ---- */

void image_part_resize(struct image_part *part, uint32_t size)
{
	part->bytes = must(realloc(part->bytes, size + 1));
	part->size = size;
}

static void cut(struct image_part *part, uint32_t at, uint32_t size)
{
	memmove(part->bytes + at, part->bytes + at + size, part->size - at - size);
	part->size -= size;
}

static void put_in(struct image_part *part, uint32_t at, const void *bytes, uint32_t size)
{
	uint32_t behind = part->size - at;

	image_part_resize(part, part->size + size);
	memmove(part->bytes + at + size, part->bytes + at, behind);
	memcpy(part->bytes + at, bytes, size);
}

static void move_fields(struct image_part *schema, uint16_t behind, int by)
{
	for (uint32_t at = sizeof(struct image_schema); at < schema->size;) {
		struct image_field *field = (struct image_field *)(schema->bytes + at);

		at += record_size(field);
		if (field->offset > behind)
			field->offset += by;
	}
	((struct image_schema *)schema->bytes)->row_size += by;
}

void image_parts_drop(struct image_parts *parts, const char *table, const char *name)
{
	struct image_part *schema = image_parts_schema(parts, table);
	struct image_part *rows = image_parts_rows(parts, table);
	struct image_field *field = image_parts_field(parts, table, name);
	uint32_t size = field->size * field->count, at = field->offset, record = record_size(field);
	struct image_schema *head = (struct image_schema *)schema->bytes;
	struct image_rows *count = rows ? (struct image_rows *)rows->bytes : NULL;

	for (uint32_t i = count ? count->rows : 0; i--;)
		cut(rows, sizeof(*count) + i * head->row_size + at, size);
	if (count)
		count->raw_size -= count->rows * size;
	head->fields--;
	cut(schema, (uint8_t *)field - schema->bytes, record);
	move_fields(schema, at, -(int)size);
}

void image_parts_append(struct image_parts *parts, const char *table,
			const struct image_field *field, const void *value)
{
	struct image_part *schema = image_parts_schema(parts, table);
	struct image_part *rows = image_parts_rows(parts, table);
	struct image_schema *head = (struct image_schema *)schema->bytes;
	uint32_t size = field->size * field->count;
	struct image_field placed = *field;
	struct image_rows count = {};

	placed.offset = head->row_size;
	if (rows) {
		memcpy(&count, rows->bytes, sizeof(count));
		for (uint32_t i = count.rows; i--;)
			put_in(rows, sizeof(count) + (i + 1) * head->row_size, value, size);
		count.raw_size += count.rows * size;
		memcpy(rows->bytes, &count, sizeof(count));
	}
	head->row_size += size;
	head->fields++;
	put_in(schema, schema->size, &placed, sizeof(placed));
}

void image_parts_double(struct image_parts *parts, const char *table, uint32_t row)
{
	const struct image_schema *head =
		(const struct image_schema *)image_parts_schema(parts, table)->bytes;
	struct image_part *rows = image_parts_rows(parts, table);
	struct image_rows count;
	uint32_t end = rows->size;

	image_part_resize(rows, end + head->row_size);
	memcpy(rows->bytes + end, rows->bytes + sizeof(count) + row * head->row_size,
	       head->row_size);
	memcpy(&count, rows->bytes, sizeof(count));
	count.rows++;
	count.raw_size += head->row_size;
	memcpy(rows->bytes, &count, sizeof(count));
}

void image_parts_insert(struct image_parts *parts, uint32_t at, const struct image_part *part)
{
	struct image_part *to = &parts->part[at];
	struct image_part copy = *part; /* which may be one of those that move */

	if (parts->count == IMAGE_PARTS_MAX)
		abort();
	memmove(to + 1, to, (parts->count - at) * sizeof(*to));
	*to = copy;
	to->bytes = must(malloc(copy.size + 1));
	memcpy(to->bytes, copy.bytes, copy.size);
	parts->count++;
}

void image_parts_remove(struct image_parts *parts, uint32_t at)
{
	struct image_part *from = &parts->part[at];

	free(from->bytes);
	parts->count--;
	memmove(from, from + 1, (parts->count - at) * sizeof(*from));
}
