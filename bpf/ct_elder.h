/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Flows that come over from elders (include/roam/elder.h), part of ct.bpf.c (its only includer):
 * whose a packet of no known flow is, and what elders have written to a row after it was copied.
 */
#ifndef ROAM_BPF_CT_ELDER_H
#define ROAM_BPF_CT_ELDER_H

#include "ct_table.h"
#include "ct_move.h"
#include "limit.h"
#include "elder.h"

/*
 * Of a packet without a live flow here. An expired row is not the elders' any more. Before the last
 * rows are here all others are; then only what opens nothing, as far as its protocol tells. Where
 * it does not tell, policy is asked first (pkt->elder): what it admits has its flow here.
 */
static __always_inline bool is_elders(struct roam_pkt *pkt)
{
	bool tells = pkt->key.proto == IPPROTO_TCP || pkt->key.proto == IPPROTO_SCTP;
	__u32 mode = elder_mode_now(pkt);

	if (mode == ROAM_ELDER_NONE || pkt->ct_replaces)
		return false;
	if (mode == ROAM_ELDER_ALL)
		return true;
	pkt->elder = !tells;
	return tells && !opens(pkt);
}

/* Not tracked: policy may refuse it, but then the elders are to count that. */
static __always_inline void note_untracked(struct roam_pkt *pkt)
{
	pkt->elder = elder_mode_now(pkt) != ROAM_ELDER_NONE;
}

/* What the elders have added to a row since it was copied, and where they have taken it. */
static __always_inline void merge_row(struct roam_flow *flow, const struct roam_flow *was,
				      const struct roam_flow *now)
{
	for (__u32 dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		struct roam_flow_side *side = &flow->side[dir];
		const struct roam_flow_side *before = &was->side[dir], *after = &now->side[dir];

		__sync_fetch_and_add(&side->packets, after->packets - before->packets);
		__sync_fetch_and_add(&side->bytes, after->bytes - before->bytes);
		/* This end has not been seen here. */
		if (side->tcp.flags & ROAM_TCP_END_STALE)
			side->tcp = after->tcp;
	}
	if ((__s64)(now->seen_ns - flow->seen_ns) > 0)
		flow->seen_ns = now->seen_ns;
	if (flow->state == was->state)
		flow->state = now->state;
	if (flow->flags == was->flags)
		flow->flags = now->flags;
	if (flow->gen == was->gen) {
		flow->gen = now->gen;
		flow->rule = now->rule;
	}
	flow->tcp_note = now->tcp_note;
}

static long merge_pair(__u32 i, struct roam_elder_run *run)
{
	__u32 first = 2 * i, second = first + 1;
	const struct roam_flow_rec *was = bpf_map_lookup_elem(&ct_xfer, &first);
	const struct roam_flow_rec *now = bpf_map_lookup_elem(&ct_xfer, &second);
	struct roam_flow_key key;
	struct roam_flow *flow;

	if (!was || !now) {
		run->error = -E2BIG;
		return 1;
	}
	key = was->key;
	flow = ct_lookup(run->table, &key);
	if (flow && now->pad) {
		merge_row(flow, &was->flow, &now->flow);
		limit_follow(run->table / ROAM_CT_TABLES, &key, flow);
	} else if (flow && flow->state == was->flow.state) { /* promoted there, or over */
		ct_delete(run->table, &key);
	}
	run->done++;
	return 0;
}

SEC("syscall")
int elder_merge(struct roam_elder_run *arg)
{
	struct roam_elder_run run = *arg;

	run.done = 0;
	run.error = 0;
	bpf_loop(run.count, merge_pair, &run, 0);
	arg->done = run.done;
	arg->error = run.error;
	return 0;
}

#endif
