// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What TCP segments are judged by beyond the state of their connection: sequence numbers, windows,
 * RST and SYN of those who guess. tests/peers/conntrack.c compares all of it with nf_conntrack;
 * here each rule has a case that names it.
 */
#include <string.h>
#include "cast.h"
#include "harness.h"

enum { SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK, FIN = ROAM_TCP_FIN, RST = ROAM_TCP_RST };
static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

struct tcp_test {
	struct fixture fixture;
	struct fixture_vm vm;
};

static void tcp_test_setup(struct tcp_test *self)
{
	self->vm = cast_vm();
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
}

static void tcp_test_teardown(struct tcp_test *self)
{
	fixture_close(&self->fixture);
}

static int state(struct tcp_test *self, int family)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	return fixture_flow(&self->fixture, CAST_SLOT, &key, &flow) < 0 ? -1 : flow.state;
}

/* A segment `ahead` of the number that the other end waits for. */
static void segment(struct tcp_test *self, int family, struct packet_spec spec, int32_t ahead,
		    enum roam_reason reason)
{
	enum roam_dir dir = spec.smac[5] == cast_vm_mac[5] ? OUT : IN;

	(void)family;
	spec.seq += ahead;
	cast_expect(&self->fixture, dir, &spec, reason);
}

TEST_46_F(tcp_test, outside_of_the_window)
{
	struct packet_spec in = cast_tcp(family, IN, ACK);

	cast_handshake(&self->fixture, family);
	segment(self, family, in, 65535, ROAM_REASON_ESTABLISHED);
	segment(self, family, in, 200000, ROAM_REASON_TCP_WINDOW);
	segment(self, family, in, -200000, ROAM_REASON_ESTABLISHED); /* old: answered by an ACK */
	in.ack += 1;                                                 /* of what was never sent */
	segment(self, family, in, 0, ROAM_REASON_TCP_WINDOW);
}

TEST_46_F(tcp_test, old_segments_change_nothing)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct packet_spec in = cast_tcp(family, IN, ACK);
	struct roam_flow before, after;

	cast_handshake(&self->fixture, family);
	fixture_flow(&self->fixture, CAST_SLOT, &key, &before);
	self->fixture.now_ns += 1000;
	segment(self, family, in, -200000, ROAM_REASON_ESTABLISHED);
	fixture_flow(&self->fixture, CAST_SLOT, &key, &after);
	CHECK_MEM(&after, &before, sizeof(after));
}

TEST_46_F(tcp_test, keep_alives_pass)
{
	cast_handshake(&self->fixture, family);
	segment(self, family, cast_tcp(family, IN, ACK), -1, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, OUT, ACK), 0, ROAM_REASON_ESTABLISHED);
}

/* Data that wraps around 2^32. */
TEST_46_F(tcp_test, numbers_wrap)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN), data = cast_tcp(family, OUT, ACK);
	struct packet_spec synack = cast_tcp(family, IN, SYN | ACK),
			   ack = cast_tcp(family, IN, ACK);

	syn.seq = 0xfffffff0;
	synack.ack = data.seq = 0xfffffff1;
	data.payload = 100;
	ack.ack = 0xfffffff1 + 100;
	cast_expect(&self->fixture, OUT, &syn, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &synack, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, OUT, &data, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, IN, &ack, ROAM_REASON_ESTABLISHED);
	ack.ack++;
	cast_expect(&self->fixture, IN, &ack, ROAM_REASON_TCP_WINDOW);
}

/* A handshake in which the VM offers a window of 100 << 7, and the peer scales or does not. */
static void scaled_handshake(struct tcp_test *self, int family, bool peer_scales)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN), ack = cast_tcp(family, OUT, ACK);
	struct packet_spec synack = cast_tcp(family, IN, SYN | ACK);

	syn.tcp_scale = 7;
	synack.tcp_has_scale = peer_scales;
	syn.window = ack.window = 100;
	cast_expect(&self->fixture, OUT, &syn, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &synack, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, OUT, &ack, ROAM_REASON_ESTABLISHED);
}

TEST_46_F(tcp_test, windows_scale_if_both_ends_offer)
{
	struct packet_spec in = cast_tcp(family, IN, ACK);

	scaled_handshake(self, family, true);
	segment(self, family, in, 100 << 7, ROAM_REASON_ESTABLISHED);
	segment(self, family, in, (100 << 7) + 20000, ROAM_REASON_TCP_WINDOW);
}

