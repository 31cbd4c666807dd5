/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Flows of a VM that is on its way between two hosts, read and written in bulk: programs for user
 * space, part of ct.bpf.c (its only includer). include/roam/move.h tells their argument.
 */
#ifndef ROAM_BPF_CT_MOVE_H
#define ROAM_BPF_CT_MOVE_H

#include <linux/errno.h>
#include <roam/move.h>
#include "ct_table.h"
#include "ct_view.h"
#include "limit.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ROAM_CT_XFER_ROWS);
	__type(key, __u32);
	__type(value, struct roam_flow_rec);
} ct_xfer SEC(".maps");

/* In whichever table; a row on its way from one to another is in both, or met by looking again. */
static __always_inline struct roam_flow *move_find(const struct roam_move_run *run,
						   const struct roam_flow_key *key,
						   __u32 *ret_table)
{
	for (__u32 i = 0; i <= ROAM_CT_TABLES; i++) {
		__u32 bank = i & 2 ? !run->bank : run->bank & 1;
		__u32 table = ROAM_CT_TABLE(run->vm, bank, i & 1);
		struct roam_flow *flow = ct_lookup(table, key);

		if (!flow)
			continue;
		*ret_table = table;
		return flow;
	}
	return NULL;
}

static long fetch_row(__u32 i, struct roam_move_run *run)
{
	struct roam_flow_rec *rec = bpf_map_lookup_elem(&ct_xfer, &i);
	const struct roam_flow *flow;
	struct roam_flow_key key;
	__u32 table;

	if (!rec) {
		run->error = -E2BIG;
		return 1;
	}
	key = rec->key;
	flow = move_find(run, &key, &table);
	rec->pad = !!flow;
	if (flow)
		rec->flow = *flow;
	run->done++;
	return 0;
}

/* Of two counts of the same packets, the one that has seen more. */
static __always_inline void take_larger(__u64 *here, __u64 there)
{
	if (there > *here)
		*here = there;
}

/* Packets of this host have written the row: it stays, but for what the other one has counted. */
static __always_inline void keep_row(struct roam_flow *flow, const struct roam_flow *from)
{
	for (__u32 dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		take_larger(&flow->side[dir].packets, from->side[dir].packets);
		take_larger(&flow->side[dir].bytes, from->side[dir].bytes);
	}
}

static __always_inline bool same_row(const struct roam_flow *a, const struct roam_flow *b)
{
	return a->created_ns == b->created_ns && a->lb_role == b->lb_role &&
	       a->lb_port == b->lb_port && addr_equal(&a->lb_addr, &b->lb_addr);
}

/*
 * Before all that a flow can have seen: by that clock no flow gives way, and only entries that
 * stand for nothing make room.
 */
#define MOVE_LONG_AGO ((__u64) - (1LL << 62))

static __always_inline int insert_row(__u32 table, const struct roam_flow_key *key,
				      const struct roam_flow *flow)
{
	struct ct_insert how = {
		.now_ns = MOVE_LONG_AGO,
		.table = table,
		.candidates = CT_CANDIDATES,
		.no_log = true,
	};
	int err = load_wire(table, key, flow);

	return err ? err : ct_insert(&how, key, flow);
}

/*
 * One that goes on where it is, or from the half-open ones to the others, keeps its second key and
 * its age; another one takes the place of the one that was.
 */
