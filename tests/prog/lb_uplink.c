// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The uplink as balancer: the host's own XDP program, on frames for a VIP. What it forwards differs
 * in MACs only. Routes to other hosts are for tests/e2e/lb.sh.
 */
#include <arpa/inet.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include "harness.h"
#include "hosts.h"
#include "lb.h"
#include "stats.h"
#include "text.h"

#define VIP_PORT 443

struct uplink_test {
	struct test_host *host;
};

static const uint8_t router_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 0x99 };

static struct roam_addr vip_addr(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

/* One host and VM for all tests, since making them takes long: each leaves no service. */
static struct test_host *shared_host(void)
{
	static struct test_host host;

	if (!host.host) {
		hosts_enter();
		hosts_make("lb", &host);
		hosts_add_vm(&host);
	}
	return &host;
}

static void uplink_test_setup(struct uplink_test *self)
{
	self->host = shared_host();
}

static void uplink_test_teardown(struct uplink_test *self)
{
	CHECK_OK(lb_del(self->host->host, "web"));
}

static void add_service(struct uplink_test *self, int family)
{
	struct roam_lb_key key = {
		.vip = vip_addr(family),
		.port = htons(VIP_PORT),
		.proto = IPPROTO_TCP,
	};

	CHECK_OK(lb_add(self->host->host, "web", &key));
}

static void add_backend(struct uplink_test *self, struct roam_addr addr)
{
	struct roam_lb_backend row = { .addr = addr, .port = htons(80), .weight = 1 };

	CHECK_OK(lb_backend_add(self->host->host, "web", &row));
}

/* From the peer to the VIP, by way of the router that the host is. */
static struct packet_spec vip_packet(int family, uint8_t flags)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_TCP);

	spec.dst = vip_addr(family);
	spec.dport = VIP_PORT;
	spec.tcp_flags = flags;
	memcpy(spec.dmac, router_mac, ROAM_MAC_LEN);
	return spec;
}

static int run(struct uplink_test *self, const struct packet_spec *spec, struct packet *ret_after)
{
	struct packet packet;
	struct xdp_md xdp = { .ingress_ifindex = self->host->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes, .ctx_in = &xdp,
		    .ctx_size_in = sizeof(xdp), .data_out = ret_after->bytes,
		    .data_size_out = PACKET_MAX);

	packet_build(spec, &packet);
	opts.data_size_in = xdp.data_end = packet.len;
	CHECK_OK(bpf_prog_test_run_opts(host_prog(self->host->host, HOST_PROG_xdp_uplink), &opts));
	ret_after->len = opts.data_size_out;
	return opts.retval;
}

static uint64_t counted(struct uplink_test *self, enum roam_reason reason)
{
	struct roam_stats stats;

	CHECK_OK(stats_fold(self->host->host, ROAM_VM_NONE, &stats));
	return stats.by_reason[reason][ROAM_DIR_IN].packets;
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
	uint64_t before = counted(self, reason);
	struct packet after;

	return CHECK_EQ(run(self, spec, &after), XDP_DROP) &&
	       CHECK_EQ(counted(self, reason), before + 1);
}

TEST_46_F(uplink_test, to_a_vm_of_this_host)
{
	struct packet_spec syn = vip_packet(family, ROAM_TCP_SYN);
	struct packet_spec other = syn;

	add_service(self, family);
	add_backend(self, cast_vm_addr(family));
	CHECK(goes_to(self, &syn, cast_vm_mac));
	other.dport++; /* nobody's */
	CHECK(goes_to(self, &other, router_mac));
}

/* Another balancer has picked: nobody may think better of it. */
TEST_46_F(uplink_test, what_is_addressed_to_a_vm_stays)
{
	struct packet_spec syn = vip_packet(family, ROAM_TCP_SYN);

	memcpy(syn.dmac, cast_vm_mac, ROAM_MAC_LEN);
	add_service(self, family);
	CHECK(goes_to(self, &syn, cast_vm_mac));
}

TEST_46_F(uplink_test, without_backend_or_route)
{
	struct packet_spec syn = vip_packet(family, ROAM_TCP_SYN);

	add_service(self, family);
	CHECK(is_dropped(self, &syn, ROAM_REASON_LB_NO_BACKEND));
	add_backend(self, cast_stranger_addr(family));
	CHECK(is_dropped(self, &syn, ROAM_REASON_LB_NO_ROUTE));
}

/* A client's packets go where they went; a new connection does not go to who drains. */
TEST_46_F(uplink_test, a_client_keeps_a_draining_backend)
{
	struct packet_spec syn = vip_packet(family, ROAM_TCP_SYN);
	struct packet_spec ack = vip_packet(family, ROAM_TCP_ACK);
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
	struct packet_spec syn = vip_packet(family, ROAM_TCP_SYN);
	struct packet_spec ack = vip_packet(family, ROAM_TCP_ACK);
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

/* An error about what the backend has sent goes where the client's packets go, and opens nothing.
 */
TEST_46_F(uplink_test, errors_go_to_the_session)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	struct packet_spec syn = vip_packet(family, ROAM_TCP_SYN), answer = syn, error;
	struct roam_addr addr = cast_vm_addr(family);
	struct lb_service service;

	answer.src = syn.dst;
	answer.dst = syn.src;
	answer.sport = syn.dport;
	answer.dport = syn.sport;
	error = cast_error(ROAM_DIR_IN, family == 4 ? 3 : 2, &answer);
	memcpy(error.dmac, router_mac, ROAM_MAC_LEN);
	add_service(self, family);
	CHECK(is_dropped(self, &error, ROAM_REASON_LB_NO_BACKEND));
	add_backend(self, addr);
	CHECK(goes_to(self, &syn, cast_vm_mac));
	CHECK_OK(lb_backend_set(self->host->host, "web", &addr, ROAM_LB_DRAINING));
	CHECK(goes_to(self, &error, cast_vm_mac));
	answer.dport++; /* who has no session */
	CHECK(is_dropped(self, &error, ROAM_REASON_LB_NO_BACKEND));
	answer.sport++; /* nobody's service */
	CHECK(goes_to(self, &error, router_mac));
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
