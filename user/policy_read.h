/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Reading policy files: YAML 1.1, of which JSON is a part. Every scalar is its text, quoted or not:
 * what it means, the key decides. A refusal is one line that begins FILE:LINE:COLUMN.
 */
#ifndef ROAM_POLICY_READ_H
#define ROAM_POLICY_READ_H

#include "lb_policy.h"
#include "policy.h"
#include "set_value.h"

/* The policies of several files, in their order. */
struct policies {
	struct policy *all;
	uint32_t count;
	struct lb_policy *services; /* of the host; NULL: nothing is said of them */
	struct sets *sets;          /* the same */
};

void policies_free(struct policies *policies);
static inline void cleanup_policies(struct policies *policies)
{
	policies_free(policies);
}
#define _cleanup_policies_ __attribute__((cleanup(cleanup_policies)))

/*
 * Adds those of a text: one a document, or a list of them. No VM may be there twice, nor may the
 * host's services or sets. `file` is for the lines.
 */
int policy_read(const char *file, const char *text, size_t len, struct policies *policies);
/* The same from a file; "-" is stdin. */
int policy_read_file(const char *file, struct policies *policies);

#endif
