// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The acl stage: order, what matches, counters, and the end of a list. */
#include <arpa/inet.h>
#include <string.h>
#include <roam/monitor.h>
#include "cast.h"
#include "harness.h"
#include "rulesets.h"

struct acl_test {
	struct fixture fixture;
};

static void acl_test_setup(struct acl_test *self)
{
	struct fixture_vm vm = cast_vm();

	self->fixture.with_stages = true;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &vm);
}

static void acl_test_teardown(struct acl_test *self)
{
	fixture_close(&self->fixture);
}

static struct roam_acl_match rule(uint32_t id, enum roam_action action)
{
	const struct roam_port_range any = { 0, 65535 };

	return (struct roam_acl_match){
		.id = id,
		.action = action,
		.any_proto = 1,
		.lport = any,
		.rport = any,
	};
}

/* A packet toward the VM from the peer, as the ct stage hands it on. */
static struct roam_pkt opening(int family, uint8_t proto)
{
	struct roam_pkt pkt = {
		.vm = CAST_SLOT,
		.dir = ROAM_DIR_IN,
		.ct = ROAM_PKT_CT_OPENING,
		.open_dir = ROAM_DIR_IN,
		.len = 100,
		.now_ns = 1,
		.default_action = { ROAM_ACTION_DROP, ROAM_ACTION_ALLOW },
		.key = cast_key(family, proto),
	};

	return pkt;
}

static void expect(struct acl_test *self, struct roam_pkt pkt, enum roam_verdict verdict,
		   enum roam_reason reason)
{
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), verdict);
	CHECK_EQ(pkt.reason, reason);
}

static void set_rules(struct acl_test *self, const struct roam_acl_match *rules, uint32_t count)
{
	fixture_set_rules(&self->fixture, CAST_SLOT, ROAM_DIR_IN, rules, count);
}

TEST_46_F(acl_test, without_rules_the_default_decides)
{
	struct roam_pkt pkt = opening(family, IPPROTO_TCP);

	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	pkt.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
}

TEST_46_F(acl_test, first_match_wins)
{
	struct roam_acl_match rules[] = { rule(1, ROAM_ACTION_DROP), rule(2, ROAM_ACTION_ALLOW) };
	struct roam_pkt pkt = opening(family, IPPROTO_TCP);

	set_rules(self, rules, 2);
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_RULE);
	set_rules(self, rules + 1, 1);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
}

TEST_46_F(acl_test, ports_by_range)
{
	struct roam_acl_match allow = rule(1, ROAM_ACTION_ALLOW);
	struct roam_pkt pkt = opening(family, IPPROTO_TCP);

	allow.lport = (struct roam_port_range){ 40000, 40001 };
	set_rules(self, &allow, 1);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.key.lport = htons(40002);
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	pkt.key.lport = htons(39999);
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	pkt = opening(family, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT); /* no ports: only "any" fits */
}

