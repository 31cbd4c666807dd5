// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Writing images: see image.h and image_format.h. */
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include "image.h"
#include "image_format.h"
#include "text.h"
#include "util.h"

#define BLOCK_SIZE (256U * 1024)
#define ZSTD_LEVEL 1

/* A field that is not copied as it is: where it stands in the struct and in the row. */
struct convert {
	uint16_t from;
	uint16_t to;
	uint8_t kind;
};

struct copy {
	uint16_t from;
	uint16_t to;
	uint16_t size;
};

/* How a struct becomes a row: runs of bytes, and the few fields that need a thought. */
struct plan {
	uint16_t struct_size;
	uint16_t row_size;
	uint16_t copies;
	uint16_t converts;
	struct copy copy[IMAGE_FIELDS_MAX];
	struct convert convert[IMAGE_FIELDS_MAX];
};

struct image_writer {
	const struct image_maps *maps;
	image_write_fn fn;
	void *arg;
	XXH3_state_t *hash;
	ZSTD_CCtx *zstd;
	bool plain; /* nothing is compressed */
	struct plan plan;
	uint8_t *block;
	uint32_t block_rows;
	uint8_t *packed;
	size_t packed_size;
	uint32_t tables;
	uint64_t counts[TABLE_COUNT];
	/* A list of names is large; one is enough at a time. */
	uint8_t section[IMAGE_SECTION_MAX / 8];
};

static int put(struct image_writer *writer, const void *bytes, size_t size)
{
	XXH3_64bits_update(writer->hash, bytes, size);
	return writer->fn(bytes, size, writer->arg);
}

static int put_section(struct image_writer *writer, enum image_section_type type, uint32_t size)
{
	struct image_section section = { .type = type, .size = size };

	return put(writer, &section, sizeof(section));
}

int image_writer_open(const struct image_maps *maps, image_write_fn fn, void *arg,
		      struct image_writer **ret_writer)
{
	struct image_start start = { .magic = IMAGE_MAGIC, .version = IMAGE_VERSION };
	_cleanup_image_writer_ struct image_writer *writer = calloc(1, sizeof(*writer));
	int err;

	if (!writer)
		return fail(-ENOMEM, "image: out of memory");
	writer->maps = maps;
	writer->fn = fn;
	writer->arg = arg;
	writer->hash = XXH3_createState();
	writer->zstd = ZSTD_createCCtx();
	writer->packed_size = ZSTD_compressBound(BLOCK_SIZE);
	writer->packed = malloc(writer->packed_size);
	writer->block = malloc(BLOCK_SIZE);
	if (!writer->hash || !writer->zstd || !writer->packed || !writer->block)
		return fail(-ENOMEM, "image: out of memory");
	XXH3_64bits_reset(writer->hash);
	err = put(writer, &start, sizeof(start));
	if (!err)
		*ret_writer = TAKE_PTR(writer);
	return err;
}

void image_writer_plain(struct image_writer *writer)
{
	writer->plain = true;
}

int image_write_header(struct image_writer *writer, const struct image_header *header)
{
	int err = put_section(writer, IMAGE_HEADER, sizeof(*header));

	return err ? err : put(writer, header, sizeof(*header));
}

static bool is_converted(uint8_t kind)
{
	return kind == FIELD_AGE || kind == FIELD_UNTIL || kind == FIELD_RULE ||
	       kind == FIELD_ZONE || kind == FIELD_GEN || kind == FIELD_SERVICE;
}

/* Joins the last run if it goes on from there. */
static void plan_copy(struct plan *plan, uint16_t from, uint16_t size)
{
	struct copy *last = plan->copies ? &plan->copy[plan->copies - 1] : NULL;

	if (last && last->from + last->size == from && last->to + last->size == plan->row_size)
		last->size += size;
	else
		plan->copy[plan->copies++] = (struct copy){ from, plan->row_size, size };
	plan->row_size += size;
}

/* Rows are the fields one behind the other; neighbours in struct and row are copied as one run. */
static void make_plan(const struct schema_table *table, struct plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	plan->struct_size = table->row_size;
	for (uint16_t i = 0; i < table->field_count; i++) {
		const struct schema_field *field = &table->fields[i];

		if (is_converted(field->kind)) {
			plan->convert[plan->converts++] =
				(struct convert){ field->offset, plan->row_size, field->kind };
			plan->row_size += field->size * field->count;
			continue;
		}
		for (uint16_t j = 0; j < field->count; j++)
			plan_copy(plan, field->offset + j * field->stride, field->size);
	}
}

static uint8_t *put_list(uint8_t *at, const char *name)
{
	const struct text_enum *list = text_enum_by_name(name);
	uint16_t count = list->count;

	memcpy(at, &count, sizeof(count));
	at += sizeof(count);
	for (uint16_t i = 0; i < count; i++) {
		memset(at, 0, IMAGE_LIST_NAME_LEN);
		memcpy(at, list->text[i], strnlen(list->text[i], IMAGE_LIST_NAME_LEN - 1));
		at += IMAGE_LIST_NAME_LEN;
	}
	return at;
}

