/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Compiles a list of rules into the rows that the acl stage reads (include/roam/acl_index.h): the
 * rules themselves, what sets by name hold, and, where rules are many, the index. Pure: no kernel,
 * no files.
 */
#ifndef ROAM_LIB_ACL_INDEX_H
#define ROAM_LIB_ACL_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <roam/acl_index.h>
#include "acl_classes.h"

/* A set by name: spans in order that do not touch one another. */
struct acl_named {
	const struct acl_span *spans;
	uint32_t count;
	bool ports;
};

/* A list of rules, and the sets by name that they refer to by number, from 1 on. */
struct acl_source {
	const struct roam_acl_match *rules;
	uint32_t count;
	const struct acl_named *named;
	uint32_t named_count;
};

struct acl_rows {
	struct roam_acl_row *row;
	uint32_t count;
};

static inline void cleanup_acl_rows(struct acl_rows *rows)
{
	free(rows->row);
}
#define _cleanup_acl_rows_ __attribute__((cleanup(cleanup_acl_rows)))

/* Zero of either is the usual. */
struct acl_index_limits {
	uint32_t from;  /* rules that get an index; fewer are walked */
	uint32_t bytes; /* that sets may take; beyond it neighbouring classes share one */
};

int acl_index_build(const struct acl_source *source, struct acl_rows *ret_rows);
int acl_index_build_within(const struct acl_source *source, const struct acl_index_limits *limits,
			   struct acl_rows *ret_rows);

#endif
