/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tables of ips.bpf.c (its only includer): sources and blocks of a VM, and how room is made in
 * a full one. include/roam/ips.h tells the shapes.
 */
#ifndef ROAM_BPF_IPS_TABLE_H
#define ROAM_BPF_IPS_TABLE_H

#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/ips.h>
#include <roam/pkt.h>
#include "bucket.h"
#include "stages.h"

/* Blocks that a new one on a full table looks at before it is given up. */
#define IPS_CANDIDATES 8

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__type(value, struct roam_ips);
} ips_conf SEC(".maps");

struct ips_source_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_IPS_QUOTA_MIN);
	__uint(key_size, sizeof(struct roam_addr));
	__uint(value_size, sizeof(struct roam_ips_source));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct ips_source_rows);
} ips_source SEC(".maps");

struct ips_block_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_IPS_QUOTA_MIN);
	__uint(key_size, sizeof(struct roam_addr));
	__uint(value_size, sizeof(struct roam_ips_block));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct ips_block_rows);
} ips_block SEC(".maps");

struct ips_queue {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, ROAM_IPS_QUOTA_MIN);
	__uint(value_size, sizeof(struct roam_ips_tick));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX *ROAM_IPS_KINDS);
	__type(key, __u32);
	__array(values, struct ips_queue);
} ips_clock SEC(".maps");

static __always_inline void *ips_clock_of(__u32 vm, enum roam_ips_kind kind)
{
	__u32 index = ROAM_IPS_CLOCK(vm, kind);

	return bpf_map_lookup_elem(&ips_clock, &index);
}

/* Tells the log of the VM of a row that was written (include/roam/move.h). */
static __noinline void ips_note(const struct roam_pkt *pkt, __u8 table, const struct roam_addr *key,
				bool urgent)
{
	struct roam_log_rec rec = { .table = table, .urgent = urgent, .key.addr = *key };

	move_note(pkt->vm, &rec);
}

static __always_inline bool block_is_over(const struct roam_ips_block *block, __u64 now_ns)
{
	return block->until_ns && (__s64)(now_ns - block->until_ns) >= 0;
}

/*
 * The source's row, made if there is none. On a full table the one that was made first goes: its
 * bucket is the likeliest to be full again, and a full one is worth nothing. A dry run makes none.
 */
static __always_inline struct roam_ips_source *ips_source_of(const struct roam_pkt *pkt,
							     const struct roam_addr *key)
{
	struct roam_ips_tick tick = { .key = *key };
	struct roam_ips_source fresh = {};
	struct roam_ips_source *source;
	__u32 slot = pkt->vm;
	void *rows, *clock;

	rows = bpf_map_lookup_elem(&ips_source, &slot);
	if (!rows)
		return NULL;
	source = bpf_map_lookup_elem(rows, key);
	if (source || pkt->dry_run)
		return source;
	clock = ips_clock_of(slot, ROAM_IPS_SOURCES);
	if (!clock)
		return NULL;
	for (int i = 0; i <= IPS_CANDIDATES && bpf_map_push_elem(clock, &tick, BPF_ANY); i++) {
		struct roam_ips_tick oldest;

		if (bpf_map_pop_elem(clock, &oldest))
			continue;
		bpf_map_delete_elem(rows, &oldest.key);
		if (pkt->round)
			ips_note(pkt, ROAM_LOG_SOURCE, &oldest.key, false);
	}
	bpf_map_update_elem(rows, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(rows, key); /* ours, or that of a CPU that was faster */
}

/* Takes the next entry off a full clock of blocks, unless it stands for a live one. */
static __always_inline void ips_reclaim_one(const struct roam_pkt *pkt, void *rows, void *clock)
{
	struct roam_ips_block *block;
	struct roam_ips_tick tick;

	if (bpf_map_pop_elem(clock, &tick))
		return;
	block = bpf_map_lookup_elem(rows, &tick.key);
	if (!block || (__u32)block->since_ns != tick.stamp)
		return;
	if (!block_is_over(block, pkt->now_ns)) {
		bpf_map_push_elem(clock, &tick, BPF_ANY);
		return;
	}
	bpf_map_delete_elem(rows, &tick.key);
	if (pkt->round)
		ips_note(pkt, ROAM_LOG_BLOCK, &tick.key, true);
}

struct ips_live {
	__u64 now_ns;
	__u32 live;
};

static long count_live(void *rows, const struct roam_addr *key, struct roam_ips_block *block,
		       struct ips_live *count)
{
	(void)rows;
	(void)key;
	count->live += !block_is_over(block, count->now_ns);
	return 0;
}

/*
 * Whether a block would find room, for a dry run. A queue shows its first entry only, and not how
 * many there are: that it is full is certain when all rows are live. Where dead ones are about, the
 * real list may yet be out of luck with those that it looks at.
 */
static __always_inline bool ips_has_room(const struct roam_pkt *pkt, void *rows)
{
	struct ips_live count = { .now_ns = pkt->now_ns };
	__u32 slot = pkt->vm;
	const struct roam_ips *conf = bpf_map_lookup_elem(&ips_conf, &slot);

	bpf_for_each_map_elem(rows, count_live, &count, 0);
	return conf && count.live < conf->blocks;
}

/* Stores a block that was not there: false if the table is full of live ones. */
static __always_inline bool ips_block_insert(const struct roam_pkt *pkt,
					     const struct roam_addr *key,
					     const struct roam_ips_block *block)
{
	struct roam_ips_tick tick = { .key = *key, .stamp = block->since_ns };
	void *clock = ips_clock_of(pkt->vm, ROAM_IPS_BLOCKS);
	__u32 slot = pkt->vm;
	void *rows = bpf_map_lookup_elem(&ips_block, &slot);
	bool ticks = false;
	int err;

	if (!rows || !clock)
		return false;
	if (pkt->dry_run)
		return ips_has_room(pkt, rows);
	/* Tried behind each one: another CPU may have taken the room that was made (frag_table.h).
	 */
	for (int i = 0; i <= IPS_CANDIDATES && !ticks; i++) {
		ticks = !bpf_map_push_elem(clock, &tick, BPF_ANY);
		if (!ticks && i < IPS_CANDIDATES)
			ips_reclaim_one(pkt, rows, clock);
	}
	if (!ticks)
		return false;
	err = bpf_map_update_elem(rows, key, block, BPF_NOEXIST);
	if (pkt->round)
		ips_note(pkt, ROAM_LOG_BLOCK, key, true);
	return !err || err == -EEXIST;
}

#endif
