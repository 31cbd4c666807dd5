// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Asks the acl stage about flows of a VM, as it will be asked when their next packets find them
 * older than its policy: see include/roam/ask.h. Nobody attaches it. The stages' dry_run is set, so
 * nothing is counted; it is of type tc because there no packet comes between on the same CPU.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <roam/ask.h>
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_ask_run);
} ask_run SEC(".maps");

static long ask_flow(__u32 i, void *arg)
{
	struct roam_ask_run *run;
	struct roam_ask_flow *flow;
	__u32 zero = 0;

	(void)arg;
	run = bpf_map_lookup_elem(&ask_run, &zero);
	if (!run || i >= ROAM_ASK_FLOWS)
		return 1;
	flow = &run->flows[i];
	run->pkt = (struct roam_pkt){
		.key = flow->key,
		.vm = run->vm,
		.default_action = { run->default_action[0], run->default_action[1] },
		.ct = ROAM_PKT_CT_STALE,
		.dir = flow->open_dir,
		.open_dir = flow->open_dir,
		.open_tcp_flags = flow->open_tcp_flags,
		.open_icmp_type = flow->open_icmp_type,
		.open_icmp_code = flow->open_icmp_code,
		.either_dir = flow->either_dir,
		.dry_run = 1,
	};
	flow->admitted = acl_check(&run->pkt) == ROAM_CONTINUE;
	return 0;
}

SEC("tc")
int ask_flows(struct __sk_buff *skb)
{
	struct roam_ask_run *run;
	__u32 zero = 0;

	(void)skb;
	run = bpf_map_lookup_elem(&ask_run, &zero);
	if (run)
		bpf_loop(run->count, ask_flow, NULL, 0);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
