// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images that are right to the last bit of their checksum, and absurd: each is refused with a line
 * that says what is wrong with it.
 */
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "images.h"
#include "util.h"

#define FLOWS 5

struct absurd {
	struct images_host here;
	struct images_host there;
	struct image_parts parts;
};

static void absurd_setup(struct absurd *self)
{
	struct image_bytes image;

	srandom(harness_seed());
	images_make(&self->here, FLOWS);
	images_there(&self->there);
	images_write(&self->here, &image);
	CHECK_OK(image_parts_take(image.at, image.len, &self->parts));
	image_bytes_free(&image);
}

static void absurd_teardown(struct absurd *self)
{
	image_parts_free(&self->parts);
	images_free(&self->here);
	images_free(&self->there);
}

static struct image_schema *schema_of(struct absurd *self, const char *table)
{
	return (struct image_schema *)image_parts_schema(&self->parts, table)->bytes;
}

static struct image_field *field_of(struct absurd *self, const char *table, const char *field)
{
	return image_parts_field(&self->parts, table, field);
}

static struct image_rows *rows_of(struct absurd *self, const char *table)
{
	return (struct image_rows *)image_parts_rows(&self->parts, table)->bytes;
}

static uint8_t *at(struct absurd *self, const char *field)
{
	return image_parts_at(&self->parts, "flow", field, FLOWS - 1);
}

static void magic(struct absurd *self)
{
	self->parts.start.magic[0] = 'R';
}

static void version(struct absurd *self)
{
	self->parts.start.version = 2;
}

static void second_header(struct absurd *self)
{
	image_parts_insert(&self->parts, 1, &self->parts.part[0]);
}

static void no_header(struct absurd *self)
{
	image_parts_remove(&self->parts, 0);
}

static void short_header(struct absurd *self)
{
	self->parts.part[0].size--;
}

static void header_name(struct absurd *self)
{
	self->parts.part[0].bytes[0] = '-';
}

static void header_name_goes_on(struct absurd *self)
{
	memcpy(self->parts.part[0].bytes, "vm\0evil", 8);
}

static void unknown_section(struct absurd *self)
{
	struct image_part part = { 99, 0, (uint8_t *)"" };

	image_parts_insert(&self->parts, 1, &part);
}

static void table_twice(struct absurd *self)
{
	image_parts_insert(&self->parts, self->parts.count,
			   image_parts_schema(&self->parts, "flow"));
}

static void tables_turned_round(struct absurd *self)
{
	struct image_part *flow, swap;

	/* Schemas alone: no rows between them. */
	for (uint32_t i = self->parts.count; i--;) {
		if (self->parts.part[i].type == IMAGE_ROWS)
			image_parts_remove(&self->parts, i);
	}
	flow = image_parts_schema(&self->parts, "flow");
	swap = flow[0];
	flow[0] = flow[1];
	flow[1] = swap;
}

static void too_many_tables(struct absurd *self)
{
	for (int i = 0; i < IMAGE_TABLES_MAX; i++) {
		image_parts_insert(&self->parts, self->parts.count,
				   image_parts_schema(&self->parts, "flow"));
		((struct image_schema *)self->parts.part[self->parts.count - 1].bytes)->name[0] =
			'A' + i;
	}
}

static void table_without_a_name(struct absurd *self)
{
	schema_of(self, "stats")->name[0] = '\0';
}

static void no_fields(struct absurd *self)
{
	schema_of(self, "flow")->fields = 0;
}

static void absurd_fields(struct absurd *self)
{
	schema_of(self, "flow")->fields = UINT16_MAX;
}

static void more_fields_than_there_are(struct absurd *self)
{
	schema_of(self, "flow")->fields++;
}

static void fewer_fields_than_there_are(struct absurd *self)
{
	schema_of(self, "flow")->fields--;
}

static void absurd_row(struct absurd *self)
{
	schema_of(self, "flow")->row_size = IMAGE_ROW_MAX + 1;
}

