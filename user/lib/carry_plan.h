/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From one layout to another: rows of a host's maps as another build has them, translated by field
 * name as those of an image are (docs/image.md), for host_upgrade.h. What a struct looks like is
 * read from the texts of both builds (layout.h). Numbers of VMs, rules and the like stay: it is the
 * same host.
 *
 * A field that is missing is 0, unless it is one that an image must have; one that is unknown must
 * be 0, unless an image may lack it; a number of a list goes by its name.
 */
#ifndef ROAM_LIB_CARRY_PLAN_H
#define ROAM_LIB_CARRY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct carry_texts {
	const char *old;
	const char *now;
};

/* The part "struct NAME" or "enum NAME" or "map NAME" of a text, or NULL. */
const char *carry_part(const char *text, const char *name);
/* The length of a part, with its end. */
size_t carry_part_len(const char *part);

/* Whether the type, and all that is in it, is the same in both. */
bool carry_same(const struct carry_texts *texts, const char *type);

/* Whether a list is another one. */
bool carry_lists_differ(const struct carry_texts *texts, const char *list);

/* The number that a list's number of the old text has now, or -1. */
int carry_number(const struct carry_texts *texts, const char *list, int number);

/*
 * Refused, by name: lists whose old names have other numbers now, but for those whose numbers are
 * translated wherever they are.
 */
int carry_check_lists(const struct carry_texts *texts);

struct carry_plan;

/* -EPROTO, by name: the old one lacks what an image must have, or the two do not go together. */
int carry_plan_make(const struct carry_texts *texts, const char *type,
		    struct carry_plan **ret_plan);
void carry_plan_free(struct carry_plan *plan);

/* Sizes of a row of either. */
uint32_t carry_old_size(const struct carry_plan *plan);
uint32_t carry_new_size(const struct carry_plan *plan);

/* -EPROTO, by name: the row has what there is no place for now. */
int carry_row(const struct carry_plan *plan, const void *old, void *ret_new);

bool carry_is_zero(const void *bytes, size_t size);

static inline void cleanup_carry_plan(struct carry_plan **plan)
{
	carry_plan_free(*plan);
}
#define _cleanup_carry_plan_ __attribute__((cleanup(cleanup_carry_plan)))

#endif
