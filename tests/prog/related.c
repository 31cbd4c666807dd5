// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * ICMP errors: they belong to the flow of the packet that they quote, pass in its state only, and
 * leave it as it is. Whoever is not on the path can write into a quote what he likes.
 */
#include <arpa/inet.h>
#include <string.h>
#include "cast.h"
#include "harness.h"

#define SECOND   1000000000ULL
#define IPV4_LEN 20
#define IPV6_LEN 40
#define CUT      8 /* bytes of the transport that every error quotes */

enum { SYN = ROAM_TCP_SYN, ACK = ROAM_TCP_ACK, RST = ROAM_TCP_RST };
static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

static const uint8_t types4[] = { 3, 4, 11, 12 };
static const uint8_t types6[] = { 1, 2, 3, 4 };

struct related {
	struct fixture fixture;
	struct fixture_vm vm;
};

static void related_setup(struct related *self)
{
	self->vm = cast_vm();
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
}

static void related_teardown(struct related *self)
{
	fixture_close(&self->fixture);
}

static uint8_t unreachable(int family)
{
	return family == 4 ? 3 : 1;
}

/* An error toward `dir` about that packet is judged so, whatever its type. */
static bool errors(struct related *self, enum roam_dir dir, const struct packet_spec *quote,
		   enum roam_reason reason)
{
	int family = quote->src.words[0] ? 6 : 4;
	bool good = true;

	for (size_t i = 0; i < sizeof(types4); i++) {
		struct packet_spec error = cast_error(dir, family == 4 ? types4[i] : types6[i],
						      quote);

		good = cast_expect(&self->fixture, dir, &error, reason) && good;
	}
	return good;
}

/* The same with only so much of the quoted packet's transport. */
static bool error_cut(struct related *self, enum roam_dir dir, const struct packet_spec *quote,
		      uint16_t transport, enum roam_reason reason)
{
	int family = quote->src.words[0] ? 6 : 4;
	struct packet_spec error = cast_error(dir, unreachable(family), quote);

	error.quote_len = (family == 4 ? IPV4_LEN : IPV6_LEN) + transport;
	return cast_expect(&self->fixture, dir, &error, reason);
}

static void no_flows(struct related *self)
{
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 0);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_FLOWS), 0);
}

TEST_46_F(related, errors_about_a_connection_pass_both_ways)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK), got = cast_tcp(family, IN, ACK);
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow before, after;

	cast_handshake(&self->fixture, family);
	fixture_flow(&self->fixture, CAST_SLOT, &key, &before);
	self->fixture.now_ns += SECOND;
	errors(self, IN, &sent, ROAM_REASON_RELATED);
	errors(self, OUT, &got, ROAM_REASON_RELATED);
	error_cut(self, IN, &sent, CUT, ROAM_REASON_RELATED);
	fixture_flow(&self->fixture, CAST_SLOT, &key, &after);
	CHECK_MEM(&after, &before, sizeof(after));
}

/* What the error is about must have gone the other way: the VM has sent it, or has got it. */
TEST_46_F(related, a_quote_that_went_the_same_way)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK), got = cast_tcp(family, IN, ACK);
	struct packet_spec in = cast_error(IN, unreachable(family), &got);
	struct packet_spec out = cast_error(OUT, unreachable(family), &sent);

	cast_handshake(&self->fixture, family);
	in.dst = cast_vm_addr(family);
	out.dst = cast_peer_addr(family);
	cast_expect(&self->fixture, IN, &in, ROAM_REASON_QUOTE);
	cast_expect(&self->fixture, OUT, &out, ROAM_REASON_QUOTE);
}

TEST_46_F(related, an_error_without_a_flow)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK), got = cast_tcp(family, IN, ACK);

	errors(self, IN, &sent, ROAM_REASON_UNRELATED);
	errors(self, OUT, &got, ROAM_REASON_UNRELATED);
	no_flows(self);
	cast_handshake(&self->fixture, family);
	sent.sport++;
	errors(self, IN, &sent, ROAM_REASON_UNRELATED);
	sent = cast_packet(family, OUT, IPPROTO_UDP);
	errors(self, IN, &sent, ROAM_REASON_UNRELATED);
	self->fixture.now_ns += 432001 * SECOND;
	sent = cast_tcp(family, OUT, ACK);
	errors(self, IN, &sent, ROAM_REASON_UNRELATED);
}

/* Rules that let everything pass do not make a flow of an error. */
TEST_46_F(related, rules_do_not_judge_errors)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK);

	self->vm.conf.default_action[IN] = ROAM_ACTION_ALLOW;
	fixture_make_vm(&self->fixture, &self->vm);
	errors(self, IN, &sent, ROAM_REASON_UNRELATED);
	no_flows(self);
	self->vm.conf.default_action[IN] = ROAM_ACTION_DROP;
	fixture_make_vm(&self->fixture, &self->vm);
	cast_handshake(&self->fixture, family);
	errors(self, IN, &sent, ROAM_REASON_RELATED);
}