TEST_46_F(tcp_test, windows_do_not_scale_if_one_end_does_not)
{
	struct packet_spec in = cast_tcp(family, IN, ACK);

	scaled_handshake(self, family, false);
	segment(self, family, in, 100, ROAM_REASON_ESTABLISHED);
	segment(self, family, in, 300, ROAM_REASON_TCP_WINDOW);
}

/* Both permit them; the VM has sent 1000 bytes. */
static void sack_handshake(struct tcp_test *self, int family, bool permitted)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN), data = cast_tcp(family, OUT, ACK);
	struct packet_spec synack = cast_tcp(family, IN, SYN | ACK);

	syn.tcp_sack_ok = synack.tcp_sack_ok = permitted;
	data.payload = 1000;
	cast_expect(&self->fixture, OUT, &syn, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &synack, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, OUT, &data, ROAM_REASON_ESTABLISHED);
}

TEST_46_F(tcp_test, selective_acknowledgements_are_judged)
{
	struct packet_spec in = cast_tcp(family, IN, ACK);

	sack_handshake(self, family, true);
	in.tcp_sack[0] = in.ack + 500;
	in.tcp_sack[1] = in.ack + 1000;
	segment(self, family, in, 0, ROAM_REASON_ESTABLISHED);
	in.tcp_timestamp = true;
	in.tcp_sack[1]++; /* of what was never sent */
	segment(self, family, in, 0, ROAM_REASON_TCP_WINDOW);
}

TEST_46_F(tcp_test, selective_acknowledgements_mean_nothing_unless_permitted)
{
	struct packet_spec in = cast_tcp(family, IN, ACK);

	sack_handshake(self, family, false);
	in.tcp_sack[0] = in.ack + 500;
	in.tcp_sack[1] = in.ack + 5000;
	segment(self, family, in, 0, ROAM_REASON_ESTABLISHED);
}

TEST_46_F(tcp_test, a_reset_needs_the_exact_number)
{
	struct packet_spec rst = cast_tcp(family, IN, RST);

	cast_handshake(&self->fixture, family);
	segment(self, family, rst, 1, ROAM_REASON_ESTABLISHED);
	segment(self, family, rst, 65000, ROAM_REASON_ESTABLISHED);
	segment(self, family, rst, -1, ROAM_REASON_TCP_WINDOW);
	segment(self, family, rst, 1 << 20, ROAM_REASON_TCP_WINDOW);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
	segment(self, family, rst, 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_CLOSE);
}

/* One end has closed, the other still sends: nobody who guesses ends that either. */
TEST_46_F(tcp_test, a_reset_needs_the_exact_number_while_closing)
{
	cast_handshake(&self->fixture, family);
	segment(self, family, cast_tcp(family, OUT, FIN | ACK), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, IN, RST), 1, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_FIN_WAIT);
	segment(self, family, cast_tcp(family, IN, RST), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_CLOSE);
}

TEST_46_F(tcp_test, a_refusal_must_answer_the_syn)
{
	struct packet_spec rst = cast_tcp(family, IN, RST | ACK), bare = cast_tcp(family, IN, RST);

	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &bare, ROAM_REASON_ESTABLISHED);
	rst.ack--;
	cast_expect(&self->fixture, IN, &rst, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
	rst.ack++;
	cast_expect(&self->fixture, IN, &rst, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), -1);
}

TEST_46_F(tcp_test, a_syn_within_a_connection_changes_nothing)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN), in = cast_tcp(family, IN, SYN);

	cast_handshake(&self->fixture, family);
	segment(self, family, syn, 777777, ROAM_REASON_ESTABLISHED);
	segment(self, family, in, 777777, ROAM_REASON_CT_INVALID);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 777777, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
	/* The challenge ACK, and the data, as ever. */
	segment(self, family, cast_tcp(family, IN, ACK), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, OUT, ACK), 0, ROAM_REASON_ESTABLISHED);
}

