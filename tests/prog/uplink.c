// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* See uplink.h. */
#include <arpa/inet.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "harness.h"
#include "lb.h"
#include "stats.h"
#include "uplink.h"

const uint8_t uplink_router_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 0x99 };

struct test_host *uplink_host(void)
{
	static struct test_host host;

	if (!host.host) {
		hosts_enter();
		hosts_make("uplink", &host);
		hosts_add_vm(&host);
	}
	return &host;
}

struct roam_addr uplink_vip(int family)
{
	return packet_addr(family == 4 ? "198.51.100.9" : "2001:db8:99::9");
}

void uplink_add_service(struct test_host *host, int family)
{
	struct roam_lb_key key = {
		.vip = uplink_vip(family),
		.port = htons(UPLINK_VIP_PORT),
		.proto = IPPROTO_TCP,
	};

	CHECK_OK(lb_add(host->host, "web", &key));
}

void uplink_add_backend(struct test_host *host, struct roam_addr addr)
{
	struct roam_lb_backend row = { .addr = addr, .port = htons(80), .weight = 1 };

	CHECK_OK(lb_backend_add(host->host, "web", &row));
}

struct packet_spec uplink_packet(int family, uint8_t flags)
{
	struct packet_spec spec = cast_packet(family, ROAM_DIR_IN, IPPROTO_TCP);

	spec.dst = uplink_vip(family);
	spec.dport = UPLINK_VIP_PORT;
	spec.tcp_flags = flags;
	memcpy(spec.dmac, uplink_router_mac, ROAM_MAC_LEN);
	return spec;
}

int uplink_run(struct test_host *host, const struct packet *packet, struct packet *ret_after)
{
	struct xdp_md xdp = { .ingress_ifindex = host->ifindex, .data_end = packet->len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .ctx_in = &xdp, .ctx_size_in = sizeof(xdp), .data_out = ret_after->bytes,
		    .data_size_out = PACKET_MAX);

	CHECK_OK(bpf_prog_test_run_opts(host_prog(host->host, HOST_PROG_xdp_uplink), &opts));
	ret_after->len = opts.data_size_out;
	return opts.retval;
}

uint64_t uplink_counted(struct test_host *host, uint32_t vm, enum roam_reason reason)
{
	struct roam_stats stats;

	CHECK_OK(stats_fold(host->host, vm, &stats));
	return stats.by_reason[reason][ROAM_DIR_IN].packets;
}