static int put_schema(struct image_writer *writer, const struct schema_table *table)
{
	struct image_schema schema = { .fields = table->field_count,
				       .row_size = writer->plan.row_size };
	uint8_t *at = writer->section + sizeof(schema);
	uint16_t offset = 0;
	int err;

	strncpy(schema.name, table->name, sizeof(schema.name) - 1);
	memcpy(writer->section, &schema, sizeof(schema));
	for (uint16_t i = 0; i < table->field_count; i++) {
		const struct schema_field *field = &table->fields[i];
		struct image_field image = {
			.kind = field->kind,
			.required = field->required,
			.offset = offset,
			.size = field->size,
			.count = field->count,
		};

		strncpy(image.name, field->name, sizeof(image.name) - 1);
		memcpy(at, &image, sizeof(image));
		at += sizeof(image);
		if (field->kind == FIELD_ENUM)
			at = put_list(at, field->list);
		offset += field->size * field->count;
	}
	err = put_section(writer, IMAGE_SCHEMA, at - writer->section);
	return err ? err : put(writer, writer->section, at - writer->section);
}

static int flush_block(struct image_writer *writer)
{
	struct image_rows rows = {
		.table = writer->tables - 1,
		.rows = writer->block_rows,
		.raw_size = writer->block_rows * writer->plan.row_size,
	};
	const void *bytes = writer->block;
	size_t size, packed;
	int err;

	if (!writer->block_rows)
		return 0;
	size = packed = rows.raw_size;
	if (!writer->plain)
		packed = ZSTD_compressCCtx(writer->zstd, writer->packed, writer->packed_size, bytes,
					   size, ZSTD_LEVEL);
	if (!ZSTD_isError(packed) && packed < size) {
		rows.flags = IMAGE_ROWS_ZSTD;
		bytes = writer->packed;
		size = packed;
	}
	writer->block_rows = 0;
	err = put_section(writer, IMAGE_ROWS, sizeof(rows) + size);
	if (!err)
		err = put(writer, &rows, sizeof(rows));
	return err ? err : put(writer, bytes, size);
}

int image_write_table(struct image_writer *writer, enum schema_table_id table)
{
	int err = writer->tables ? flush_block(writer) : 0;

	if (err)
		return err;
	make_plan(&schema_tables[table], &writer->plan);
	writer->tables++;
	return put_schema(writer, &schema_tables[table]);
}

static void convert_age(const struct image_maps *maps, const uint8_t *from, uint8_t *to)
{
	uint64_t then;
	int64_t age;

	memcpy(&then, from, sizeof(then));
	age = then ? (int64_t)(maps->now_ns - then) : IMAGE_NEVER;
	memcpy(to, &age, sizeof(age));
}

/* 0 for a service that is no more. */
static uint32_t service_row(const struct image_maps *maps, uint32_t id)
{
	uint32_t row = 1;

	while (row < maps->service_count && maps->service[row] != id)
		row++;
	return row < maps->service_count ? row : 0;
}

static int convert_u32(const struct image_maps *maps, uint8_t kind, const uint8_t *from,
		       uint8_t *to)
{
	uint32_t value, zone;

	memcpy(&value, from, sizeof(value));
	switch (kind) {
	case FIELD_RULE:
		value = value < maps->rule_count ? maps->rule[value] : 0;
		break;
	case FIELD_SERVICE:
		value = value ? service_row(maps, value) : 0;
		break;
	case FIELD_GEN:
		value = value == maps->gen;
		break;
	default: /* FIELD_ZONE */
		zone = ROAM_ZONE_NO(value);
		if (zone >= maps->zone_count)
			return fail(-EINVAL, "image: a flow in a zone that no port has");
		value = ROAM_ZONE(maps->zone[zone], value);
	}
	memcpy(to, &value, sizeof(value));
	return 0;
}

static int encode_row(struct image_writer *writer, const uint8_t *from, uint8_t *to)
{
	const struct plan *plan = &writer->plan;
	int err = 0;

	for (uint16_t i = 0; i < plan->copies; i++)
		memcpy(to + plan->copy[i].to, from + plan->copy[i].from, plan->copy[i].size);
	for (uint16_t i = 0; i < plan->converts && !err; i++) {
		const struct convert *field = &plan->convert[i];

		if (field->kind == FIELD_AGE || field->kind == FIELD_UNTIL)
			convert_age(writer->maps, from + field->from, to + field->to);
		else
			err = convert_u32(writer->maps, field->kind, from + field->from,
					  to + field->to);
	}
	return err;
}

int image_write_rows(struct image_writer *writer, const void *rows, size_t count)
{
	const struct plan *plan = &writer->plan;
	const uint8_t *from = rows;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++, from += plan->struct_size) {
		if ((writer->block_rows + 1) * plan->row_size > BLOCK_SIZE)
			err = flush_block(writer);
		if (!err)
			err = encode_row(writer, from,
					 writer->block + writer->block_rows * plan->row_size);
		writer->block_rows++;
	}
	writer->counts[writer->tables - 1] += count;
	return err;
}

int image_write_end(struct image_writer *writer)
{
	struct image_end end = { .tables = writer->tables };
	size_t counts = writer->tables * sizeof(writer->counts[0]);
	uint64_t checksum;
	int err = flush_block(writer);

	if (!err)
		err = put_section(writer, IMAGE_END, sizeof(end) + counts + sizeof(checksum));
	if (!err)
		err = put(writer, &end, sizeof(end));
	if (!err)
		err = put(writer, writer->counts, counts);
	checksum = XXH3_64bits_digest(writer->hash);
	return err ? err : writer->fn(&checksum, sizeof(checksum), writer->arg);
}

void image_writer_close(struct image_writer *writer)
{
	if (!writer)
		return;
	XXH3_freeState(writer->hash);
	ZSTD_freeCCtx(writer->zstd);
	free(writer->packed);
	free(writer->block);
	free(writer);
}
