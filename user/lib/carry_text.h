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
	char mark[64]; /* "enum/CT_STATE:required", or empty */
};

/* The first line of a part behind its name. */
const char *carry_first_line(const char *part);
/* The field of the line at `*line`, which goes on to the next; false at the part's end. */
bool carry_next_field(const char **line, struct carry_field *ret_field);
bool carry_find_field(const char *part, const char *name, struct carry_field *ret_field);

bool carry_is_struct(const char *type);
/* "enum roam_ct_state" of the mark "enum/CT_STATE:required"; false if it is another mark. */
bool carry_list_of(const struct carry_field *field, char ret_list[64]);
/* Of a struct of the text, or of a number; 0: neither. */
uint32_t carry_size_of(const char *text, const char *type);

#endif
