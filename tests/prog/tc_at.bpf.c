// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The tc front end with time as an input: bpf/tc.bpf.c, but for the clock. It lets the tests age
 * flows without sleeping, and replay a trace on two hosts at the same times.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "frame_skb.h"
#include "late_frame.h"
#include "pipeline.h"
#include "answer.h"

volatile __u64 tc_now_ns;

static __always_inline int run(struct __sk_buff *skb, enum roam_dir dir)
{
	struct roam_pkt *pkt = front_start(skb->ifindex, dir, tc_now_ns);

	if (!pkt)
		return TC_ACT_SHOT;
	pkt->can_translate = 1;
	pkt->mark = skb->mark;
	if (port_pipeline(skb, pkt) != ROAM_PASS) {
		if (!answer_frame(skb, pkt))
			return TC_ACT_SHOT;
		skb->mark = pkt->mark;
		return TC_ACT_STOLEN; /* answered */
	}
	if (pkt->reason == ROAM_REASON_ANSWERED)
		skb->mark = 0;
	return turns_back(pkt) ? TC_ACT_REDIRECT : TC_ACT_UNSPEC;
}

SEC("tc")
int tc_out_at(struct __sk_buff *skb)
{
	return run(skb, ROAM_DIR_OUT);
}

SEC("tc")
int tc_in_at(struct __sk_buff *skb)
{
	return run(skb, ROAM_DIR_IN);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
