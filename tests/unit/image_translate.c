// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images between versions: fields are found by name, wherever they stand and however wide they are;
 * what one side does not know takes its default, is skipped and told, or is refused by name.
 */
#include <stdlib.h>
#include <string.h>
#include <roam/stats.h>
#include "harness.h"
#include "images.h"
#include "text.h"
#include "util.h"

#define FLOWS 20

struct versions {
	struct images_host here;
	struct images_host there;
	struct image_parts parts;
};

static void versions_setup(struct versions *self)
{
	struct image_bytes image;

	srandom(harness_seed());
	images_make(&self->here, FLOWS);
	images_there(&self->there);
	images_write(&self->here, &image);
	CHECK_OK(image_parts_take(image.at, image.len, &self->parts));
	image_bytes_free(&image);
}

static void versions_teardown(struct versions *self)
{
	image_parts_free(&self->parts);
	images_free(&self->here);
	images_free(&self->there);
}

static struct image_field field(const char *name, enum field_kind kind, uint16_t size,
				uint16_t count)
{
	struct image_field made = { .kind = kind, .size = size, .count = count };

	strncpy(made.name, name, sizeof(made.name) - 1);
	return made;
}

static void set_all(void *rows, enum schema_table_id table, const char *name, uint64_t value)
{
	const struct schema_field *at = schema_field(&schema_tables[table], name);

	for (uint32_t i = 0; i < FLOWS; i++)
		memcpy((uint8_t *)rows + i * schema_tables[table].row_size + at->offset, &value,
		       at->size);
}

/* Takes a field out and puts it in again, at the end, in another width. */
static void widen(struct versions *self, const char *name, uint16_t size, uint16_t count,
		  const void *value)
{
	struct image_field old = *image_parts_field(&self->parts, "flow", name), wide = old;

	wide.size = size;
	wide.count = count;
	image_parts_drop(&self->parts, "flow", name);
	image_parts_append(&self->parts, "flow", &wide, value);
}

TEST_F(versions, a_field_stands_elsewhere)
{
	const uint8_t proto = 17;

	widen(self, "key.proto", 1, 1, &proto);
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	set_all(self->here.rows[TABLE_FLOW], TABLE_FLOW, "key.proto", proto);
	images_same(&self->here, &self->there);
	CHECK_STR(self->there.skipped, "");
}

/* A required number, wider than here, narrower, and wider with what does not fit. */
TEST_F(versions, a_wider_field)
{
	const uint64_t proto = 6;

	widen(self, "key.proto", 8, 1, &proto);
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	set_all(self->here.rows[TABLE_FLOW], TABLE_FLOW, "key.proto", proto);
	images_same(&self->here, &self->there);
}

TEST_F(versions, a_wider_field_that_does_not_fit)
{
	const uint32_t proto = 256 + 6;

	widen(self, "key.proto", 4, 1, &proto);
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -ERANGE);
	CHECK_STR(fail_line(), "image: flow.key.proto holds more than fits here");
}

TEST_F(versions, a_narrower_field)
{
	const uint16_t end = 0xfedc;

	widen(self, "flow.tcp[0].end", 2, 1, &end);
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	set_all(self->here.rows[TABLE_FLOW], TABLE_FLOW, "flow.tcp[0].end", end);
	images_same(&self->here, &self->there);
}

TEST_F(versions, more_elements_that_are_zero)
{
	const uint64_t packets[3] = { 5, 7, 0 };
	const struct roam_flow_rec *flow;

	widen(self, "flow.packets", 8, 3, packets);
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	flow = self->there.rows[TABLE_FLOW];
	CHECK_EQ(flow[FLOWS - 1].flow.side[0].packets, 5);
	CHECK_EQ(flow[FLOWS - 1].flow.side[1].packets, 7);
}

TEST_F(versions, more_elements_that_are_not)
{
	const uint64_t packets[3] = { 5, 7, 1 };

	widen(self, "flow.packets", 8, 3, packets);
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -ERANGE);
	CHECK_HAS(fail_line(), "flow.flow.packets");
}

TEST_F(versions, fewer_elements)
{
	const uint32_t packets = 5;
	const struct roam_flow_rec *flow;

	widen(self, "flow.packets", 4, 1, &packets);
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	flow = self->there.rows[TABLE_FLOW];
	CHECK_EQ(flow->flow.side[0].packets, 5);
	CHECK_EQ(flow->flow.side[1].packets, 0);
}

