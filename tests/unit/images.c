// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Images for the unit tests of the codec: see images.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "images.h"
#include "text.h"

#define HOUR_NS (3600 * NS_PER_S)
/* Numbers of a host: rules have these ids, in this order; zones are turned round. */
#define RULES          9
#define ZONES          3
#define SERVICES       5
#define UPTIME         (40 * HOUR_NS)
#define GEN_HERE       77
#define SERVICES_HERE  4000
#define SERVICES_THERE 90000
#define GEN_THERE      5

static uint64_t pick(uint64_t below)
{
	return (((uint64_t)random() << 31) ^ (uint64_t)random()) % below;
}

/* ---- making rows up ---- */

static void make_name(char *at, size_t size)
{
	static const char letters[] = "abcXYZ019._:/-";
	size_t len = 1 + pick(size - 1);

	memset(at, 0, size);
	for (size_t i = 0; i < len; i++)
		at[i] = letters[pick(i ? sizeof(letters) - 1 : 9)];
}

/* Half of them older than the host's uptime, some of them never, some in what is the future of a
 * save that takes its time. */
static uint64_t make_time(void)
{
	switch (pick(8)) {
	case 0:
		return 0;
	case 1:
		return UPTIME + 1 + pick(HOUR_NS);
	case 2 ... 4:
		return UPTIME - 1 - pick(UPTIME / 2);
	default:
		return UPTIME - 1 - pick(1ULL << 55);
	}
}

static uint32_t make_u32(uint8_t kind, uint32_t rules)
{
	uint32_t number;

	switch (kind) {
	case FIELD_RULE:
		return pick(rules + 1);
	case FIELD_GEN:
		return GEN_HERE - pick(2);
	case FIELD_SERVICE:
		number = pick(SERVICES + 1);
		return number ? SERVICES_HERE + number : 0;
	default: /* FIELD_ZONE */
		return ROAM_ZONE(pick(ZONES), pick(1 << 24));
	}
}

static void make_field(const struct schema_field *field, uint8_t *at)
{
	uint64_t when = make_time();
	uint32_t number = make_u32(field->kind, RULES);

	switch (field->kind) {
	case FIELD_NAME:
		make_name((char *)at, field->size);
		return;
	case FIELD_AGE:
	case FIELD_UNTIL:
		memcpy(at, &when, sizeof(when));
		return;
	case FIELD_RULE:
	case FIELD_GEN:
	case FIELD_ZONE:
	case FIELD_SERVICE:
		memcpy(at, &number, sizeof(number));
		return;
	default:
		for (uint32_t i = 0; i < (uint32_t)field->size * field->count; i++)
			at[i / field->size * field->stride + i % field->size] =
				field->kind == FIELD_ENUM
					? pick(text_enum_by_name(field->list)->count)
					: pick(256);
	}
}

static void make_rows(struct images_host *host, enum schema_table_id id, uint32_t count)
{
	const struct schema_table *table = &schema_tables[id];
	uint8_t *row = calloc(count + 1, table->row_size);

	host->rows[id] = row;
	host->count[id] = count;
	for (; count--; row += table->row_size) {
		for (uint16_t i = 0; i < table->field_count; i++)
			make_field(&table->fields[i], row + table->fields[i].offset);
	}
}

void images_make(struct images_host *ret_host, uint32_t flows)
{
	*ret_host = (struct images_host){
		.header = { .policy_digest = pick(UINT32_MAX), .sequence = pick(3) },
		.maps = { .now_ns = UPTIME,
			  .gen = GEN_HERE,
			  .zone_count = ZONES,
			  .rule_count = RULES + 1,
			  .service_count = SERVICES + 1 },
	};
	make_name(ret_host->header.vm, ROAM_NAME_LEN);
	make_name(ret_host->header.host, ROAM_NAME_LEN);
	for (uint32_t i = 0; i < ZONES; i++)
		ret_host->maps.zone[i] = ZONES - 1 - i;
	for (uint32_t i = 1; i <= RULES; i++) /* the image's rows: the other way round */
		ret_host->rule[i] = RULES + 1 - i;
	for (uint32_t i = 1; i <= SERVICES; i++)
		ret_host->service[i] = SERVICES_HERE + i;
	make_rows(ret_host, TABLE_MOVE, 1);
	make_rows(ret_host, TABLE_VM, 1);
	make_rows(ret_host, TABLE_HITS, pick(RULES));
	make_rows(ret_host, TABLE_GONE_IPS, pick(10));
	make_rows(ret_host, TABLE_GONE_FLOW, pick(10));
	make_rows(ret_host, TABLE_PORT, ZONES);
	make_rows(ret_host, TABLE_ACL, RULES);
	make_rows(ret_host, TABLE_FLOW, flows);
	make_rows(ret_host, TABLE_STATS, pick(40));
}

void images_free(struct images_host *host)
{
	for (int i = 0; i < TABLE_COUNT; i++)
		free(host->rows[i]);
	memset(host->rows, 0, sizeof(host->rows));
}

