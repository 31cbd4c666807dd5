// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What is rejected: which packets are answered, the answers byte by byte, and their way back. */
#include <arpa/inet.h>
#include <string.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include "cast.h"
#include "harness.h"

struct reject_test {
	struct fixture fixture;
};

static void set_default(struct reject_test *self, enum roam_action action, uint32_t gen)
{
	struct roam_vm conf = cast_vm().conf;

	conf.default_action[ROAM_DIR_IN] = conf.default_action[ROAM_DIR_OUT] = action;
	conf.gen = gen;
	fixture_set_conf(&self->fixture, CAST_SLOT, &conf);
}

static void reject_test_setup(struct reject_test *self)
{
	struct fixture_vm vm = cast_vm();

	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &vm);
	set_default(self, ROAM_ACTION_REJECT, 1);
}

static void reject_test_teardown(struct reject_test *self)
{
	fixture_close(&self->fixture);
}

/* ---- an answer's bytes ---- */

static uint32_t add_up(const uint8_t *bytes, uint32_t len, uint32_t sum)
{
	for (uint32_t i = 0; i < len; i += 2)
		sum += bytes[i] << 8 | (i + 1 < len ? bytes[i + 1] : 0);
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Where the network layer begins in what the packet has become. */
static const uint8_t *turned(struct reject_test *self, const struct packet_spec *spec, uint32_t off)
{
	const uint8_t *bytes = self->fixture.after.bytes;

	CHECK_MEM(bytes, spec->smac, ROAM_MAC_LEN);
	CHECK_MEM(bytes + ROAM_MAC_LEN, spec->dmac, ROAM_MAC_LEN);
	return bytes + off;
}

/* The transport behind an IP header of `len` bytes behind it, with its sums. */
static const uint8_t *check_ip(int family, const uint8_t *at, uint8_t proto, uint32_t len)
{
	struct ip6_hdr ip6;
	struct iphdr ip;
	bool pseudo = proto != IPPROTO_ICMP;
	uint32_t sum = pseudo ? proto + len : 0;

	memcpy(&ip, at, sizeof(ip));
	memcpy(&ip6, at, sizeof(ip6));
	if (family == 4) {
		CHECK_EQ(at[0], 0x45);
		CHECK_EQ(ntohs(ip.tot_len), 20 + len);
		CHECK_EQ(ip.protocol, proto);
		CHECK_EQ(folded(add_up(at, 20, 0)), 0xffff);
		if (pseudo)
			sum = add_up(at + 12, 8, sum);
		CHECK_EQ(folded(add_up(at + 20, len, sum)), 0xffff);
		return at + 20;
	}
	CHECK_EQ(at[0], 0x60);
	CHECK_EQ(ntohs(ip6.ip6_plen), len);
	CHECK_EQ(ip6.ip6_nxt, proto);
	sum = add_up(at + 8, 32, sum);
	CHECK_EQ(folded(add_up(at + 40, len, sum)), 0xffff);
	return at + 40;
}

static void check_addrs(int family, const uint8_t *at, const struct packet_spec *spec)
{
	uint32_t size = family == 4 ? 4 : 16, from = 16 - size;

	at += family == 4 ? 12 : 8;
	CHECK_MEM(at, spec->dst.bytes + from, size);
	CHECK_MEM(at + size, spec->src.bytes + from, size);
}

static void check_reset(struct reject_test *self, const struct packet_spec *spec, uint32_t off)
{
	int family = spec->src.bytes[10] == 0xff && spec->src.bytes[0] == 0 ? 4 : 6;
	const uint8_t *at = turned(self, spec, off);
	struct tcphdr tcp;

	CHECK_EQ(self->fixture.after.len, off + (family == 4 ? 20 : 40) + 20);
	check_addrs(family, at, spec);
	at = check_ip(family, at, IPPROTO_TCP, 20);
	memcpy(&tcp, at, sizeof(tcp));
	CHECK_EQ(ntohs(tcp.source), spec->dport);
	CHECK_EQ(ntohs(tcp.dest), spec->sport);
	CHECK_EQ(tcp.doff, 5);
	CHECK_EQ(tcp.rst, 1);
	if (spec->tcp_flags & ROAM_TCP_ACK) {
		CHECK_EQ(ntohl(tcp.seq), spec->ack);
		CHECK_EQ(at[13], ROAM_TCP_RST);
		return;
	}
	CHECK_EQ(at[13], ROAM_TCP_RST | ROAM_TCP_ACK);
	CHECK_EQ(ntohl(tcp.ack_seq), spec->seq + spec->payload + 1);
}

static void check_unreachable(struct reject_test *self, const struct packet_spec *spec,
			      const struct packet *was)
{
	int family = spec->src.bytes[10] == 0xff && spec->src.bytes[0] == 0 ? 4 : 6;
	bool udp = spec->proto == IPPROTO_UDP;
	const uint8_t *at = turned(self, spec, 14);
	uint32_t quoted = (family == 4 ? 20 : 40) + 8;

	CHECK_EQ(self->fixture.after.len, 14 + (family == 4 ? 20 : 40) + 8 + quoted);
	check_addrs(family, at, spec);
	at = check_ip(family, at, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 8 + quoted);
	CHECK_EQ(at[0], family == 4 ? 3 : 1);
	if (family == 4)
		CHECK_EQ(at[1], udp ? 3 : 13);
	else
		CHECK_EQ(at[1], udp ? 4 : 1);
	CHECK_MEM(at + 4, "\0\0\0\0", 4);
	CHECK_MEM(at + 8, was->bytes + 14, quoted);
}

/* The answer comes by the same device, in the other direction. */
static void check_way_back(struct reject_test *self, enum roam_dir dir)
{
	struct fixture *fixture = &self->fixture;
	struct packet answer = fixture->after;

	fixture_reason(fixture, CAST_SLOT, !dir);
	fixture->mark_in = fixture->mark;
	CHECK_NE(fixture->mark, 0);
	CHECK_EQ(fixture_run(fixture, FRONT_TC, !dir, &answer), ROAM_PASS);
	CHECK_EQ(fixture_reason(fixture, CAST_SLOT, !dir), ROAM_REASON_ANSWERED);
	CHECK_EQ(fixture->mark, 0);
	CHECK_EQ(fixture->after.len, answer.len);
	CHECK_MEM(fixture->after.bytes, answer.bytes, answer.len);
	fixture->mark_in ^= 2; /* somebody else's */
	CHECK_EQ(fixture_run(fixture, FRONT_TC, !dir, &answer), ROAM_DROP);
	CHECK_NE(fixture_reason(fixture, CAST_SLOT, !dir), ROAM_REASON_ANSWERED);
	fixture->mark_in = 0;
	CHECK_EQ(fixture_run(fixture, FRONT_TC, !dir, &answer), ROAM_DROP);
	CHECK_NE(fixture_reason(fixture, CAST_SLOT, !dir), ROAM_REASON_ANSWERED);
}

static const enum roam_dir both[] = { ROAM_DIR_IN, ROAM_DIR_OUT };

TEST_46_F(reject_test, tcp_is_reset)
{
	for (int i = 0; i < 2; i++) {
		struct packet_spec spec = cast_tcp(family, both[i], ROAM_TCP_SYN);

		spec.tcp_scale = 7; /* options, and data behind them */
		spec.payload = 501;
		cast_expect(&self->fixture, both[i], &spec, ROAM_REASON_REJECTED);
		if (CHECK(self->fixture.answered))
			check_reset(self, &spec, 14);
		check_way_back(self, both[i]);
	}
}

TEST_46_F(reject_test, the_rest_is_unreachable)
{
	const uint8_t protos[] = { IPPROTO_UDP, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, 47 };

	for (int i = 0; i < 6; i++) {
		struct packet_spec spec = cast_packet(family, both[i & 1], protos[i / 2]);
		struct packet was;

		spec.icmp_type = family == 4 ? 8 : 128;
		spec.icmp_id = 5;
		spec.payload = i / 2 == 1 ? 0 : 700;
		packet_build(&spec, &was);
		cast_expect(&self->fixture, both[i & 1], &spec, ROAM_REASON_REJECTED);
		if (CHECK(self->fixture.answered))
			check_unreachable(self, &spec, &was);
		check_way_back(self, both[i & 1]);
	}
}

TEST_46_F(reject_test, errors_resets_groups_and_options_are_not_answered)
{
	struct packet_spec reset = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_RST);
	struct packet_spec error = cast_packet(family, ROAM_DIR_IN,
					       family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	struct packet_spec group = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);
	struct packet_spec from_group = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);
	struct packet_spec options = cast_packet(6, ROAM_DIR_IN, IPPROTO_UDP);

	cast_expect(&self->fixture, ROAM_DIR_IN, &reset, ROAM_REASON_MIDSTREAM);
	CHECK(!self->fixture.answered);
	error.icmp_type = family == 4 ? 3 : 1;
	cast_expect(&self->fixture, ROAM_DIR_IN, &error, ROAM_REASON_QUOTE);
	CHECK(!self->fixture.answered);
	group.dst = packet_addr(family == 4 ? "224.0.0.251" : "ff02::fb");
	cast_expect(&self->fixture, ROAM_DIR_OUT, &group, ROAM_REASON_REJECTED);
	CHECK(!self->fixture.answered);
	from_group.src = packet_addr(family == 4 ? "224.0.0.251" : "ff02::fb");
	cast_expect(&self->fixture, ROAM_DIR_IN, &from_group, ROAM_REASON_REJECTED);
	CHECK(!self->fixture.answered);
	options.ext_headers = 1;
	cast_expect(&self->fixture, ROAM_DIR_IN, &options, ROAM_REASON_REJECTED);
	CHECK(!self->fixture.answered);
}

