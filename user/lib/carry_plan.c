// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* From one layout to another, by field name: see carry_plan.h. */
#include <stdio.h>
#include <string.h>
#include "carry_text.h"
#include "util.h"

#define LIST_MAX 256 /* numbers of a list that is one byte in rows */

enum step_kind {
	STEP_COPY,   /* `size` bytes */
	STEP_NUMBER, /* of `size` bytes, `to_size` now */
	STEP_LIST,   /* a byte: `number` says what it is now */
	STEP_ZERO,   /* `size` bytes that have no place now */
};

struct step {
	enum step_kind kind;
	uint32_t from;
	uint32_t to;
	uint32_t size;
	uint32_t to_size;
	const int *number; /* by the old one; of the plan */
	char name[64];
};

struct carry_plan {
	char type[64];
	uint32_t old_size;
	uint32_t new_size;
	struct step *step;
	uint32_t count;
	uint32_t room;
	int *lists[16]; /* what steps refer to */
	uint32_t list_count;
};

/* ---- making a plan ---- */

struct making {
	const struct carry_texts *texts;
	struct carry_plan *plan;
};

static int add_step(struct carry_plan *plan, const struct step *step)
{
	struct step *last = plan->count ? &plan->step[plan->count - 1] : NULL;

	if (last && step->kind == STEP_COPY && last->kind == STEP_COPY &&
	    last->from + last->size == step->from && last->to + last->size == step->to) {
		last->size += step->size;
		return 0;
	}
	if (!plan->step || plan->count == plan->room) {
		uint32_t room = plan->room ? 2 * plan->room : 64;
		struct step *more = realloc(plan->step, room * sizeof(*more));

		if (!more)
			return fail(-ENOMEM, "host: out of memory");
		plan->step = more;
		plan->room = room;
	}
	plan->step[plan->count++] = *step;
	return 0;
}

/* What becomes of each number of a list, by the old one. */
static int make_list(struct making *making, const char *list, const int **ret_number)
{
	struct carry_plan *plan = making->plan;
	int *number;

	if (plan->list_count == ARRAY_SIZE(plan->lists))
		return fail(-EPROTO, "%s: more lists than can be carried over", plan->type);
	number = malloc(LIST_MAX * sizeof(*number));
	if (!number)
		return fail(-ENOMEM, "host: out of memory");
	for (int i = 0; i < LIST_MAX; i++)
		number[i] = carry_number(making->texts, list, i);
	plan->lists[plan->list_count++] = number;
	*ret_number = number;
	return 0;
}

static int add_struct(struct making *making, const char *type, uint32_t from, uint32_t to);

/* Elements of the old one that have no place, from number `first` on: they must be nothing. */
static int add_rest(struct making *making, const struct carry_field *old, uint32_t base,
		    uint32_t first)
{
	struct step step = {
		.kind = STEP_ZERO,
		.size = carry_size_of(making->texts->old, old->type),
	};
	int err = 0;

	snprintf(step.name, sizeof(step.name), "%s", old->name);
	for (uint32_t i = first; i < old->count && !err; i++) {
		step.from = base + old->at + i * old->stride;
		err = add_step(making->plan, &step);
	}
	return err;
}

static int add_elements(struct making *making, const struct carry_field *old,
			const struct carry_field *now, struct step step)
{
	uint32_t both = old->count < now->count ? old->count : now->count;
	uint32_t from = step.from, to = step.to;
	int err = 0;

	for (uint32_t i = 0; i < both && !err; i++) {
		step.from = from + i * old->stride;
		step.to = to + i * now->stride;
		err = add_step(making->plan, &step);
	}
	return err;
}

/* A field that both have; `from` and `to` are where their structs begin. */
static int add_field(struct making *making, const struct carry_field *old,
		     const struct carry_field *now, const uint32_t base[2])
{
	uint32_t both = old->count < now->count ? old->count : now->count;
	struct step step = {
		.from = base[0] + old->at,
		.to = base[1] + now->at,
		.size = carry_size_of(making->texts->old, old->type),
		.to_size = carry_size_of(making->texts->now, now->type),
	};
	char list[64];
	int err = 0;

	if (!step.size || !step.to_size ||
	    (step.size != step.to_size && !strncmp(now->type, "__be", 4)) ||
	    carry_is_struct(old->type) != carry_is_struct(now->type) ||
	    (carry_is_struct(now->type) && strcmp(old->type, now->type) != 0))
		return fail(-EPROTO, "%s.%s is of another type: it cannot be carried over",
			    making->plan->type, now->name);
	snprintf(step.name, sizeof(step.name), "%s", now->name);
	if (carry_is_struct(now->type)) {
		for (uint32_t i = 0; i < both && !err; i++)
			err = add_struct(making, now->type, step.from + i * old->stride,
					 step.to + i * now->stride);
	} else {
		step.kind = step.size == step.to_size ? STEP_COPY : STEP_NUMBER;
		if (carry_list_of(now, list) && step.size == 1 && step.to_size == 1 &&
		    carry_lists_differ(making->texts, list)) {
			step.kind = STEP_LIST;
			err = make_list(making, list, &step.number);
		}
		if (!err)
			err = add_elements(making, old, now, step);
	}
	return err ? err : add_rest(making, old, base[0], both);
}