TEST_F(versions, an_optional_field_is_missing)
{
	image_parts_drop(&self->parts, "flow", "flow.created_ns");
	image_parts_drop(&self->parts, "vm", "quota_flows");
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	set_all(self->here.rows[TABLE_FLOW], TABLE_FLOW, "flow.created_ns", 0);
	((struct roam_vm *)self->here.rows[TABLE_VM])->quota_flows = 0;
	images_same(&self->here, &self->there);
	CHECK_STR(self->there.skipped, "");
}

/* Every field of every table, missing. */
TEST(any_field_is_missing)
{
	for (int table = 0; table < TABLE_COUNT; table++) {
		for (uint16_t i = 0; i < schema_tables[table].field_count; i++) {
			const struct schema_field *gone = &schema_tables[table].fields[i];
			struct versions self = {};

			versions_setup(&self);
			image_parts_drop(&self.parts, schema_tables[table].name, gone->name);
			CHECK_EQ(images_read_parts(&self.parts, &self.there),
				 gone->required && !gone->may_miss ? -EPROTO : 0);
			if (gone->required && !gone->may_miss)
				CHECK_HAS(fail_line(), gone->name);
			versions_teardown(&self);
		}
	}
}

TEST_F(versions, an_optional_field_is_unknown)
{
	struct image_field new = field("flow.mood", FIELD_UINT, 3, 2);

	image_parts_append(&self->parts, "flow", &new, "abcdef");
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	images_same(&self->here, &self->there);
	CHECK_STR(self->there.skipped, "flow.flow.mood ");
}

TEST_F(versions, a_required_field_is_unknown_and_zero)
{
	struct image_field new = field("flow.mood", FIELD_UINT, 4, 1);

	new.required = 1;
	image_parts_append(&self->parts, "flow", &new, "\0\0\0");
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	images_same(&self->here, &self->there);
	CHECK_STR(self->there.skipped, "flow.flow.mood ");
}

TEST_F(versions, a_required_field_is_unknown_and_not_zero)
{
	struct image_field new = field("flow.mood", FIELD_UINT, 4, 1);

	new.required = 1;
	image_parts_append(&self->parts, "flow", &new, "\0\0\0\1");
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -EPROTO);
	CHECK_STR(fail_line(), "image: flow.flow.mood is required and unknown here");
}

TEST_F(versions, another_kind)
{
	image_parts_field(&self->parts, "flow", "key.lport")->kind = FIELD_UINT;
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -EPROTO);
	CHECK_STR(fail_line(), "image: flow.key.lport is of another kind than here");
}

TEST_F(versions, another_size_of_what_is_no_number)
{
	widen(self, "key.local", 4, 1, "\x7f\0\0\1");
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -EPROTO);
	CHECK_STR(fail_line(), "image: flow.key.local is of another size than here");
}

/* ---- tables ---- */

/* A table of one field with rows, behind everything. */
static void add_table(struct image_parts *parts, const char *name, bool required, uint32_t value)
{
	struct {
		struct image_schema schema;
		struct image_field field;
	} section = {
		.schema = { .fields = 1, .row_size = sizeof(value) },
		.field = field("mood", FIELD_UINT, sizeof(value), 1),
	};
	struct {
		struct image_rows head;
		uint32_t value[2];
	} rows = { { 0, 0, 2, 2 * sizeof(value) }, { 0, value } };
	struct image_part schema_part = { IMAGE_SCHEMA, sizeof(section), (uint8_t *)&section };
	struct image_part rows_part = { IMAGE_ROWS, sizeof(rows), (uint8_t *)&rows };

	strncpy(section.schema.name, name, sizeof(section.schema.name) - 1);
	section.field.required = required;
	for (uint32_t i = 0; i < parts->count; i++)
		rows.head.table += parts->part[i].type == IMAGE_SCHEMA;
	image_parts_insert(parts, parts->count, &schema_part);
	image_parts_insert(parts, parts->count, &rows_part);
}

TEST_F(versions, an_unknown_table)
{
	add_table(&self->parts, "moods", false, 5);
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	images_same(&self->here, &self->there);
	CHECK_STR(self->there.skipped, "moods.mood ");
}

