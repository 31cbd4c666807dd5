// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Out of tunnels, byte by byte, at the uplink of the host where a backend's VM is; and what is not
 * to come out: of strangers, for others, and what balancers never send.
 */
#include <arpa/inet.h>
#include <string.h>
#include <linux/bpf.h>
#include "harness.h"
#include "ips.h"
#include "lb.h"
#include "tunnel.h"

#define ETHER_LEN 14

/* The host as the far end, which takes what comes from the near one. */
static void take_peer(struct tunnel_test *self, int outer)
{
	struct lb_peer peer = { .addr = tunnel_near(outer), .at = tunnel_far(outer) };

	CHECK_OK(lb_peer_add(self->host->host, &peer));
}

static void drop_peer(struct tunnel_test *self, int outer)
{
	struct lb_peer peer = { .addr = tunnel_near(outer), .at = tunnel_far(outer) };

	CHECK_OK(lb_peer_del(self->host->host, &peer));
}

static void comes_out(struct tunnel_test *self, int family, int outer)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec round = tunnel_outer(outer);
	struct packet packet, tunnelled, wanted, after;

	take_peer(self, outer);
	syn.tos = TUNNEL_EF | TUNNEL_ECT;
	packet_build(&syn, &packet);
	packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
	memcpy(syn.smac, round.smac, ROAM_MAC_LEN);
	memcpy(syn.dmac, cast_vm_mac, ROAM_MAC_LEN);
	packet_build(&syn, &wanted);
	CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
	tunnel_same(&after, &wanted);
	drop_peer(self, outer);
}

TEST_46_F(tunnel_test, at_the_host_of_the_vm)
{
	tunnel_add_web(self, family);
	comes_out(self, family, 4);
	comes_out(self, family, 6);
}

/* In, and out again: the VM's port gets what a balancer on the segment would have sent it. */
TEST_46_F(tunnel_test, there_and_out_again)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet packet, tunnelled, after;

	tunnel_add_web(self, family);
	syn.vlan[0] = 10;
	packet_build(&syn, &packet);
	for (int outer = 4; outer <= 6; outer += 2) {
		CHECK_OK(tunnel_move(self, family, outer));
		CHECK_EQ(uplink_run(self->host, &packet, &tunnelled), XDP_REDIRECT);
		take_peer(self, outer);
		CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
		drop_peer(self, outer);
		syn.vlan[0] = 0;
		memcpy(syn.smac, tunnel_own_mac, ROAM_MAC_LEN);
		memcpy(syn.dmac, cast_vm_mac, ROAM_MAC_LEN);
		packet_build(&syn, &tunnelled);
		tunnel_same(&after, &tunnelled);
	}
}

/* Who is no balancer of this host, and where there is no end of any. */
TEST_46_F(tunnel_test, of_a_stranger)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN), round;
	struct packet packet, tunnelled, after;

	tunnel_add_web(self, family);
	for (int outer = 4; outer <= 6; outer += 2) {
		round = tunnel_outer(outer);
		packet_build(&syn, &packet);
		packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
		CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
		tunnel_same(&after, &tunnelled); /* nobody has said that tunnels end here */
		take_peer(self, outer);
		round.src.bytes[15]++;
		packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
		tunnel_drops(self, &tunnelled, ROAM_REASON_LB_PEER);
		syn.dport++; /* nothing of roam's: it may be the host's own tunnel */
		packet_build(&syn, &packet);
		packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
		CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
		tunnel_same(&after, &tunnelled);
		syn.dport--;
		drop_peer(self, outer);
	}
}

/* What one of the host's own balancers sends, and which must not come out. */
struct hostile {
	const char *name;
	void (*make)(int family, struct packet_spec *spec, struct packet *ret_inner);
	enum roam_reason reason;
	bool of_vm;   /* counted at the VM's door */
	uint16_t tag; /* added to the right one */
};

static void as_it_is(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	(void)family;
	packet_build(spec, ret_inner);
}

static void to_another_port(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	spec->dport++;
	as_it_is(family, spec, ret_inner);
}

static void to_the_vm(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	spec->dst = cast_vm_addr(family);
	as_it_is(family, spec, ret_inner);
}

static void from_the_vm(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	spec->src = cast_vm_addr(family);
	as_it_is(family, spec, ret_inner);
}

