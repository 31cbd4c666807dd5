// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A VM that learns: what is under way passes and becomes a flow, what begins is judged, and when
 * the time is over policy is asked about all that was learned. Time is an input.
 */
#include <string.h>
#include "cast.h"
#include "harness.h"

#define SECOND     1000000000ULL
#define START_NS   (1000 * SECOND)
#define LEARN_NS   (60 * SECOND)
#define OTHER_PORT 2222 /* that no rule admits */

struct learn {
	struct fixture fixture;
	struct fixture_vm vm;
};

enum { SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK, RST = ROAM_TCP_RST };
static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

/* In: TCP and UDP to port CAST_VM_PORT. Out: nothing. */
static void add_rules(struct learn *self)
{
	struct roam_acl_match rule = {
		.lport = { CAST_VM_PORT, CAST_VM_PORT },
		.rport = { 0, UINT16_MAX },
		.id = 1,
		.action = ROAM_ACTION_ALLOW,
		.any_proto = 1,
	};

	fixture_set_rules(&self->fixture, CAST_SLOT, IN, &rule, 1);
}

static void learn_setup(struct learn *self)
{
	self->vm = cast_vm();
	self->vm.conf.default_action[OUT] = ROAM_ACTION_DROP;
	self->vm.quota_flows = ROAM_QUOTA_MIN;
	self->vm.conf.features = ROAM_VM_LEARN;
	self->vm.conf.learn_until_ns = START_NS + LEARN_NS;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
	add_rules(self);
	self->fixture.now_ns = START_NS;
}

static void learn_teardown(struct learn *self)
{
	fixture_close(&self->fixture);
}

/* `port` is the VM's. */
static void expect(struct learn *self, struct packet_spec spec, uint16_t port,
		   enum roam_reason reason)
{
	enum roam_dir dir = memcmp(spec.smac, cast_vm_mac, ROAM_MAC_LEN) ? IN : OUT;

	*(dir == OUT ? &spec.sport : &spec.dport) = port;
	cast_expect(&self->fixture, dir, &spec, reason);
}

TEST_46_F(learn, under_way_is_learned)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	expect(self, cast_tcp(family, OUT, ACK), CAST_VM_PORT, ROAM_REASON_OPENED);
	expect(self, cast_tcp(family, IN, ACK), CAST_VM_PORT, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_FLOWS);
	CHECK(flow.flags & ROAM_FLOW_LEARNED);
	CHECK(flow.flags & ROAM_FLOW_EITHER_DIR);
	expect(self, cast_packet(family, OUT, IPPROTO_UDP), OTHER_PORT, ROAM_REASON_OPENED);
}

/* Seen from the VM first, though a rule for the other direction is what admits it. */
TEST_46_F(learn, policy_is_asked_at_the_end)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	expect(self, cast_tcp(family, OUT, ACK), CAST_VM_PORT, ROAM_REASON_OPENED);
	expect(self, cast_tcp(family, OUT, ACK), OTHER_PORT, ROAM_REASON_OPENED);
	self->fixture.now_ns += LEARN_NS;
	expect(self, cast_tcp(family, OUT, ACK), CAST_VM_PORT, ROAM_REASON_ESTABLISHED);
	expect(self, cast_tcp(family, OUT, ACK), OTHER_PORT, ROAM_REASON_REVOKED);
	expect(self, cast_tcp(family, OUT, ACK), OTHER_PORT, ROAM_REASON_MIDSTREAM);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_FLOWS);
	CHECK_EQ(flow.flags, ROAM_FLOW_PICKED_UP | ROAM_FLOW_LEARNED);
	CHECK_EQ(flow.open_dir, IN);
	CHECK_EQ(flow.rule, 1);
}

TEST_46_F(learn, what_begins_is_judged)
{
	expect(self, cast_tcp(family, IN, SYN), OTHER_PORT, ROAM_REASON_ACL_DEFAULT);
	expect(self, cast_tcp(family, OUT, SYN), CAST_VM_PORT, ROAM_REASON_ACL_DEFAULT);
	expect(self, cast_tcp(family, IN, SYN), CAST_VM_PORT, ROAM_REASON_OPENED);
	expect(self, cast_tcp(family, IN, RST | ACK), OTHER_PORT, ROAM_REASON_MIDSTREAM);
}

TEST_46_F(learn, learned_ones_have_a_quota)
{
	int refused = 0;

	for (int i = 0; i < 2 * ROAM_QUOTA_MIN; i++) {
		struct packet_spec spec = cast_tcp(family, IN, ACK);
		struct packet packet;

		spec.sport = 1000 + i;
		packet_build(&spec, &packet);
		refused += fixture_run(&self->fixture, FRONT_TC, IN, &packet) != ROAM_PASS;
	}
	CHECK_EQ(refused, ROAM_QUOTA_MIN);
	CHECK_EQ(fixture_counter(&self->fixture, CAST_SLOT, ROAM_REASON_CT_FULL, IN).packets,
		 ROAM_QUOTA_MIN);
}
