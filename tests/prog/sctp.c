// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * SCTP and what has no ports: the states of an association by its chunks, both ways of opening one,
 * its end, and packets that no SCTP sends.
 */
#include <arpa/inet.h>
#include <string.h>
#include "cast.h"
#include "harness.h"

#define SECOND 1000000000ULL

static const enum roam_dir IN = ROAM_DIR_IN, OUT = ROAM_DIR_OUT;

enum {
	DATA = 0,
	INIT = ROAM_SCTP_INIT,
	INIT_ACK = ROAM_SCTP_INIT_ACK,
	HEARTBEAT = ROAM_SCTP_HEARTBEAT,
	HEARTBEAT_ACK = ROAM_SCTP_HEARTBEAT_ACK,
	ABORT = ROAM_SCTP_ABORT,
	SHUTDOWN = ROAM_SCTP_SHUTDOWN,
	SHUTDOWN_ACK = ROAM_SCTP_SHUTDOWN_ACK,
	ERROR = ROAM_SCTP_ERROR,
	COOKIE_ECHO = ROAM_SCTP_COOKIE_ECHO,
	COOKIE_ACK = ROAM_SCTP_COOKIE_ACK,
	SHUTDOWN_COMPLETE = ROAM_SCTP_SHUTDOWN_COMPLETE,
};

struct sctp_test {
	struct fixture fixture;
	struct fixture_vm vm;
};

static void sctp_test_setup(struct sctp_test *self)
{
	self->vm = cast_vm();
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &self->vm);
}

static void sctp_test_teardown(struct sctp_test *self)
{
	fixture_close(&self->fixture);
}

static struct packet_spec chunk_spec(int family, enum roam_dir dir, uint8_t chunk)
{
	struct packet_spec spec = cast_packet(family, dir, IPPROTO_SCTP);

	spec.sctp_chunk = chunk;
	spec.sctp_tag = chunk == INIT ? 0 : 0x12345678;
	spec.payload = 16;
	return spec;
}

static int state(struct sctp_test *self, int family)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_SCTP);
	struct roam_flow flow;

	return fixture_flow(&self->fixture, CAST_SLOT, &key, &flow) < 0 ? -1 : flow.state;
}

/* A packet with that chunk, how it is judged, and where it takes the flow. */
static void chunk(struct sctp_test *self, int family, enum roam_dir dir, uint8_t type,
		  enum roam_reason reason)
{
	struct packet_spec spec = chunk_spec(family, dir, type);

	if (!cast_expect(&self->fixture, dir, &spec, reason))
		note("chunk %u", type);
}

static void step(struct sctp_test *self, int family, enum roam_dir dir, uint8_t type, int wanted)
{
	chunk(self, family, dir, type, ROAM_REASON_ESTABLISHED);
	if (!CHECK_EQ(state(self, family), wanted))
		note("chunk %u", type);
}

static void associate(struct sctp_test *self, int family)
{
	chunk(self, family, OUT, INIT, ROAM_REASON_OPENED);
	CHECK_EQ(state(self, family), ROAM_CT_SCTP_COOKIE_WAIT);
	step(self, family, IN, INIT_ACK, ROAM_CT_SCTP_COOKIE_WAIT);
	step(self, family, OUT, COOKIE_ECHO, ROAM_CT_SCTP_COOKIE_ECHOED);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 1);
	step(self, family, IN, COOKIE_ACK, ROAM_CT_SCTP_ESTABLISHED);
	CHECK_EQ(fixture_flow_count(&self->fixture, CAST_SLOT, ROAM_CT_HALF), 0);
}

