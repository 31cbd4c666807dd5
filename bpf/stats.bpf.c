// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counts every packet under its reason: the last thing that happens to it. Owns the counters.
 */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/stats.h>
#include "stages.h"

struct stats_row {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_stats));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct stats_row);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_stats);
} stats_xfer SEC(".maps");

__noinline enum roam_verdict stats_count(struct roam_pkt *pkt, enum roam_verdict verdict)
{
	__u32 slot, first = 0, reason, dir;
	struct roam_stats *row;
	void *inner;

	if (!pkt)
		return ROAM_DROP;
	if (pkt->dry_run)
		return verdict;
	slot = pkt->vm;
	inner = bpf_map_lookup_elem(&stats, &slot);
	if (!inner)
		return verdict;
	row = bpf_map_lookup_elem(inner, &first);
	if (!row)
		return verdict;
	reason = pkt->reason;
	if (reason >= ROAM_REASON_MAX)
		reason = ROAM_REASON_NONE;
	dir = pkt->dir & 1;
	row->by_reason[reason][dir].packets++;
	row->by_reason[reason][dir].bytes += pkt->len;
	return verdict;
}

/* A packet of this CPU may come between: each addition is one instruction. */
SEC("syscall")
int stats_add(struct roam_stats_add *arg)
{
	__u32 slot = arg->vm, first = 0;
	const struct roam_stats *more = bpf_map_lookup_elem(&stats_xfer, &first);
	void *inner = bpf_map_lookup_elem(&stats, &slot);
	struct roam_stats *row = inner ? bpf_map_lookup_elem(inner, &first) : NULL;

	arg->error = more && row ? 0 : -ENOENT;
	for (__u32 i = 0; more && row && i < ROAM_REASON_MAX; i++) {
		for (__u32 dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			__sync_fetch_and_add(&row->by_reason[i][dir].packets,
					     more->by_reason[i][dir].packets);
			__sync_fetch_and_add(&row->by_reason[i][dir].bytes,
					     more->by_reason[i][dir].bytes);
		}
	}
	return 0;
}
