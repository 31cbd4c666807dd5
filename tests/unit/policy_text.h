/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the tests of policy files share: texts read and shown again, and rows of what is to be
 * refused, shown and told apart. For policy.c, policy_host.c and policy_refuse.c.
 */
#ifndef ROAM_TESTS_POLICY_TEXT_H
#define ROAM_TESTS_POLICY_TEXT_H

#include <stdbool.h>
#include "policy_diff.h"
#include "policy_read.h"

#define PORT "mac: 52:54:00:00:00:01, dev: t"
#define RULE "name: r, dir: in, action: allow"

/* A text with one VM, with a host's services, with its sets: read, and nothing else in it. */
bool policy_text_vm(const char *text, struct policies *policies);
bool policy_text_services(const char *text, struct policies *policies);
bool policy_text_sets(const char *text, struct policies *policies);

/* The text of a tree, which is freed by the caller. */
char *policy_text_yaml(json_t *tree);

/* What is shown is read: nothing of it has changed on the way. */
struct policy_round {
	const char *name;
	const char *text;
};

struct policy_refusal {
	const char *name;
	const char *text;
	const char *line; /* begins so */
};

void policy_text_refused(const struct policy_refusal *row);

struct policy_difference {
	const char *name;
	const char *was;
	const char *is;
	const char *where; /* of the only one */
	const char *old, *new;
};

/* For policy_diff(): of a policy_difference; of an unsigned int, which counts, and notes each. */
void policy_text_check(const struct policy_change *change, void *row);
void policy_text_count(const struct policy_change *change, void *count);

#endif
