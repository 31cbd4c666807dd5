// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Into tunnels to backends on hosts elsewhere, byte by byte, at a balancer's uplink: both families
 * within, and both families of tunnels.
 */
#include <string.h>
#include <linux/bpf.h>
#include "harness.h"
#include "lb.h"
#include "tunnel.h"

#define ETHER_LEN  14
#define ETHER_MIN  60
#define OUTER_SIZE (outer == 4 ? 20 : 40)

static int move_back(struct tunnel_test *self, int family)
{
	struct roam_addr addr = cast_vm_addr(family);
	struct lb_place here = {};

	return lb_backend_move(self->host->host, "web", &addr, &here);
}

static void goes_in(struct tunnel_test *self, int family, int outer)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec round = tunnel_outer(outer);
	struct packet packet, wanted, after;

	syn.tos = TUNNEL_EF | TUNNEL_ECT;
	round.tos = TUNNEL_EF; /* the mark, and no ECN (RFC 6040, compatibility mode) */
	packet_build(&syn, &packet);
	packet_wrap(&round, tunnel_tag(family), &packet, &wanted);
	CHECK_OK(tunnel_move(self, family, outer));
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_REDIRECT);
	tunnel_same(&after, &wanted);
}

TEST_46_F(tunnel_test, to_a_backend_elsewhere)
{
	tunnel_add_web(self, family);
	goes_in(self, family, 4);
	goes_in(self, family, 6);
}

/* What makes a short frame 60 bytes long is no part of the packet; nor are a frame's tags. */
TEST_46_F(tunnel_test, padding_and_tags_stay_outside)
{
	struct packet_spec ack = uplink_packet(family, ROAM_TCP_ACK), round = tunnel_outer(4);
	struct packet packet, wanted, after;
	uint32_t pad;

	tunnel_add_web(self, family);
	packet_build(&ack, &packet);
	packet_wrap(&round, tunnel_tag(family), &packet, &wanted);
	ack.vlan[0] = 10;
	packet_build(&ack, &packet);
	pad = packet.len < ETHER_MIN ? ETHER_MIN - packet.len : 6;
	memset(packet.bytes + packet.len, 0xee, pad);
	packet.len += pad;
	CHECK_OK(tunnel_move(self, family, 4));
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_REDIRECT);
	if (CHECK_EQ(after.len, wanted.len + pad))
		CHECK_MEM(after.bytes, wanted.bytes, wanted.len);
}

TEST_46_F(tunnel_test, a_session_follows_and_comes_back)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec ack = uplink_packet(family, ROAM_TCP_ACK);
	struct roam_addr addr = cast_vm_addr(family);
	struct packet packet, after;

	tunnel_add_web(self, family);
	packet_build(&syn, &packet);
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_PASS);
	CHECK_OK(lb_backend_set(self->host->host, "web", &addr, ROAM_LB_DRAINING));
	CHECK_OK(tunnel_move(self, family, 6));
	packet_build(&ack, &packet);
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_REDIRECT);
	CHECK_OK(move_back(self, family));
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_PASS);
	CHECK_MEM(after.bytes, cast_vm_mac, ROAM_MAC_LEN);
}

static void fills_the_mtu(struct tunnel_test *self, int family, int outer)
{
	struct packet_spec ack = uplink_packet(family, ROAM_TCP_ACK);
	struct packet packet, after;

	ack.payload = TUNNEL_MTU - OUTER_SIZE - (family == 4 ? 20 : 40) - 20;
	CHECK_OK(tunnel_move(self, family, outer));
	packet_build(&ack, &packet);
	CHECK_EQ(uplink_run(self->host, &packet, &after), XDP_REDIRECT);
	CHECK_EQ(after.len, ETHER_LEN + TUNNEL_MTU);
	ack.payload++;
	packet_build(&ack, &packet);
	tunnel_drops(self, &packet, ROAM_REASON_LB_MTU);
}

TEST_46_F(tunnel_test, what_is_too_large_is_dropped)
{
	tunnel_add_web(self, family);
	fills_the_mtu(self, family, 4);
	fills_the_mtu(self, family, 6);
}

TEST_46_F(tunnel_test, a_host_without_a_way_to_it)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct roam_addr addr = cast_vm_addr(family);
	struct lb_place to = { .host = packet_addr("203.0.113.77"), .from = tunnel_near(4) };
	struct packet packet;

	tunnel_add_web(self, family);
	CHECK_OK(lb_backend_move(self->host->host, "web", &addr, &to));
	packet_build(&syn, &packet);
	tunnel_drops(self, &packet, ROAM_REASON_LB_NO_ROUTE);
}

static const char *const no_hosts[] = { "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255",
					"::1",     "fe80::1",   "ff02::1" };

TEST_46_F(tunnel_test, places_that_are_none_are_refused)
{
	struct roam_addr addr = cast_vm_addr(family), same = tunnel_twin(family, 0);
	struct lb_place to = { .host = tunnel_far(4), .from = tunnel_near(6) };

	tunnel_add_web(self, family);
	CHECK_EQ(lb_backend_move(self->host->host, "web", &addr, &to), -EINVAL);
	to = (struct lb_place){ .host = cast_vm_addr(4), .from = tunnel_near(4) };
	CHECK_EQ(lb_backend_move(self->host->host, "web", &addr, &to), -EINVAL);
	to = (struct lb_place){ .host = tunnel_near(4), .from = tunnel_near(4) };
	CHECK_EQ(lb_backend_move(self->host->host, "web", &addr, &to), -EINVAL);
	for (size_t i = 0; i < sizeof(no_hosts) / sizeof(no_hosts[0]); i++) {
		bool ipv6 = strchr(no_hosts[i], ':');

		to.host = packet_addr(no_hosts[i]);
		to.from = tunnel_near(ipv6 ? 6 : 4);
		CHECK_EQ(lb_backend_move(self->host->host, "web", &addr, &to), -EINVAL);
	}
	/* Two that the far end could not tell apart. */
	uplink_add_backend(self->host, same);
	CHECK_OK(tunnel_move(self, family, 4));
	to = (struct lb_place){ .host = tunnel_far(4), .from = tunnel_near(4) };
	CHECK_EQ(lb_backend_move(self->host->host, "web", &same, &to), -EEXIST);
	to = (struct lb_place){ .host = tunnel_far(6), .from = tunnel_near(6) };
	CHECK_OK(lb_backend_move(self->host->host, "web", &same, &to));
}