TEST_46_F(sctp_test, an_association_from_begin_to_end)
{
	associate(self, family);
	step(self, family, IN, DATA, ROAM_CT_SCTP_ESTABLISHED);
	step(self, family, OUT, HEARTBEAT, ROAM_CT_SCTP_ESTABLISHED);
	step(self, family, OUT, SHUTDOWN, ROAM_CT_SCTP_SHUTDOWN_SENT);
	step(self, family, IN, DATA, ROAM_CT_SCTP_SHUTDOWN_SENT);
	step(self, family, IN, SHUTDOWN_ACK, ROAM_CT_SCTP_SHUTDOWN_ACK_SENT);
	step(self, family, OUT, SHUTDOWN_COMPLETE, ROAM_CT_SCTP_CLOSED);
	step(self, family, IN, DATA, ROAM_CT_SCTP_CLOSED);
	chunk(self, family, IN, INIT, ROAM_REASON_ACL_DEFAULT);
	chunk(self, family, OUT, INIT, ROAM_REASON_OPENED);
	CHECK_EQ(state(self, family), ROAM_CT_SCTP_COOKIE_WAIT);
}

TEST_46_F(sctp_test, the_other_end_shuts_down)
{
	associate(self, family);
	step(self, family, IN, SHUTDOWN, ROAM_CT_SCTP_SHUTDOWN_RECD);
	step(self, family, OUT, SHUTDOWN_ACK, ROAM_CT_SCTP_SHUTDOWN_ACK_SENT);
	step(self, family, IN, SHUTDOWN_COMPLETE, ROAM_CT_SCTP_CLOSED);
}

TEST_46_F(sctp_test, aborts)
{
	chunk(self, family, OUT, INIT, ROAM_REASON_OPENED);
	step(self, family, IN, ABORT, -1);
	chunk(self, family, OUT, INIT, ROAM_REASON_OPENED);
	step(self, family, OUT, COOKIE_ECHO, ROAM_CT_SCTP_COOKIE_ECHOED);
	step(self, family, IN, ERROR, -1);
	associate(self, family);
	step(self, family, IN, ERROR, ROAM_CT_SCTP_ESTABLISHED);
	step(self, family, IN, ABORT, ROAM_CT_SCTP_CLOSED);
}

/* A path of an association that began on another one. */
TEST_46_F(sctp_test, a_heartbeat_opens_a_path)
{
	chunk(self, family, IN, HEARTBEAT, ROAM_REASON_ACL_DEFAULT);
	chunk(self, family, OUT, HEARTBEAT, ROAM_REASON_OPENED);
	CHECK_EQ(state(self, family), ROAM_CT_SCTP_HEARTBEAT_SENT);
	chunk(self, family, IN, DATA, ROAM_REASON_CT_INVALID);
	step(self, family, OUT, DATA, ROAM_CT_SCTP_HEARTBEAT_SENT);
	step(self, family, IN, HEARTBEAT_ACK, ROAM_CT_SCTP_ESTABLISHED);
	step(self, family, IN, DATA, ROAM_CT_SCTP_ESTABLISHED);
}

TEST_46_F(sctp_test, midstream)
{
	static const uint8_t chunks[] = {
		DATA, INIT_ACK, ABORT, SHUTDOWN_ACK, COOKIE_ECHO, 3, 192
	};

	for (size_t i = 0; i < sizeof(chunks); i++) {
		chunk(self, family, IN, chunks[i], ROAM_REASON_MIDSTREAM);
		chunk(self, family, OUT, chunks[i], ROAM_REASON_MIDSTREAM);
	}
	self->vm.conf.midstream = ROAM_MIDSTREAM_PICKUP;
	fixture_set_conf(&self->fixture, CAST_SLOT, &self->vm.conf);
	chunk(self, family, OUT, ABORT, ROAM_REASON_MIDSTREAM);
	chunk(self, family, IN, DATA, ROAM_REASON_OPENED);
	CHECK_EQ(state(self, family), ROAM_CT_SCTP_ESTABLISHED);
}

TEST_46_F(sctp_test, timeouts)
{
	chunk(self, family, OUT, INIT, ROAM_REASON_OPENED);
	self->fixture.now_ns += 4 * SECOND;
	chunk(self, family, IN, INIT_ACK, ROAM_REASON_MIDSTREAM);
	associate(self, family);
	self->fixture.now_ns += 209 * SECOND;
	step(self, family, IN, DATA, ROAM_CT_SCTP_ESTABLISHED);
	self->fixture.now_ns += 211 * SECOND;
	chunk(self, family, IN, DATA, ROAM_REASON_MIDSTREAM);
}

