// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The compiler of rules (acl_index.c) and the stage's search (bpf/acl_search.h), which is built
 * into this program as it is: with helpers of its own in place of the kernel's. Held against a
 * matcher that tries rule after rule.
 */
#include <netinet/in.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "acl_classes.h"
#include "acl_index.h"
#include "harness.h"
#include "rulesets.h"
#include "util.h"

static void *find_row(void *list, const uint32_t *index)
{
	const struct acl_rows *rows = list;

	return *index < rows->count ? &rows->row[*index] : NULL;
}

struct acl_step;

static void run_loop(uint32_t count, long (*step)(uint32_t i, struct acl_step *),
		     struct acl_step *arg)
{
	for (uint32_t i = 0; i < count && !step(i, arg); i++)
		;
}

#define bpf_map_lookup_elem(list, key)    find_row(list, key)
#define bpf_loop(count, step, arg, flags) run_loop(count, step, arg)
#include "../../bpf/acl_search.h"

struct walk {
	struct acl_search search;
	struct roam_flow_key key;
	uint32_t tried;
	uint32_t rule;
};

static __always_inline long acl_candidate(struct acl_search *search,
					  const struct roam_acl_match *rule)
{
	struct walk *walk = (struct walk *)search;

	walk->tried++;
	if (!ruleset_matches(rule, &walk->key))
		return 0;
	walk->rule = rule->id;
	return 1;
}

/* The id of the rule that is found, 0 if there is none; and how many were tried. */
static uint32_t look_up(const struct acl_rows *rows, const struct roam_flow_key *key,
			uint32_t *ret_tried)
{
	struct walk walk = { .key = *key };
	struct acl_ports ports = {
		.local = bpf_ntohs(key->lport),
		.remote = bpf_ntohs(key->rport),
		.has_ports = key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP,
	};

	acl_search((void *)rows, &walk.search, key, &ports);
	*ret_tried = walk.tried;
	return walk.rule;
}

static struct roam_acl_match rules[ROAM_ACL_LIST_MAX];

/* One set of rules and packets to it; how many were not judged as they should be. */
static void try_set(struct ruleset_random *random, enum ruleset_shape shape, uint32_t count,
		    const struct acl_index_limits *limits)
{
	uint32_t packets = count > 1000 ? 1000 : 60;
	_cleanup_acl_rows_ struct acl_rows rows = {};
	uint32_t wrong = 0, tried, all = 0, allowed = 0;

	ruleset_make(random, shape, rules, count);
	if (!CHECK_OK(acl_index_build_within(rules, count, limits, &rows)))
		return;
	CHECK_EQ(rows.row[0].head.stride != 0, count >= limits->from);
	for (uint32_t i = 0; i < packets; i++) {
		struct roam_flow_key key = ruleset_packet(random, shape, rules, count);
		uint32_t first = ruleset_first(rules, count, &key);

		wrong += look_up(&rows, &key, &tried) != (first < count ? first + 1 : 0);
		all += tried;
		allowed += first < count;
	}
	if (!CHECK_EQ(wrong, 0))
		note("shape %d, %u rules, %u bytes for sets", shape, count, limits->bytes);
	if (packets >= 1000)
		note("shape %d, %u rules in %u rows: %u of %u packets match one, %.1f tried", shape,
		     count, rows.count, allowed, packets, (double)all / packets);
}

TEST(small_sets_are_judged_rule_by_rule)
{
	struct ruleset_random random = { harness_seed() };
	struct acl_index_limits limits = { .from = 1 };

	for (unsigned int i = 0; i < harness_rounds(1500) && !harness_stopped(); i++)
		try_set(&random, i % RULESET_SHAPES, 1 + ruleset_below(&random, 90), &limits);
}

TEST(sets_with_coarse_classes_are_judged_rule_by_rule)
{
	struct ruleset_random random = { harness_seed() };
	struct acl_index_limits limits = { .from = 1, .bytes = 1 };

	for (unsigned int i = 0; i < harness_rounds(500) && !harness_stopped(); i++)
		try_set(&random, i % RULESET_SHAPES, 1 + ruleset_below(&random, 400), &limits);
}

TEST(large_sets_are_judged_rule_by_rule)
{
	static const uint32_t counts[] = { 3839, 3840, 3841, 10000, ROAM_ACL_LIST_MAX };
	struct ruleset_random random = { harness_seed() };
	struct acl_index_limits limits = { .from = 1 };

	for (unsigned int i = 0; i < harness_rounds(5) && !harness_stopped(); i++)
		try_set(&random, i % RULESET_SHAPES, counts[(i + i / 5) % 5], &limits);
}

TEST(short_lists_have_no_index)
{
	struct ruleset_random random = { harness_seed() };
	struct acl_index_limits limits = { .from = 100 };

	for (unsigned int i = 0; i < 100; i++)
		try_set(&random, i % RULESET_SHAPES, ruleset_below(&random, 100), &limits);
}

TEST(more_rules_than_there_can_be_are_refused)
{
	struct acl_rows rows = {};

	CHECK_EQ(acl_index_build(rules, ROAM_ACL_LIST_MAX + 1, &rows), -E2BIG);
	CHECK(rows.row == NULL);
}

TEST(classes_are_cut_where_a_rule_begins_or_ends)
{
	static const struct roam_acl_key top = { UINT64_MAX, UINT64_MAX };
	static const struct acl_span spans[] = {
		{ { 0, 10 }, { 0, 19 } },
		{ { 0, 15 }, { 0, UINT64_MAX } },
		{ { 0, 0 }, { UINT64_MAX, UINT64_MAX } },
	};
	struct acl_classes classes;

	CHECK_OK(acl_classes_make(spans, 3, &classes));
	CHECK_EQ(classes.count, 5); /* from 0, 10, 15, 20, and 1:0 on */
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 9 }), 0);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 10 }), 1);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 19 }), 2);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, UINT64_MAX }), 3);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 1, 0 }), 4);
	CHECK_EQ(acl_classes_find(&classes, top), 4);
	CHECK_EQ(acl_classes_large(&classes), 0);
	acl_classes_coarsen(&classes, 1, 2, spans, 3);
	CHECK_EQ(classes.count, 2);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 0 }), 0);
	CHECK_EQ(acl_classes_find(&classes, top), 1);
	cleanup_acl_classes(&classes);
}