TEST_F(versions, an_unknown_table_whose_rows_decide)
{
	add_table(&self->parts, "moods", true, 5);
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -EPROTO);
	CHECK_STR(fail_line(), "image: moods.mood is required and unknown here");
}

TEST_F(versions, a_table_is_missing)
{
	struct image_parts *parts = &self->parts;
	uint32_t at = image_parts_schema(parts, "stats") - parts->part;

	while (parts->count > at)
		image_parts_remove(parts, at);
	CHECK_OK(images_read_parts(parts, &self->there));
	CHECK_EQ(self->there.ended, (1U << TABLE_COUNT) - 1);
	self->here.count[TABLE_STATS] = 0;
	images_same(&self->here, &self->there);
}

/* ---- names ---- */

/* The names that the image has for the numbers of a field. */
static char (*names_of(struct versions *self, const char *name))[IMAGE_LIST_NAME_LEN]
{
	struct image_field *found = image_parts_field(&self->parts, "flow", name);

	return (char(*)[IMAGE_LIST_NAME_LEN])((uint8_t *)(found + 1) + sizeof(uint16_t));
}

TEST_F(versions, the_same_names_with_other_numbers)
{
	struct roam_flow_rec *flow = self->here.rows[TABLE_FLOW];
	char(*names)[IMAGE_LIST_NAME_LEN] = names_of(self, "flow.state"), swap[sizeof(*names)];

	memcpy(swap, names[ROAM_CT_ESTABLISHED], sizeof(swap));
	memcpy(names[ROAM_CT_ESTABLISHED], names[ROAM_CT_UDP_NEW], sizeof(swap));
	memcpy(names[ROAM_CT_UDP_NEW], swap, sizeof(swap));
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	for (uint32_t i = 0; i < FLOWS; i++) {
		if (flow[i].flow.state == ROAM_CT_ESTABLISHED)
			flow[i].flow.state = ROAM_CT_UDP_NEW;
		else if (flow[i].flow.state == ROAM_CT_UDP_NEW)
			flow[i].flow.state = ROAM_CT_ESTABLISHED;
	}
	images_same(&self->here, &self->there);
}

/* An unknown name hurts nobody until a row needs it. */
TEST_F(versions, an_unknown_name_in_the_list_only)
{
	*image_parts_at(&self->parts, "flow", "flow.state", 0) = ROAM_CT_CLOSE;
	for (uint32_t i = 1; i < FLOWS; i++)
		*image_parts_at(&self->parts, "flow", "flow.state", i) = ROAM_CT_SYN_SENT;
	strcpy(names_of(self, "flow.state")[ROAM_CT_ESTABLISHED], "melancholic");
	CHECK_OK(images_read_parts(&self->parts, &self->there));
}

TEST_F(versions, an_unknown_name_that_decides)
{
	*image_parts_at(&self->parts, "flow", "flow.state", 3) = ROAM_CT_ESTABLISHED;
	strcpy(names_of(self, "flow.state")[ROAM_CT_ESTABLISHED], "melancholic");
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -EPROTO);
	CHECK_STR(fail_line(), "image: flow.flow.state is 'melancholic', which is unknown here");
}

TEST_F(versions, a_number_without_a_name)
{
	*image_parts_at(&self->parts, "flow", "flow.state", 3) = ROAM_CT_STATE_COUNT;
	CHECK_EQ(images_read_parts(&self->parts, &self->there), -EBADMSG);
	CHECK_HAS(fail_line(), "which has no name");
}

/* Of a counter the name is optional: what this build has no name for is left out. */
TEST_F(versions, an_unknown_reason)
{
	struct image_field *found = image_parts_field(&self->parts, "stats", "reason");
	char *names = (char *)(found + 1) + sizeof(uint16_t);
	uint32_t rows = self->here.count[TABLE_STATS];
	const struct roam_stats_rec *stats;

	for (unsigned int i = 0; i < text_reason.count; i++)
		strcpy(names + i * IMAGE_LIST_NAME_LEN, "melancholic");
	CHECK_OK(images_read_parts(&self->parts, &self->there));
	stats = self->there.rows[TABLE_STATS];
	CHECK_EQ(self->there.count[TABLE_STATS], rows);
	for (uint32_t i = 0; i < rows; i++)
		CHECK_EQ(stats[i].reason, ROAM_REASON_NONE);
}
