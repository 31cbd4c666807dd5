// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The front end at a VM's port: tcx, or clsact where the kernel has no tcx. The device's ingress is
 * `out`, its egress is `in`. No policy here.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "frame_skb.h"
#include "late_frame.h"
#include "pipeline.h"
#include "answer.h"
#include "elder.h"

/* The programs that were at the port before, while these take over from them (elder.h). */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, ROAM_DIR_COUNT);
	__type(key, __u32);
	__type(value, __u32);
} elder_prog SEC(".maps");

/* What is dropped, and the elders know nothing better: where they are, their verdict stands. */
static __always_inline enum roam_verdict judge_with_elders(struct __sk_buff *skb,
							   struct roam_pkt *pkt, enum roam_dir dir)
{
	enum roam_verdict verdict = port_judge(skb, pkt);

	if (verdict != ROAM_PASS && elder_may_know(pkt)) {
		bpf_tail_call(skb, &elder_prog, dir);
		if (pkt->reason == ROAM_REASON_NONE)
			return drop(pkt, ROAM_REASON_NO_TABLE);
	}
	return verdict;
}

static __always_inline int run(struct __sk_buff *skb, enum roam_dir dir)
{
	struct roam_pkt *pkt = front_now(skb->ifindex, dir);

	if (!pkt)
		return TC_ACT_SHOT;
	pkt->can_translate = 1;
	pkt->mark = skb->mark;

	switch (end(pkt, judge_with_elders(skb, pkt, dir))) {
	case ROAM_PASS:
		if (turns_back(pkt))
			return bpf_redirect(pkt->ifindex, 0);
		if (pkt->reason == ROAM_REASON_LATE_CARRIED)
			return bpf_redirect_neigh(pkt->ifindex, NULL, 0, 0);
		if (pkt->reason == ROAM_REASON_ANSWERED)
			skb->mark = 0;
		return TC_ACT_UNSPEC; /* TCX_NEXT: other programs of the chain run */
	case ROAM_CONTINUE:
	case ROAM_DROP:
		if (!answer_frame(skb, pkt))
			return TC_ACT_SHOT;
		skb->mark = pkt->mark;
		return bpf_redirect(pkt->ifindex, dir == ROAM_DIR_OUT ? 0 : BPF_F_INGRESS);
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
