// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Connection tracking: states of TCP and of datagrams, expiry, generations of policy, and what
 * happens on a full table. Time is an input.
 */
#include <string.h>
#include "cast.h"
#include "harness.h"

#define SECOND 1000000000ULL

struct ct_test {
	struct fixture fixture;
	struct fixture_vm vm;
};

static void ct_test_setup(struct ct_test *self)
{
	self->vm = cast_vm();
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
}

static void ct_test_teardown(struct ct_test *self)
{
	fixture_close(&self->fixture);
}

/* A packet of the one TCP connection, expected to be judged so. */
static void tcp(struct ct_test *self, int family, enum roam_dir dir, uint8_t flags,
		enum roam_reason reason)
{
	struct packet_spec spec = cast_tcp(family, dir, flags);

	cast_expect(&self->fixture, dir, &spec, reason);
}

static int tcp_state(struct ct_test *self, int family)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	return fixture_flow(&self->fixture, CAST_SLOT, &key, &flow) < 0 ? -1 : flow.state;
}

enum { SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK, FIN = ROAM_TCP_FIN, RST = ROAM_TCP_RST };
static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

TEST_46_F(ct_test, handshake_promotes)
{
	uint32_t half = 0, full = 0;

	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	half = fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF);
	CHECK_EQ(half, 1);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_SYN_SENT);
	tcp(self, family, IN, SYN | ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_SYN_RECV);
	tcp(self, family, OUT, ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_ESTABLISHED);
	half = fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF);
	full = fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_FLOWS);
	CHECK_EQ(half, 0);
	CHECK_EQ(full, 1);
}

TEST_46_F(ct_test, orderly_close)
{
	cast_handshake(&self->fixture, family);
	tcp(self, family, OUT, FIN | ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_FIN_WAIT);
	tcp(self, family, IN, ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_CLOSE_WAIT);
	tcp(self, family, IN, FIN | ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_LAST_ACK);
	tcp(self, family, OUT, ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_TIME_WAIT);
	/* The same ports again: a new connection, by policy. */
	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_SYN_SENT);
}

TEST_46_F(ct_test, time_wait_is_no_way_in)
{
	cast_handshake(&self->fixture, family);
	tcp(self, family, OUT, RST, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_CLOSE);
	tcp(self, family, IN, SYN, ROAM_REASON_ACL_DEFAULT);
}

TEST_46_F(ct_test, refused_handshake_is_forgotten)
{
	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	tcp(self, family, IN, RST | ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(tcp_state(self, family), -1);
}

TEST_46_F(ct_test, midstream_strict_drops)
{
	tcp(self, family, IN, ACK, ROAM_REASON_MIDSTREAM);
	tcp(self, family, OUT, ACK, ROAM_REASON_MIDSTREAM);
	tcp(self, family, OUT, SYN | ACK, ROAM_REASON_MIDSTREAM);
	CHECK_EQ(tcp_state(self, family), -1);
}

TEST_46_F(ct_test, midstream_pickup_asks_policy_both_ways)
{
	self->vm.conf.midstream = ROAM_MIDSTREAM_PICKUP;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
	/* Policy lets the VM open it, so the peer's segment may be the first one seen. */
	tcp(self, family, IN, ACK, ROAM_REASON_OPENED);
	CHECK_EQ(tcp_state(self, family), ROAM_CT_ESTABLISHED);
	self->vm.conf.default_action[OUT] = ROAM_ACTION_DROP;
	fixture_make_vm(&self->fixture, &self->vm);
	tcp(self, family, IN, ACK, ROAM_REASON_ACL_DEFAULT);
	tcp(self, family, OUT, RST, ROAM_REASON_MIDSTREAM);
}

TEST_46_F(ct_test, flags_that_mean_nothing)
{
	tcp(self, family, OUT, SYN | FIN, ROAM_REASON_TCP_FLAGS);
	tcp(self, family, OUT, 0, ROAM_REASON_TCP_FLAGS);
	tcp(self, family, OUT, FIN, ROAM_REASON_TCP_FLAGS);
	CHECK_EQ(tcp_state(self, family), -1);
}

TEST_46_F(ct_test, expired_flow_judges_nothing)
{
	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	self->fixture.now_ns += 121 * SECOND;
	tcp(self, family, IN, SYN | ACK, ROAM_REASON_MIDSTREAM);
	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	tcp(self, family, IN, SYN | ACK, ROAM_REASON_ESTABLISHED);
	tcp(self, family, OUT, ACK, ROAM_REASON_ESTABLISHED);
	self->fixture.now_ns += 431999 * SECOND;
	tcp(self, family, IN, ACK, ROAM_REASON_ESTABLISHED);
	self->fixture.now_ns += 432001 * SECOND;
	tcp(self, family, IN, ACK, ROAM_REASON_MIDSTREAM);
}

TEST_46_F(ct_test, datagrams_are_answered)
{
	struct packet_spec ask = cast_packet(family, OUT, IPPROTO_UDP);
	struct packet_spec answer = cast_packet(family, IN, IPPROTO_UDP);
	struct roam_flow_key key = cast_key(family, IPPROTO_UDP);
	struct roam_flow flow;

	cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ACL_DEFAULT);
	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_HALF);
	cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_FLOWS);
	CHECK_EQ(flow.side[IN].packets, 1);
	CHECK_EQ(flow.side[OUT].packets, 1);
	CHECK_EQ(flow.side[IN].bytes, flow.side[OUT].bytes);
}

