/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tables of ct.bpf.c (its only includer): finding, making, promoting and removing rows, and
 * what happens on a full table. include/roam/ct.h tells the shapes.
 */
#ifndef ROAM_BPF_CT_TABLE_H
#define ROAM_BPF_CT_TABLE_H

#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/vm.h>
#include "bucket.h"
#include "ct_tcp.h"
#include "ct_wire.h"
#include "limit_count.h"
#include "stages.h"

/* Rows that a new flow on a full table looks at before it is refused. */
#define CT_CANDIDATES 8

struct ct_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_QUOTA_MIN);
	__uint(key_size, sizeof(struct roam_flow_key));
	__uint(value_size, sizeof(struct roam_flow));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX *ROAM_CT_TABLES);
	__type(key, __u32);
	__array(values, struct ct_rows);
} ct_table SEC(".maps");

struct ct_queue {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, ROAM_QUOTA_MIN);
	__uint(value_size, sizeof(struct roam_ct_tick));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX *ROAM_CT_TABLES);
	__type(key, __u32);
	__array(values, struct ct_queue);
} ct_clock SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ROAM_VM_MAX *ROAM_CT_TABLES);
	__type(key, __u32);
	__type(value, struct roam_ct_fill);
} ct_fill SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__type(value, struct roam_ct_timeouts);
} ct_timeouts SEC(".maps");

/* A flow found: its row, and the table that it is in. */
struct ct_ref {
	struct roam_flow *flow;
	__u32 table;
	__u32 kind;
};

static const __u32 timeout_s[ROAM_CT_STATE_COUNT] = {
#define X(id, name, timeout, kind) [ROAM_CT_##id] = timeout,
	ROAM_CT_STATES(X)
#undef X
};

static const __u8 home_kind[ROAM_CT_STATE_COUNT] = {
#define X(id, name, timeout, kind) [ROAM_CT_##id] = ROAM_CT_##kind,
	ROAM_CT_STATES(X)
#undef X
};

/* Tells the log of the VM of a row that was written. Not inlined: for its callers' stack. */
static __noinline void ct_note(__u32 table, const struct roam_flow_key *key, bool urgent)
{
	struct roam_log_rec rec = {
		.table = ROAM_LOG_FLOW,
		.urgent = urgent,
		.key.flow = *key,
	};

	move_note(table / ROAM_CT_TABLES, &rec);
}

/* How long a flow of the VM may idle, in seconds. Global: verified once. */
__noinline __u32 ct_patience(__u32 vm, const struct roam_flow *flow)
{
	const struct roam_ct_timeouts *own = bpf_map_lookup_elem(&ct_timeouts, &vm);
	__u32 state, patience = 0, unacked;

	if (!flow || !own)
		return 0;
	state = flow->state;
	if (state >= ROAM_CT_STATE_COUNT)
		return 0;
	patience = ((const __u32 *)own)[state];
	if (!patience)
		patience = timeout_s[state];
	if (state < ROAM_CT_SYN_SENT || state > ROAM_CT_CLOSE)
		return patience;
	unacked = own->unacked ? own->unacked : ROAM_CT_UNACKED_S;
	if (patience > unacked && (tcp_is_waiting(&flow->side[0].tcp, &flow->side[1].tcp) ||
				   tcp_is_waiting(&flow->side[1].tcp, &flow->side[0].tcp)))
		return unacked;
	return patience;
}

/*
 * Signed: a flow that came from another host may have been seen before this one booted. No timeout
 * is below a second, so a flow with traffic pays for no look-up.
 */
static __always_inline bool ct_expired(__u32 vm, const struct roam_flow *flow, __u64 now_ns)
{
	__s64 idle_ns = now_ns - flow->seen_ns;

	if (idle_ns <= (__s64)NS_PER_S)
		return false;
	return idle_ns > (__s64)(ct_patience(vm, flow) * NS_PER_S);
}

/*
 * Whether a flow gives up its place where room is needed. It is judged as ever as long as it has
 * it: shorter timeouts end nothing while nobody wants in.
 */
static __always_inline bool ct_gives_way(__u32 table, const struct roam_flow *flow, __u64 now_ns)
{
	const struct roam_ct_fill *fill = bpf_map_lookup_elem(&ct_fill, &table);
	__u64 idle_ns = now_ns - flow->seen_ns, patience_ns;
	__u32 tenth, room;

	patience_ns = ct_patience(table / ROAM_CT_TABLES, flow) * NS_PER_S;
	if ((__s64)idle_ns < 0 || !fill)
		return false;
	tenth = fill->quota / ROAM_CT_SHRINK;
	room = fill->used < fill->quota ? fill->quota - fill->used : 0;
	if (room < tenth / ROAM_CT_SHRINK + 1)
		room = tenth / ROAM_CT_SHRINK + 1;
	if (room >= tenth)
		return idle_ns > patience_ns;
	return idle_ns > patience_ns / tenth * room;
}

