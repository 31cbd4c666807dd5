/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sets by name of a host: reading and changing them (include/roam/set.h). A change of sets is one
 * write; then the lists of rules that refer to what changed are compiled anew, each VM's as a
 * whole, and its flows are matched again. Whoever is killed in between leaves that to the next one.
 */
#ifndef ROAM_LIB_SET_H
#define ROAM_LIB_SET_H

#include "acl.h"
#include "host.h"
#include "set_value.h"

/* All, sorted, without what they hold. */
int sets_get(struct host *host, struct sets *ret_sets);
/* The same with it. */
int sets_get_all(struct host *host, struct sets *ret_sets);
/* What a set of sets_get() holds. */
int set_load(struct host *host, struct set_value *set);

/* VMs whose rules refer to sets that have changed: their flows are matched again. */
struct sets_users {
	uint32_t slots[ROAM_VM_MAX];
	uint32_t count;
};

/*
 * The host has these sets, which are sorted, and no others, unless those are to be kept; what is
 * not loaded is as it was. All of it or nothing. Needs the host's lock. -EBUSY: a rule refers to
 * one that would be gone or be of another kind.
 */
int sets_apply(struct host *host, const struct sets *wanted, bool keep_others,
	       struct sets_users *ret_users);

/* Lists that could be of older sets are compiled anew, rows that no set has removed. */
int sets_recover(struct host *host);

/* Whether the host has the sets of a rule; the line names the rule and the set. */
int sets_check_rule(const struct sets *sets, const struct roam_acl_rule *rule);

/* Of the sets that these rules refer to: names and what they hold. Equal ones: nothing changed. */
uint64_t sets_digest(const struct sets *sets, const struct acl_list *rules);

/* A rule's sets, each with what it stands for; NULL where there is none. */
struct set_ref {
	const char *name;
	enum roam_set_kind kind;
};
#define SET_REFS 4
/* As many as it has. */
uint32_t set_refs(const struct roam_acl_rule *rule, struct set_ref ret_refs[SET_REFS]);

#endif
