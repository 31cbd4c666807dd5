/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Hits of rules and buckets of answers that come over from another layout (include/roam/carry.h),
 * part of acl.bpf.c, its only includer.
 */
#ifndef ROAM_BPF_ACL_CARRY_H
#define ROAM_BPF_ACL_CARRY_H

#include "acl_reject.h"
#include "carry.h"

SEC("syscall")
int acl_merge(struct roam_carry_run *run)
{
	struct roam_acl_hits old = run->old.hits, *hits;
	struct roam_carry_sums more = { { old.packets, old.bytes, old.log_lost } };
	struct roam_carry_key key = run->key;
	void *rows = bpf_map_lookup_elem(&acl_hits, &key.vm);

	hits = rows ? bpf_map_lookup_elem(rows, &key.row) : NULL;
	run->error = hits ? carry_more(&key, &more) : -ENOENT;
	if (!hits || run->error)
		return 0;
	__sync_fetch_and_add(&hits->packets, more.sum[0]);
	__sync_fetch_and_add(&hits->bytes, more.sum[1]);
	__sync_fetch_and_add(&hits->log_lost, more.sum[2]);
	carry_later(&hits->last_ns, old.last_ns, CARRY_ZERO_FIRST);
	carry_later(&hits->log_paid_ns, old.log_paid_ns, CARRY_ZERO_FIRST);
	return 0;
}

/* Answers that are on their way have the old mark. */
SEC("syscall")
int reject_merge(struct roam_carry_run *run)
{
	struct roam_acl_reject old = run->old.reject, *row;
	__u32 slot = run->key.vm;

	row = bpf_map_lookup_elem(&acl_reject, &slot);
	run->error = row ? 0 : -ENOENT;
	if (!row)
		return 0;
	carry_later(&row->paid_ns, old.paid_ns, CARRY_ZERO_FIRST);
	__sync_val_compare_and_swap(&row->mark, 0, old.mark);
	return 0;
}

#endif