/* A first one says whom it is for; what follows would not. */
static void in_fragments(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	struct packet whole;

	spec->payload = 100;
	as_it_is(family, spec, &whole);
	packet_cut(&whole, (struct packet_cut){ .hi = 64, .id = 1 }, ret_inner);
}

static void with_absurd_flags(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	spec->tcp_flags = ROAM_TCP_SYN | ROAM_TCP_FIN;
	as_it_is(family, spec, ret_inner);
}

static void cut_short(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	as_it_is(family, spec, ret_inner);
	ret_inner->len -= 8;
}

static void cut_in_its_header(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	as_it_is(family, spec, ret_inner);
	ret_inner->len = ETHER_LEN + 10;
}

static void of_the_other_version(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	as_it_is(family, spec, ret_inner);
	ret_inner->bytes[ETHER_LEN] = family == 4 ? 0x60 : 0x45;
}

static void with_a_length_of_lies(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	as_it_is(family, spec, ret_inner);
	memset(ret_inner->bytes + ETHER_LEN + (family == 4 ? 2 : 4), 0xff, 2);
}

static void in_another_tunnel(int family, struct packet_spec *spec, struct packet *ret_inner)
{
	struct packet_spec round = *spec;
	struct packet inner;

	round.tcp_flags = 0;
	as_it_is(family, spec, &inner);
	packet_wrap(&round, tunnel_tag(family), &inner, ret_inner);
}

static const struct hostile hostile[] = {
	{ "another_tag", as_it_is, .reason = ROAM_REASON_LB_NOT_HERE, .tag = 1 },
	{ "no_vip", to_another_port, .reason = ROAM_REASON_LB_NOT_HERE },
	{ "to_the_vm", to_the_vm, .reason = ROAM_REASON_LB_NOT_HERE },
	{ "from_the_vm", from_the_vm, .reason = ROAM_REASON_OUTSIDE_ADDR, .of_vm = true },
	{ "in_fragments", in_fragments, .reason = ROAM_REASON_FRAGMENT },
	{ "with_absurd_flags", with_absurd_flags, .reason = ROAM_REASON_TCP_FLAGS },
	{ "cut_short", cut_short, .reason = ROAM_REASON_MALFORMED },
	{ "cut_in_its_header", cut_in_its_header, .reason = ROAM_REASON_MALFORMED },
	{ "of_the_other_version", of_the_other_version, .reason = ROAM_REASON_MALFORMED },
	{ "with_a_length_of_lies", with_a_length_of_lies, .reason = ROAM_REASON_MALFORMED },
	{ "in_another_tunnel", in_another_tunnel, .reason = ROAM_REASON_LB_NOT_HERE },
};

TEST_46_EACH_F(tunnel_test, stays_in, hostile)
{
	struct packet inner, tunnelled, after;

	tunnel_add_web(self, family);
	for (int outer = 4; outer <= 6; outer += 2) {
		struct packet_spec spec = uplink_packet(family, ROAM_TCP_SYN);
		struct packet_spec round = tunnel_outer(outer);
		uint32_t vm = row->of_vm ? self->slot : ROAM_VM_NONE;
		uint64_t before;

		take_peer(self, outer);
		row->make(family, &spec, &inner);
		packet_wrap(&round, tunnel_tag(family) + row->tag, &inner, &tunnelled);
		before = uplink_counted(self->host, vm, row->reason);
		CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_DROP);
		CHECK_EQ(uplink_counted(self->host, vm, row->reason), before + 1);
		drop_peer(self, outer);
	}
}

/* Early blocks are of who is within. */
TEST_46_F(tunnel_test, from_a_source_that_is_blocked)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN), round = tunnel_outer(6);
	struct roam_ips conf = ips_defaults();
	struct packet packet, tunnelled, after;
	uint64_t before;

	tunnel_add_web(self, family);
	take_peer(self, 6);
	CHECK_OK(ips_set(self->host->host, self->slot, &conf));
	CHECK_OK(ips_block_add(self->host->host, self->slot, &syn.src, 60));
	packet_build(&syn, &packet);
	packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
	before = uplink_counted(self->host, self->slot, ROAM_REASON_IPS_BLOCKED);
	CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_DROP);
	CHECK_EQ(uplink_counted(self->host, self->slot, ROAM_REASON_IPS_BLOCKED), before + 1);
	CHECK_OK(ips_block_del(self->host->host, self->slot, &syn.src));
	CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
	CHECK_OK(ips_del(self->host->host, self->slot));
	drop_peer(self, 6);
}

