// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* From an image's schema to this build's structs: see image_plan.h. */
#include <string.h>
#include <roam/ct.h>
#include "image_plan.h"
#include "text.h"
#include "util.h"

/*
 * An age of more than 146 years is nobody's. What was seen after the save had begun has an age
 * below zero, and no save takes a day; a flow from further in the future would not time out before
 * then.
 */
#define AGE_MAX   (1LL << 62)
#define AGE_MIN   (-86400LL * (int64_t)NS_PER_S)
#define UNTIL_MIN (-400LL * 86400 * (int64_t)NS_PER_S) /* longer than any block may be */

#define NO_VALUE 0xff

enum step_kind {
	STEP_COPY,
	STEP_NUMBER, /* other size or count than here, or no neighbours here */
	STEP_ENUM,
	STEP_NAME,
	STEP_AGE,
	STEP_REFERENCE, /* RULE, ZONE, GEN */
	STEP_ZERO,      /* unknown here, but required: must hold nothing */
};

struct step {
	uint8_t kind;
	uint8_t field_kind;
	uint8_t required;
	uint16_t from;
	uint16_t to;
	uint16_t size; /* of an element in the image; of the whole run for COPY and ZERO */
	uint16_t to_size;
	uint16_t count;
	uint16_t to_count;
	uint16_t to_stride;
	char name[sizeof(((struct image_field *)0)->name)];
	uint8_t *values; /* ENUM: this build's value, or NO_VALUE, by the image's */
	uint16_t value_count;
	char (*value_names)[IMAGE_LIST_NAME_LEN];
};

struct image_plan {
	enum schema_table_id table;
	char name[sizeof(((struct image_schema *)0)->name)];
	uint16_t row_size;
	uint16_t steps;
	uint8_t covered[IMAGE_ROW_MAX];
	struct step step[IMAGE_FIELDS_MAX];
};

/* What is left of a section. */
struct cursor {
	const uint8_t *at;
	uint32_t left;
};

static bool take(struct cursor *cursor, void *to, uint32_t size)
{
	if (cursor->left < size)
		return false;
	memcpy(to, cursor->at, size);
	cursor->at += size;
	cursor->left -= size;
	return true;
}

static bool is_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (!len || len == size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '!' || text[i] > '~')
			return false;
	}
	return true;
}

void image_plan_free(struct image_plan *plan)
{
	if (!plan)
		return;
	for (uint16_t i = 0; i < plan->steps; i++) {
		free(plan->step[i].values);
		free(plan->step[i].value_names);
	}
	free(plan);
}

enum schema_table_id image_plan_table(const struct image_plan *plan)
{
	return plan->table;
}

uint32_t image_plan_row_size(const struct image_plan *plan)
{
	return plan->row_size;
}

static int check_place(struct image_plan *plan, const struct image_field *field)
{
	uint32_t size = (uint32_t)field->size * field->count;

	if (!size || field->offset + size > plan->row_size)
		return fail(-EBADMSG, "image: %s.%s lies outside of its row", plan->name,
			    field->name);
	for (uint32_t i = field->offset; i < field->offset + size; i++) {
		if (plan->covered[i]++)
			return fail(-EBADMSG, "image: %s.%s overlaps another field", plan->name,
				    field->name);
	}
	for (uint16_t i = 0; i < plan->steps; i++) {
		if (!strcmp(plan->step[i].name, field->name))
			return fail(-EBADMSG, "image: %s.%s is there twice", plan->name,
				    field->name);
	}
	return 0;
}

static int take_list(struct image_plan *plan, struct step *step, struct cursor *cursor)
{
	uint16_t count;

	if (!take(cursor, &count, sizeof(count)) || !count || count > IMAGE_LIST_MAX)
		return fail(-EBADMSG, "image: the names of %s.%s are cut short or too many",
			    plan->name, step->name);
	step->value_names = calloc(count, IMAGE_LIST_NAME_LEN);
	step->values = malloc(count);
	if (!step->value_names || !step->values)
		return fail(-ENOMEM, "image: out of memory");
	step->value_count = count;
	for (uint16_t i = 0; i < count; i++) {
		if (!take(cursor, step->value_names[i], IMAGE_LIST_NAME_LEN) ||
		    !is_text(step->value_names[i], IMAGE_LIST_NAME_LEN))
			return fail(-EBADMSG, "image: a name of %s.%s is no name", plan->name,
				    step->name);
		step->values[i] = NO_VALUE;
	}
	return 0;
}

