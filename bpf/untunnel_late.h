/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Late packets out of UDP, for xdp.bpf.c: at the destination of a handover, a frame that the source
 * has carried here goes on as if it had come in at the uplink by itself: early drops, then the
 * host's bridge, then the VM's port, which judges it. What is not of a handover that lives, from
 * its source, for its VM, late.bpf.c drops.
 */
#ifndef ROAM_BPF_UNTUNNEL_LATE_H
#define ROAM_BPF_UNTUNNEL_LATE_H

#include <linux/in.h>
#include <linux/udp.h>
#include <roam/late.h>
#include "pipeline.h"

/* To the host itself. The port, in UDP alone: of all else it is no port, or another's. */
static __always_inline bool may_be_late(const struct roam_pkt *pkt)
{
	return pkt->key.lport == bpf_htons(ROAM_LATE_PORT) && pkt->key.proto == IPPROTO_UDP &&
	       !(pkt->facts & ROAM_PKT_TO_VM) && !is_error(pkt) && pkt->l4_off && !pkt->tunnel_off;
}

static __noinline bool read_late(struct xdp_md *xdp, const struct roam_pkt *pkt,
				 struct roam_late_header *header)
{
	struct frame frame = frame_open(xdp);

	return frame_read(&frame, pkt->l4_off + sizeof(struct udphdr), header, sizeof(*header)) &&
	       header->magic == bpf_htonl(ROAM_LATE_MAGIC);
}

/* The frame within, as a packet of its own. */
static __always_inline enum roam_verdict judge_late(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = front_now(xdp->ingress_ifindex, ROAM_DIR_IN);

	if (!pkt)
		return ROAM_DROP;
	pkt->reason = read_frame(xdp, pkt);
	if (!pkt->reason && is_error(pkt))
		pkt->reason = read_quote(xdp, pkt);
	return early(pkt);
}

static __noinline enum roam_verdict untunnel_late(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	__u32 cut = pkt->l4_off + sizeof(struct udphdr) + sizeof(struct roam_late_header);
	struct roam_late_header header = {};
	enum roam_verdict verdict;

	if (!read_late(xdp, pkt, &header))
		return ROAM_PASS; /* the host's own */
	verdict = late_end(pkt, &header);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	if (bpf_xdp_adjust_head(xdp, cut))
		return drop(pkt, ROAM_REASON_MALFORMED);
	verdict = judge_late(xdp); /* of the same pkt: there is one a CPU */
	return verdict == ROAM_CONTINUE ? late_inner(pkt, &header) : verdict;
}

#endif