static void gap_in_the_row(struct absurd *self)
{
	schema_of(self, "flow")->row_size++;
}

static void overlap(struct absurd *self)
{
	field_of(self, "flow", "key.remote")->offset = 0;
}

static void outside(struct absurd *self)
{
	field_of(self, "flow", "key.remote")->offset = UINT16_MAX;
}

static void absurd_count(struct absurd *self)
{
	field_of(self, "flow", "flow.packets")->count = UINT16_MAX;
}

static void no_count(struct absurd *self)
{
	field_of(self, "flow", "flow.packets")->count = 0;
}

static void unknown_kind(struct absurd *self)
{
	field_of(self, "flow", "flow.packets")->kind = FIELD_KINDS;
}

static void need_is_neither(struct absurd *self)
{
	field_of(self, "flow", "flow.packets")->required = 2;
}

static void field_twice(struct absurd *self)
{
	strcpy(field_of(self, "flow", "flow.packets")->name, "flow.bytes");
}

static void field_without_an_end(struct absurd *self)
{
	memset(field_of(self, "flow", "flow.packets")->name, 'a', 48);
}

static uint8_t *list_of_states(struct absurd *self)
{
	return (uint8_t *)(field_of(self, "flow", "flow.state") + 1);
}

static void no_names(struct absurd *self)
{
	memset(list_of_states(self), 0, 2);
}

static void absurd_names(struct absurd *self)
{
	memset(list_of_states(self), 0xff, 2);
}

static void name_that_is_none(struct absurd *self)
{
	list_of_states(self)[2] = ' ';
}

static void rows_of_another_table(struct absurd *self)
{
	rows_of(self, "flow")->table--;
}

static void rows_without_a_table(struct absurd *self)
{
	image_parts_insert(&self->parts, 1, image_parts_rows(&self->parts, "flow"));
}

static void no_rows(struct absurd *self)
{
	rows_of(self, "flow")->rows = 0;
}

static void absurd_rows(struct absurd *self)
{
	rows_of(self, "flow")->rows = UINT32_MAX;
}

static void more_rows_than_there_are(struct absurd *self)
{
	rows_of(self, "flow")->rows++;
}

static void rows_and_size_agree_but_not_the_block(struct absurd *self)
{
	rows_of(self, "flow")->rows++;
	rows_of(self, "flow")->raw_size += schema_of(self, "flow")->row_size;
}

static void absurd_size(struct absurd *self)
{
	rows_of(self, "flow")->raw_size = UINT32_MAX;
}

static void unknown_flag(struct absurd *self)
{
	rows_of(self, "flow")->flags = 2;
}

static void plain_rows_said_to_be_packed(struct absurd *self)
{
	rows_of(self, "flow")->flags = IMAGE_ROWS_ZSTD;
}

static void head_cut_short(struct absurd *self)
{
	image_parts_rows(&self->parts, "flow")->size = 11;
}

static void name_without_an_end(struct absurd *self)
{
	memset(image_parts_at(&self->parts, "vm", "name", 0), 'a', ROAM_NAME_LEN);
}

static void name_goes_on(struct absurd *self)
{
	memcpy(image_parts_at(&self->parts, "acl", "rule.name", 0), "ssh\0evil", 9);
}

static void absurd_age(struct absurd *self)
{
	memset(at(self, "flow.seen_ns"), 0x7f, 8);
}

static void age_of_the_future(struct absurd *self)
{
	int64_t age = -2 * 86400 * (int64_t)NS_PER_S;

	memcpy(at(self, "flow.seen_ns"), &age, sizeof(age));
}

static void absurd_rule(struct absurd *self)
{
	memcpy(at(self, "flow.rule"), &(uint32_t){ 10 }, sizeof(uint32_t));
}

static void absurd_zone(struct absurd *self)
{
	memcpy(at(self, "key.zone"), &(uint32_t){ ROAM_ZONE(3, 0) }, sizeof(uint32_t));
}

