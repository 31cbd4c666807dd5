// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Fragments at an uplink that is a balancer: only the first one of a datagram to a VIP says which
 * service it is for. lb_uplink picks for it, lb_frag_note remembers whom, and lb_frag_find sends
 * the later ones after it. Owns that memory, and the list of VIPs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/frag.h>
#include <roam/lb.h>
#include <roam/pkt.h>
#include "bucket.h"
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LB_SERVICES);
	__type(key, struct roam_addr);
	__type(value, __u32);
} lb_vip SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ROAM_LB_TRAINS);
	__type(key, struct roam_lb_frag_key);
	__type(value, struct roam_lb_frag);
} lb_frag SEC(".maps");

static __always_inline struct roam_lb_frag_key key_of(const struct roam_pkt *pkt)
{
	return (struct roam_lb_frag_key){
		.client = pkt->key.remote,
		.vip = pkt->key.local,
		.id = pkt->frag_id,
		.proto = pkt->key.family == ROAM_FAMILY_IPV4 ? pkt->key.proto : 0,
	};
}

static __always_inline bool is_vip(const struct roam_pkt *pkt)
{
	struct roam_addr addr = pkt->key.local;

	return bpf_map_lookup_elem(&lb_vip, &addr);
}

/* A first fragment that has got a backend; the id's datagram before it is over. */
__noinline enum roam_verdict lb_frag_note(struct roam_pkt *pkt)
{
	struct roam_lb_frag_key key;
	struct roam_lb_frag row;

	if (!pkt)
		return ROAM_DROP;
	if (pkt->dry_run)
		return ROAM_CONTINUE;
	key = key_of(pkt);
	row = (struct roam_lb_frag){
		.since_ns = pkt->now_ns,
		.addr = pkt->lb_addr,
		.backend = pkt->lb_backend,
	};
	bpf_map_update_elem(&lb_frag, &key, &row, BPF_ANY);
	return ROAM_CONTINUE;
}

/*
 * What has no ports and is for a VIP goes where its first one went, or nowhere: the host's own
 * routes are not for VIPs.
 */
__noinline enum roam_verdict lb_frag_find(struct roam_pkt *pkt)
{
	const struct roam_lb_frag *row;
	struct roam_lb_frag_key key;

	if (!pkt)
		return ROAM_DROP;
	if ((pkt->facts & ROAM_PKT_TO_VM) || !is_vip(pkt))
		return ROAM_CONTINUE;
	if (pkt->reason)
		return ROAM_DROP;
	key = key_of(pkt);
	row = bpf_map_lookup_elem(&lb_frag, &key);
	if (!row || pkt->now_ns - row->since_ns > ROAM_FRAG_TIMEOUT4_S * NS_PER_S)
		return drop(pkt, ROAM_REASON_FRAG_NO_FIRST);
	pkt->lb_addr = row->addr;
	pkt->lb_backend = row->backend;
	return ROAM_CONTINUE;
}
