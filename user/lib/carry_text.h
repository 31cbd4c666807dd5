/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The texts of layouts (layout.h), line by line: for carry_text.c, which reads them, and
 * carry_plan.c.
 */
#ifndef ROAM_LIB_CARRY_TEXT_H
#define ROAM_LIB_CARRY_TEXT_H

#include "carry_plan.h"

/* A line of a struct's part. */
struct carry_field {
	uint32_t at;
	char name[64];
	char type[64]; /* of one element */
	uint32_t count;
	uint32_t stride; /* from one element to the next */
	char mark[64];   /* "enum/CT_STATE:required", or empty */
	bool spread;     /* an array that counts as arrays of its struct's fields (ROAM_SPREAD) */
};

/* A walk over a struct's fields; in the place of an array that is spread come its struct's. */
struct carry_walk {
	const char *text;
	const char *line;
	const char *inner; /* a line of the struct of `spread`, or NULL */
	struct carry_field spread;
};

/* `part` is one of `text`. */
struct carry_walk carry_walk_fields(const char *text, const char *part);
/* False at the end. */
bool carry_walk_next(struct carry_walk *walk, struct carry_field *ret_field);
/* `walk` has just begun; it does not go on. */
bool carry_find_field(struct carry_walk walk, const char *name, struct carry_field *ret_field);

bool carry_is_struct(const char *type);
/* "enum roam_ct_state" of the mark "enum/CT_STATE:required"; false if it is another mark. */
bool carry_list_of(const struct carry_field *field, char ret_list[64]);
/* Of a struct of the text, or of a number; 0: neither. */
uint32_t carry_size_of(const char *text, const char *type);

#endif