TEST_46_F(sctp_test, rules_know_its_ports)
{
	struct roam_acl_match rule = {
		.proto = IPPROTO_SCTP,
		.lport = { CAST_VM_PORT, CAST_VM_PORT },
		.rport = { 0, UINT16_MAX },
		.id = 1,
		.action = ROAM_ACTION_ALLOW,
	};
	struct packet_spec other = chunk_spec(family, IN, INIT);

	fixture_set_rules(&self->fixture, CAST_SLOT, IN, &rule, 1);
	other.dport++;
	cast_expect(&self->fixture, IN, &other, ROAM_REASON_ACL_DEFAULT);
	chunk(self, family, IN, INIT, ROAM_REASON_OPENED);
}

TEST_46_F(sctp_test, what_no_sctp_sends)
{
	struct packet_spec spec = chunk_spec(family, OUT, INIT);
	uint32_t l4 = 14 + (family == 4 ? 20 : 40);
	struct packet packet;

	spec.sctp_tag = 1; /* nobody knows one before the other end has told */
	cast_expect(&self->fixture, OUT, &spec, ROAM_REASON_MALFORMED);
	spec = chunk_spec(family, OUT, INIT);
	spec.sport = 0;
	cast_expect(&self->fixture, OUT, &spec, ROAM_REASON_MALFORMED);
	spec.sport = 1;
	packet_build(&spec, &packet);
	for (int len = 0; len < 40; len++) {
		bool good = len >= 17 && len <= 20; /* padded to a word, and alone */

		packet.bytes[l4 + 15] = len;
		CHECK_EQ(fixture_run(&self->fixture, FRONT_TC, OUT, &packet),
			 good ? ROAM_PASS : ROAM_DROP);
	}
	spec.payload = 0;
	spec.proto = IPPROTO_SCTP;
	packet_build(&spec, &packet);
	packet.bytes[14 + (family == 4 ? 3 : 5)] -= 1; /* the IP header's length */
	packet.len -= 1;
	CHECK_EQ(fixture_run(&self->fixture, FRONT_TC, OUT, &packet), ROAM_DROP);
}

TEST_46_F(sctp_test, errors_about_an_association)
{
	struct packet_spec sent = chunk_spec(family, OUT, INIT), got = chunk_spec(family, IN, DATA);
	struct packet_spec error = cast_error(IN, family == 4 ? 3 : 1, &sent);

	chunk(self, family, OUT, INIT, ROAM_REASON_OPENED);
	cast_expect(&self->fixture, IN, &error, ROAM_REASON_RELATED);
	error = cast_error(OUT, family == 4 ? 3 : 1, &got);
	cast_expect(&self->fixture, OUT, &error, ROAM_REASON_UNRELATED);
	sent.dport++;
	error = cast_error(IN, family == 4 ? 3 : 1, &sent);
	cast_expect(&self->fixture, IN, &error, ROAM_REASON_UNRELATED);
}

/* By the pair of addresses. */
TEST_46_F(sctp_test, protocols_without_ports)
{
	static const uint8_t protos[] = { IPPROTO_GRE, IPPROTO_ESP, 200 };

	for (size_t i = 0; i < sizeof(protos); i++) {
		struct packet_spec ask = cast_packet(family, OUT, protos[i]);
		struct packet_spec answer = cast_packet(family, IN, protos[i]);
		struct roam_flow_key key = cast_key(family, protos[i]);
		struct roam_flow flow;

		ask.payload = answer.payload = 24;
		key.lport = key.rport = 0;
		cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ACL_DEFAULT);
		cast_expect(&self->fixture, OUT, &ask, ROAM_REASON_OPENED);
		CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_HALF);
		cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ESTABLISHED);
		CHECK_EQ(fixture_flow(&self->fixture, CAST_SLOT, &key, &flow), ROAM_CT_FLOWS);
		CHECK_EQ(flow.state, ROAM_CT_OTHER_REPLIED);
		answer.src = cast_stranger_addr(family);
		cast_expect(&self->fixture, IN, &answer, ROAM_REASON_ACL_DEFAULT);
	}
}
