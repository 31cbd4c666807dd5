// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Counts every packet under its reason: the last thing that happens to it. Owns the counters.
 */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/stats.h>
#include "stats_count.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_stats);
} stats_xfer SEC(".maps");

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
