// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Datagrams in fragments: the later ones go as the first did, in whatever order they come; what
 * would hide a header, or write over it, is dropped; and no number of trains is too much.
 */
#include <string.h>
#include <roam/frag.h>
#include "cast.h"
#include "harness.h"

#define SECOND 1000000000ULL
#define PART   400  /* bytes of the datagram in each fragment */
#define WHOLE  1600 /* UDP header included: four fragments */

struct frag_test {
	struct fixture fixture;
	struct packet whole;
	uint32_t id; /* of the next datagram */
};

static void frag_test_setup(struct frag_test *self)
{
	struct fixture_vm vm = cast_vm();

	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &vm);
	self->id = 0x1234;
}

static void frag_test_teardown(struct frag_test *self)
{
	fixture_close(&self->fixture);
}

/* A datagram of the VM, or one to it, that is to be sent in parts. */
static void datagram(struct frag_test *self, int family, enum roam_dir dir, uint8_t proto)
{
	struct packet_spec spec = cast_packet(family, dir, proto);

	spec.tcp_flags = ROAM_TCP_SYN;
	spec.icmp_type = family == 4 ? 8 : 128;
	spec.icmp_id = 7;
	spec.payload = WHOLE - (proto == IPPROTO_TCP ? 20 : 8);
	packet_build(&spec, &self->whole);
	self->id++;
}

static bool expect_range(struct frag_test *self, enum roam_dir dir, struct packet_cut cut,
			 enum roam_reason reason)
{
	struct packet part;

	cut.id = cut.id ? cut.id : self->id;
	packet_cut(&self->whole, cut, &part);
	return cast_expect_frame(&self->fixture, dir, &part, reason);
}

/* One of the four, from 0. */
static bool expect_part(struct frag_test *self, enum roam_dir dir, uint32_t i,
			enum roam_reason reason)
{
	return expect_range(self, dir, (struct packet_cut){ i * PART, (i + 1) * PART, 0 }, reason);
}

/* A flow of which both ends have been heard; `reason` of its first packet. */
static void establish(struct frag_test *self, int family, enum roam_reason reason)
{
	struct packet_spec out = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);
	struct packet_spec in = cast_packet(family, ROAM_DIR_IN, IPPROTO_UDP);

	cast_expect(&self->fixture, ROAM_DIR_OUT, &out, reason);
	cast_expect(&self->fixture, ROAM_DIR_IN, &in, ROAM_REASON_ESTABLISHED);
}

TEST_46_F(frag_test, in_order)
{
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), 1);
	for (int i = 1; i < 4; i++)
		expect_part(self, ROAM_DIR_OUT, i, ROAM_REASON_FRAG_LATER);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), 0);
	datagram(self, family, ROAM_DIR_IN, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_IN, 0, ROAM_REASON_ESTABLISHED);
	for (int i = 1; i < 4; i++)
		expect_part(self, ROAM_DIR_IN, i, ROAM_REASON_FRAG_LATER);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), 0);
}

TEST_46_F(frag_test, echo_and_tcp)
{
	uint8_t protos[] = { IPPROTO_TCP, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
			     IPPROTO_GRE };

	for (int i = 0; i < 3; i++) {
		datagram(self, family, ROAM_DIR_OUT, protos[i]);
		expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
		for (int j = 1; j < 3; j++)
			expect_part(self, ROAM_DIR_OUT, j, ROAM_REASON_FRAG_LATER);
	}
}

/* Behind the first any order will do; the first itself must be first. */
TEST_46_F(frag_test, in_any_order)
{
	static const uint32_t orders[][3] = { { 1, 2, 3 }, { 1, 3, 2 }, { 2, 1, 3 },
					      { 2, 3, 1 }, { 3, 1, 2 }, { 3, 2, 1 } };

	for (int i = 0; i < 6; i++) {
		datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
		expect_part(self, ROAM_DIR_OUT, 2, ROAM_REASON_FRAG_NO_FIRST);
		expect_part(self, ROAM_DIR_OUT, 0,
			    i ? ROAM_REASON_ESTABLISHED : ROAM_REASON_OPENED);
		for (int j = 0; j < 3; j++)
			expect_part(self, ROAM_DIR_OUT, orders[i][j], ROAM_REASON_FRAG_LATER);
		CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), 0);
		if (!i)
			establish(self, family, ROAM_REASON_ESTABLISHED);
	}
}

