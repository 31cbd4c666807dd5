/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Out of a tunnel, for xdp.bpf.c: a packet that a balancer has put into one for a VM of this host
 * goes on as if the balancer were on the segment, with the MAC of the VM's port, which translates
 * it. Who may send such tunnels, and for whom, bpf/lb_tunnel.h says. What is within is judged
 * before the frame is touched, as all that comes from outside.
 */
#ifndef ROAM_BPF_UNTUNNEL_H
#define ROAM_BPF_UNTUNNEL_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "parse_tunnel.h"
#include "pipeline.h"

/* Neither is inlined: their stack is free again when the stages need theirs. */
static __noinline enum roam_reason read_inner(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(xdp);

	return parse_inner(&frame, pkt);
}

/* VLAN tags go, too: they are the tunnel's. */
static __noinline bool cut_tunnel(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	struct ethhdr eth = { .h_proto = pkt->ethertype };
	__u32 cut = pkt->l3_off - sizeof(eth);

	__builtin_memcpy(eth.h_dest, pkt->dmac, ROAM_MAC_LEN);
	__builtin_memcpy(eth.h_source, pkt->smac, ROAM_MAC_LEN);
	pkt->len -= cut;
	return !bpf_xdp_adjust_head(xdp, cut) && !bpf_xdp_store_bytes(xdp, 0, &eth, sizeof(eth));
}

static __always_inline enum roam_verdict untunnel(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	enum roam_verdict verdict = lb_end(pkt);

	if (verdict != ROAM_CONTINUE)
		return verdict;
	if (pkt->frag < ROAM_PKT_FRAG_FIRST)
		pkt->reason = read_inner(xdp, pkt);
	if (!pkt->reason && pkt->frag >= ROAM_PKT_FRAG_FIRST) /* the tunnel, or what is in it */
		pkt->reason = ROAM_REASON_FRAGMENT;
	verdict = lb_inner(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = early(pkt);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	if (!cut_tunnel(xdp, pkt))
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	pkt->vm = ROAM_VM_NONE; /* the VM counts it at its port */
	return pass(pkt, ROAM_REASON_UPLINK);
}

#endif
