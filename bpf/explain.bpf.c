// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The front ends of `roam explain`: the lists of pipeline.h over the real maps, on a packet that
 * user space hands to BPF_PROG_TEST_RUN. They set dry_run, which no frame can: the stages say what
 * they would say, and change nothing. Nobody attaches them.
 *
 * The packet is in a row of its own, never front_pkt: a test run may be interrupted by real packets
 * on the same CPU. User space runs one at a time (user/lib/explain.c).
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "frame_skb.h"
#include "note_steps.h"
#include "pipeline.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_explain);
} explain_run SEC(".maps");

SEC("tc")
int explain_port(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct roam_explain *run = bpf_map_lookup_elem(&explain_run, &zero);

	if (!run)
		return TC_ACT_SHOT;
	run->pkt = (struct roam_pkt){
		.now_ns = bpf_ktime_get_ns(),
		.ifindex = skb->ifindex,
		.dir = run->dir & 1,
		.can_translate = 1,
		.dry_run = 1,
	};
	run->steps = 0;
	run->verdict = port_pipeline(skb, &run->pkt);
	run->turns_back = run->verdict == ROAM_PASS && turns_back(&run->pkt);
	return TC_ACT_SHOT;
}