static __always_inline int put_row(struct roam_move_run *run, struct roam_flow_rec *rec,
				   const struct roam_flow_key *key)
{
	__u32 state = rec->flow.state, table, old;
	struct roam_flow *flow;
	__u64 counted;
	int err;

	if (state >= ROAM_CT_STATE_COUNT)
		return -EINVAL;
	table = ROAM_CT_TABLE(run->vm, run->bank & 1, home_kind[state]);
	rec->flow.side[ROAM_DIR_IN].tcp.logged = 0;
	rec->flow.side[ROAM_DIR_OUT].tcp.logged = run->mark;
	rec->flow.counted = 0;
	flow = move_find(run, key, &old);
	if (!flow)
		return insert_row(table, key, &rec->flow);
	if (run->round && flow->side[ROAM_DIR_IN].tcp.logged == run->round) {
		keep_row(flow, &rec->flow);
		flow->side[ROAM_DIR_OUT].tcp.logged = run->mark;
		run->kept++;
		return 0;
	}
	if (!same_row(flow, &rec->flow)) {
		ct_delete(old, key);
		return insert_row(table, key, &rec->flow);
	}
	if (old == table) {
		counted = limit_lift(flow);
		*flow = rec->flow;
		limit_lay(run->vm, key, flow, counted);
		/* A scan may have met it in both, first half-open and then established. */
		old = ROAM_CT_TABLE(run->vm, run->bank & 1, !home_kind[state]);
		flow = ct_lookup(old, key);
		if (!flow)
			return 0;
		limit_down(run->vm, key, limit_lift(flow));
		ct_unlink(old, key);
		return 0;
	}
	err = insert_row(table, key, &rec->flow);
	if (err)
		return err;
	limit_lay(run->vm, key, ct_lookup(table, key), limit_lift(flow));
	ct_unlink(old, key);
	return 0;
}

static __always_inline int drop_row(struct roam_move_run *run, const struct roam_flow_key *key)
{
	for (__u32 kind = 0; kind < ROAM_CT_KINDS; kind++) {
		__u32 table = ROAM_CT_TABLE(run->vm, run->bank & 1, kind);
		struct roam_flow *flow = ct_lookup(table, key);

		if (!flow)
			continue;
		if (run->round && flow->side[ROAM_DIR_IN].tcp.logged == run->round)
			run->kept++;
		else
			ct_delete(table, key);
	}
	return 0;
}

/* Once around the clocks: their entries that stand for nothing are gone. */
static long tidy_one(__u32 i, struct roam_move_run *run)
{
	struct ct_insert how = { .now_ns = MOVE_LONG_AGO };
	struct roam_ct_tick tick;

	(void)i;
	for (__u32 kind = 0; kind < ROAM_CT_KINDS; kind++) {
		void *rows, *clock;

		how.table = ROAM_CT_TABLE(run->vm, run->bank & 1, kind);
		rows = bpf_map_lookup_elem(&ct_table, &how.table);
		clock = bpf_map_lookup_elem(&ct_clock, &how.table);
		if (rows && clock)
			ct_reclaim_one(&how, rows, clock, &tick, false);
	}
	run->done++;
	return 0;
}

static long apply_row(__u32 i, struct roam_move_run *run)
{
	struct roam_flow_rec *rec = bpf_map_lookup_elem(&ct_xfer, &i);
	struct roam_flow_key key;
	struct roam_flow *flow;
	__u32 table;

	if (!rec) {
		run->error = -E2BIG;
		return 1;
	}
	key = rec->key;
	run->error = run->gone ? drop_row(run, &key) : put_row(run, rec, &key);
	if (run->error)
		return 1;
	flow = run->gone ? NULL : move_find(run, &key, &table);
	if (flow)
		limit_follow(run->vm, &key, flow);
	run->done++;
	return 0;
}

SEC("syscall")
int move_fetch(struct roam_move_run *arg)
{
	struct roam_move_run run = *arg;

	run.done = run.kept = 0;
	run.error = 0;
	bpf_loop(run.count, fetch_row, &run, 0);
	arg->done = run.done;
	arg->error = run.error;
	return 0;
}

SEC("syscall")
int move_apply(struct roam_move_run *arg)
{
	struct roam_move_run run = *arg;

	run.done = run.kept = 0;
	run.error = 0;
	if (run.gone == ROAM_MOVE_TIDY)
		bpf_loop(run.count, tidy_one, &run, 0);
	else
		bpf_loop(run.count, apply_row, &run, 0);
	arg->done = run.done;
	arg->kept = run.kept;
	arg->error = run.error;
	return 0;
}

#endif