/* The VM has forgotten the connection and opens it again; so has the peer, who answers. */
TEST_46_F(tcp_test, a_connection_that_both_begin_anew)
{
	struct packet_spec syn = cast_tcp(family, OUT, SYN), ack = cast_tcp(family, OUT, ACK);
	struct packet_spec synack = cast_tcp(family, IN, SYN | ACK);

	cast_handshake(&self->fixture, family);
	syn.seq += 5000000;
	synack.ack += 5000000;
	synack.seq += 9000000;
	ack.seq += 5000000;
	ack.ack += 9000000;
	cast_expect(&self->fixture, OUT, &syn, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, IN, &synack, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, OUT, &ack, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
}

/* The peer has an old connection, and says so; the VM resets that, and tries again. */
TEST_46_F(tcp_test, a_challenge_to_a_first_syn)
{
	struct packet_spec challenge = cast_tcp(family, IN, ACK), rst = cast_tcp(family, OUT, RST);

	challenge.ack = 123456;
	rst.seq = 123456;
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &challenge, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
	cast_expect(&self->fixture, OUT, &rst, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), -1);
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
}

/* The SYN is sent again before the challenge has come: the RST is on its way all the same. */
TEST_46_F(tcp_test, a_challenge_that_the_syn_again_crosses)
{
	struct packet_spec challenge = cast_tcp(family, IN, ACK), rst = cast_tcp(family, OUT, RST);

	challenge.ack = 123456;
	rst.seq = 123455;
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &challenge, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, OUT, &rst, ROAM_REASON_TCP_WINDOW);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
	segment(self, family, rst, 1, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), -1);
}

TEST_46_F(tcp_test, both_ends_open_at_once)
{
	struct packet_spec in = cast_tcp(family, IN, SYN | ACK);

	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
	segment(self, family, cast_tcp(family, OUT, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_RECV);
	cast_expect(&self->fixture, IN, &in, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, IN, ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
}

/* The SYN that came again has allowed something, and the answer takes nothing back. */
TEST_46_F(tcp_test, an_answer_while_both_ends_open_keeps_what_was_allowed)
{
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_RECV);
	segment(self, family, cast_tcp(family, IN, FIN | ACK), 1000, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_FIN_WAIT);
}

/* The peer has answered, and has even closed: a SYN-ACK of the VM is nobody's. */
TEST_46_F(tcp_test, a_wrong_answer_after_a_fin)
{
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, IN, FIN | ACK), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, OUT, SYN | ACK), 0, ROAM_REASON_CT_INVALID);
	segment(self, family, cast_tcp(family, OUT, ACK), 0, ROAM_REASON_ESTABLISHED);
}

/* Who has no connection, and says so, acknowledges the SYN that he answers. */
TEST_46_F(tcp_test, a_refusal_without_a_number_while_both_ends_open)
{
	struct packet_spec rst = cast_tcp(family, IN, RST | ACK), bare = cast_tcp(family, IN, RST);

	rst.seq = bare.seq = 0;
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN), -1000000000, ROAM_REASON_ESTABLISHED);
	cast_expect(&self->fixture, IN, &bare, ROAM_REASON_TCP_WINDOW);
	rst.ack--;
	cast_expect(&self->fixture, IN, &rst, ROAM_REASON_TCP_WINDOW);
	rst.ack++;
	cast_expect(&self->fixture, IN, &rst, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
}

/* Both SYNs are known: a SYN-ACK that acknowledges neither is of somebody who guesses. */
TEST_46_F(tcp_test, a_wrong_answer_while_both_ends_open)
{
	struct packet_spec forged = cast_tcp(family, IN, SYN | ACK);

	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN), 0, ROAM_REASON_ESTABLISHED);
	forged.ack -= 150000000;
	segment(self, family, forged, 887, ROAM_REASON_TCP_WINDOW);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_RECV);
}

