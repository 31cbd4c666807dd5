/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The counts of live connections by rule and by remote (include/roam/limit.h), for ct_table.h and
 * limit.h, parts of ct.bpf.c. It owns the maps of limits.
 *
 * A row is made with the first flow that counts in it and goes with the last. Who takes the last
 * one out marks it as dead before it deletes it, so that a CPU that has found it meanwhile does not
 * count in a row that is on its way out, and makes a new one.
 */
#ifndef ROAM_BPF_LIMIT_COUNT_H
#define ROAM_BPF_LIMIT_COUNT_H

#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/limit.h>
#include <roam/vm.h>

struct limit_rules {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_limit));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct limit_rules);
} limit_rule SEC(".maps");

struct limit_counts {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LIMIT_ROWS);
	__uint(key_size, sizeof(struct roam_limit_key));
	__uint(value_size, sizeof(__u32));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct limit_counts);
} limit_count SEC(".maps");

struct limit_queue {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, ROAM_LIMIT_TICKS);
	__uint(value_size, sizeof(struct roam_ct_tick));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct limit_queue);
} limit_clock SEC(".maps");

#define LIMIT_DEAD  0x80000000U
#define LIMIT_TRIES 8

/* The limits of a rule, or NULL. */
static __always_inline const struct roam_limit *limit_of(__u32 vm, __u32 rule)
{
	void *rules = bpf_map_lookup_elem(&limit_rule, &vm);

	return rules ? bpf_map_lookup_elem(rules, &rule) : NULL;
}

/* In which counts a flow is that the rule admits; 0: in none. */
static __always_inline __u64 limit_word(__u32 vm, __u32 rule)
{
	const struct roam_limit *limit = limit_of(vm, rule);

	if (!limit)
		return 0;
	return rule | (limit->perremote ? ROAM_COUNTED_REMOTE : 0);
}

static __always_inline struct roam_limit_key limit_key(const struct roam_flow_key *key, __u32 rule,
						       __u32 kind)
{
	struct roam_limit_key row = { .rule = rule, .kind = kind };

	if (kind != ROAM_LIMIT_REMOTE)
		return row;
	row.remote.words[0] = key->remote.words[0];
	row.remote.words[1] = key->remote.words[1];
	if (key->family == ROAM_FAMILY_IPV4) {
		row.remote.words[2] = key->remote.words[2];
		row.remote.words[3] = key->remote.words[3];
	}
	return row;
}

static __always_inline void limit_row_down(void *rows, const struct roam_limit_key *row)
{
	__u32 *count = bpf_map_lookup_elem(rows, row), before;

	if (!count)
		return;
	before = __sync_fetch_and_add(count, -1);
	if (!before || before >= LIMIT_DEAD)
		__sync_fetch_and_add(count, 1); /* never, or it would be below 0 for good */
	if (before == 1 && __sync_val_compare_and_swap(count, 0, LIMIT_DEAD) == 0)
		bpf_map_delete_elem(rows, row);
}

/* At most `max` (0: any number) count in a row: 0, -EDQUOT, -ENOSPC or -ENOMEM. */
static __always_inline int limit_row_up(void *rows, const struct roam_limit_key *row, __u32 max)
{
	for (int i = 0; i < LIMIT_TRIES; i++) {
		__u32 *count = bpf_map_lookup_elem(rows, row), first = 1, before;
		int err;

		if (!count) {
			err = bpf_map_update_elem(rows, row, &first, BPF_NOEXIST);
			if (err == -EEXIST)
				continue;
			return err == -E2BIG ? -ENOSPC : err;
		}
		before = *(volatile __u32 *)count;
		if (before >= LIMIT_DEAD)
			continue;
		if (max && before >= max)
			return -EDQUOT;
		before = __sync_fetch_and_add(count, 1);
		if (before >= LIMIT_DEAD)
			continue;
		if (!max || before < max)
			return 0;
		limit_row_down(rows, row);
		return -EDQUOT;
	}
	return -ENOMEM;
}

