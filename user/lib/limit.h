/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Limits on live connections by rule and by remote (include/roam/limit.h): the tables that programs
 * read and count in, and what they have counted.
 */
#ifndef ROAM_LIB_LIMIT_H
#define ROAM_LIB_LIMIT_H

#include <roam/limit.h>
#include "acl.h"
#include "places.h"

/* Places that limit_add_tables() takes at most. */
#define LIMIT_PLACES 3

/* The limits of these rules, with the lists of them; what counts, when the first one has some. */
int limit_add_tables(struct places *places, uint32_t slot, const struct acl_list *rules);
void limit_clear_tables(struct places *places, uint32_t slot);

/*
 * Counts every flow of the VM for the rule that it has, if that has limits, and for no other: after
 * flows were loaded, moved to other tables, or rules were changed. It may run under traffic.
 */
int limit_sync(struct host *host, uint32_t slot);

/* Live connections of a rule, and the remotes that those of a rule with `perremote` are from. */
struct limit_used {
	uint32_t rule;
	uint32_t conns;
	uint32_t remotes;
};

struct limit_list {
	struct limit_used *used; /* sorted by rule */
	uint32_t count;
};

static inline void cleanup_limit_list(struct limit_list *list)
{
	free(list->used);
}
#define _cleanup_limit_list_ __attribute__((cleanup(cleanup_limit_list)))

/* Of all rules that have any. */
int limit_list(struct host *host, uint32_t slot, struct limit_list *ret_list);
struct limit_used limit_find(const struct limit_list *list, uint32_t rule);

#endif
