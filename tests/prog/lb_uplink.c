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

static int run(struct uplink_test *self, const struct packet_spec *spec, struct packet *ret_after)
{
	struct packet packet;

	packet_build(spec, &packet);
	return uplink_run(self->host, &packet, ret_after);
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