static void absurd_generation(struct absurd *self)
{
	memcpy(at(self, "flow.gen"), &(uint32_t){ 2 }, sizeof(uint32_t));
}

static const struct change {
	const char *name;
	void (*make)(struct absurd *self);
	const char *line;
} changes[] = {
	{ "magic", magic, "this is none" },
	{ "version", version, "format version 2 is not known" },
	{ "second header", second_header, "a second header" },
	{ "no header", no_header, "a table before the header" },
	{ "short header", short_header, "of the wrong size" },
	{ "header's name", header_name, "the header's names are none" },
	{ "header's name goes on", header_name_goes_on, "the header's names are none" },
	{ "unknown section", unknown_section, "a section of unknown type 99" },
	{ "table twice", table_twice, "table flow twice or out of order" },
	{ "tables out of order", tables_turned_round, "table flow twice or out of order" },
	{ "too many tables", too_many_tables, "more than 32 tables" },
	{ "table without a name", table_without_a_name, "a table without a name" },
	{ "no fields", no_fields, "table flow has absurd dimensions" },
	{ "absurd number of fields", absurd_fields, "table flow has absurd dimensions" },
	{ "too few fields", more_fields_than_there_are, "a field of flow is not one" },
	{ "too many fields", fewer_fields_than_there_are, "flow" },
	{ "absurd row", absurd_row, "table flow has absurd dimensions" },
	{ "gap", gap_in_the_row, "a gap in the rows of flow" },
	{ "overlap", overlap, "flow.key.remote overlaps another field" },
	{ "outside", outside, "flow.key.remote lies outside of its row" },
	{ "absurd count", absurd_count, "flow.flow.packets lies outside of its row" },
	{ "no count", no_count, "flow.flow.packets lies outside of its row" },
	{ "unknown kind", unknown_kind, "a field of flow is not one" },
	{ "neither required nor optional", need_is_neither, "a field of flow is not one" },
	{ "field twice", field_twice, "flow.flow.bytes is there twice" },
	{ "field without an end", field_without_an_end, "a field of flow is not one" },
	{ "no names", no_names, "the names of flow.flow.state are cut short or too many" },
	{ "absurd names", absurd_names, "the names of flow.flow.state are cut short or too many" },
	{ "no name", name_that_is_none, "a name of flow.flow.state is no name" },
	{ "rows of another table", rows_of_another_table,
	  "rows of a table that is not the current" },
	{ "rows without a table", rows_without_a_table, "rows of a table that is not the current" },
	{ "no rows", no_rows, "a block with an absurd head" },
	{ "absurd rows", absurd_rows, "a block with an absurd head" },
	{ "too few rows", more_rows_than_there_are, "a block with an absurd head" },
	{ "too small a block", rows_and_size_agree_but_not_the_block, "a block of the wrong size" },
	{ "absurd size", absurd_size, "a block with an absurd head" },
	{ "unknown flag", unknown_flag, "a block with an absurd head" },
	{ "not packed", plain_rows_said_to_be_packed, "a block that is not one frame of zstd" },
	{ "head cut short", head_cut_short, "a block without a head" },
	{ "name without an end", name_without_an_end, "vm.name has no end" },
	{ "name goes on", name_goes_on, "acl.rule.name goes on behind its end" },
	{ "absurd age", absurd_age, "flow.flow.seen_ns is absurd" },
	{ "age of the future", age_of_the_future, "flow.flow.seen_ns is absurd" },
	{ "absurd rule", absurd_rule, "flow.flow.rule names a rule that is not in it" },
	{ "absurd zone", absurd_zone, "flow.key.zone names a port that is not in it" },
	{ "absurd generation", absurd_generation, "flow.flow.gen is neither 0 nor 1" },
};

TEST_EACH_F(absurd, is_refused, changes)
{
	row->make(self);
	CHECK(images_read_parts(&self->parts, &self->there) < 0);
	CHECK_HAS(fail_line(), row->line);
}
