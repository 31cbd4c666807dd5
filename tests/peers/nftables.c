// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Random rules and packets through nftables and through roam: the same verdict for every packet.
 * nft's rules stand in an ingress chain of a device (nft.h), roam's are judged by the acl stage as
 * it stands in its programs, from the same tuples. `make soak` runs 1,000 sets and 1,000,000
 * packets.
 */
#include <arpa/inet.h>
#include <string.h>
#include "cast.h"
#include "harness.h"
#include "nft.h"
#include "rulesets.h"

#define SETS    50
#define PACKETS 1000 /* of a set */
#define MOST    2000 /* rules */

struct oracle {
	struct fixture fixture;
	struct nft nft;
	bool open;
};

static void oracle_setup(struct oracle *self)
{
	struct fixture_vm vm = cast_vm();

	if (nft_lacks()) {
		skip("%s", nft_lacks());
		return;
	}
	self->fixture.with_stages = true;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &vm);
	nft_open(&self->nft);
	self->open = true;
}

static void oracle_teardown(struct oracle *self)
{
	if (!self->open)
		return;
	nft_close(&self->nft);
	fixture_close(&self->fixture);
}

/* One set of rules and packets. */
struct set {
	struct roam_acl_match rules[MOST];
	uint32_t count;
	struct nft_packet packets[PACKETS];
	struct ruleset_sets named; /* sets by name that rules refer to */
	bool has_named;
	enum roam_dir dir;
	enum roam_action rest; /* what becomes of a packet that no rule matches */
};

static struct set set;

static void make_set(struct ruleset_random *random, unsigned int number)
{
	static const uint32_t sizes[] = { 8, 60, 300, 60 };
	enum ruleset_shape shape = number % RULESET_SHAPES;
	uint32_t most = number % 20 == 19 ? MOST : sizes[ruleset_below(random, 4)];

	set.count = 1 + ruleset_below(random, most);
	set.dir = ruleset_below(random, ROAM_DIR_COUNT);
	set.rest = ruleset_below(random, ROAM_ACTION_ALLOW + 1);
	ruleset_make(random, shape, set.rules, set.count);
	set.has_named = ruleset_below(random, 2);
	if (set.has_named)
		ruleset_name(random, shape, set.rules, set.count, &set.named);
	for (int i = 0; i < PACKETS; i++)
		set.packets[i].key = ruleset_packet(random, shape, set.rules, set.count);
}

static void apply_set(struct oracle *self)
{
	struct nft_rules rules = {
		.rules = set.rules,
		.count = set.count,
		.sets = set.named.sets,
		.set_count = set.has_named ? RULESET_SETS : 0,
		.dir = set.dir,
		.rest = set.rest,
	};

	self->fixture.named = set.named.named;
	self->fixture.named_count = rules.set_count;
	fixture_set_rules(&self->fixture, CAST_SLOT, set.dir, set.rules, set.count);
	nft_set_rules(&self->nft, &rules);
}

/* What roam says: the rule, and whether the packet passes. */
static bool judge(struct oracle *self, const struct roam_flow_key *key, uint32_t *ret_rule)
{
	struct roam_pkt pkt = {
		.vm = CAST_SLOT,
		.dir = set.dir,
		.ct = ROAM_PKT_CT_OPENING,
		.open_dir = set.dir,
		.len = 100,
		.now_ns = 1,
		.default_action = { set.rest, set.rest },
		.key = *key,
	};
	enum roam_verdict verdict = fixture_run_stage(&self->fixture, "stage_acl", &pkt);

	*ret_rule = pkt.rule;
	return verdict == ROAM_CONTINUE;
}

static void tell(const struct nft_packet *packet, bool passes, uint32_t rule)
{
	const struct roam_flow_key *key = &packet->key;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &key->local, local, sizeof(local));
	inet_ntop(AF_INET6, &key->remote, remote, sizeof(remote));
	note("of %u rules, protocol %u local %s %u remote %s %u: nft %s (rule %u), roam %s (rule %u)",
	     set.count, key->proto, local, ntohs(key->lport), remote, ntohs(key->rport),
	     packet->passes ? "accepts" : "drops", packet->rule, passes ? "accepts" : "drops",
	     rule);
}

/* The number of packets of which both do not say the same. */
static unsigned int compare_set(struct oracle *self, unsigned long long counts[2])
{
	unsigned int differ = 0;

	for (int i = 0; i < PACKETS; i++) {
		const struct nft_packet *packet = &set.packets[i];
		uint32_t rule;
		bool passes = judge(self, &packet->key, &rule);

		counts[passes]++;
		if (passes == packet->passes && (!passes || rule == packet->rule))
			continue;
		if (!differ++)
			tell(packet, passes, rule);
	}
	return differ;
}

TEST_F(oracle, the_same_verdict_as_nftables)
{
	struct ruleset_random random = { harness_seed() };
	unsigned int rounds = harness_rounds(SETS), differ = 0, named = 0;
	unsigned long long counts[2] = {}, rules = 0;

	for (unsigned int i = 0; i < rounds && !differ; i++) {
		make_set(&random, i);
		self->fixture.index.from = i % 2 ? 1 : 0; /* an index for few rules, too */
		apply_set(self);
		nft_run(&self->nft, set.packets, PACKETS, set.dir);
		differ += compare_set(self, counts);
		rules += set.count;
		named += set.has_named;
		if (set.has_named)
			ruleset_sets_free(&set.named);
	}
	CHECK_EQ(differ, 0);
	CHECK_OP(counts[0], >,
		 counts[1] / 10); /* neither answer is the answer to nearly everything */
	CHECK_OP(counts[1], >, counts[0] / 10);
	note("%u sets, %u of them with sets by name, %llu rules, %llu packets: %llu accepted, %llu "
	     "dropped",
	     rounds, named, rules, counts[0] + counts[1], counts[1], counts[0]);
}