/* A flow with this word is out of the counts. Global, as the next: verified once. */
__noinline int limit_down(__u32 vm, const struct roam_flow_key *key, __u64 counted)
{
	struct roam_limit_key row;
	void *rows;

	if (!key)
		return 0;
	rows = bpf_map_lookup_elem(&limit_count, &vm);
	if (!rows || !counted)
		return 0;
	row = limit_key(key, ROAM_COUNTED_RULE(counted), ROAM_LIMIT_RULE);
	limit_row_down(rows, &row);
	if (!(counted & ROAM_COUNTED_REMOTE))
		return 0;
	row = limit_key(key, ROAM_COUNTED_RULE(counted), ROAM_LIMIT_REMOTE);
	limit_row_down(rows, &row);
	return 0;
}

/*
 * In them: 0, -ENOSPC, -ENOMEM or -ENOENT (the VM has no such table); where `strict`, no more than
 * the rule's limits: -EDQUOT, -EUSERS for those of the remote.
 */
__noinline int limit_up(__u32 vm, const struct roam_flow_key *key, __u64 counted, bool strict)
{
	const struct roam_limit *limit = limit_of(vm, ROAM_COUNTED_RULE(counted));
	struct roam_limit_key row, of_remote;
	__u32 conns, perremote;
	void *rows;
	int err;

	if (!key || !limit)
		return -ENOENT;
	conns = strict ? limit->conns : 0;
	perremote = strict ? limit->perremote : 0;
	rows = bpf_map_lookup_elem(&limit_count, &vm);
	if (!rows)
		return -ENOENT;
	row = limit_key(key, ROAM_COUNTED_RULE(counted), ROAM_LIMIT_RULE);
	err = limit_row_up(rows, &row, conns);
	if (err || !(counted & ROAM_COUNTED_REMOTE))
		return err;
	of_remote = limit_key(key, ROAM_COUNTED_RULE(counted), ROAM_LIMIT_REMOTE);
	err = limit_row_up(rows, &of_remote, perremote);
	if (err)
		limit_row_down(rows, &row);
	return err == -EDQUOT ? -EUSERS : err;
}

/* The word of a row that another CPU may have taken: 0 then. */
static __always_inline __u64 limit_lift(struct roam_flow *flow)
{
	for (int i = 0; i < LIMIT_TRIES; i++) {
		__u64 had = *(volatile __u64 *)&flow->counted;

		if (!had || had & ROAM_COUNTED_TAKEN)
			return 0;
		if (__sync_val_compare_and_swap(&flow->counted, had, 0) == had)
			return had;
	}
	return 0;
}

/* From `had` to `counted`, unless another CPU has changed the row's word or has taken the row. */
static __always_inline bool limit_turn(struct roam_flow *flow, __u64 had, __u64 counted)
{
	return !(had & ROAM_COUNTED_TAKEN) &&
	       __sync_val_compare_and_swap(&flow->counted, had, counted) == had;
}

/*
 * The word of a row that is about to be moved or deleted: one CPU gets it, and the row with it, the
 * others ROAM_COUNTED_TAKEN. Rows are deleted by their keys, so without that who comes second would
 * delete the row of the flow's successor, and its word with it.
 */
static __always_inline __u64 limit_take(struct roam_flow *flow)
{
	return __sync_lock_test_and_set(&flow->counted, ROAM_COUNTED_TAKEN);
}

/* A row that this CPU has taken is free again. */
static __always_inline void limit_put(struct roam_flow *flow, __u64 counted)
{
	__sync_lock_test_and_set(&flow->counted, counted);
}

/*
 * Into the row in which the flow goes on, as what it has been lifted as; NULL: there is none, and
 * it is over. What another CPU has counted it as meanwhile is the same flow. Never called with the
 * constant NULL: clang 19 makes a variant for that, whose arguments no longer match its BTF.
 */
__noinline int limit_lay(__u32 vm, const struct roam_flow_key *key, struct roam_flow *flow,
			 __u64 counted)
{
	if (!key || !counted)
		return 0;
	for (int i = 0; flow && i < LIMIT_TRIES; i++) {
		__u64 had = *(volatile __u64 *)&flow->counted;

		if (had & ROAM_COUNTED_TAKEN)
			break;
		if (!limit_turn(flow, had, counted))
			continue;
		counted = had;
		break;
	}
	return counted ? limit_down(vm, key, counted) : 0;
}

#endif
