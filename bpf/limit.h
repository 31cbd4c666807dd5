/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Limits on live connections, part of ct.bpf.c (its only includer): whether an opening is one too
 * many, and flows that change from one rule's count to another's. include/roam/limit.h tells what
 * counts, limit_count.h counts.
 */
#ifndef ROAM_BPF_LIMIT_H
#define ROAM_BPF_LIMIT_H

#include <linux/errno.h>
#include <roam/limit.h>
#include <roam/pkt.h>
#include "ct_table.h"
#include "ct_view.h"
#include "limit_count.h"
#include "stages.h"

/* What is looked at for flows that have expired: at each opening that counts, and at a limit. */
#define LIMIT_DRAIN      2
#define LIMIT_CANDIDATES 16

static __always_inline bool is_over(__u32 state)
{
	return state == ROAM_CT_TIME_WAIT || state == ROAM_CT_CLOSE || state == ROAM_CT_SCTP_CLOSED;
}

/* A new entry is spared once when its flow is not there: it may be about to be made. */
static __always_inline int limit_tick(__u32 vm, const struct roam_flow_key *key, __u64 created_ns)
{
	struct roam_ct_tick tick = {
		.key = *key,
		.stamp = (__u32)created_ns | ROAM_CT_TICK_SPARED,
	};
	void *clock = bpf_map_lookup_elem(&limit_clock, &vm);

	return clock ? bpf_map_push_elem(clock, &tick, BPF_ANY) : -ENOENT;
}

/* The flow that an entry stands for, in whichever table. */
static __always_inline struct roam_flow *limit_flow(__u32 vm, const struct roam_ct_tick *tick,
						    __u32 *ret_table)
{
	for (__u32 i = 0; i < ROAM_CT_TABLES; i++) {
		struct roam_flow *flow;

		*ret_table = ROAM_CT_TABLE(vm, 0, 0) + i;
		flow = ct_lookup(*ret_table, &tick->key);
		if (flow && tick_is_of(tick, flow))
			return flow;
	}
	return NULL;
}

struct limit_hand {
	__u64 now_ns;
	__u32 vm;
};

/* Takes one off the clock: it goes back if its flow counts and lives; an expired flow goes. */
static long limit_reclaim_one(__u32 i, struct limit_hand *hand)
{
	__u32 vm = hand->vm, table;
	struct roam_ct_tick tick;
	struct roam_flow *flow;
	void *clock;

	(void)i;
	clock = bpf_map_lookup_elem(&limit_clock, &vm);
	if (!clock || bpf_map_pop_elem(clock, &tick))
		return 1;
	flow = limit_flow(vm, &tick, &table);
	if (!flow && !(tick.stamp & ROAM_CT_TICK_SPARED))
		return 0;
	if (flow && !flow->counted)
		return 0;
	if (flow && ct_expired(vm, flow, hand->now_ns)) {
		ct_delete(table, &tick.key);
		return 0;
	}
	tick.stamp &= ~ROAM_CT_TICK_SPARED;
	bpf_map_push_elem(clock, &tick, BPF_ANY);
	return 0;
}

/* Global, so that the verifier checks it once for all its callers. */
__noinline int limit_reclaim(__u32 vm, __u64 now_ns, __u32 candidates)
{
	struct limit_hand hand = { .vm = vm, .now_ns = now_ns };

	bpf_loop(candidates, limit_reclaim_one, &hand, 0);
	return 0;
}

/*
 * Brings the flow into the counts that its rule and its state say, and out of others. It may be one
 * too many there: what lives, lives. It is counted anew before the word is exchanged, so that who
 * takes the word away takes out what is in.
 */
__noinline int limit_follow(__u32 vm, const struct roam_flow_key *key, struct roam_flow *flow)
{
	__u64 had, want;

	if (!key || !flow)
		return 0;
	had = *(volatile __u64 *)&flow->counted;
	if (had & ROAM_COUNTED_TAKEN)
		return 0;
	want = is_over(flow->state) ? 0 : limit_word(vm, flow->rule);
	if (want == had || (want && limit_up(vm, key, want, false)))
		return 0;
	if (want)
		limit_tick(vm, key, flow->created_ns);
	if (!limit_turn(flow, had, want))
		had = want;
	if (had)
		limit_down(vm, key, had);
	return 0;
}

/* Live flows that count with the packet's, for a dry run, which reclaims nothing. */
struct limit_tally {
	struct roam_limit_key remote;
	__u64 now_ns;
	__u32 vm;
	__u32 conns;
	__u32 perremote;
};

static long tally_row(void *rows, const struct roam_flow_key *key, const struct roam_flow *flow,
		      struct limit_tally *tally)
{
	struct roam_limit_key remote;

	(void)rows;
	if (ROAM_COUNTED_RULE(flow->counted) != tally->remote.rule ||
	    ct_expired(tally->vm, flow, tally->now_ns))
		return 0;
	tally->conns++;
	remote = limit_key(key, tally->remote.rule, ROAM_LIMIT_REMOTE);
	tally->perremote += addr_equal(&remote.remote, &tally->remote.remote);
	return 0;
}

