/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sources and blocks that come over from another layout (include/roam/carry.h), part of ips.bpf.c,
 * its only includer. User space makes a row that is not there; these bring it up to the old one.
 */
#ifndef ROAM_BPF_IPS_CARRY_H
#define ROAM_BPF_IPS_CARRY_H

#include "carry.h"
#include "ips_table.h"

/* A row that has gone meanwhile, to make room, is no error. */
SEC("syscall")
int source_merge(struct roam_carry_run *run)
{
	struct roam_carry_key key = run->key;
	struct roam_ips_source *source;
	void *rows = bpf_map_lookup_elem(&ips_source, &key.vm);

	run->error = rows ? 0 : -ENOENT;
	source = rows ? bpf_map_lookup_elem(rows, &key.addr) : NULL;
	if (source)
		carry_later(&source->paid_ns, run->old.source.paid_ns, CARRY_ZERO_FIRST);
	return 0;
}

SEC("syscall")
int block_merge(struct roam_carry_run *run)
{
	struct roam_ips_block old = run->old.block, *block;
	struct roam_carry_sums more = { { old.packets, old.bytes } };
	struct roam_carry_key key = run->key;
	void *rows = bpf_map_lookup_elem(&ips_block, &key.vm);

	run->error = rows ? 0 : -ENOENT;
	block = rows ? bpf_map_lookup_elem(rows, &key.addr) : NULL;
	if (!block)
		return 0;
	run->error = carry_more(&key, &more);
	if (run->error == -E2BIG) { /* that it is blocked is what matters */
		run->error = 0;
		more = (struct roam_carry_sums){};
	}
	if (run->error)
		return 0;
	__sync_fetch_and_add(&block->packets, more.sum[0]);
	__sync_fetch_and_add(&block->bytes, more.sum[1]);
	carry_later(&block->until_ns, old.until_ns, CARRY_ZERO_LAST);
	carry_later(&block->last_ns, old.last_ns, CARRY_ZERO_FIRST);
	if (old.strikes > block->strikes)
		block->strikes = old.strikes;
	block->by_hand |= old.by_hand;
	return 0;
}

#endif
