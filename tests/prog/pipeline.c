// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The whole list behind both front ends: the same frame gets the same verdict and the same reason
 * from either; and what the parser makes of frames that are not as they should be.
 */
#include <string.h>
#include "cast.h"
#include "harness.h"

struct pipeline_test {
	struct fixture fixture;
};

static void pipeline_test_setup(struct pipeline_test *self)
{
	struct fixture_vm vm = cast_vm();

	self->fixture.with_xdp = true;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &vm);
}

static void pipeline_test_teardown(struct pipeline_test *self)
{
	fixture_close(&self->fixture);
}

/* BPF_PROG_TEST_RUN for tc takes no frame that is shorter than its network header. */
static bool tc_takes(const struct packet *packet)
{
	return packet->len >= 14 + (packet->bytes[12] == 0x86 ? 40 : 20);
}

/* Both front ends, each on a VM without flows. */
static void expect(struct pipeline_test *self, enum roam_dir dir, const struct packet *packet,
		   enum roam_reason reason)
{
	struct fixture_vm vm = cast_vm();

	for (int front = tc_takes(packet) ? FRONT_TC : FRONT_XDP; front < FRONT_ENDS; front++) {
		fixture_make_vm(&self->fixture, &vm);
		fixture_run(&self->fixture, front, dir, packet);
		CHECK_EQ(fixture_reason(&self->fixture, CAST_SLOT, dir), reason);
	}
}

static void expect_spec(struct pipeline_test *self, enum roam_dir dir,
			const struct packet_spec *spec, enum roam_reason reason)
{
	struct packet packet;

	packet_build(spec, &packet);
	expect(self, dir, &packet, reason);
}

TEST_46_F(pipeline_test, openings)
{
	struct packet_spec out = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec in = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);

	expect_spec(self, ROAM_DIR_OUT, &out, ROAM_REASON_OPENED);
	expect_spec(self, ROAM_DIR_IN, &in, ROAM_REASON_ACL_DEFAULT);
}

TEST_46_F(pipeline_test, fragments)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);
	struct packet whole, part;

	spec.payload = 100;
	packet_build(&spec, &whole);
	packet_cut(&whole, (struct packet_cut){ .hi = 64 }, &part);
	expect(self, ROAM_DIR_OUT, &part, ROAM_REASON_OPENED);
	packet_cut(&whole, (struct packet_cut){ .lo = 64, .hi = 108 }, &part);
	expect(self, ROAM_DIR_OUT, &part, ROAM_REASON_FRAG_NO_FIRST);
	if (family == 4)
		return;
	spec.frag = PACKET_DONT_FRAGMENT; /* a header, but nothing else follows (RFC 6946) */
	expect_spec(self, ROAM_DIR_OUT, &spec, ROAM_REASON_OPENED);
}

TEST_F(pipeline_test, extension_headers_to_a_bound)
{
	struct packet_spec spec = cast_tcp(6, ROAM_DIR_OUT, ROAM_TCP_SYN);

	spec.ext_headers = 8;
	expect_spec(self, ROAM_DIR_OUT, &spec, ROAM_REASON_OPENED);
	spec.ext_headers = 9;
	expect_spec(self, ROAM_DIR_OUT, &spec, ROAM_REASON_EXT_HEADERS);
}

TEST_F(pipeline_test, other_ethertypes)
{
	struct packet_spec spec = cast_tcp(4, ROAM_DIR_OUT, ROAM_TCP_SYN);

	spec.ethertype = 0x88cc; /* LLDP */
	expect_spec(self, ROAM_DIR_OUT, &spec, ROAM_REASON_ETHERTYPE);
}

TEST_46_F(pipeline_test, three_tags_are_one_too_many)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet packet;

	spec.vlan[0] = 10;
	spec.vlan[1] = 20;
	packet_build(&spec, &packet);
	/* The innermost ethertype says VLAN once more. */
	packet.bytes[20] = 0x81;
	packet.bytes[21] = 0x00;
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_ETHERTYPE);
}

/* Cut anywhere, a frame is malformed: never judged by what is not there. */
TEST_46_F(pipeline_test, cut_short)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet packet;
	uint32_t whole;

	packet_build(&spec, &packet);
	whole = packet.len;
	for (packet.len = 15; packet.len < whole && !harness_stopped(); packet.len += 3)
		expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_MALFORMED);
}

TEST_46_F(pipeline_test, lengths_that_contradict)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	uint32_t doff = 14 + (family == 4 ? 20 : 40) + 12;
	struct packet packet;

	packet_build(&spec, &packet);
	packet.bytes[doff] = 4 << 4; /* a TCP header of 16 bytes */
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_MALFORMED);
	packet_build(&spec, &packet);
	packet.bytes[doff] = 15 << 4; /* longer than the packet */
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_MALFORMED);
	packet_build(&spec, &packet);
	packet.bytes[14] = 0x70; /* IP version 7 */
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_MALFORMED);
}

/* IPv4 addresses within IPv6 ones: bound to the VM, and the peer's. */
TEST_F(pipeline_test, mapped_addresses_are_not_for_the_wire)
{
	struct packet_spec spec = cast_tcp(6, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct roam_addr vm = cast_vm_addr(4), peer = cast_peer_addr(4);
	struct packet packet;

	packet_build(&spec, &packet);
	memcpy(packet.bytes + 14 + 8, &vm, sizeof(vm));
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_MALFORMED);
	packet_build(&spec, &packet);
	memcpy(packet.bytes + 14 + 24, &peer, sizeof(peer));
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_MALFORMED);
}

TEST_46_F(pipeline_test, padding_is_no_payload)
{
	struct packet_spec spec = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet packet;

	packet_build(&spec, &packet);
	memset(packet.bytes + packet.len, 0, 20);
	packet.len += 20;
	expect(self, ROAM_DIR_OUT, &packet, ROAM_REASON_OPENED);
}
