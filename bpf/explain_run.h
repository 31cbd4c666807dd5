/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The packet of a dry run, for the front ends that explain.bpf.c tells of. It is in a row of its
 * own, never front_pkt: a test run may be interrupted by real packets on the same CPU. User space
 * runs one at a time (user/lib/explain.c).
 */
#ifndef ROAM_BPF_EXPLAIN_RUN_H
#define ROAM_BPF_EXPLAIN_RUN_H

#include <bpf/bpf_helpers.h>
#include <roam/explain.h>

/* Weak, because each front end brings the same one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_explain);
} explain_run __weak SEC(".maps");

/* Empty, but for where it is and which way it goes. Never NULL; the verifier does not know that. */
static __always_inline struct roam_explain *explain_start(__u32 ifindex)
{
	__u32 zero = 0;
	struct roam_explain *run = bpf_map_lookup_elem(&explain_run, &zero);

	if (!run)
		return NULL;
	run->pkt = (struct roam_pkt){
		.now_ns = bpf_ktime_get_ns(),
		.ifindex = ifindex,
		.dir = run->dir & 1,
		.dry_run = 1,
	};
	run->steps = 0;
	return run;
}

#endif
