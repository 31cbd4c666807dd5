// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The XDP front ends: the uplink's, and the list of a port behind XDP (for devices whose driver
 * shows a VM's frames to XDP first, and for the tests, which run the stages behind both front
 * ends). No policy here.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "frame_xdp.h"
#include "pipeline.h"
#include "forward.h"
#include "untunnel.h"
#include "untunnel_late.h"

static __always_inline struct roam_pkt *start(struct xdp_md *xdp, enum roam_dir dir)
{
	return front_now(xdp->ingress_ifindex, dir);
}

static __always_inline int finish(enum roam_verdict verdict)
{
	switch (verdict) {
	case ROAM_PASS:
		return XDP_PASS;
	case ROAM_CONTINUE:
	case ROAM_DROP:
	default:
		return XDP_DROP;
	}
}

SEC("xdp.frags")
int xdp_uplink(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = start(xdp, ROAM_DIR_IN);
	enum roam_verdict verdict;
	int action = XDP_PASS;

	if (!pkt)
		return XDP_DROP;
	verdict = uplink_pipeline(xdp, pkt);
	if (verdict == ROAM_PASS && pkt->tunnel_off)
		verdict = untunnel(xdp, pkt);
	if (verdict == ROAM_PASS && pkt->lb_backend)
		verdict = forward(xdp, pkt, &action);
	else if (verdict == ROAM_PASS && may_be_late(pkt))
		verdict = untunnel_late(xdp, pkt);
	return end(pkt, verdict) == ROAM_PASS ? action : XDP_DROP;
}

SEC("xdp.frags")
int xdp_out(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = start(xdp, ROAM_DIR_OUT);

	return pkt ? finish(port_pipeline(xdp, pkt)) : XDP_DROP;
}

SEC("xdp.frags")
int xdp_in(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = start(xdp, ROAM_DIR_IN);

	return pkt ? finish(port_pipeline(xdp, pkt)) : XDP_DROP;
}