static void udp_is(struct ct_test *self, int family, enum roam_dir dir, enum roam_ct_state state)
{
	struct packet_spec spec = cast_packet(family, dir, IPPROTO_UDP);
	struct roam_flow_key key = cast_key(family, IPPROTO_UDP);
	struct roam_flow flow = {};

	cast_expect(&self->fixture, dir, &spec, ROAM_REASON_ESTABLISHED);
	fixture_flow(&self->fixture, CAST_SLOT, &key, &flow);
	CHECK_EQ(flow.state, state);
}

/* Both ways and for more than 2 s: a stream, which may pause longer than a question may wait. */
TEST_46_F(ct_test, datagrams_become_a_stream)
{
	struct packet_spec ask = cast_packet(family, OUT, IPPROTO_UDP);

	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	self->fixture.now_ns += SECOND;
	udp_is(self, family, IN, ROAM_CT_UDP_REPLIED);
	udp_is(self, family, OUT, ROAM_CT_UDP_REPLIED);
	self->fixture.now_ns += 29 * SECOND;
	udp_is(self, family, OUT, ROAM_CT_UDP_STREAM);
	self->fixture.now_ns += 119 * SECOND;
	udp_is(self, family, IN, ROAM_CT_UDP_STREAM);
	self->fixture.now_ns += 121 * SECOND;
	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	self->fixture.now_ns += 10 * SECOND;
	udp_is(self, family, OUT, ROAM_CT_UDP_NEW);
	self->fixture.now_ns += 31 * SECOND;
	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	udp_is(self, family, IN, ROAM_CT_UDP_REPLIED);
	self->fixture.now_ns += 31 * SECOND;
	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
}

TEST_46_F(ct_test, pings_both_ways_are_two_flows)
{
	uint8_t proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct packet_spec ask = cast_packet(family, OUT, proto);
	struct packet_spec answer = cast_packet(family, IN, proto);

	ask.icmp_id = answer.icmp_id = 77;
	ask.icmp_type = family == 4 ? 8 : 128;
	answer.icmp_type = family == 4 ? 0 : 129;
	cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ACL_DEFAULT);
	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ESTABLISHED);
	answer.icmp_type = ask.icmp_type;
	cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ACL_DEFAULT);
}

TEST_46_F(ct_test, group_traffic_is_not_tracked)
{
	struct packet_spec spec = cast_packet(family, OUT, IPPROTO_UDP);

	spec.dst = packet_addr(family == 4 ? "224.0.0.251" : "ff02::fb");
	spec.dmac[0] = 0x33;
	cast_expect(&self->fixture, OUT, &spec, ROAM_REASON_UNTRACKED);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 0);
}

static void new_generation(struct ct_test *self, enum roam_action out)
{
	self->vm.conf.gen++;
	self->vm.conf.default_action[OUT] = out;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
}

TEST_46_F(ct_test, policy_that_still_admits_renews)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	cast_handshake(&self->fixture, family);
	new_generation(self, ROAM_ACTION_ALLOW);
	tcp(self, family, IN, ACK, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_FLOWS);
	CHECK_EQ(flow.gen, self->vm.conf.gen);
}

TEST_46_F(ct_test, revoked_permission_ends_the_flow)
{
	cast_handshake(&self->fixture, family);
	new_generation(self, ROAM_ACTION_DROP);
	tcp(self, family, IN, ACK, ROAM_REASON_REVOKED);
	CHECK_EQ(tcp_state(self, family), -1);
	tcp(self, family, IN, ACK, ROAM_REASON_MIDSTREAM);
}

/* Opens flows from consecutive ports until one is not simply opened; how many were. */
static uint32_t fill_half(struct ct_test *self, int family, uint32_t most)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN);
	struct packet packet;
	uint32_t count = 0;

	for (; count < most; count++) {
		syn.sport = 1024 + count;
		packet_build(&syn, &packet);
		fixture_run(&self->fixture, FRONT_TC, OUT, &packet);
		if (fixture_reason(&self->fixture, CAST_SLOT, OUT) != ROAM_REASON_OPENED)
			break;
	}
	return count;
}

TEST_46_F(ct_test, full_of_expired_ones_makes_room)
{
	self->vm.quota_half = 64;
	fixture_make_vm(&self->fixture, &self->vm);
	CHECK_EQ(fill_half(self, family, 64), 64);
	self->fixture.now_ns += 121 * SECOND;
	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 64 - 8 + 1);
}

TEST_46_F(ct_test, half_open_ones_do_not_crowd_out_established_ones)
{
	self->vm.quota_half = 64;
	fixture_make_vm(&self->fixture, &self->vm);
	cast_handshake(&self->fixture, family);
	CHECK_EQ(fill_half(self, family, 1000), 64);
	tcp(self, family, OUT, ACK, ROAM_REASON_ESTABLISHED);
	tcp(self, family, IN, ACK, ROAM_REASON_ESTABLISHED);
}