/* And if it was the SYN that somebody has guessed, the right answer is the one that counts. */
TEST_46_F(tcp_test, a_right_answer_after_a_forged_syn)
{
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN), 7777777, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_RECV);
	segment(self, family, cast_tcp(family, OUT, ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
}

/* Data, from the number `ahead` of its sender's first one on. */
static void data(struct tcp_test *self, int family, enum roam_dir dir, int32_t ahead, uint16_t len)
{
	struct packet_spec spec = cast_tcp(family, dir, ACK);

	spec.payload = len;
	segment(self, family, spec, ahead, ROAM_REASON_ESTABLISHED);
}

/* The last segment of its sender, but not the end of what that one has sent. */
TEST_46_F(tcp_test, a_reset_behind_a_segment_that_is_sent_again)
{
	struct packet_spec ack = cast_tcp(family, IN, ACK), rst = cast_tcp(family, OUT, RST);

	cast_handshake(&self->fixture, family);
	data(self, family, OUT, 0, 1000);
	data(self, family, OUT, 1000, 1000);
	ack.ack += 500;
	segment(self, family, ack, 0, ROAM_REASON_ESTABLISHED);
	data(self, family, OUT, 500, 500);
	segment(self, family, rst, 1000, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
	segment(self, family, rst, 499, ROAM_REASON_TCP_WINDOW);
	segment(self, family, rst, 2000, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_CLOSE);
}

/* The VM resets an old connection and opens the next, whose SYN comes first. */
TEST_46_F(tcp_test, a_reset_that_the_next_syn_overtakes)
{
	struct packet_spec challenge = cast_tcp(family, IN, ACK);
	struct packet_spec rst = cast_tcp(family, OUT, RST | ACK);

	challenge.ack += 2000000;
	rst.ack = challenge.seq += 3000000;
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, rst, 2007000, ROAM_REASON_TCP_WINDOW);
	cast_expect(&self->fixture, IN, &challenge, ROAM_REASON_ESTABLISHED);
	segment(self, family, rst, 2007000, ROAM_REASON_ESTABLISHED);
	rst.ack++;
	segment(self, family, rst, 2007000, ROAM_REASON_TCP_WINDOW);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_SENT);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_RECV);
}

/* The same where no end has forgotten the old connection, and both take the new one. */
TEST_46_F(tcp_test, a_reset_that_the_next_syn_overtakes_in_a_connection)
{
	struct packet_spec synack = cast_tcp(family, IN, SYN | ACK),
			   ack = cast_tcp(family, OUT, ACK);

	synack.ack += 5000000;
	ack.ack += 9000000;
	cast_handshake(&self->fixture, family);
	segment(self, family, cast_tcp(family, OUT, SYN), 5000000, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, OUT, RST), 0, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_CLOSE);
	segment(self, family, synack, 9000000, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_SYN_RECV);
	segment(self, family, ack, 5000000, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
}

/* The VM offers nothing, and takes it: the acknowledgement is right, whatever comes between. */
TEST_46_F(tcp_test, what_was_sent_ahead_stays_sent)
{
	struct packet_spec ack = cast_tcp(family, OUT, ACK);

	ack.no_window = true;
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, SYN | ACK), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, ack, 0, ROAM_REASON_ESTABLISHED);
	data(self, family, IN, 0, 1000);
	segment(self, family, cast_tcp(family, IN, RST), 500, ROAM_REASON_ESTABLISHED);
	data(self, family, IN, 500, 100);
	ack.ack += 1000;
	segment(self, family, ack, 0, ROAM_REASON_ESTABLISHED);
	ack.ack++;
	segment(self, family, ack, 0, ROAM_REASON_TCP_WINDOW);
}

/* Who tries from one port again and again does not keep the flow. */
TEST_46_F(tcp_test, a_syn_again_does_not_keep_the_flow)
{
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
	for (int i = 0; i < 3; i++) {
		self->fixture.now_ns += 39ULL * 1000000000;
		segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_ESTABLISHED);
	}
	self->fixture.now_ns += 4ULL * 1000000000;
	segment(self, family, cast_tcp(family, OUT, SYN), 0, ROAM_REASON_OPENED);
}

TEST_46_F(tcp_test, picked_up_connections_have_no_windows)
{
	struct packet_spec rst = cast_tcp(family, IN, RST);

	self->vm.conf.midstream = ROAM_MIDSTREAM_PICKUP;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
	segment(self, family, cast_tcp(family, OUT, ACK), 0, ROAM_REASON_OPENED);
	segment(self, family, cast_tcp(family, IN, ACK), 0, ROAM_REASON_ESTABLISHED);
	segment(self, family, cast_tcp(family, IN, ACK), 1 << 24, ROAM_REASON_ESTABLISHED);
	rst.seq += 12345;
	cast_expect(&self->fixture, IN, &rst, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
}

TEST_46_F(tcp_test, a_liberal_vm_judges_resets_only)
{
	struct packet_spec in = cast_tcp(family, IN, ACK), rst = cast_tcp(family, IN, RST);

	self->vm.conf.liberal = 1;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
	cast_handshake(&self->fixture, family);
	segment(self, family, in, 1 << 20, ROAM_REASON_ESTABLISHED);
	segment(self, family, rst, 1 << 21, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(state(self, family), ROAM_CT_ESTABLISHED);
}