TEST_46_F(frag_test, duplicates_are_dropped_and_harm_nothing)
{
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_FRAG_OVERLAP);
	expect_part(self, ROAM_DIR_OUT, 3, ROAM_REASON_FRAG_LATER);
	expect_part(self, ROAM_DIR_OUT, 3, ROAM_REASON_FRAG_OVERLAP);
	expect_part(self, ROAM_DIR_OUT, 1, ROAM_REASON_FRAG_LATER);
	expect_part(self, ROAM_DIR_OUT, 2, ROAM_REASON_FRAG_LATER);
}

/* What has been there never comes again: no header is written over. */
TEST_46_F(frag_test, copies_of_other_shapes)
{
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	expect_part(self, ROAM_DIR_OUT, 1, ROAM_REASON_FRAG_LATER);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 8, 408, 0 },
		     ROAM_REASON_FRAG_OVERLAP);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 800, 0 },
		     ROAM_REASON_FRAG_OVERLAP);
	expect_part(self, ROAM_DIR_OUT, 2, ROAM_REASON_FRAG_LATER);
	expect_part(self, ROAM_DIR_OUT, 3, ROAM_REASON_FRAG_LATER);
}

/* RFC 5722: nothing more of the datagram, its good fragments included. */
TEST_46_F(frag_test, an_overlap_ends_the_datagram)
{
	static const struct packet_cut overlaps[] = {
		{ 792, 1000, 0 },  /* the tail of one */
		{ 1192, 1208, 0 }, /* the head of the last one */
		{ 8, 1600, 0 },    /* all but the first bytes */
		{ 0, 808, 0 },     /* another first one, that says more */
	};

	for (size_t i = 0; i < sizeof(overlaps) / sizeof(*overlaps); i++) {
		datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
		expect_part(self, ROAM_DIR_OUT, 0,
			    i ? ROAM_REASON_ESTABLISHED : ROAM_REASON_OPENED);
		if (!i)
			establish(self, family, ROAM_REASON_ESTABLISHED);
		expect_part(self, ROAM_DIR_OUT, 1, ROAM_REASON_FRAG_LATER);
		expect_part(self, ROAM_DIR_OUT, 3, ROAM_REASON_FRAG_LATER);
		expect_range(self, ROAM_DIR_OUT, overlaps[i], ROAM_REASON_FRAG_OVERLAP);
		expect_part(self, ROAM_DIR_OUT, 2, ROAM_REASON_FRAG_OVERLAP);
	}
}

/* Two ends of one datagram, and bytes behind its end. */
TEST_46_F(frag_test, a_datagram_ends_once)
{
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	expect_part(self, ROAM_DIR_OUT, 3, ROAM_REASON_FRAG_LATER);
	self->id--; /* a longer one with the same id */
	self->whole.len = 0;
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	self->whole.len += 80;
	memset(self->whole.bytes + self->whole.len - 80, 0, 80);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 1600, 1640, 0 },
		     ROAM_REASON_FRAG_OVERLAP);
	expect_part(self, ROAM_DIR_OUT, 1, ROAM_REASON_FRAG_OVERLAP);
}

TEST_46_F(frag_test, only_so_many_gaps)
{
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 80, 0 }, ROAM_REASON_OPENED);
	for (uint32_t i = 1; i < ROAM_FRAG_RANGES; i++)
		expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ i * 160, i * 160 + 80, 0 },
			     ROAM_REASON_FRAG_LATER);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 800, 880, 0 }, ROAM_REASON_FRAG_GAPS);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 80, 160, 0 }, ROAM_REASON_FRAG_LATER);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 800, 880, 0 },
		     ROAM_REASON_FRAG_LATER);
}

