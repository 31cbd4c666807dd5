/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the qos stage does, for qos.bpf.c, whose maps these are, and for pipeline.h, which inlines
 * it.
 */
#ifndef ROAM_BPF_QOS_TAKE_H
#define ROAM_BPF_QOS_TAKE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/qos.h>
#include <roam/vm.h>
#include "bucket.h"
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_VM_MAX *ROAM_DIR_COUNT);
	__type(key, __u32);
	__type(value, struct roam_qos);
} qos_conf __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_VM_MAX *ROAM_DIR_COUNT);
	__type(key, __u32);
	__type(value, struct roam_qos_state);
} qos_state __weak SEC(".maps");

/* Whether the direction's rate admits the packet. */
static __always_inline bool within_rate(const struct roam_pkt *pkt, const struct roam_qos *conf,
					struct roam_qos_state *state)
{
	struct bucket_take take = {
		.now_ns = pkt->now_ns,
		.burst_ns = conf->burst_ns,
		.lag_ns = pkt_lag_ns(pkt),
		.dry_run = pkt->dry_run,
	};

	if (!conf->rate_Bps)
		return true;
	take.cost_ns = (pkt->len * NS_PER_S + conf->rate_Bps / 2) / conf->rate_Bps;
	return bucket_take(&state->paid_ns, &take);
}

static __always_inline void count(const struct roam_pkt *pkt, struct roam_qos_state *state,
				  bool passes)
{
	if (passes) {
		__sync_fetch_and_add(&state->passed_packets, 1);
		__sync_fetch_and_add(&state->passed_bytes, pkt->len);
	} else {
		__sync_fetch_and_add(&state->dropped_packets, 1);
		__sync_fetch_and_add(&state->dropped_bytes, pkt->len);
	}
}

static __always_inline enum roam_verdict qos_take(struct roam_pkt *pkt)
{
	struct roam_qos_state *state;
	const struct roam_qos *conf;
	bool passes;
	__u32 index;

	index = ROAM_QOS(pkt->vm, pkt->dir & 1);
	conf = bpf_map_lookup_elem(&qos_conf, &index);
	state = bpf_map_lookup_elem(&qos_state, &index);
	if (!conf || !state)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	if (!conf->is_set)
		return ROAM_CONTINUE;
	passes = within_rate(pkt, conf, state);
	if (!pkt->dry_run)
		count(pkt, state, passes);
	if (!passes)
		return drop(pkt, ROAM_REASON_QOS_RATE);
	pkt->has_dscp = conf->has_dscp;
	pkt->dscp = conf->dscp;
	return ROAM_CONTINUE;
}

#endif