TEST_46_F(acl_test, protocol_and_family)
{
	struct roam_acl_match allow = rule(1, ROAM_ACTION_ALLOW);

	allow.any_proto = 0;
	allow.proto = IPPROTO_TCP;
	set_rules(self, &allow, 1);
	expect(self, opening(family, IPPROTO_TCP), ROAM_CONTINUE, ROAM_REASON_NONE);
	expect(self, opening(family, IPPROTO_UDP), ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	allow.family = family == 4 ? 6 : 4;
	set_rules(self, &allow, 1);
	expect(self, opening(family, IPPROTO_TCP), ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
}

TEST_46_F(acl_test, prefixes)
{
	struct roam_acl_match allow = rule(1, ROAM_ACTION_ALLOW);
	struct roam_addr peer = cast_peer_addr(family);
	struct roam_pkt pkt = opening(family, IPPROTO_TCP);

	memcpy(allow.remote, peer.words, sizeof(allow.remote));
	memset(allow.remote_mask, 0xff, sizeof(allow.remote_mask));
	set_rules(self, &allow, 1);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.key.remote.bytes[15] ^= 1;
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	((uint8_t *)allow.remote_mask)[15] = 0;
	((uint8_t *)allow.remote)[15] = 0;
	set_rules(self, &allow, 1);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.key.remote.bytes[14] ^= 1;
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
}

TEST_46_F(acl_test, tcp_flags_of_the_opening)
{
	struct roam_acl_match allow = rule(1, ROAM_ACTION_ALLOW);
	struct roam_pkt pkt = opening(family, IPPROTO_TCP);

	allow.tcp_flags = ROAM_TCP_SYN;
	allow.tcp_mask = ROAM_TCP_SYN | ROAM_TCP_ACK;
	set_rules(self, &allow, 1);
	pkt.open_tcp_flags = ROAM_TCP_SYN | ROAM_TCP_PSH;
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.open_tcp_flags = ROAM_TCP_SYN | ROAM_TCP_ACK;
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	pkt.open_tcp_flags = ROAM_TCP_SYN;
	pkt.tcp_flags = ROAM_TCP_ACK; /* of a later packet: no matter */
	pkt.ct = ROAM_PKT_CT_STALE;
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
}

TEST_46_F(acl_test, icmp_type_and_code)
{
	struct roam_acl_match allow = rule(1, ROAM_ACTION_ALLOW);
	struct roam_pkt pkt = opening(family, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	allow.icmp_type = pkt.open_icmp_type = family == 4 ? 8 : 128;
	allow.icmp_type_mask = 0xff;
	set_rules(self, &allow, 1);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.open_icmp_code = 5; /* any */
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.open_icmp_type = 0;
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	allow.icmp_type = 0; /* a type of its own, not any */
	allow.icmp_code_mask = 0xff;
	set_rules(self, &allow, 1);
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
	pkt.open_icmp_code = 0;
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.ct = ROAM_PKT_CT_NONE; /* not tracked: by its own */
	pkt.icmp_type = 3;
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_DEFAULT);
}

TEST_F(acl_test, openings_count_as_hits_and_old_flows_do_not)
{
	struct roam_acl_match allow = rule(9, ROAM_ACTION_ALLOW);
	struct roam_pkt pkt = opening(4, IPPROTO_TCP);
	struct roam_acl_hits hits;

	set_rules(self, &allow, 1);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.ct = ROAM_PKT_CT_STALE;
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	hits = fixture_hits(&self->fixture, CAST_SLOT, 9);
	CHECK_EQ(hits.packets, 2);
	CHECK_EQ(hits.bytes, 200);
	CHECK_EQ(hits.last_ns, 1);
}

TEST_46_F(acl_test, audit_lets_pass_and_marks)
{
	struct roam_acl_match audit = rule(1, ROAM_ACTION_AUDIT);
	struct roam_pkt pkt = opening(family, IPPROTO_TCP);

	set_rules(self, &audit, 1);
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_CONTINUE);
	CHECK_EQ(pkt.audited, 1);
	CHECK_EQ(pkt.rule, 1);
	set_rules(self, NULL, 0);
	pkt = opening(family, IPPROTO_TCP);
	pkt.default_action[ROAM_DIR_IN] = ROAM_ACTION_AUDIT;
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_CONTINUE);
	CHECK_EQ(pkt.audited, 1);
	pkt = opening(family, IPPROTO_TCP);
	pkt.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_CONTINUE);
	CHECK_EQ(pkt.audited, 0);
}

/* Of what is picked up, the direction that allows counts more than the one that is audited. */
TEST_F(acl_test, audit_yields_to_allow)
{
	struct roam_acl_match audit = rule(1, ROAM_ACTION_AUDIT);
	struct roam_pkt pkt = opening(4, IPPROTO_TCP);

	set_rules(self, &audit, 1);
	pkt.ct = ROAM_PKT_CT_MIDSTREAM;
	pkt.either_dir = 1;
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_CONTINUE);
	CHECK_EQ(pkt.audited, 0); /* out: allow */
	CHECK_EQ(pkt.open_dir, ROAM_DIR_OUT);
	pkt = opening(4, IPPROTO_TCP);
	pkt.ct = ROAM_PKT_CT_MIDSTREAM;
	pkt.either_dir = 1;
	pkt.default_action[ROAM_DIR_OUT] = ROAM_ACTION_DROP;
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_CONTINUE);
	CHECK_EQ(pkt.audited, 1);
	CHECK_EQ(pkt.open_dir, ROAM_DIR_IN);
	CHECK_EQ(pkt.rule, 1);
}

