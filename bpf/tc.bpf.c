// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The front end at a VM's port: tcx, or clsact where the kernel has no tcx. The device's ingress is
 * `out`, its egress is `in`. No policy here.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "frame_skb.h"
#include "pipeline.h"

/* Not inlined: its stack is free again when the stages need theirs. */
static __noinline enum roam_reason parse_skb(struct __sk_buff *skb, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(skb);

	return parse(&frame, pkt);
}

static __always_inline int run(struct __sk_buff *skb, enum roam_dir dir)
{
	struct roam_pkt pkt = {};

	pkt.now_ns = bpf_ktime_get_ns();
	pkt.ifindex = skb->ifindex;
	pkt.len = skb->len;
	pkt.dir = dir;
	pkt.reason = parse_skb(skb, &pkt);

	switch (port_pipeline(&pkt)) {
	case ROAM_PASS:
		return TC_ACT_UNSPEC; /* TCX_NEXT: other programs of the chain run */
	case ROAM_CONTINUE:
	case ROAM_DROP:
	default:
		return TC_ACT_SHOT;
	}
}

SEC("tc")
int tc_out(struct __sk_buff *skb)
{
	return run(skb, ROAM_DIR_OUT);
}

SEC("tc")
int tc_in(struct __sk_buff *skb)
{
	return run(skb, ROAM_DIR_IN);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