static __always_inline void ct_count(__u32 table, __s32 rows, __s32 entries)
{
	struct roam_ct_fill *fill = bpf_map_lookup_elem(&ct_fill, &table);

	if (fill && rows)
		__sync_fetch_and_add(&fill->used, rows);
	if (fill && entries)
		__sync_fetch_and_add(&fill->clocked, entries);
}

/* The last eighth of a clock is kept for when all its rows are live. */
static __always_inline bool ct_nearly_full(__u32 table)
{
	const struct roam_ct_fill *fill = bpf_map_lookup_elem(&ct_fill, &table);

	return fill && fill->clocked >= fill->quota - fill->quota / 8;
}

/*
 * Takes a row that was found by the key: what it counts as, or ROAM_COUNTED_TAKEN if another CPU
 * has it. The memory of a row may be another flow's as soon as that CPU has deleted it: then it is
 * put back.
 */
static __always_inline __u64 ct_take(void *rows, const struct roam_flow_key *key,
				     struct roam_flow *flow)
{
	__u64 counted = limit_take(flow);

	if (counted & ROAM_COUNTED_TAKEN || bpf_map_lookup_elem(rows, key) == flow)
		return counted;
	limit_put(flow, counted);
	return ROAM_COUNTED_TAKEN;
}

/* A row that was taken, of a flow that goes on in another table: its second key stays. */
static __always_inline void ct_unlink(__u32 table, const struct roam_flow_key *key)
{
	void *rows = bpf_map_lookup_elem(&ct_table, &table);

	if (rows && !bpf_map_delete_elem(rows, key))
		ct_count(table, -1, 0);
}

/*
 * The row of a flow that is over. Global: for its callers' stack, and verified once. The key is
 * copied: Linux 6.1 looks nothing up by memory that is an argument.
 */
__noinline int ct_delete(__u32 table, const struct roam_flow_key *of)
{
	void *rows = bpf_map_lookup_elem(&ct_table, &table);
	struct roam_flow_key key;
	struct roam_flow *flow;
	__u64 counted;

	if (!rows || !of)
		return -ENOENT;
	key = *of;
	flow = bpf_map_lookup_elem(rows, &key);
	if (!flow)
		return -ENOENT;
	counted = ct_take(rows, &key, flow);
	if (counted & ROAM_COUNTED_TAKEN)
		return -ENOENT;
	if (flow->lb_role)
		wire_release(table, &key, flow);
	if (!bpf_map_delete_elem(rows, &key))
		ct_count(table, -1, 0);
	if (counted)
		limit_down(table / ROAM_CT_TABLES, &key, counted);
	ct_note(table, &key, true);
	return 0;
}

struct ct_insert {
	__u64 now_ns;
	__u64 created_ns; /* of the row: ct_insert() says it */
	__u32 table;
	__u32 candidates; /* how many rows may be looked at to make room */
	__u8 opener;      /* enum roam_dir of the new flow */
	bool replaces;    /* on a full half-open table, a live row may have to go */
	bool replaced;    /* out: one had to; its place in the clock is the new row's */
	bool dry_run;     /* only says what would come of it */
	bool no_log;      /* it is known that the VM has none */
	bool uncounted;   /* what is stored is counted by the caller, of many rows at once */
};

static __always_inline bool ct_is_full(__u32 table)
{
	const struct roam_ct_fill *fill = bpf_map_lookup_elem(&ct_fill, &table);

	return fill && fill->clocked >= fill->quota;
}

static __always_inline bool tick_is_of(const struct roam_ct_tick *tick,
				       const struct roam_flow *flow)
{
	return ((tick->stamp ^ (__u32)flow->created_ns) & ~ROAM_CT_TICK_SPARED) == 0;
}

/* The other end is one that answers, and so, most likely, one that has asked to be asked. */
static __always_inline bool is_answered(const struct roam_flow *flow)
{
	return flow->state == ROAM_CT_SYN_RECV || flow->state == ROAM_CT_SCTP_COOKIE_ECHOED;
}

/*
 * Whether a live half-open flow goes for a new one. What the VM itself tries goes only for the
 * same: nobody outside can take that from it. Of what comes from outside, that goes first which the
 * VM has not answered; what it has answered is spared once, unless it is the last candidate.
 */