static __noinline enum roam_verdict limit_would(struct roam_pkt *pkt)
{
	const struct roam_limit *limit = limit_of(pkt->vm, pkt->rule);
	struct limit_tally tally = {
		.remote = limit_key(&pkt->key, pkt->rule, ROAM_LIMIT_REMOTE),
		.now_ns = pkt->now_ns,
		.vm = pkt->vm,
	};

	for (__u32 i = 0; i < ROAM_CT_TABLES; i++) {
		__u32 table = ROAM_CT_TABLE(pkt->vm, 0, 0) + i;
		void *rows = bpf_map_lookup_elem(&ct_table, &table);

		if (rows)
			bpf_for_each_map_elem(rows, tally_row, &tally, 0);
	}
	if (limit && limit->conns && tally.conns >= limit->conns)
		return drop(pkt, ROAM_REASON_CONN_LIMIT);
	if (limit && limit->perremote && tally.perremote >= limit->perremote)
		return drop(pkt, ROAM_REASON_CONN_LIMIT_REMOTE);
	return ROAM_CONTINUE;
}

static __always_inline enum roam_verdict too_many(struct roam_pkt *pkt, int err)
{
	switch (err) {
	case -EDQUOT:
		return drop(pkt, ROAM_REASON_CONN_LIMIT);
	case -EUSERS:
		return drop(pkt, ROAM_REASON_CONN_LIMIT_REMOTE);
	case -ENOSPC:
		return drop(pkt, ROAM_REASON_CONN_LIMIT_FULL);
	case -ENOMEM:
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	default:
		return drop(pkt, ROAM_REASON_NO_TABLE);
	}
}

/* A place in the clock for the flow that is about to be made. */
static __always_inline bool find_tick(const struct roam_pkt *pkt, const struct roam_flow_key *key)
{
	if (!limit_tick(pkt->vm, key, pkt->now_ns))
		return true;
	limit_reclaim(pkt->vm, pkt->now_ns, LIMIT_CANDIDATES);
	return !limit_tick(pkt->vm, key, pkt->now_ns);
}

__noinline enum roam_verdict limit_check(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	__u64 word;
	int err;

	if (!pkt)
		return ROAM_DROP;
	word = limit_word(pkt->vm, pkt->rule);
	if (!word) /* the limit has just gone, and the list of rules is about to */
		return ROAM_CONTINUE;
	if (pkt->dry_run)
		return limit_would(pkt);
	key = pkt->key;
	if (pkt->ct_replaces) /* now, or what is over would be in the way of what follows it */
		delete_flow(pkt, &key);
	limit_reclaim(pkt->vm, pkt->now_ns, LIMIT_DRAIN);
	err = limit_up(pkt->vm, &key, word, true);
	if (err == -EDQUOT || err == -EUSERS || err == -ENOSPC) {
		limit_reclaim(pkt->vm, pkt->now_ns, LIMIT_CANDIDATES);
		err = limit_up(pkt->vm, &key, word, true);
	}
	if (err)
		return too_many(pkt, err);
	if (!find_tick(pkt, &key)) {
		limit_down(pkt->vm, &key, word);
		return too_many(pkt, -ENOSPC);
	}
	pkt->counted_for = word & ROAM_COUNTED_REMOTE ? 2 : 1;
	return ROAM_CONTINUE;
}

/* What limit_check() has counted the packet's flow as. */
static __always_inline __u64 counted_word(const struct roam_pkt *pkt)
{
	if (!pkt->counted_for)
		return 0;
	return pkt->rule | (pkt->counted_for == 2 ? ROAM_COUNTED_REMOTE : 0);
}

__noinline enum roam_verdict limit_give(struct roam_pkt *pkt)
{
	struct roam_flow_key key;

	if (!pkt)
		return ROAM_DROP;
	key = pkt->key;
	limit_down(pkt->vm, &key, counted_word(pkt));
	pkt->counted_for = 0;
	return ROAM_CONTINUE;
}

static long sync_row(void *rows, const struct roam_flow_key *key, struct roam_flow *flow,
		     struct roam_limit_sync *sync)
{
	struct roam_flow_key own = *key;

	(void)rows;
	limit_follow(sync->vm, &own, flow);
	sync->flows++;
	return 0;
}

/* Half-open flows first: one that is promoted meanwhile is met in the other table. */
SEC("syscall")
int limit_sync(struct roam_limit_sync *arg)
{
	struct roam_limit_sync sync = { .vm = arg->vm };

	for (__u32 i = ROAM_CT_TABLES; i-- > 0;) {
		__u32 table = ROAM_CT_TABLE(sync.vm, 0, 0) + i;
		void *rows = bpf_map_lookup_elem(&ct_table, &table);

		if (rows)
			bpf_for_each_map_elem(rows, sync_row, &sync, 0);
	}
	arg->flows = sync.flows;
	return 0;
}

#endif