TEST_F(acl_test, log_tells_so_many_a_second_and_counts_the_rest)
{
	struct roam_acl_match drop = rule(3, ROAM_ACTION_DROP);
	uint32_t told = 0;

	drop.log = 4;
	set_rules(self, &drop, 1);
	for (uint64_t ms = 1; ms <= 2000; ms += 100) {
		struct roam_pkt pkt = opening(4, IPPROTO_TCP);

		pkt.now_ns = 1000000000000 + ms * 1000000;
		CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_DROP);
		told += !!(pkt.events & ROAM_EVENT_BIT(ROAM_EVENT_LOGGED));
	}
	CHECK_EQ(told, 4 + 7); /* the burst, and what 1.9 s allow */
	CHECK_EQ(fixture_hits(&self->fixture, CAST_SLOT, 3).packets, 20);
	CHECK_EQ(fixture_hits(&self->fixture, CAST_SLOT, 3).log_lost, 20 - told);
}

TEST_F(acl_test, a_flow_that_is_matched_again_is_not_told)
{
	struct roam_acl_match allow = rule(3, ROAM_ACTION_ALLOW);
	struct roam_pkt pkt = opening(4, IPPROTO_TCP);

	allow.log = 1;
	set_rules(self, &allow, 1);
	pkt.ct = ROAM_PKT_CT_STALE;
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_acl", &pkt), ROAM_CONTINUE);
	CHECK_EQ(pkt.events, 0);
}

/* ---- the whole list ---- */

TEST_46_F(acl_test, audited_flows_are_marked_until_policy_admits_them)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet_spec reply = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_vm conf = cast_vm().conf;
	struct roam_flow flow;

	conf.default_action[ROAM_DIR_IN] = ROAM_ACTION_AUDIT;
	fixture_set_conf(&self->fixture, CAST_SLOT, &conf);
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_AUDITED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_HALF);
	CHECK_EQ(flow.flags, ROAM_FLOW_AUDITED);
	conf.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	conf.gen++;
	fixture_set_conf(&self->fixture, CAST_SLOT, &conf);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &reply, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_HALF);
	CHECK_EQ(flow.flags, 0);
	conf.default_action[ROAM_DIR_IN] = ROAM_ACTION_AUDIT;
	conf.gen++;
	fixture_set_conf(&self->fixture, CAST_SLOT, &conf);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &reply, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_HALF);
	CHECK_EQ(flow.flags, ROAM_FLOW_AUDITED);
}

/* Of a VM that has a rule without tracking for port 40000; IPS would count openings. */
static void make_stateless(struct acl_test *self, enum roam_action action)
{
	struct roam_acl_match rules[] = { rule(1, ROAM_ACTION_DROP), rule(2, action) };
	struct roam_vm conf = cast_vm().conf;

	rules[0].rport = (struct roam_port_range){ 444, 444 };
	rules[1].lport = (struct roam_port_range){ CAST_VM_PORT, CAST_VM_PORT };
	rules[1].track = ROAM_ACL_STATELESS;
	set_rules(self, rules, 2);
	conf.features = ROAM_VM_STATELESS;
	fixture_set_conf(&self->fixture, CAST_SLOT, &conf);
}

static uint32_t all_flows(struct acl_test *self)
{
	return fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF) +
	       fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_FLOWS);
}

TEST_46_F(acl_test, stateless_rules_make_no_flow)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet_spec ack = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_ACK);
	struct packet_spec udp = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);

	make_stateless(self, ROAM_ACTION_ALLOW);
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_UNTRACKED);
	cast_expect(&self->fixture, ROAM_DIR_IN, &ack, ROAM_REASON_UNTRACKED);
	cast_expect(&self->fixture, ROAM_DIR_IN, &udp, ROAM_REASON_UNTRACKED);
	CHECK_EQ(all_flows(self), 0);
	CHECK_EQ(fixture_hits(&self->fixture, CAST_SLOT, 2).packets, 3);
	ack.sport = 444; /* the first rule has the first say, and what it drops is no opening */
	cast_expect(&self->fixture, ROAM_DIR_IN, &ack, ROAM_REASON_MIDSTREAM);
	ack.sport = CAST_PEER_PORT;
	ack.dport = 1;
	cast_expect(&self->fixture, ROAM_DIR_IN, &ack, ROAM_REASON_MIDSTREAM);
	udp.dport = 1;
	cast_expect(&self->fixture, ROAM_DIR_IN, &udp, ROAM_REASON_ACL_DEFAULT);
	make_stateless(self, ROAM_ACTION_DROP);
	ack.dport = CAST_VM_PORT;
	cast_expect(&self->fixture, ROAM_DIR_IN, &ack, ROAM_REASON_ACL_RULE);
	make_stateless(self, ROAM_ACTION_AUDIT);
	cast_expect(&self->fixture, ROAM_DIR_IN, &ack, ROAM_REASON_AUDITED);
	CHECK_EQ(all_flows(self), 0);
}