static int add_missing(struct making *making, const struct carry_field *now)
{
	const char *need = strchr(now->mark, ':');

	if (need && !strncmp(need + 1, "required", 8))
		return fail(-EPROTO, "%s.%s is required, and the host's version has none",
			    making->plan->type, now->name);
	return 0;
}

/* Padding means nothing, and what an image may lack may be lost here, too. */
static int add_unknown(struct making *making, const struct carry_field *old, uint32_t base)
{
	const char *need = strchr(old->mark, ':');

	if (!strncmp(old->name, "pad", 3) || (need && !strncmp(need + 1, "optional", 8)))
		return 0;
	return add_rest(making, old, base, 0);
}

static int add_struct(struct making *making, const char *type, uint32_t from, uint32_t to)
{
	const char *old_part = carry_part(making->texts->old, type);
	const char *new_part = carry_part(making->texts->now, type);
	const uint32_t base[2] = { from, to };
	struct carry_walk olds, news, walk;
	struct carry_field old, now;
	int err = 0;

	if (!old_part || !new_part)
		return fail(-EPROTO, "%s is not in both versions: it cannot be carried over", type);
	olds = carry_walk_fields(making->texts->old, old_part);
	news = carry_walk_fields(making->texts->now, new_part);
	for (walk = news; !err && carry_walk_next(&walk, &now);)
		err = carry_find_field(olds, now.name, &old) ? add_field(making, &old, &now, base)
							     : add_missing(making, &now);
	for (walk = olds; !err && carry_walk_next(&walk, &old);)
		err = carry_find_field(news, old.name, &now) ? 0 : add_unknown(making, &old, from);
	return err;
}

/* A number, "__u32", is as it was. */
static int add_all(struct making *making, const char *type)
{
	struct step step = { .kind = STEP_COPY, .size = carry_size_of(making->texts->now, type) };

	return carry_is_struct(type) ? add_struct(making, type, 0, 0)
				     : add_step(making->plan, &step);
}

int carry_plan_make(const struct carry_texts *texts, const char *type, struct carry_plan **ret_plan)
{
	_cleanup_carry_plan_ struct carry_plan *plan = calloc(1, sizeof(*plan));
	struct making making = { texts, plan };
	int err;

	if (!plan)
		return fail(-ENOMEM, "host: out of memory");
	snprintf(plan->type, sizeof(plan->type), "%s", type);
	plan->old_size = carry_size_of(texts->old, type);
	plan->new_size = carry_size_of(texts->now, type);
	err = add_all(&making, type);
	if (!err)
		*ret_plan = TAKE_PTR(plan);
	return err;
}

void carry_plan_free(struct carry_plan *plan)
{
	if (!plan)
		return;
	for (uint32_t i = 0; i < plan->list_count; i++)
		free(plan->lists[i]);
	free(plan->step);
	free(plan);
}

uint32_t carry_old_size(const struct carry_plan *plan)
{
	return plan->old_size;
}

uint32_t carry_new_size(const struct carry_plan *plan)
{
	return plan->new_size;
}

/* ---- a row ---- */

bool carry_is_zero(const void *row, size_t size)
{
	const uint8_t *bytes = row;
	uint8_t any = 0;

	for (size_t i = 0; i < size; i++)
		any |= bytes[i];
	return !any;
}

static int no_place(const struct carry_plan *plan, const struct step *step)
{
	return fail(-EPROTO, "%s.%s holds what this version has no place for", plan->type,
		    step->name);
}

static int run_step(const struct carry_plan *plan, const struct step *step, const uint8_t *from,
		    uint8_t *to)
{
	uint32_t size = step->size < step->to_size ? step->size : step->to_size;

	switch (step->kind) {
	case STEP_COPY:
		memcpy(to, from, step->size);
		return 0;
	case STEP_NUMBER: /* little-endian */
		memcpy(to, from, size);
		return carry_is_zero(from + size, step->size - size) ? 0 : no_place(plan, step);
	case STEP_LIST:
		if (step->number[*from] < 0)
			return no_place(plan, step);
		*to = step->number[*from];
		return 0;
	default: /* STEP_ZERO */
		return carry_is_zero(from, step->size) ? 0 : no_place(plan, step);
	}
}

int carry_row(const struct carry_plan *plan, const void *old, void *ret_new)
{
	int err = 0;

	memset(ret_new, 0, plan->new_size);
	for (uint32_t i = 0; i < plan->count && !err; i++) {
		const struct step *step = &plan->step[i];

		err = run_step(plan, step, (const uint8_t *)old + step->from,
			       (uint8_t *)ret_new + step->to);
	}
	return err;
}