TEST_46_F(related, datagrams_and_their_direction)
{
	struct packet_spec ask = cast_packet(family, OUT, IPPROTO_UDP);
	struct packet_spec answer = cast_packet(family, IN, IPPROTO_UDP);

	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	errors(self, IN, &ask, ROAM_REASON_RELATED);
	errors(self, OUT, &answer, ROAM_REASON_UNRELATED); /* the VM has got nothing */
	cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ESTABLISHED);
	errors(self, OUT, &answer, ROAM_REASON_RELATED);
	error_cut(self, IN, &ask, CUT, ROAM_REASON_RELATED);
}

TEST_46_F(related, an_error_does_not_keep_a_flow)
{
	struct packet_spec ask = cast_packet(family, OUT, IPPROTO_UDP);

	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	self->fixture.now_ns += 20 * SECOND;
	errors(self, IN, &ask, ROAM_REASON_RELATED);
	self->fixture.now_ns += 11 * SECOND;
	errors(self, IN, &ask, ROAM_REASON_UNRELATED);
}

TEST_46_F(related, pings)
{
	uint8_t proto = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct packet_spec ask = cast_packet(family, OUT, proto), asked;

	ask.icmp_type = family == 4 ? 8 : 128;
	ask.icmp_id = 77;
	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	errors(self, IN, &ask, ROAM_REASON_RELATED);
	ask.icmp_id = 78;
	errors(self, IN, &ask, ROAM_REASON_UNRELATED);
	asked = cast_packet(family, IN, proto);
	asked.icmp_type = ask.icmp_type;
	asked.icmp_id = 77;
	errors(self, OUT, &asked, ROAM_REASON_UNRELATED);
	ask.icmp_type = family == 4 ? 0 : 129; /* a reply that the VM has not sent */
	ask.icmp_id = 77;
	errors(self, IN, &ask, ROAM_REASON_UNRELATED);
}

TEST_46_F(related, protocols_without_ports)
{
	struct packet_spec sent = cast_packet(family, OUT, IPPROTO_GRE);

	sent.payload = 20;
	cast_expect(&self->fixture, OUT, &sent, ROAM_REASON_OPENED);
	errors(self, IN, &sent, ROAM_REASON_RELATED);
	error_cut(self, IN, &sent, 0, ROAM_REASON_RELATED);
	sent.proto = IPPROTO_ESP;
	errors(self, IN, &sent, ROAM_REASON_UNRELATED);
}

TEST_46_F(related, an_error_about_an_error)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK);
	struct packet_spec error = cast_error(OUT, unreachable(family), &sent);

	cast_handshake(&self->fixture, family);
	error.dst = cast_peer_addr(family);
	errors(self, IN, &error, ROAM_REASON_UNRELATED);
}

TEST_46_F(related, quotes_cut_short)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK);
	struct packet_spec error = cast_error(IN, unreachable(family), &sent);

	cast_handshake(&self->fixture, family);
	for (int len = 1; len < (family == 4 ? IPV4_LEN : IPV6_LEN) + CUT; len++) {
		error.quote_len = (uint16_t)len;
		if (!cast_expect(&self->fixture, IN, &error, ROAM_REASON_QUOTE))
			note("%d bytes quoted", len);
	}
	error_cut(self, IN, &sent, CUT, ROAM_REASON_RELATED);
	error.quote = NULL; /* nothing at all */
	cast_expect(&self->fixture, IN, &error, ROAM_REASON_QUOTE);
}

/* The quoted packet was a fragment: of the first one all is known, of others nothing. */
TEST_46_F(related, quoted_fragments)
{
	struct packet_spec ask = cast_packet(family, OUT, IPPROTO_UDP), sent = ask;

	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	sent.frag = PACKET_DONT_FRAGMENT; /* in IPv6 a header, but nothing else follows */
	errors(self, IN, &sent, ROAM_REASON_RELATED);
	sent.frag = PACKET_MORE_FRAGMENTS;
	errors(self, IN, &sent, ROAM_REASON_RELATED);
	sent.frag = PACKET_MORE_FRAGMENTS | 1;
	errors(self, IN, &sent, ROAM_REASON_QUOTE);
}

TEST_F(related, extension_headers_in_the_quote)
{
	struct packet_spec ask = cast_packet(6, OUT, IPPROTO_UDP);

	cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
	ask.ext_headers = 3;
	errors(self, IN, &ask, ROAM_REASON_RELATED);
	error_cut(self, IN, &ask, 3 * 8 + CUT, ROAM_REASON_RELATED);
	error_cut(self, IN, &ask, 3 * 8 + CUT - 1, ROAM_REASON_QUOTE);
	ask.ext_headers = 9; /* more than are walked */
	errors(self, IN, &ask, ROAM_REASON_QUOTE);
}

