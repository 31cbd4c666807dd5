/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Forwarding at an uplink, for xdp.bpf.c: a frame whose backend is known gets the MAC of the
 * backend, or of the router on the way to it. All else stays, the VIP as destination included: the
 * port of the VM that is the backend translates.
 */
#ifndef ROAM_BPF_FORWARD_H
#define ROAM_BPF_FORWARD_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "stages.h"

#define AF_INET_NUMBER  2 /* sys/socket.h cannot be had outside libc */
#define AF_INET6_NUMBER 10

/* Asks the host's routes and neighbours. The host must be a router (net.ipv4.ip_forward). */
static __always_inline bool find_route(struct xdp_md *xdp, const struct roam_pkt *pkt,
				       struct bpf_fib_lookup *route)
{
	route->ifindex = xdp->ingress_ifindex;
	route->l4_protocol = pkt->key.proto;
	if (pkt->key.family == ROAM_FAMILY_IPV4) {
		route->family = AF_INET_NUMBER;
		route->ipv4_src = pkt->key.remote.words[3];
		route->ipv4_dst = pkt->lb_addr.words[3];
	} else {
		route->family = AF_INET6_NUMBER;
		__builtin_memcpy(route->ipv6_src, &pkt->key.remote, sizeof(route->ipv6_src));
		__builtin_memcpy(route->ipv6_dst, &pkt->lb_addr, sizeof(route->ipv6_dst));
	}
	return bpf_fib_lookup(xdp, route, sizeof(*route), 0) == BPF_FIB_LKUP_RET_SUCCESS;
}

/* Not inlined: its stack is free again when the stages need theirs. */
static __noinline int route_frame(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	struct bpf_fib_lookup route = {};

	if (!find_route(xdp, pkt, &route))
		return XDP_DROP;
	__builtin_memcpy(pkt->smac, route.smac, ROAM_MAC_LEN);
	__builtin_memcpy(pkt->dmac, route.dmac, ROAM_MAC_LEN);
	/* Back out of the same device, too: a veth loses XDP_TX where its peer has no XDP. */
	return bpf_redirect(route.ifindex, 0);
}

static __always_inline bool write_macs(struct xdp_md *xdp, const struct roam_pkt *pkt)
{
	__u8 macs[2 * ROAM_MAC_LEN];

	__builtin_memcpy(macs, pkt->dmac, ROAM_MAC_LEN);
	__builtin_memcpy(macs + ROAM_MAC_LEN, pkt->smac, ROAM_MAC_LEN);
	return !bpf_xdp_store_bytes(xdp, 0, macs, sizeof(macs));
}

/* To a port of this host the frame goes on by the host's own bridge, past the port's programs. */
static __always_inline enum roam_verdict forward(struct xdp_md *xdp, struct roam_pkt *pkt,
						 int *ret_action)
{
	int action = XDP_PASS;

	if (port_find(pkt) != ROAM_CONTINUE)
		action = route_frame(xdp, pkt);
	if (action == XDP_DROP)
		return drop(pkt, ROAM_REASON_LB_NO_ROUTE);
	if (!write_macs(xdp, pkt))
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	*ret_action = action;
	return ROAM_PASS;
}

#endif