/* The other direction has rules of its own: by default, an opening. */
TEST_46_F(acl_test, stateless_rules_are_of_one_direction)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct packet_spec reply = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN | ROAM_TCP_ACK);
	struct packet_spec udp = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);

	make_stateless(self, ROAM_ACTION_ALLOW);
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_UNTRACKED);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &reply, ROAM_REASON_MIDSTREAM);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &udp, ROAM_REASON_OPENED);
}

/* A known flow goes on as one; when it is over, what follows it is not tracked, and it is gone. */
TEST_46_F(acl_test, stateless_rules_take_no_flow_over)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec reply = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK);

	make_stateless(self, ROAM_ACTION_ALLOW);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, ROAM_DIR_IN, &reply, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(all_flows(self), 1);
	self->fixture.now_ns += 500ULL * 1000000000ULL;
	cast_expect(&self->fixture, ROAM_DIR_IN, &reply, ROAM_REASON_UNTRACKED);
	CHECK_EQ(all_flows(self), 0);
}

TEST_F(acl_test, a_thousand_rules_are_walked_to_the_end)
{
	static struct roam_acl_match rules[1000];
	struct roam_pkt pkt = opening(4, IPPROTO_TCP);

	for (uint32_t i = 0; i < 1000; i++) {
		rules[i] = rule(i + 1, ROAM_ACTION_DROP);
		rules[i].lport = (struct roam_port_range){ i + 1, i + 1 };
	}
	rules[999] = rule(1000, ROAM_ACTION_ALLOW);
	set_rules(self, rules, 1000);
	expect(self, pkt, ROAM_CONTINUE, ROAM_REASON_NONE);
	pkt.key.lport = htons(500);
	expect(self, pkt, ROAM_DROP, ROAM_REASON_ACL_RULE);
}

/* A set's packets as the stage judges them, and as trying rule after rule does. */
static void try_set(struct acl_test *self, struct ruleset_random *random, unsigned int number,
		    uint32_t count)
{
	static struct roam_acl_match rules[10000];
	enum ruleset_shape shape = number % RULESET_SHAPES;
	unsigned int wrong = 0;

	ruleset_make(random, shape, rules, count);
	set_rules(self, rules, count);
	for (int i = 0; i < 200; i++) {
		struct roam_pkt pkt = opening(4, IPPROTO_TCP);
		uint32_t first;

		pkt.key = ruleset_packet(random, shape, rules, count);
		first = ruleset_first(rules, count, &pkt.key);
		fixture_run_stage(&self->fixture, "stage_acl", &pkt);
		wrong += pkt.rule != (first < count ? rules[first].id : ROAM_RULE_NONE);
	}
	if (!CHECK_EQ(wrong, 0))
		note("set %u, shape %d, of %u rules", number, shape, count);
}

TEST_F(acl_test, an_index_finds_what_a_walk_does)
{
	struct ruleset_random random = { harness_seed() };

	for (unsigned int i = 0; i < harness_rounds(60) && !harness_stopped(); i++) {
		self->fixture.index.from = 1;
		self->fixture.index.bytes = i % 2; /* 1: as coarse as can be */
		try_set(self, &random, i, 1 + ruleset_below(&random, 200));
	}
}

TEST_F(acl_test, ten_thousand_rules)
{
	struct ruleset_random random = { harness_seed() };

	for (unsigned int i = 0; i < RULESET_SHAPES; i++)
		try_set(self, &random, i, 10000);
}
