/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rules of VMs: rows of policy, and the lists that the acl stage walks, compiled from them.
 */
#ifndef ROAM_LIB_ACL_H
#define ROAM_LIB_ACL_H

#include <roam/acl.h>
#include "host.h"

struct places;

/* A rule with its counters. */
struct acl_list {
	struct roam_acl_rec *recs; /* in the order in which they are matched */
	uint32_t count;
};

static inline void cleanup_acl_list(struct acl_list *list)
{
	free(list->recs);
}
#define _cleanup_acl_list_ __attribute__((cleanup(cleanup_acl_list)))

int acl_validate(const struct roam_acl_rule *rule);
/* qsort()'s: in the order of matching, by direction (they are lists of their own), priority, name.
 */
int acl_compare_rules(const void *a, const void *b);
int acl_list(struct host *host, uint32_t slot, struct acl_list *ret_list);
/* Whether some rule does not track. */
bool acl_has_stateless(struct host *host, uint32_t slot);

/* Writes the row and its counters (NULL: zero); gives the rule its id. Nothing is compiled. */
int acl_store(struct host *host, uint32_t slot, struct roam_acl_rule *rule,
	      const struct roam_acl_hits *hits);
/* The same for a rule that has its id. */
int acl_store_row(struct host *host, uint32_t slot, const struct roam_acl_rule *rule,
		  const struct roam_acl_hits *hits);

int acl_add(struct host *host, uint32_t slot, struct roam_acl_rule *rule);
/* Many rules in one change: all or none, compiled once. */
int acl_add_many(struct host *host, uint32_t slot, struct roam_acl_rule *rules, uint32_t count);
int acl_del(struct host *host, uint32_t slot, const char *name);

/*
 * The bucket of answers to what is rejected, up to when it is paid for (roam_acl_reject.paid_ns).
 * It is put for a slot that no packet has seen yet: answers on their way would lose their mark.
 */
int acl_reject_get(struct host *host, uint32_t slot, __u64 *ret_paid_ns);
int acl_reject_put(struct host *host, uint32_t slot, uint64_t paid_ns);

/* Removes counters of rules that are not there: what a killed process may leave. */
int acl_drop_stray_hits(struct host *host, uint32_t slot);

/*
 * Compiles both lists and swaps them in (acl_compile.c); each ends with the VM's default, or with
 * those given. Needs the host's lock.
 */
int acl_compile(struct host *host, uint32_t slot);
/* The same without the kernel's wait (places.h), for a slot that no packet finds yet. */
int acl_compile_begin(struct host *host, uint32_t slot, struct places *places);
/* Of many VMs, in fewer waits; each VM's lists change as a whole, one VM after the other. */
int acl_compile_many(struct host *host, const uint32_t *slots, uint32_t count);
int acl_compile_with(struct host *host, uint32_t slot, const uint8_t defaults[ROAM_DIR_COUNT]);

/*
 * The rules of slot `from` become those of `slot`, in one step for packets, with these defaults;
 * counters of rules with an id that both have go on. For a takeover (takeover.h): can be repeated;
 * what could be refused, the check before it refuses.
 */
int acl_check_take(struct host *host, uint32_t slot, uint32_t from);
int acl_take(struct host *host, uint32_t slot, uint32_t from,
	     const uint8_t defaults[ROAM_DIR_COUNT]);

#endif
