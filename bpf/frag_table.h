/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tables of frag.bpf.c (its only includer): finding, making and removing trains, and what
 * happens on a full table. include/roam/frag.h tells the shapes.
 */
#ifndef ROAM_BPF_FRAG_TABLE_H
#define ROAM_BPF_FRAG_TABLE_H

#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/frag.h>
#include <roam/pkt.h>
#include "bucket.h"

/* Trains that a new one on a full table looks at. */
#define FRAG_CANDIDATES 8

struct frag_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_FRAG_TRAINS);
	__uint(key_size, sizeof(struct roam_frag_key));
	__uint(value_size, sizeof(struct roam_frag));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct frag_rows);
} frag_table SEC(".maps");

struct frag_queue {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, ROAM_FRAG_TRAINS);
	__uint(value_size, sizeof(struct roam_frag_tick));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct frag_queue);
} frag_clock SEC(".maps");

/* A packet whose key is the application's already, and lb_addr what it replaced on the wire. */
static __always_inline bool is_viewed(const struct roam_pkt *pkt, enum roam_lb_role role)
{
	return pkt->dir == ROAM_DIR_IN && pkt->lb_role == role;
}

static __always_inline struct roam_frag_key frag_key(const struct roam_pkt *pkt)
{
	bool ipv4 = pkt->key.family == ROAM_FAMILY_IPV4;
	struct roam_frag_key key = {
		.local = pkt->key.local,
		.remote = pkt->key.remote,
		.zone = pkt->key.zone,
		.id = pkt->frag_id,
		.family = pkt->key.family,
		.proto = ipv4 ? pkt->key.proto : 0,
		.dir = pkt->dir,
	};

	if (is_viewed(pkt, ROAM_LB_ROLE_BACKEND))
		key.local = pkt->lb_addr;
	if (is_viewed(pkt, ROAM_LB_ROLE_CLIENT))
		key.remote = pkt->lb_addr;
	return key;
}

/* Signed: a row that came from another host may be older than this one's boot. */
static __always_inline bool frag_expired(const struct roam_frag *frag,
					 const struct roam_frag_key *key, __u64 now_ns)
{
	__s64 timeout = key->family == ROAM_FAMILY_IPV4 ? ROAM_FRAG_TIMEOUT4_S
							: ROAM_FRAG_TIMEOUT6_S;

	return (__s64)(now_ns - frag->since_ns) > timeout * (__s64)NS_PER_S;
}

static __always_inline void *frag_rows_of(const struct roam_pkt *pkt)
{
	__u32 slot = pkt->vm;

	return bpf_map_lookup_elem(&frag_table, &slot);
}

/* The packet's train, if it has a live one. */
static __always_inline struct roam_frag *frag_find(const struct roam_pkt *pkt,
						   const struct roam_frag_key *key)
{
	void *rows = frag_rows_of(pkt);
	struct roam_frag *frag = rows ? bpf_map_lookup_elem(rows, key) : NULL;

	return frag && !frag_expired(frag, key, pkt->now_ns) ? frag : NULL;
}

static __always_inline void frag_delete(const struct roam_pkt *pkt, const struct roam_frag_key *key)
{
	void *rows = frag_rows_of(pkt);

	if (rows)
		bpf_map_delete_elem(rows, key);
}

/*
 * Takes the oldest entry off the clock, unless it has to stay. The train of an opening that is
 * incomplete after so many newer ones goes: whoever floods a VM with first fragments pushes out his
 * own, while a train that follows its first fragment closely is through in time. One of a known
 * flow gives way to its like only, and to those last.
 */
static __always_inline void frag_reclaim_one(const struct roam_pkt *pkt, void *rows, void *clock,
					     bool may_replace)
{
	struct roam_frag_tick old;
	struct roam_frag *frag;

	if (bpf_map_pop_elem(clock, &old))
		return;
	frag = bpf_map_lookup_elem(rows, &old.key);
	if (!frag || (__u32)frag->since_ns != old.stamp)
		return;
	if (frag->established && !may_replace && !frag_expired(frag, &old.key, pkt->now_ns))
		bpf_map_push_elem(clock, &old, BPF_ANY);
	else
		bpf_map_delete_elem(rows, &old.key);
}

/* Stores a new train: 0, -ENOSPC, -ENOMEM, -EEXIST or -ENOENT (no such table). */
static __always_inline int frag_insert(const struct roam_pkt *pkt, const struct roam_frag_key *key,
				       const struct roam_frag *frag)
{
	struct roam_frag_tick tick = { .key = *key, .stamp = frag->since_ns };
	void *rows = frag_rows_of(pkt), *clock;
	__u32 slot = pkt->vm;
	bool ticks = false;
	int err;

	clock = bpf_map_lookup_elem(&frag_clock, &slot);
	if (!rows || !clock)
		return -ENOENT;
	/*
	 * Tried behind each one: another CPU may have taken the room that was made. It is tried at
	 * one place: Linux 6.1 refuses a loop that begins right behind a call ("back-edge").
	 */
	for (int i = 0; i <= FRAG_CANDIDATES && !ticks; i++) {
		ticks = !bpf_map_push_elem(clock, &tick, BPF_ANY);
		if (!ticks && i < FRAG_CANDIDATES)
			frag_reclaim_one(pkt, rows, clock,
					 frag->established && i == FRAG_CANDIDATES - 1);
	}
	if (!ticks)
		return -ENOSPC;
	err = bpf_map_update_elem(rows, key, frag, BPF_NOEXIST);
	return err == -E2BIG ? -ENOSPC : err;
}

#endif
