// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The XDP front end of a port with time as an input: tc_at.bpf.c's twin. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "frame_xdp.h"
#include "pipeline.h"

volatile __u64 xdp_now_ns;

static __always_inline int run(struct xdp_md *xdp, enum roam_dir dir)
{
	struct roam_pkt *pkt = front_start(xdp->ingress_ifindex, dir, xdp_now_ns);

	return pkt && port_pipeline(xdp, pkt) == ROAM_PASS ? XDP_PASS : XDP_DROP;
}

SEC("xdp.frags")
int xdp_out_at(struct xdp_md *xdp)
{
	return run(xdp, ROAM_DIR_OUT);
}

SEC("xdp.frags")
int xdp_in_at(struct xdp_md *xdp)
{
	return run(xdp, ROAM_DIR_IN);
}