TEST_46_F(reject_test, so_many_a_second)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);
	struct packet_spec other = cast_tcp(10 - family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	uint32_t answered = 0;

	for (uint32_t ms = 0; ms < 400; ms++) {
		cast_expect(&self->fixture, ROAM_DIR_IN, &spec, ROAM_REASON_REJECTED);
		answered += self->fixture.answered;
		self->fixture.now_ns += 1000000;
	}
	CHECK_EQ(answered, ROAM_ACL_ANSWERS + 39);
	/* The limit is the VM's, whatever is rejected. */
	cast_expect(&self->fixture, ROAM_DIR_OUT, &other, ROAM_REASON_REJECTED);
	answered = self->fixture.answered;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &other, ROAM_REASON_REJECTED);
	CHECK_EQ(answered + self->fixture.answered, 1);
}

TEST_46_F(reject_test, a_tag_stays)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	struct fixture_vm vm = cast_vm();

	vm.port.vlan_count = 1;
	vm.port.vlan[0] = ROAM_VLAN(7, 0);
	fixture_make_vm(&self->fixture, &vm);
	set_default(self, ROAM_ACTION_REJECT, 1);
	spec.vlan[0] = 7;
	cast_expect(&self->fixture, ROAM_DIR_IN, &spec, ROAM_REASON_REJECTED);
	if (CHECK(self->fixture.answered))
		check_reset(self, &spec, 18);
	CHECK_EQ(self->fixture.after.bytes[15], 7);
}

TEST_46_F(reject_test, a_flow_that_policy_rejects_is_reset)
{
	struct packet_spec data = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_ACK);

	set_default(self, ROAM_ACTION_ALLOW, 1);
	cast_handshake(&self->fixture, family);
	set_default(self, ROAM_ACTION_REJECT, 2);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &data, ROAM_REASON_REVOKED);
	if (CHECK(self->fixture.answered))
		check_reset(self, &data, 14);
}
