/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What makes one policy another, from their trees (policy_tree.h). */
#ifndef ROAM_POLICY_DIFF_H
#define ROAM_POLICY_DIFF_H

#include <jansson.h>
#include "policy_keys.h"

#define POLICY_WHERE_LEN 200

/* One difference. */
struct policy_change {
	const char *where; /* "acl https dport" */
	const char *was;   /* as text; NULL: it is added */
	const char *is;    /* NULL: it is removed */
};

typedef void policy_change_fn(const struct policy_change *change, void *arg);

/* Calls fn for each difference, in the order of the file; either tree may be NULL: nothing. How
 * many there were. */
unsigned int policy_diff(const json_t *was, const json_t *is, policy_change_fn *fn, void *arg);
/* The same for the trees of services, and of sets. */
unsigned int policy_services_diff(const json_t *was, const json_t *is, policy_change_fn *fn,
				  void *arg);
unsigned int policy_sets_diff(const json_t *was, const json_t *is, policy_change_fn *fn, void *arg);

#endif
