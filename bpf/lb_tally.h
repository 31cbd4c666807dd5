/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a packet of a backend counts for, for lb.bpf.c, whose maps these are, and for pipeline.h,
 * which inlines it.
 */
#ifndef ROAM_BPF_LB_TALLY_H
#define ROAM_BPF_LB_TALLY_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/lb.h>
#include <roam/pkt.h>
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_LB_BACKENDS);
	__type(key, __u32);
	__type(value, struct roam_lb_backend);
} lb_backend __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ROAM_LB_BACKENDS);
	__type(key, __u32);
	__type(value, struct roam_lb_stats);
} lb_stats __weak SEC(".maps");

/* Whether the number is still that of the flow's backend. */
static __always_inline bool is_counted(const struct roam_pkt *pkt,
				       const struct roam_lb_backend *backend)
{
	bool here = pkt->lb_role == ROAM_LB_ROLE_BACKEND;

	return backend->port == (here ? pkt->key.lport : pkt->lb_port) &&
	       addr_equal(&backend->addr, here ? &pkt->key.local : &pkt->lb_addr);
}

static __always_inline void lb_tally(struct roam_pkt *pkt)
{
	const struct roam_lb_backend *backend;
	struct roam_lb_stats *row;
	__u32 number, dir;

	number = pkt->lb_backend;
	backend = bpf_map_lookup_elem(&lb_backend, &number);
	row = bpf_map_lookup_elem(&lb_stats, &number);
	if (!number || !backend || !row || !is_counted(pkt, backend) || pkt->dry_run)
		return;
	if (has_opened(pkt) || pkt->reason == ROAM_REASON_AUDITED)
		row->sessions++;
	dir = pkt->dir & 1;
	row->packets[dir]++;
	row->bytes[dir] += pkt->len;
}

#endif
