// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The uplink as balancer: the host's own XDP program, on frames for a VIP. What it forwards differs
 * in MACs only. Routes to other hosts are for tests/e2e/lb.sh.
 */
#include <string.h>
#include <linux/bpf.h>
#include "harness.h"
#include "lb.h"
#include "uplink.h"

struct uplink_test {
	struct test_host *host;
};

static void uplink_test_setup(struct uplink_test *self)
{
	self->host = uplink_host();
}

static void uplink_test_teardown(struct uplink_test *self)
{
	CHECK_OK(lb_del(self->host->host, "web"));
}

static void add_service(struct uplink_test *self, int family)
{
	uplink_add_service(self->host, family);
}

static void add_backend(struct uplink_test *self, struct roam_addr addr)
{
	uplink_add_backend(self->host, addr);
}

static int run_frame(struct uplink_test *self, const struct packet *packet,
		     struct packet *ret_after)
{
	return uplink_run(self->host, packet, ret_after);
}

static int run(struct uplink_test *self, const struct packet_spec *spec, struct packet *ret_after)
{
	struct packet packet;

	packet_build(spec, &packet);
	return run_frame(self, &packet, ret_after);
}

static uint64_t counted(struct uplink_test *self, enum roam_reason reason)
{
	return uplink_counted(self->host, ROAM_VM_NONE, reason);
}

/* It passes as it is, but for the MAC that it goes to. */
static bool goes_to(struct uplink_test *self, const struct packet_spec *spec, const uint8_t *mac)
{
	struct packet_spec wanted = *spec;
	struct packet expected, after;

	memcpy(wanted.dmac, mac, ROAM_MAC_LEN);
	packet_build(&wanted, &expected);
	return CHECK_EQ(run(self, spec, &after), XDP_PASS) && CHECK_EQ(after.len, expected.len) &&
	       CHECK_MEM(after.bytes, expected.bytes, expected.len);
}

static bool is_dropped(struct uplink_test *self, const struct packet_spec *spec,
		       enum roam_reason reason)
{
	uint64_t before = uplink_counted(self->host, ROAM_VM_NONE, reason);
	struct packet after;

	return CHECK_EQ(run(self, spec, &after), XDP_DROP) &&
	       CHECK_EQ(uplink_counted(self->host, ROAM_VM_NONE, reason), before + 1);
}

TEST_46_F(uplink_test, to_a_vm_of_this_host)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec other = syn;

	add_service(self, family);
	add_backend(self, cast_vm_addr(family));
	CHECK(goes_to(self, &syn, cast_vm_mac));
	other.dport++; /* nobody's */
	CHECK(goes_to(self, &other, uplink_router_mac));
}

/* Another balancer has picked: nobody may think better of it. */
TEST_46_F(uplink_test, what_is_addressed_to_a_vm_stays)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);

	memcpy(syn.dmac, cast_vm_mac, ROAM_MAC_LEN);
	add_service(self, family);
	CHECK(goes_to(self, &syn, cast_vm_mac));
}

TEST_46_F(uplink_test, without_backend_or_route)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);

	add_service(self, family);
	CHECK(is_dropped(self, &syn, ROAM_REASON_LB_NO_BACKEND));
	add_backend(self, cast_stranger_addr(family));
	CHECK(is_dropped(self, &syn, ROAM_REASON_LB_NO_ROUTE));
}

/* A client's packets go where they went; a new connection does not go to who drains. */
TEST_46_F(uplink_test, a_client_keeps_a_draining_backend)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec ack = uplink_packet(family, ROAM_TCP_ACK);
	struct packet_spec stranger = ack;
	struct roam_addr addr = cast_vm_addr(family);

	add_service(self, family);
	add_backend(self, addr);
	CHECK(goes_to(self, &syn, cast_vm_mac));
	CHECK_OK(lb_backend_set(self->host->host, "web", &addr, ROAM_LB_DRAINING));
	CHECK(goes_to(self, &ack, cast_vm_mac));
	CHECK(is_dropped(self, &syn, ROAM_REASON_LB_NO_BACKEND));
	stranger.sport++;
	CHECK(is_dropped(self, &stranger, ROAM_REASON_LB_NO_BACKEND));
	CHECK_OK(lb_backend_del(self->host->host, "web", &addr));
	CHECK(is_dropped(self, &ack, ROAM_REASON_LB_NO_BACKEND));
}

TEST_46_F(uplink_test, counts_what_a_backend_gets)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec ack = uplink_packet(family, ROAM_TCP_ACK);
	struct lb_service service;

	add_service(self, family);
	add_backend(self, cast_vm_addr(family));
	CHECK(goes_to(self, &syn, cast_vm_mac));
	CHECK(goes_to(self, &ack, cast_vm_mac));
	CHECK_OK(lb_find(self->host->host, "web", &service));
	CHECK_OK(lb_list_backends(self->host->host, &service, &backends));
	if (!CHECK_EQ(backends.count, 1))
		return;
	CHECK_EQ(backends.list[0].stats.sessions, 1);
	CHECK_EQ(backends.list[0].stats.packets[ROAM_DIR_IN], 2);
}

/* ---- fragments ---- */

static void cut(const struct packet_spec *spec, uint32_t part, uint32_t id, struct packet *ret_part)
{
	struct packet_spec longer = *spec;
	struct packet whole;

	longer.payload = 1000;
	packet_build(&longer, &whole);
	packet_cut(&whole, (struct packet_cut){ part * 400, part * 400 + 400, id }, ret_part);
}