/* Backends with one tag: the one that is here. */
TEST_46_F(tunnel_test, of_two_with_one_tag)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN), round = tunnel_outer(4);
	struct roam_addr addr = cast_vm_addr(family), elsewhere = tunnel_twin(family, 0);
	struct packet packet, tunnelled, after;

	uplink_add_service(self->host, family);
	uplink_add_backend(self->host, elsewhere);
	take_peer(self, 4);
	packet_build(&syn, &packet);
	packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
	tunnel_drops(self, &tunnelled, ROAM_REASON_LB_NOT_HERE);
	uplink_add_backend(self->host, addr);
	CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
	CHECK_OK(lb_backend_del(self->host->host, "web", &addr));
	tunnel_drops(self, &tunnelled, ROAM_REASON_LB_NOT_HERE);
	drop_peer(self, 4);
}

TEST_46_F(tunnel_test, no_more_than_16_share_a_tag)
{
	struct roam_lb_backend backend = { .port = htons(80), .weight = 1 };

	uplink_add_service(self->host, family);
	for (int i = 0; i < ROAM_LB_TAGGED; i++)
		uplink_add_backend(self->host, tunnel_twin(family, i));
	backend.addr = cast_vm_addr(family);
	CHECK_EQ(lb_backend_add(self->host->host, "web", &backend), -ENOSPC);
}

/* Both ends have to come to the same. */
TEST_F(tunnel_test, tags_are_the_same_everywhere)
{
	tunnel_add_web(self, 4);
	CHECK_EQ(tunnel_tag(4), 0x9b77);
	CHECK_EQ(tunnel_tag(6), 0x35a4);
}

/*
 * A router on the way that has merged packets and cut them again numbers them anew: but for the
 * first, they are known by their connection. An opening is not.
 */
TEST_46_F(tunnel_test, numbered_anew_on_the_way)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec ack = uplink_packet(family, ROAM_TCP_ACK), round = tunnel_outer(4);
	struct packet packet, tunnelled, after;

	tunnel_add_web(self, family);
	take_peer(self, 4);
	packet_build(&ack, &packet);
	packet_wrap(&round, tunnel_tag(family) + 1, &packet, &tunnelled);
	tunnel_drops(self, &tunnelled, ROAM_REASON_LB_NOT_HERE);
	packet_wrap(&round, tunnel_tag(family), &packet, &tunnelled);
	CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
	packet_wrap(&round, tunnel_tag(family) + 1, &packet, &tunnelled);
	CHECK_EQ(uplink_run(self->host, &tunnelled, &after), XDP_PASS);
	packet_build(&syn, &packet);
	packet_wrap(&round, tunnel_tag(family) + 1, &packet, &tunnelled);
	tunnel_drops(self, &tunnelled, ROAM_REASON_LB_NOT_HERE);
	drop_peer(self, 4);
}

/* ---- peers ---- */

static int count_peer(const struct lb_peer *peer, void *arg)
{
	(void)peer;
	++*(unsigned int *)arg;
	return 0;
}

TEST_F(tunnel_test, peers_have_a_bound)
{
	struct lb_peer peer = { .addr = tunnel_near(4), .at = tunnel_far(4) };
	unsigned int count = 0;

	tunnel_add_web(self, 4);
	for (int i = 0; i < ROAM_LB_PEERS; i++) {
		peer.addr.bytes[14] = i;
		CHECK_OK(lb_peer_add(self->host->host, &peer));
		CHECK_EQ(lb_peer_add(self->host->host, &peer), -EEXIST);
	}
	peer.addr.bytes[14]++;
	CHECK_EQ(lb_peer_add(self->host->host, &peer), -ENOSPC);
	CHECK_EQ(lb_peer_del(self->host->host, &peer), -ENOENT);
	CHECK_OK(lb_peer_each(self->host->host, count_peer, &count));
	CHECK_EQ(count, ROAM_LB_PEERS);
	for (int i = 0; i < ROAM_LB_PEERS; i++) {
		peer.addr.bytes[14] = i;
		CHECK_OK(lb_peer_del(self->host->host, &peer));
	}
	count = 0;
	CHECK_OK(lb_peer_each(self->host->host, count_peer, &count));
	CHECK_EQ(count, 0);
}
