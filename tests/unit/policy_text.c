// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Texts of policy for their tests: policy_text.h tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "policy_text.h"
#include "policy_tree.h"
#include "text.h"

static bool read_text(const char *text, struct policies *policies)
{
	return CHECK_OK(policy_read("test", text, strlen(text), policies));
}

bool policy_text_vm(const char *text, struct policies *policies)
{
	return read_text(text, policies) && CHECK_EQ(policies->count, 1);
}

bool policy_text_services(const char *text, struct policies *policies)
{
	return read_text(text, policies) && CHECK_EQ(policies->count, 0) &&
	       CHECK(policies->services);
}

bool policy_text_sets(const char *text, struct policies *policies)
{
	return read_text(text, policies) && CHECK_EQ(policies->count, 0) && CHECK(policies->sets);
}

char *policy_text_yaml(json_t *tree)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	policy_yaml(to, tree);
	fclose(to);
	return text;
}

void policy_text_refused(const struct policy_refusal *row)
{
	_cleanup_policies_ struct policies policies = {};

	CHECK_NE(policy_read("f", row->text, strlen(row->text), &policies), 0);
	if (CHECK(!strncmp(fail_line(), row->line, strlen(row->line))))
		return;
	note("expected: %s", row->line);
	note("got:      %s", fail_line());
}

void policy_text_check(const struct policy_change *change, void *arg)
{
	const struct policy_difference *row = arg;

	CHECK_STR(change->where, row->where);
	CHECK_STR(change->was ? change->was : "nothing", row->old ? row->old : "nothing");
	CHECK_STR(change->is ? change->is : "nothing", row->new ? row->new : "nothing");
}

void policy_text_count(const struct policy_change *change, void *arg)
{
	unsigned int *count = arg;

	note("%s: '%s', '%s'", change->where, change->was ? change->was : "-",
	     change->is ? change->is : "-");
	(*count)++;
}