void images_write(const struct images_host *from, struct image_bytes *ret_image)
{
	_cleanup_image_writer_ struct image_writer *writer = NULL;
	struct image_maps maps = from->maps;

	maps.rule = from->rule;
	maps.service = from->service;
	*ret_image = (struct image_bytes){};
	if (!CHECK_OK(image_writer_open(&maps, image_bytes_write, ret_image, &writer)))
		return;
	CHECK_OK(image_write_header(writer, &from->header));
	for (int i = 0; i < TABLE_COUNT; i++) {
		CHECK_OK(image_write_table(writer, i));
		CHECK_OK(image_write_rows(writer, from->rows[i], from->count[i]));
	}
	CHECK_OK(image_write_end(writer));
}

/* ---- reading ---- */

void images_there(struct images_host *ret_host)
{
	*ret_host = (struct images_host){
		.maps = { .now_ns = 3 * NS_PER_S,
			  .gen = GEN_THERE,
			  .zone_count = ZONES,
			  .rule_count = RULES + 1,
			  .service_count = SERVICES + 1 },
	};
	for (uint32_t i = 0; i < ZONES; i++)
		ret_host->maps.zone[i] = 10 + i;
	for (uint32_t i = 1; i <= RULES; i++)
		ret_host->rule[i] = 1000 + i;
	for (uint32_t i = 1; i <= SERVICES; i++)
		ret_host->service[i] = SERVICES_THERE + i;
}

static int on_header(const struct image_header *header, void *arg)
{
	struct images_host *to = arg;

	to->header = *header;
	to->headers++;
	return 0;
}

static int on_rows(enum schema_table_id table, const void *rows, size_t count, void *arg)
{
	size_t size = schema_tables[table].row_size;
	struct images_host *to = arg;

	CHECK_EQ(to->headers, 1);
	CHECK_EQ(to->ended, (1U << table) - 1);
	to->rows[table] = realloc(to->rows[table], (to->count[table] + count) * size);
	memcpy((uint8_t *)to->rows[table] + to->count[table] * size, rows, count * size);
	to->count[table] += count;
	return 0;
}

static int on_table_end(enum schema_table_id table, void *arg)
{
	struct images_host *to = arg;

	CHECK_EQ(to->ended, (1U << table) - 1);
	to->ended |= 1U << table;
	return 0;
}

static void on_skipped(const char *table, const char *field, void *arg)
{
	struct images_host *to = arg;
	size_t len = strlen(to->skipped);

	snprintf(to->skipped + len, sizeof(to->skipped) - len, "%s.%s ", table, field);
}

int images_read(struct image_bytes *image, struct images_host *to)
{
	struct image_sink sink = {
		.header = on_header,
		.rows = on_rows,
		.table_end = on_table_end,
		.skipped = on_skipped,
		.maps = &to->maps,
		.arg = to,
	};

	to->maps.rule = to->rule;
	to->maps.service = to->service;
	image->read = 0;
	return image_read(image_bytes_read, image, &sink);
}

int images_read_parts(struct image_parts *parts, struct images_host *to)
{
	struct image_bytes image;
	int err;

	image_parts_put(parts, &image);
	err = images_read(&image, to);
	image_bytes_free(&image);
	image_parts_free(parts);
	return err;
}

/* ---- what should be there ---- */

static uint32_t move_u32(const struct images_host *from, const struct images_host *there,
			 uint8_t kind, uint32_t value)
{
	switch (kind) {
	case FIELD_RULE:
		return value ? there->rule[from->rule[value]] : 0;
	case FIELD_GEN:
		return value == from->maps.gen ? there->maps.gen : 0;
	case FIELD_SERVICE:
		return value ? there->service[value - SERVICES_HERE] : 0;
	default: /* FIELD_ZONE */
		return ROAM_ZONE(there->maps.zone[from->maps.zone[ROAM_ZONE_NO(value)]], value);
	}
}

static void move_field(const struct images_host *from, const struct images_host *there,
		       const struct schema_field *field, uint8_t *at)
{
	uint64_t when;
	uint32_t value;

	switch (field->kind) {
	case FIELD_AGE:
	case FIELD_UNTIL:
		memcpy(&when, at, sizeof(when));
		when = when ? there->maps.now_ns - (from->maps.now_ns - when) : 0;
		memcpy(at, &when, sizeof(when));
		return;
	case FIELD_RULE:
	case FIELD_GEN:
	case FIELD_ZONE:
	case FIELD_SERVICE:
		memcpy(&value, at, sizeof(value));
		value = move_u32(from, there, field->kind, value);
		memcpy(at, &value, sizeof(value));
		return;
	default:
		return;
	}
}

bool images_same(const struct images_host *from, const struct images_host *there)
{
	bool same = CHECK_MEM(&there->header, &from->header, sizeof(from->header));

	for (int id = 0; id < TABLE_COUNT && same; id++) {
		const struct schema_table *table = &schema_tables[id];
		uint8_t *expected = malloc(table->row_size);

		same = CHECK_EQ(there->count[id], from->count[id]);
		for (uint32_t row = 0; row < from->count[id] && same; row++) {
			memcpy(expected, (uint8_t *)from->rows[id] + row * table->row_size,
			       table->row_size);
			for (uint16_t i = 0; i < table->field_count; i++)
				move_field(from, there, &table->fields[i],
					   expected + table->fields[i].offset);
			same = CHECK_MEM((uint8_t *)there->rows[id] + row * table->row_size,
					 expected, table->row_size);
		}
		free(expected);
	}
	return same;
}