static bool part_goes_to(struct uplink_test *self, const struct packet_spec *spec, uint32_t part,
			 uint32_t id, const uint8_t *mac)
{
	struct packet before, after;

	cut(spec, part, id, &before);
	CHECK_EQ(run_frame(self, &before, &after), XDP_PASS);
	memcpy(before.bytes, mac, ROAM_MAC_LEN);
	return CHECK_MEM(after.bytes, before.bytes, before.len);
}

static bool part_is_dropped(struct uplink_test *self, const struct packet_spec *spec, uint32_t part,
			    uint32_t id, enum roam_reason reason)
{
	uint64_t before = counted(self, reason);
	struct packet frame, after;

	cut(spec, part, id, &frame);
	return CHECK_EQ(run_frame(self, &frame, &after), XDP_DROP) &&
	       CHECK_EQ(counted(self, reason), before + 1);
}

TEST_46_F(uplink_test, later_fragments_follow_the_first)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct packet_spec other = syn;

	add_service(self, family);
	add_backend(self, cast_vm_addr(family));
	part_is_dropped(self, &syn, 1, 1, ROAM_REASON_FRAG_NO_FIRST);
	part_goes_to(self, &syn, 0, 1, cast_vm_mac);
	part_goes_to(self, &syn, 2, 1, cast_vm_mac);
	part_goes_to(self, &syn, 1, 1, cast_vm_mac);
	part_is_dropped(self, &syn, 1, 2, ROAM_REASON_FRAG_NO_FIRST);
	other.src = cast_stranger_addr(family);
	part_is_dropped(self, &other, 1, 1, ROAM_REASON_FRAG_NO_FIRST);
	/* To whom is no VIP: the host's own affair. */
	other.dst = cast_stranger_addr(family);
	part_goes_to(self, &other, 1, 1, uplink_router_mac);
	/* Another balancer has picked: the port knows whether there was a first one. */
	memcpy(syn.dmac, cast_vm_mac, ROAM_MAC_LEN);
	part_goes_to(self, &syn, 1, 2, cast_vm_mac);
}

TEST_46_F(uplink_test, a_tiny_first_fragment_goes_nowhere)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	uint64_t before = counted(self, ROAM_REASON_FRAG_TINY);
	struct packet whole, part, after;

	add_service(self, family);
	add_backend(self, cast_vm_addr(family));
	packet_build(&syn, &whole);
	packet_cut(&whole, (struct packet_cut){ 0, 16, 3 }, &part);
	CHECK_EQ(run_frame(self, &part, &after), XDP_DROP);
	CHECK_EQ(counted(self, ROAM_REASON_FRAG_TINY), before + 1);
}

/* The last service of an address takes the VIP with it. */
TEST_46_F(uplink_test, no_vip_without_service)
{
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN);
	struct roam_lb_key key = {
		.vip = uplink_vip(family),
		.port = htons(UPLINK_VIP_PORT + 1),
		.proto = IPPROTO_UDP,
	};

	add_service(self, family);
	CHECK_OK(lb_add(self->host->host, "dns", &key));
	CHECK_OK(lb_del(self->host->host, "dns"));
	part_is_dropped(self, &syn, 1, 9, ROAM_REASON_FRAG_NO_FIRST);
	CHECK_OK(lb_del(self->host->host, "web"));
	part_goes_to(self, &syn, 1, 9, uplink_router_mac);
	add_service(self, family);
}

/* An error about what the backend has sent goes where the client's packets go, and opens nothing.
 */
TEST_46_F(uplink_test, errors_go_to_the_session)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	struct packet_spec syn = uplink_packet(family, ROAM_TCP_SYN), answer = syn, error;
	struct roam_addr addr = cast_vm_addr(family);
	struct lb_service service;

	answer.src = syn.dst;
	answer.dst = syn.src;
	answer.sport = syn.dport;
	answer.dport = syn.sport;
	error = cast_error(ROAM_DIR_IN, family == 4 ? 3 : 2, &answer);
	memcpy(error.dmac, uplink_router_mac, ROAM_MAC_LEN);
	add_service(self, family);
	CHECK(is_dropped(self, &error, ROAM_REASON_LB_NO_BACKEND));
	add_backend(self, addr);
	CHECK(goes_to(self, &syn, cast_vm_mac));
	CHECK_OK(lb_backend_set(self->host->host, "web", &addr, ROAM_LB_DRAINING));
	CHECK(goes_to(self, &error, cast_vm_mac));
	answer.dport++; /* who has no session */
	CHECK(is_dropped(self, &error, ROAM_REASON_LB_NO_BACKEND));
	answer.sport++; /* nobody's service */
	CHECK(goes_to(self, &error, uplink_router_mac));
	CHECK_OK(lb_find(self->host->host, "web", &service));
	CHECK_OK(lb_list_backends(self->host->host, &service, &backends));
	CHECK_EQ(backends.list[0].stats.sessions, 1);
}

/* Frames that claim to be from a VM of this host, by the error's own source. */
TEST_46_F(uplink_test, an_error_with_a_vms_address)
{
	struct packet_spec sent = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_ACK);
	struct packet_spec error = cast_error(ROAM_DIR_IN, family == 4 ? 3 : 1, &sent);
	struct packet after;

	add_service(self, family);
	CHECK_EQ(run(self, &error, &after), XDP_PASS);
	error.src = cast_vm_addr(family);
	CHECK_EQ(run(self, &error, &after), XDP_DROP);
}