static __always_inline bool ct_yields(const struct ct_insert *how, const struct roam_flow *flow,
				      struct roam_ct_tick *tick, bool is_last)
{
	if (flow->open_dir == ROAM_DIR_OUT)
		return how->opener == ROAM_DIR_OUT;
	if (!is_answered(flow) || (tick->stamp & ROAM_CT_TICK_SPARED) || is_last)
		return true;
	tick->stamp |= ROAM_CT_TICK_SPARED;
	return false;
}

/*
 * Takes the next entry off the clock, into `tick`. One of a live row goes back to the end, or is
 * replaced; one that stood for nothing any more is gone, and so is an expired row with its entry.
 * Of one that is replaced, `clocked` goes on counting the entry, as the new row's: so nobody else
 * takes the place meanwhile.
 */
static __always_inline void ct_reclaim_one(struct ct_insert *how, void *rows, void *clock,
					   struct roam_ct_tick *tick, bool is_last)
{
	struct roam_flow *flow;

	if (bpf_map_pop_elem(clock, tick))
		return;
	flow = bpf_map_lookup_elem(rows, &tick->key);
	if (flow && tick_is_of(tick, flow)) {
		if (!ct_gives_way(how->table, flow, how->now_ns)) {
			how->replaced = how->replaces && ct_is_full(how->table) &&
					ct_yields(how, flow, tick, is_last);
			if (!how->replaced) {
				bpf_map_push_elem(clock, tick, BPF_ANY);
				return;
			}
		}
		ct_delete(how->table, &tick->key);
	}
	if (!how->replaced)
		ct_count(how->table, 0, -1);
}

/* Until the clock is not nearly full any more, or one was replaced, or enough has been looked at.
 */
static __always_inline void ct_make_room(struct ct_insert *how, void *rows, void *clock,
					 struct roam_ct_tick *tick)
{
	for (__u32 i = 0; i < CT_CANDIDATES && i < how->candidates && ct_nearly_full(how->table);
	     i++) {
		ct_reclaim_one(how, rows, clock, tick, i == CT_CANDIDATES - 1);
		if (how->replaced)
			break;
	}
}

/*
 * What ct_insert would say. Of the rows that it would look at to make room, a queue shows only the
 * first; that one tells for all.
 */
static __always_inline int ct_would_insert(struct ct_insert *how, void *rows, void *clock,
					   struct roam_ct_tick *tick)
{
	const struct roam_flow *flow;

	if (!ct_is_full(how->table) || bpf_map_peek_elem(clock, tick))
		return 0;
	flow = bpf_map_lookup_elem(rows, &tick->key);
	if (!flow || !tick_is_of(tick, flow) || ct_gives_way(how->table, flow, how->now_ns))
		return 0;
	how->replaced = how->replaces && ct_yields(how, flow, tick, true);
	return how->replaced ? 0 : -ENOSPC;
}

/*
 * A place in the table for a row, with its entry in the clock: 0, -ENOSPC (full of live rows) or
 * -ENOENT (no such table). In a dry run whether there would be one.
 *
 * A clock that is nearly full is cleared until it is not, or as many entries have been looked at as
 * may be. To fill the last eighth, openings must have met live rows only for a whole round: so
 * whoever is refused is refused by a table of live rows, but for those that died within that round.
 *
 * Global, so verified once: inlined in all who make rows it was half of what the verifier spent.
 */
__noinline int ct_place(struct ct_insert *how, const struct roam_flow_key *key)
{
	struct roam_ct_tick tick; /* for all, because stack is scarce */
	void *rows, *clock;
	__u32 table;

	if (!how || !key)
		return -ENOENT;
	table = how->table;
	rows = bpf_map_lookup_elem(&ct_table, &table);
	clock = bpf_map_lookup_elem(&ct_clock, &table);
	if (!rows || !clock)
		return -ENOENT;
	if (how->dry_run)
		return ct_would_insert(how, rows, clock, &tick);
	ct_make_room(how, rows, clock, &tick);
	tick = (struct roam_ct_tick){
		.key = *key,
		.stamp = (__u32)how->created_ns & ~ROAM_CT_TICK_SPARED,
	};
	if (!bpf_map_push_elem(clock, &tick, BPF_ANY))
		return 0;
	ct_count(table, 0, how->replaced ? -1 : 0);
	return -ENOSPC;
}

/*
 * Stores a new row: 0, -EEXIST, -ENOSPC (full of live rows), -ENOMEM or -ENOENT (no such table).
 *
 * An int, for Linux before 6.4: there the verifier calls a map's own function, which returns an
 * int, where the helper returns a long, and -EEXIST compares unequal to itself in 64 bits.
 */