/* A header that goes on in the next fragment is one that no rule has seen (RFC 1858, RFC 7112). */
TEST_46_F(frag_test, tiny)
{
	struct packet_spec spec = cast_packet(6, ROAM_DIR_OUT, IPPROTO_UDP);

	datagram(self, family, ROAM_DIR_OUT, IPPROTO_TCP);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 8, 0 }, ROAM_REASON_FRAG_TINY);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 16, 0 }, ROAM_REASON_FRAG_TINY);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 8, 800, 0 },
		     ROAM_REASON_FRAG_NO_FIRST);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 24, 0 }, ROAM_REASON_OPENED);
	spec.ext_headers = 2;
	spec.payload = 100;
	packet_build(&spec, &self->whole);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 8, 1 }, ROAM_REASON_FRAG_TINY);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 16, 2 }, ROAM_REASON_FRAG_TINY);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 24, 3 }, ROAM_REASON_OPENED);
}

TEST_46_F(frag_test, absurd_lengths)
{
	uint32_t field = 14 + (family == 4 ? 6 : 42);
	struct packet part;

	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 0, 44, 0 }, ROAM_REASON_MALFORMED);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 400, 404, 0 }, ROAM_REASON_MALFORMED);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 400, 400, 0 }, ROAM_REASON_MALFORMED);
	packet_cut(&self->whole, (struct packet_cut){ 1200, 1600, 0 }, &part);
	part.bytes[field] = family == 4 ? 0x1f : 0xff; /* past 64 KiB: the ping of death */
	part.bytes[field + 1] = family == 4 ? 0xff : 0xf8;
	cast_expect_frame(&self->fixture, ROAM_DIR_OUT, &part, ROAM_REASON_MALFORMED);
}

/* A first fragment that policy refuses leaves nothing that would cost memory. */
TEST_46_F(frag_test, a_first_one_that_is_dropped_takes_the_others_with_it)
{
	datagram(self, family, ROAM_DIR_IN, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_IN, 0, ROAM_REASON_ACL_DEFAULT);
	expect_part(self, ROAM_DIR_IN, 1, ROAM_REASON_FRAG_NO_FIRST);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), 0);
}

/* A train is of one direction, pair of addresses, id and, with IPv4, protocol. */
TEST_46_F(frag_test, whose_train)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);
	uint32_t id;

	establish(self, family, ROAM_REASON_OPENED);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	id = self->id;
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_ESTABLISHED);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 400, 800, id + 1 },
		     ROAM_REASON_FRAG_NO_FIRST);
	spec.payload = 1000;
	spec.dst = cast_stranger_addr(family);
	packet_build(&spec, &self->whole);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 400, 800, id },
		     ROAM_REASON_FRAG_NO_FIRST);
	datagram(self, family, ROAM_DIR_IN, IPPROTO_UDP);
	expect_range(self, ROAM_DIR_IN, (struct packet_cut){ 400, 800, id },
		     ROAM_REASON_FRAG_NO_FIRST);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_TCP);
	expect_range(self, ROAM_DIR_OUT, (struct packet_cut){ 400, 800, id },
		     family == 4 ? ROAM_REASON_FRAG_NO_FIRST : ROAM_REASON_FRAG_LATER);
}

TEST_46_F(frag_test, who_speaks_is_checked_each_time)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);

	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	spec.payload = 1000;
	spec.src = cast_stranger_addr(family);
	packet_build(&spec, &self->whole);
	expect_part(self, ROAM_DIR_OUT, 1, ROAM_REASON_SPOOF_ADDR);
}

TEST_46_F(frag_test, trains_expire)
{
	uint32_t timeout_s = family == 4 ? ROAM_FRAG_TIMEOUT4_S : ROAM_FRAG_TIMEOUT6_S;

	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	self->fixture.now_ns += timeout_s * SECOND;
	expect_part(self, ROAM_DIR_OUT, 1, ROAM_REASON_FRAG_LATER);
	self->fixture.now_ns += 1;
	expect_part(self, ROAM_DIR_OUT, 2, ROAM_REASON_FRAG_NO_FIRST);
	/* The same id again, for another datagram. */
	self->fixture.now_ns += 1000 * SECOND;
	expect_part(self, ROAM_DIR_OUT, 0, ROAM_REASON_OPENED);
	expect_part(self, ROAM_DIR_OUT, 2, ROAM_REASON_FRAG_LATER);
}