/* Connecting again and again from the same port leaves entries in the clock that stand for nothing:
 * they must not use up the table. */
TEST_46_F(ct_test, reopening_does_not_fill_the_clock)
{
	self->vm.quota_half = self->vm.quota_flows = 64;
	fixture_make_vm(&self->fixture, &self->vm);
	for (int i = 0; i < 300; i++) {
		self->fixture.now_ns += SECOND;
		cast_handshake(&self->fixture, family);
		tcp(self, family, OUT, RST | ACK, ROAM_REASON_ESTABLISHED);
		if (harness_stopped())
			return;
	}
	CHECK_EQ(fill_half(self, family, 1000), 64);
}

/* An exchange over UDP from that port, with an answer or without. */
static bool exchange(struct ct_test *self, int family, uint16_t port, bool answered)
{
	struct packet_spec ask = cast_packet(family, OUT, IPPROTO_UDP);
	struct packet_spec answer = cast_packet(family, IN, IPPROTO_UDP);
	struct packet packet;

	ask.sport = answer.dport = port;
	packet_build(&ask, &packet);
	if (fixture_run(&self->fixture, FRONT_TC, OUT, &packet) != ROAM_PASS)
		return false;
	packet_build(&answer, &packet);
	return !answered || fixture_run(&self->fixture, FRONT_TC, IN, &packet) == ROAM_PASS;
}

/* Live entries in front of those that stand for nothing must not hide the room behind them. */
TEST_46_F(ct_test, no_refusal_while_there_is_room)
{
	static const struct {
		int count;
		bool answered;
	} runs[] = { { 1, true }, { 40, false }, { 200, true }, { 10, false } };
	uint16_t port = 1024;

	self->vm.quota_half = 64;
	self->vm.quota_flows = 1000;
	fixture_make_vm(&self->fixture, &self->vm);
	for (int run = 0; run < 4; run++) {
		for (int i = 0; i < runs[run].count; i++)
			CHECK(exchange(self, family, port++, runs[run].answered));
	}
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 50);
}

TEST_46_F(ct_test, dropped_packet_leaves_no_flow)
{
	struct packet_spec syn = cast_tcp(family, IN, SYN);

	cast_expect(&self->fixture, IN, &syn, ROAM_REASON_ACL_DEFAULT);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 0);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_FLOWS), 0);
}

TEST_46_F(ct_test, window_scale_is_remembered)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN);
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	syn.tcp_scale = 9;
	cast_expect(&self->fixture, OUT, &syn, ROAM_REASON_OPENED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_HALF);
	CHECK_EQ(flow.side[OUT].tcp.scale, 9);
	CHECK_EQ(flow.side[OUT].tcp.end, syn.seq + 1);
}

static void set_timeouts(struct ct_test *self, const struct roam_ct_timeouts *timeouts)
{
	fixture_set_timeouts(&self->fixture, CAST_SLOT, timeouts);
}

TEST_46_F(ct_test, timeouts_are_the_vms_own)
{
	struct roam_ct_timeouts timeouts = { .established = 100 };

	set_timeouts(self, &timeouts);
	cast_handshake(&self->fixture, family);
	self->fixture.now_ns += 100 * SECOND;
	tcp(self, family, IN, ACK, ROAM_REASON_ESTABLISHED);
	self->fixture.now_ns += 101 * SECOND;
	tcp(self, family, IN, ACK, ROAM_REASON_MIDSTREAM);
	set_timeouts(self, &(struct roam_ct_timeouts){});
}

/* The peer is silent, and has something to acknowledge: 300 s, not five days. */
TEST_46_F(ct_test, unacknowledged_data_shortens_the_timeout)
{
	struct packet_spec data = cast_tcp(family, OUT, ACK);

	cast_handshake(&self->fixture, family);
	self->fixture.now_ns += 1000 * SECOND;
	data.payload = 10;
	cast_expect(&self->fixture, OUT, &data, ROAM_REASON_ESTABLISHED);
	self->fixture.now_ns += 300 * SECOND;
	cast_expect(&self->fixture, OUT, &data, ROAM_REASON_ESTABLISHED);
	self->fixture.now_ns += 301 * SECOND;
	cast_expect(&self->fixture, OUT, &data, ROAM_REASON_MIDSTREAM);
}

/*
 * All of 64 places are taken, by flows that have idled for half of their timeout: as many give way
 * as it takes until half of the last tenth, of 6 places, is free.
 */
TEST_46_F(ct_test, timeouts_shrink_where_room_is_needed)
{
	self->vm.quota_half = 64;
	fixture_make_vm(&self->fixture, &self->vm);
	CHECK_EQ(fill_half(self, family, 1000), 64);
	self->fixture.now_ns += 60 * SECOND;
	tcp(self, family, OUT, SYN, ROAM_REASON_OPENED);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 64 - 3 + 1);
}