static __always_inline int ct_insert(struct ct_insert *how, const struct roam_flow_key *key,
				     const struct roam_flow *flow)
{
	__u32 table = how->table;
	void *rows;
	int err;

	how->created_ns = flow->created_ns;
	err = ct_place(how, key);
	if (err || how->dry_run)
		return err;
	rows = bpf_map_lookup_elem(&ct_table, &table);
	if (!rows)
		return -ENOENT;
	err = bpf_map_update_elem(rows, key, flow, BPF_NOEXIST);
	if (err || !how->uncounted)
		ct_count(table, !err, how->replaced ? 0 : 1);
	if (!err && !how->no_log)
		ct_note(table, key, true);
	return err == -E2BIG ? -ENOSPC : err;
}

static __always_inline struct roam_flow *ct_lookup(__u32 table, const struct roam_flow_key *key)
{
	void *rows = bpf_map_lookup_elem(&ct_table, &table);

	return rows ? bpf_map_lookup_elem(rows, key) : NULL;
}

/* In the bank's table of established flows first: those are most packets. */
static __always_inline bool ct_find_in(const struct roam_pkt *pkt, __u32 bank,
				       const struct roam_flow_key *key, struct ct_ref *ret_ref)
{
	for (__u32 kind = 0; kind < ROAM_CT_KINDS; kind++) {
		__u32 table = ROAM_CT_TABLE(pkt->vm, bank, kind);
		struct roam_flow *flow = ct_lookup(table, key);

		if (flow) {
			*ret_ref = (struct ct_ref){ flow, table, kind };
			return true;
		}
	}
	return false;
}

/*
 * Moves a row to how->table, with what it counts as. -EBUSY: another CPU moves or deletes it.
 * Otherwise as ct_insert(), and it stays; but that there is one already is no error: the other
 * direction was faster.
 */
static __always_inline int ct_carry(struct ct_insert *how, const struct roam_flow_key *key,
				    const struct ct_ref *from)
{
	__u32 table = from->table;
	void *rows = bpf_map_lookup_elem(&ct_table, &table);
	struct roam_flow *flow;
	__u64 counted;
	int err;

	if (!rows)
		return -ENOENT;
	counted = ct_take(rows, key, from->flow);
	if (counted & ROAM_COUNTED_TAKEN)
		return -EBUSY;
	err = ct_insert(how, key, from->flow);
	if (err && err != -EEXIST) {
		limit_put(from->flow, counted);
		return err;
	}
	ct_unlink(table, key);
	flow = ct_lookup(how->table, key);
	if (flow && !err) /* a copy, so it is taken, too */
		limit_put(flow, counted);
	else
		limit_lay(how->table / ROAM_CT_TABLES, key, flow, counted);
	return 0;
}

/* While a quota changes, a flow is still in the other bank until it is moved: moves it. */
static __always_inline bool ct_fetch(const struct roam_pkt *pkt, const struct roam_flow_key *key,
				     struct ct_ref *ret_ref)
{
	struct ct_insert how = {
		.now_ns = pkt->now_ns,
		.candidates = CT_CANDIDATES,
		.no_log = !pkt->round,
	};
	struct ct_ref old;
	int err;

	if (!ct_find_in(pkt, !pkt->ct_bank, key, &old))
		return false;
	*ret_ref = old;
	if (pkt->dry_run)
		return true;
	how.table = ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, old.kind);
	err = ct_carry(&how, key, &old);
	if (err && err != -EBUSY)
		return true; /* no room for it here yet: it is judged where it is */
	/* Not here yet, if another CPU is about to move it: as above. */
	return ct_find_in(pkt, pkt->ct_bank & 1, key, ret_ref) || err;
}

/*
 * A row that moves, from half to flows or from bank to bank, is in its new table before it leaves
 * the old one: whoever looked into the new one too early finds it there by looking again.
 */
static __always_inline bool ct_find(const struct roam_pkt *pkt, const struct roam_flow_key *key,
				    struct ct_ref *ret_ref)
{
	__u32 bank = pkt->ct_bank & 1, flows = ROAM_CT_TABLE(pkt->vm, bank, ROAM_CT_FLOWS);
	struct roam_flow *flow;

	if (ct_find_in(pkt, bank, key, ret_ref))
		return true;
	if (pkt->ct_moving)
		return ct_fetch(pkt, key, ret_ref) || ct_find_in(pkt, bank, key, ret_ref);
	flow = ct_lookup(flows, key);
	if (flow)
		*ret_ref = (struct ct_ref){ flow, flows, ROAM_CT_FLOWS };
	return flow;
}

#endif