static void begin_trains(struct frag_test *self, uint32_t from, uint32_t count)
{
	struct packet part;

	for (uint32_t id = from; id < from + count; id++) {
		packet_cut(&self->whole, (struct packet_cut){ 0, PART, id }, &part);
		fixture_run(&self->fixture, FRONT_TC, ROAM_DIR_OUT, &part);
	}
}

/* Of openings the oldest goes: one that follows its first fragment closely is through in time. */
TEST_46_F(frag_test, a_full_table_gives_up_the_oldest)
{
	struct packet_cut later = { PART, 2 * PART, 1 };

	datagram(self, family, ROAM_DIR_OUT, IPPROTO_GRE); /* no reply, so it stays an opening */
	begin_trains(self, 1, ROAM_FRAG_TRAINS);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), ROAM_FRAG_TRAINS);
	expect_range(self, ROAM_DIR_OUT, later, ROAM_REASON_FRAG_LATER);
	begin_trains(self, ROAM_FRAG_TRAINS + 1, 2000);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), ROAM_FRAG_TRAINS);
	later = (struct packet_cut){ 2 * PART, 3 * PART, 1 };
	expect_range(self, ROAM_DIR_OUT, later, ROAM_REASON_FRAG_NO_FIRST);
	later.id = 2001;
	expect_range(self, ROAM_DIR_OUT, later, ROAM_REASON_FRAG_LATER);
}

/* What both ends of a flow have to say to each other is not pushed out by openings. */
TEST_46_F(frag_test, trains_of_flows_outlive_a_flood)
{
	struct packet_cut later = { PART, 2 * PART, 1 };

	establish(self, family, ROAM_REASON_OPENED);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	begin_trains(self, 1, 20);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_GRE);
	begin_trains(self, 100, 100000);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), ROAM_FRAG_TRAINS);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	for (later.id = 1; later.id <= 20; later.id++)
		expect_range(self, ROAM_DIR_OUT, later, ROAM_REASON_FRAG_LATER);
}

/* A table of nothing but those: an opening's first fragment is dropped, a flow's replaces one. */
TEST_46_F(frag_test, full_of_flows)
{
	struct packet_cut first = { 0, PART, 0xfff0 };

	establish(self, family, ROAM_REASON_OPENED);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	begin_trains(self, 1, ROAM_FRAG_TRAINS);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_GRE);
	expect_range(self, ROAM_DIR_OUT, first, ROAM_REASON_FRAG_FULL);
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_UDP);
	expect_range(self, ROAM_DIR_OUT, first, ROAM_REASON_ESTABLISHED);
	CHECK_EQ(fixture_train_count(&self->fixture, CAST_SLOT), ROAM_FRAG_TRAINS);
	/* Those that are over give way to anybody. */
	self->fixture.now_ns += (ROAM_FRAG_TIMEOUT6_S + 1) * SECOND;
	datagram(self, family, ROAM_DIR_OUT, IPPROTO_GRE);
	first.id++;
	expect_range(self, ROAM_DIR_OUT, first, ROAM_REASON_OPENED);
}

/* Neighbour discovery in fragments would be judged by its first one alone (RFC 6980). */
TEST_F(frag_test, what_a_link_lives_by)
{
	struct packet_spec spec = cast_packet(6, ROAM_DIR_OUT, IPPROTO_ICMPV6);
	struct packet part;

	spec.icmp_type = 135;
	spec.target = cast_peer_addr(6);
	spec.frag = PACKET_DONT_FRAGMENT;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &spec, ROAM_REASON_FRAGMENT);
	spec.frag = 0;
	spec.payload = 64;
	spec.icmp_type = 134; /* router advertisement */
	packet_build(&spec, &self->whole);
	packet_cut(&self->whole, (struct packet_cut){ 0, 32, 9 }, &part);
	cast_expect_frame(&self->fixture, ROAM_DIR_OUT, &part, ROAM_REASON_FRAGMENT);
	packet_cut(&self->whole, (struct packet_cut){ 32, 64, 9 }, &part);
	cast_expect_frame(&self->fixture, ROAM_DIR_OUT, &part, ROAM_REASON_FRAG_NO_FIRST);
}