static void map_list(struct step *step, const char *list_name)
{
	const struct text_enum *list = text_enum_by_name(list_name);

	for (uint16_t i = 0; i < step->value_count; i++) {
		for (unsigned int j = 0; j < list->count; j++) {
			if (!strcmp(step->value_names[i], list->text[j]))
				step->values[i] = j;
		}
	}
}

/* How a field that this build knows gets to its place. */
static int choose_step(struct image_plan *plan, struct step *step, const struct schema_field *here)
{
	bool same = step->size == here->size && step->count == here->count;

	step->to = here->offset;
	step->to_size = here->size;
	step->to_count = here->count;
	step->to_stride = here->stride;
	step->required = here->required;
	if (step->field_kind != here->kind)
		return fail(-EPROTO, "image: %s.%s is of another kind than here", plan->name,
			    step->name);
	switch (here->kind) {
	case FIELD_UINT:
		step->kind = same && here->stride == here->size ? STEP_COPY : STEP_NUMBER;
		if (step->size > sizeof(uint64_t) || (step->size & (step->size - 1)))
			break;
		return 0;
	case FIELD_ENUM:
		step->kind = STEP_ENUM;
		map_list(step, here->list);
		if (step->size != 1 || step->count > here->count)
			break;
		return 0;
	case FIELD_NAME:
		step->kind = STEP_NAME;
		break;
	case FIELD_AGE:
	case FIELD_UNTIL:
		step->kind = STEP_AGE;
		break;
	case FIELD_RULE:
	case FIELD_ZONE:
	case FIELD_GEN:
	case FIELD_SERVICE:
		step->kind = STEP_REFERENCE;
		break;
	default:
		step->kind = STEP_COPY;
	}
	if (!same)
		return fail(-EPROTO, "image: %s.%s is of another size than here", plan->name,
			    step->name);
	return 0;
}

static int add_field(struct image_plan *plan, struct cursor *cursor, const struct image_sink *sink)
{
	const struct schema_field *here = NULL;
	struct step *step = &plan->step[plan->steps];
	struct image_field field;
	int err;

	if (!take(cursor, &field, sizeof(field)) || !is_text(field.name, sizeof(field.name)) ||
	    field.kind >= FIELD_KINDS || field.required > 1)
		return fail(-EBADMSG, "image: a field of %s is not one", plan->name);
	err = check_place(plan, &field);
	if (err)
		return err;
	*step = (struct step){
		.field_kind = field.kind,
		.required = field.required,
		.from = field.offset,
		.size = field.size,
		.count = field.count,
	};
	memcpy(step->name, field.name, sizeof(step->name));
	plan->steps++;
	if (field.kind == FIELD_ENUM)
		err = take_list(plan, step, cursor);
	if (err)
		return err;
	if (plan->table != TABLE_COUNT)
		here = schema_field(&schema_tables[plan->table], field.name);
	if (here)
		return choose_step(plan, step, here);
	step->kind = STEP_ZERO;
	step->size = field.size * field.count;
	if (sink->skipped)
		sink->skipped(plan->name, field.name, sink->arg);
	return 0;
}

static int check_missing(const struct image_plan *plan)
{
	const struct schema_table *table = &schema_tables[plan->table];

	for (uint16_t i = 0; i < table->field_count; i++) {
		bool found = false;

		for (uint16_t j = 0; j < plan->steps; j++)
			found = found || !strcmp(plan->step[j].name, table->fields[i].name);
		if (!found && table->fields[i].required && !table->fields[i].may_miss)
			return fail(-EPROTO, "image: %s.%s is missing", plan->name,
				    table->fields[i].name);
	}
	return 0;
}

