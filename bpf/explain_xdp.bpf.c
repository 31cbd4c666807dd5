// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The front end of `roam explain` at an uplink: explain.bpf.c's twin. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "frame_xdp.h"
#include "note_steps.h"
#include "pipeline.h"
#include "explain_run.h"
#include "forward.h"
#include "untunnel.h"

SEC("xdp.frags")
int explain_uplink(struct xdp_md *xdp)
{
	struct roam_explain *run = explain_start(xdp->ingress_ifindex);
	enum roam_verdict verdict;
	int action = XDP_PASS;

	if (!run)
		return XDP_DROP;
	verdict = uplink_pipeline(xdp, &run->pkt);
	if (verdict == ROAM_PASS && run->pkt.tunnel_off)
		verdict = note(&run->pkt, ROAM_STAGE_FORWARD, untunnel(xdp, &run->pkt));
	if (verdict == ROAM_PASS && run->pkt.lb_backend)
		verdict = note(&run->pkt, ROAM_STAGE_FORWARD, forward(xdp, &run->pkt, &action));
	run->verdict = end(&run->pkt, verdict);
	return XDP_DROP; /* whatever `action` says, this frame is nobody's */
}
