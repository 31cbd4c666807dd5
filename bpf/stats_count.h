/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The end of every packet: counts it under its reason. For pipeline.h, which inlines it, since
 * every packet pays for it, and for stats.bpf.c, whose counters these are.
 */
#ifndef ROAM_BPF_STATS_COUNT_H
#define ROAM_BPF_STATS_COUNT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/stats.h>
#include <roam/vm.h>
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
} stats __weak SEC(".maps");

static __always_inline enum roam_verdict stats_count(struct roam_pkt *pkt,
						     enum roam_verdict verdict)
{
	__u32 slot, first = 0, reason, dir;
	struct roam_stats *row;
	void *inner;

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

#endif
