/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A policy as a tree of JSON, made by the tables of policy_keys.h: what is shown, as JSON or YAML,
 * and what is compared. Two policies are the same if their trees are.
 */
#ifndef ROAM_POLICY_TREE_H
#define ROAM_POLICY_TREE_H

#include <stdio.h>
#include <jansson.h>
#include "lb_policy.h"
#include "policy.h"
#include "set_value.h"

json_t *policy_tree(const struct policy *policy);
/* Of a host's services; that there are none is said, too. */
json_t *policy_services_tree(const struct lb_policy *services);
/* The same of its sets, which are loaded. */
json_t *policy_sets_tree(const struct sets *sets);

/* As YAML that policy_read() and every other reader of YAML 1.1 understand alike. */
void policy_yaml(FILE *to, const json_t *tree);

#endif