/* Neighbouring copies become one: every step is taken for every row. */
static void merge_copies(struct image_plan *plan)
{
	uint16_t steps = plan->steps, kept = 0;

	for (uint16_t i = 0; i < steps; i++) {
		struct step step = plan->step[i], *last = kept ? &plan->step[kept - 1] : NULL;

		if (step.kind == STEP_COPY) {
			step.size *= step.count;
			step.count = 1;
		}
		if (step.kind == STEP_COPY && last && last->kind == STEP_COPY &&
		    last->from + last->size == step.from && last->to + last->size == step.to)
			last->size += step.size;
		else
			plan->step[kept++] = step;
	}
	plan->steps = kept;
}

static int fill_plan(struct image_plan *plan, struct cursor *cursor, const struct image_sink *sink)
{
	struct image_schema schema;
	int err = 0;

	if (!take(cursor, &schema, sizeof(schema)) || !is_text(schema.name, sizeof(schema.name)))
		return fail(-EBADMSG, "image: a table without a name");
	memcpy(plan->name, schema.name, sizeof(plan->name));
	if (!schema.fields || schema.fields > IMAGE_FIELDS_MAX || !schema.row_size ||
	    schema.row_size > IMAGE_ROW_MAX || schema.reserved)
		return fail(-EBADMSG, "image: table %s has absurd dimensions", plan->name);
	plan->row_size = schema.row_size;
	for (plan->table = 0; plan->table < TABLE_COUNT; plan->table++) {
		if (!strcmp(schema_tables[plan->table].name, plan->name))
			break;
	}
	for (uint16_t i = 0; i < schema.fields && !err; i++)
		err = add_field(plan, cursor, sink);
	if (err)
		return err;
	for (uint16_t i = 0; i < plan->row_size; i++) {
		if (!plan->covered[i])
			return fail(-EBADMSG, "image: a gap in the rows of %s", plan->name);
	}
	if (cursor->left)
		return fail(-EBADMSG, "image: bytes behind the fields of %s", plan->name);
	err = plan->table == TABLE_COUNT ? 0 : check_missing(plan);
	if (!err)
		merge_copies(plan);
	return err;
}

int image_plan_make(const uint8_t *section, uint32_t size, const struct image_sink *sink,
		    struct image_plan **ret_plan)
{
	struct image_plan *plan = calloc(1, sizeof(*plan));
	struct cursor cursor = { section, size };
	int err;

	if (!plan)
		return fail(-ENOMEM, "image: out of memory");
	err = fill_plan(plan, &cursor, sink);
	if (err)
		image_plan_free(plan);
	else
		*ret_plan = plan;
	return err;
}

