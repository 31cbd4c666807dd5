// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Policy files. What is understood must be shown, as YAML and as JSON, so that it is read again as
 * the same policy.
 */
#include <stdio.h>
#include <string.h>
#include "policy_diff.h"
#include "policy_read.h"
#include "policy_tree.h"

static void no_change(const struct policy_change *change, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s was '%s', is '%s'\n", change->where, change->was ? change->was : "",
		change->is ? change->is : "");
}

static void check_text(const char *text, size_t len, const json_t *tree)
{
	_cleanup_policies_ struct policies again = {};
	json_t *other;

	if (policy_read("again", text, len, &again) || again.count != 1) {
		fprintf(stderr, "%s\n%.*s\n", fail_line(), (int)len, text);
		abort();
	}
	other = policy_tree(&again.all[0]);
	if (!json_equal(tree, other) || policy_diff(tree, other, no_change, NULL))
		abort();
	json_decref(other);
}

static void check_policy(const struct policy *policy)
{
	json_t *tree = policy_tree(policy);
	_cleanup_free_ char *yaml = NULL, *json = json_dumps(tree, JSON_INDENT(2));
	size_t size;
	FILE *to = open_memstream(&yaml, &size);

	policy_yaml(to, tree);
	fclose(to);
	check_text(yaml, size, tree);
	check_text(json, strlen(json), tree);
	json_decref(tree);
}

static void check_services_text(const char *text, size_t len, const json_t *tree)
{
	_cleanup_policies_ struct policies again = {};
	json_t *other;

	if (policy_read("again", text, len, &again) || again.count || !again.services) {
		fprintf(stderr, "%s\n%.*s\n", fail_line(), (int)len, text);
		abort();
	}
	other = policy_services_tree(again.services);
	if (!json_equal(tree, other) || policy_services_diff(tree, other, no_change, NULL))
		abort();
	json_decref(other);
}

static void check_services(const struct lb_policy *services)
{
	json_t *tree = policy_services_tree(services);
	_cleanup_free_ char *yaml = NULL, *json = json_dumps(tree, JSON_INDENT(2));
	size_t size;
	FILE *to = open_memstream(&yaml, &size);

	policy_yaml(to, tree);
	fclose(to);
	check_services_text(yaml, size, tree);
	check_services_text(json, strlen(json), tree);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_policies_ struct policies policies = {};

	if (!policy_read("fuzz", (const char *)data, size, &policies)) {
		for (uint32_t i = 0; i < policies.count; i++)
			check_policy(&policies.all[i]);
		if (policies.services)
			check_services(policies.services);
	}
	return 0;
}
