/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Forwarding at an uplink, for xdp.bpf.c: a frame whose backend is known gets the MAC of the
 * backend, or of the router on the way to it. All else stays, the VIP as destination included: the
 * port of the VM that is the backend translates. To a backend on a host elsewhere it goes in a
 * tunnel (tunnel.h).
 */
#ifndef ROAM_BPF_FORWARD_H
#define ROAM_BPF_FORWARD_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "stages.h"
#include "tunnel.h"

/* Not inlined: its stack is free again when the stages need theirs. */
static __noinline int route_frame(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	struct bpf_fib_lookup route = { .l4_protocol = pkt->key.proto };

	if (find_route(xdp, &pkt->key.remote, &pkt->lb_addr, &route) != BPF_FIB_LKUP_RET_SUCCESS)
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
static __always_inline enum roam_verdict forward_as_is(struct xdp_md *xdp, struct roam_pkt *pkt,
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

static __always_inline enum roam_verdict forward(struct xdp_md *xdp, struct roam_pkt *pkt,
						 int *ret_action)
{
	if (!has_tunnel(pkt))
		return forward_as_is(xdp, pkt, ret_action);
	if (pkt->frag >= ROAM_PKT_FRAG_FIRST) /* whose later ones could not follow */
		return drop(pkt, ROAM_REASON_FRAGMENT);
	*ret_action = tunnel_frame(xdp, pkt);
	return *ret_action == XDP_DROP ? ROAM_DROP : ROAM_PASS;
}

#endif
