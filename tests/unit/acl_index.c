// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The compiler of rules (acl_index.c) and the stage's search (bpf/acl_search.h), which is built
 * into this program as it is: with helpers of its own in place of the kernel's. Held against a
 * matcher that tries rule after rule.
 */
#include <string.h>
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

/* Without what sets by name say: that is for the search to find out. */
static __always_inline bool acl_fits(const struct acl_search *search,
				     const struct roam_acl_match *rule)
{
	struct walk *walk = (struct walk *)search;
	struct roam_acl_match plain = *rule;

	walk->tried++;
	plain.local_named = plain.remote_named = plain.lport_named = plain.rport_named = 0;
	return ruleset_matches(&plain, &walk->key);
}

static __always_inline void acl_found(struct acl_search *search, const struct roam_acl_match *rule)
{
	((struct walk *)search)->rule = rule->id;
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
static void try_source(struct ruleset_random *random, enum ruleset_shape shape,
		       const struct acl_source *source, const struct acl_index_limits *limits)
{
	uint32_t count = source->count, packets = count > 1000 ? 1000 : 60;
	_cleanup_acl_rows_ struct acl_rows rows = {};
	uint32_t wrong = 0, tried, all = 0, allowed = 0;

	if (!CHECK_OK(acl_index_build_within(source, limits, &rows)))
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

static void try_set(struct ruleset_random *random, enum ruleset_shape shape, uint32_t count,
		    const struct acl_index_limits *limits)
{
	struct acl_source source = { .rules = rules, .count = count };

	ruleset_make(random, shape, rules, count);
	try_source(random, shape, &source, limits);
}

/* The same of rules that have sets by name. */
static void try_named(struct ruleset_random *random, enum ruleset_shape shape, uint32_t count,
		      const struct acl_index_limits *limits)
{
	struct ruleset_sets sets;
	struct acl_source source = {
		.rules = rules,
		.count = count,
		.named = sets.named,
		.named_count = RULESET_SETS,
	};

	ruleset_make(random, shape, rules, count);
	ruleset_name(random, shape, rules, count, &sets);
	try_source(random, shape, &source, limits);
	ruleset_sets_free(&sets);
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

TEST(rules_with_sets_by_name_are_judged_rule_by_rule)
{
	struct ruleset_random random = { harness_seed() };

	for (unsigned int i = 0; i < harness_rounds(900) && !harness_stopped(); i++) {
		struct acl_index_limits limits = { .from = i % 3 ? 1 : 100, .bytes = i % 5 == 1 };

		try_named(&random, i % RULESET_SHAPES, 1 + ruleset_below(&random, 90), &limits);
	}
}

TEST(many_rules_with_sets_by_name_are_judged_rule_by_rule)
{
	struct ruleset_random random = { harness_seed() };
	struct acl_index_limits limits = { .from = 1 };

	for (unsigned int i = 0; i < harness_rounds(RULESET_SHAPES) && !harness_stopped(); i++)
		try_named(&random, i % RULESET_SHAPES, 3840, &limits);
}

/* The largest sets that there can be: three levels of a tree, and the ends of all addresses. */
TEST(a_set_by_name_is_searched_to_its_end)
{
	static const struct roam_acl_key top = { UINT64_MAX, UINT64_MAX };
	static struct acl_span spans[ROAM_SET_ENTRIES];
	struct acl_named named = { spans, ROAM_SET_ENTRIES, false };
	struct roam_acl_match rule = {
		.id = 1,
		.any_proto = 1,
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
		.remote_named = 1,
	};
	struct acl_source source = { &rule, 1, &named, 1 };
	struct roam_flow_key key = { .family = ROAM_FAMILY_IPV6, .proto = IPPROTO_GRE };
	_cleanup_acl_rows_ struct acl_rows rows = {};
	uint32_t tried;

	for (uint32_t i = 0; i < ROAM_SET_ENTRIES; i++)
		spans[i] = (struct acl_span){ { i, 10 }, { i, 19 } };
	spans[0].first.low = 0;
	spans[ROAM_SET_ENTRIES - 1] = (struct acl_span){ top, top };
	CHECK_OK(acl_index_build(&source, &rows));
	for (uint32_t i = 0; i < ROAM_SET_ENTRIES - 1; i++) {
		key.remote.words[1] = bpf_htonl(i);
		for (uint32_t low = 8; low < 22; low++) {
			key.remote.words[3] = bpf_htonl(low);
			if (!CHECK_EQ(look_up(&rows, &key, &tried), (low >= 10 || !i) && low <= 19))
				return;
		}
	}
	memset(&key.remote, 0xff, sizeof(key.remote));
	CHECK_EQ(look_up(&rows, &key, &tried), 1);
	key.remote.bytes[15] = 0xfe;
	CHECK_EQ(look_up(&rows, &key, &tried), 0);
	memset(&key.remote, 0, sizeof(key.remote));
	CHECK_EQ(look_up(&rows, &key, &tried), 1);
}

static struct set_value set_from(enum roam_set_kind kind, const char *const *texts)
{
	struct set_value set = { .loaded = true };
	struct roam_set_entry entry;

	CHECK_OK(set_of_kind(&set, kind));
	for (; *texts; texts++) {
		CHECK_OK(set_entry_parse(kind, *texts, &entry));
		CHECK_OK(set_add_entry(&set, kind, &entry));
	}
	CHECK_OK(set_finish(&set));
	return set;
}

static void check_spans(const struct set_value *set, const struct acl_span *wanted, uint32_t count)
{
	struct acl_span *spans;
	uint32_t got;

	CHECK_OK(set_spans(set, &spans, &got));
	CHECK_EQ(got, count);
	for (uint32_t i = 0; i < count && i < got; i++) {
		CHECK_EQ(spans[i].first.high, wanted[i].first.high);
		CHECK_EQ(spans[i].first.low, wanted[i].first.low);
		CHECK_EQ(spans[i].last.high, wanted[i].last.high);
		CHECK_EQ(spans[i].last.low, wanted[i].last.low);
	}
	free(spans);
}

TEST(what_a_set_holds_becomes_spans_that_do_not_touch)
{
	static const char *const addrs[] = { "10.0.0.0/25", "10.0.0.128/25", "10.0.0.7",
					     "2001:db8::/32", NULL };
	static const char *const all[] = { "::/0", NULL };
	static const char *const ports[] = { "80", "81-90", "100-65535", "443", NULL };
	static const struct acl_span addr_spans[] = {
		{ { 0, 0xffff0a000000 }, { 0, 0xffff0a0000ff } },
		{ { 0x20010db800000000, 0 }, { 0x20010db8ffffffff, UINT64_MAX } },
	};
	static const struct acl_span all_spans[] = {
		{ { 0, 0 }, { 0, 0xfffeffffffff } },
		{ { 0, 0x1000000000000 }, { UINT64_MAX, UINT64_MAX } },
	};
	static const struct acl_span port_spans[] = {
		{ { 0, 80 }, { 0, 90 } },
		{ { 0, 100 }, { UINT64_MAX, UINT64_MAX } },
	};
	struct set_value set = set_from(ROAM_SET_ADDR, addrs);

	check_spans(&set, addr_spans, 2);
	free(set.entries);
	set = set_from(ROAM_SET_ADDR, all);
	check_spans(&set, all_spans, 2);
	free(set.entries);
	set = set_from(ROAM_SET_PORT, ports);
	check_spans(&set, port_spans, 2);
	free(set.entries);
}

TEST(a_set_is_the_same_however_it_was_written)
{
	static const char *const one[] = { "10.0.0.0/8", "192.0.2.1", NULL };
	static const char *const other[] = { "192.0.2.1/32", "10.0.0.0/8", NULL };
	struct set_value a = set_from(ROAM_SET_ADDR, one), b = set_from(ROAM_SET_ADDR, other);
	struct roam_set_entry entry;
	char text[SET_ENTRY_LEN];

	CHECK_EQ(a.set.digest, b.set.digest);
	CHECK_OK(set_entry_parse(ROAM_SET_ADDR, "10.0.0.0/8", &entry));
	CHECK_OK(set_add_entry(&b, ROAM_SET_ADDR, &entry));
	CHECK_EQ(set_finish(&b), -EEXIST);
	CHECK_OK(set_del_entry(&a, ROAM_SET_ADDR, &entry));
	CHECK_EQ(set_del_entry(&a, ROAM_SET_ADDR, &entry), -ENOENT);
	CHECK_EQ(set_add_entry(&a, ROAM_SET_PORT, &entry), -EINVAL);
	CHECK_OK(set_finish(&a));
	CHECK(a.set.digest != b.set.digest);
	CHECK_STR(set_entry_text(ROAM_SET_ADDR, &a.entries[0], text), "192.0.2.1");
	free(a.entries);
	free(b.entries);
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

	const struct acl_source source = { .rules = rules, .count = ROAM_ACL_LIST_MAX + 1 };

	CHECK_EQ(acl_index_build(&source, &rows), -E2BIG);
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
	static const struct acl_value values[] = { { spans, 2, 1 }, { &spans[2], 1, 2 } };
	struct acl_classes classes;

	CHECK_OK(acl_classes_make(values, 2, &classes));
	CHECK_EQ(classes.count, 5); /* from 0, 10, 15, 20, and 1:0 on */
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 9 }), 0);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 10 }), 1);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 19 }), 2);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, UINT64_MAX }), 3);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 1, 0 }), 4);
	CHECK_EQ(acl_classes_find(&classes, top), 4);
	CHECK_EQ(acl_classes_large(&classes), 0);
	CHECK_EQ(classes.rules[2], 4); /* the first one twice: more than there are does no harm */
	acl_classes_coarsen(&classes, 1, 2, values, 2);
	CHECK_EQ(classes.count, 2);
	CHECK_EQ(acl_classes_find(&classes, (struct roam_acl_key){ 0, 0 }), 0);
	CHECK_EQ(acl_classes_find(&classes, top), 1);
	cleanup_acl_classes(&classes);
}