/* RFC 5927: the quoted sequence number is one that may be on its way. */
TEST_46_F(related, a_quote_outside_the_window)
{
	static const struct {
		int32_t seq; /* relative to the last one sent */
		enum roam_reason reason;
	} cases[] = {
		{ 0, ROAM_REASON_RELATED },      { -1, ROAM_REASON_RELATED },
		{ -65436, ROAM_REASON_RELATED }, { 100, ROAM_REASON_RELATED },
		{ 101, ROAM_REASON_QUOTE },      { -65437, ROAM_REASON_QUOTE },
		{ 1 << 30, ROAM_REASON_QUOTE },
	};
	struct packet_spec sent = cast_tcp(family, OUT, ACK);

	cast_handshake(&self->fixture, family);
	sent.seq = 1001;
	sent.payload = 100;
	cast_expect(&self->fixture, OUT, &sent, ROAM_REASON_ESTABLISHED);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sent.seq = 1001 + cases[i].seq;
		if (!error_cut(self, IN, &sent, CUT, cases[i].reason))
			note("sequence number %d", cases[i].seq);
	}
}

TEST_46_F(related, a_vm_speaks_of_itself_only)
{
	struct packet_spec got = cast_tcp(family, IN, ACK);
	struct packet_spec error = cast_error(OUT, unreachable(family), &got);

	cast_handshake(&self->fixture, family);
	error.src = cast_stranger_addr(family);
	cast_expect(&self->fixture, OUT, &error, ROAM_REASON_SPOOF_ADDR);
	error = cast_error(OUT, unreachable(family), &got);
	error.smac[5]++;
	cast_expect(&self->fixture, OUT, &error, ROAM_REASON_SPOOF_MAC);
}

/* An error for somebody else is not the VM's, whatever it quotes. */
TEST_46_F(related, an_error_for_another)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK);
	struct packet_spec error = cast_error(IN, unreachable(family), &sent);

	cast_handshake(&self->fixture, family);
	error.dst = cast_stranger_addr(family);
	cast_expect(&self->fixture, IN, &error, ROAM_REASON_QUOTE);
	sent.src = cast_stranger_addr(family);
	cast_expect(&self->fixture, IN, &error, ROAM_REASON_NOT_LOCAL);
}

TEST_F(related, redirects_are_refused)
{
	struct packet_spec sent = cast_tcp(4, OUT, ACK);
	struct packet_spec redirect = cast_error(IN, 5, &sent);

	cast_handshake(&self->fixture, 4);
	cast_expect(&self->fixture, IN, &redirect, ROAM_REASON_ICMP_REDIRECT);
}

/* After a change of policy the flow is matched again, by its opening, and not renewed. */
TEST_46_F(related, errors_about_a_flow_of_an_older_policy)
{
	struct packet_spec sent = cast_tcp(family, OUT, ACK);
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);
	struct roam_flow flow;

	cast_handshake(&self->fixture, family);
	self->vm.conf.gen++;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
	errors(self, IN, &sent, ROAM_REASON_RELATED);
	CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_FLOWS);
	CHECK_EQ(flow.gen, self->vm.conf.gen - 1);
	self->vm.conf.gen++;
	self->vm.conf.default_action[OUT] = ROAM_ACTION_DROP;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
	error_cut(self, IN, &sent, CUT, ROAM_REASON_REVOKED);
	error_cut(self, IN, &sent, CUT, ROAM_REASON_UNRELATED);
}

/* Every byte of an error that passes, made into every other value at random: none of it may pass
 * as anything but related, and none may leave a flow. */
TEST_46_F(related, damaged_quotes)
{
	struct packet_spec sent = cast_packet(family, OUT, IPPROTO_UDP);
	struct packet_spec error = cast_error(IN, unreachable(family), &sent);
	struct packet packet, damaged;

	cast_expect(&self->fixture, OUT, &sent, ROAM_REASON_OPENED);
	packet_build(&error, &packet);
	for (uint32_t at = 14; at < packet.len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			enum roam_verdict verdict;
			enum roam_reason reason;

			damaged = packet;
			damaged.bytes[at] ^= 1 << bit;
			fixture_reason(&self->fixture, CAST_SLOT, IN);
			verdict = fixture_run(&self->fixture, FRONT_TC, IN, &damaged);
			reason = fixture_reason(&self->fixture, CAST_SLOT, IN);
			CHECK_NE(reason, ROAM_REASON_NONE);
			if (verdict == ROAM_PASS && reason != ROAM_REASON_RELATED &&
			    !CHECK_EQ(reason, ROAM_REASON_MCAST_CTL))
				note("bit %d of byte %u", bit, at);
		}
	}
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 1);
}