static uint64_t read_number(const uint8_t *at, uint16_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

/* A number of another width, or more or fewer of them: what does not fit must be zero. */
static int decode_number(const struct image_plan *plan, const struct step *step, const uint8_t *row,
			 uint8_t *to)
{
	for (uint16_t i = 0; i < step->count; i++) {
		uint64_t value = read_number(row + step->from + i * step->size, step->size);
		bool fits = step->to_size >= sizeof(value) || !(value >> (8 * step->to_size));

		if (value && (i >= step->to_count || !fits))
			return fail(-ERANGE, "image: %s.%s holds more than fits here", plan->name,
				    step->name);
		if (i < step->to_count)
			memcpy(to + step->to + i * step->to_stride, &value, step->to_size);
	}
	return 0;
}

static int decode_enum(const struct image_plan *plan, const struct step *step, const uint8_t *row,
		       uint8_t *to)
{
	for (uint16_t i = 0; i < step->count; i++) {
		uint8_t value = row[step->from + i];

		if (value >= step->value_count)
			return fail(-EBADMSG, "image: %s.%s is %u, which has no name", plan->name,
				    step->name, value);
		if (step->values[value] == NO_VALUE && step->required)
			return fail(-EPROTO, "image: %s.%s is '%s', which is unknown here",
				    plan->name, step->name, step->value_names[value]);
		to[step->to + i] = step->values[value] == NO_VALUE ? 0 : step->values[value];
	}
	return 0;
}

static bool age_is_absurd(uint8_t field_kind, int64_t age)
{
	int64_t least = field_kind == FIELD_UNTIL ? UNTIL_MIN : AGE_MIN;

	return age != IMAGE_NEVER && (age > AGE_MAX || age < least);
}

/* Names are keys: an end, and nothing behind it. */
static int decode_name(const struct image_plan *plan, const struct step *step, const uint8_t *row,
		       uint8_t *to)
{
	const char *name = (const char *)row + step->from;

	for (size_t i = strnlen(name, step->size); i < step->size; i++) {
		if (name[i])
			return fail(-EBADMSG, "image: %s.%s goes on behind its end", plan->name,
				    step->name);
	}
	if (name[step->size - 1])
		return fail(-EBADMSG, "image: %s.%s has no end", plan->name, step->name);
	memcpy(to + step->to, name, step->size);
	return 0;
}

static int decode_reference(const struct image_plan *plan, const struct step *step,
			    const struct image_maps *maps, uint32_t *value)
{
	uint32_t zone = ROAM_ZONE_NO(*value);

	switch (step->field_kind) {
	case FIELD_RULE:
		if (*value >= maps->rule_count && *value)
			return fail(-EBADMSG, "image: %s.%s names a rule that is not in it",
				    plan->name, step->name);
		*value = *value ? maps->rule[*value] : 0;
		return 0;
	case FIELD_SERVICE:
		if (*value >= maps->service_count && *value)
			return fail(-EBADMSG, "image: %s.%s names a service that is not in it",
				    plan->name, step->name);
		*value = *value ? maps->service[*value] : 0;
		return 0;
	case FIELD_GEN:
		if (*value > 1)
			return fail(-EBADMSG, "image: %s.%s is neither 0 nor 1", plan->name,
				    step->name);
		*value = *value ? maps->gen : 0;
		return 0;
	default:
		if (zone >= maps->zone_count)
			return fail(-EBADMSG, "image: %s.%s names a port that is not in it",
				    plan->name, step->name);
		*value = ROAM_ZONE(maps->zone[zone], *value);
		return 0;
	}
}

static int run_step(const struct image_plan *plan, const struct step *step,
		    const struct image_maps *maps, const uint8_t *row, uint8_t *to)
{
	uint64_t then;
	uint32_t value;
	int64_t age;
	int err;

	switch (step->kind) {
	case STEP_COPY:
		memcpy(to + step->to, row + step->from, step->size);
		return 0;
	case STEP_NUMBER:
		return decode_number(plan, step, row, to);
	case STEP_ENUM:
		return decode_enum(plan, step, row, to);
	case STEP_NAME:
		return decode_name(plan, step, row, to);
	case STEP_AGE:
		memcpy(&age, row + step->from, sizeof(age));
		if (age_is_absurd(step->field_kind, age))
			return fail(-EBADMSG, "image: %s.%s is absurd", plan->name, step->name);
		then = age == IMAGE_NEVER ? 0 : maps->now_ns - (uint64_t)age;
		memcpy(to + step->to, &then, sizeof(then));
		return 0;
	case STEP_REFERENCE:
		memcpy(&value, row + step->from, sizeof(value));
		err = decode_reference(plan, step, maps, &value);
		memcpy(to + step->to, &value, sizeof(value));
		return err;
	default: /* STEP_ZERO */
		for (uint16_t i = 0; step->required && i < step->size; i++) {
			if (row[step->from + i])
				return fail(-EPROTO, "image: %s.%s is required and unknown here",
					    plan->name, step->name);
		}
		return 0;
	}
}

int image_plan_decode(const struct image_plan *plan, const struct image_maps *maps,
		      const uint8_t *row, void *ret_struct)
{
	int err = 0;

	for (uint16_t i = 0; i < plan->steps && !err; i++)
		err = run_step(plan, &plan->step[i], maps, row, ret_struct);
	return err;
}
