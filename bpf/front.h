/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where the packet at hand is, for the front ends: their programs begin with front_start.
 */
#ifndef ROAM_BPF_FRONT_H
#define ROAM_BPF_FRONT_H

#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

/*
 * The packet at hand, one a CPU: on the stack it would take most of the 512 bytes that a program
 * and the stages that it calls share, and the verifier would follow every value in it. Programs run
 * with softirqs off, so no other packet comes between. Weak, because each front end brings the same
 * one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_pkt);
} front_pkt __weak SEC(".maps");

/* Word by word: what clang makes of an assignment is a store for each byte. */
static __always_inline void pkt_clear(struct roam_pkt *pkt)
{
	__u64 *words = (__u64 *)pkt;

	for (__u32 i = 0; i < offsetof(struct roam_pkt, pad2) / sizeof(*words); i++)
		words[i] = 0;
	barrier(); /* or it joins the stores that follow, and is back at bytes */
}

/*
 * The time of a live packet is that of the last tick, as nf_conntrack's is: to read the clock
 * itself costs a fifth of all that is done for a packet. This is the tick of the slowest kernels
 * (HZ=100). Buckets, whose rates would show it, read the clock where it matters (bucket.h).
 */
#define FRONT_LAG_MS 10

/* Empty, but for where it is. Never NULL; the verifier does not know that. */
static __always_inline struct roam_pkt *front_start(__u32 ifindex, enum roam_dir dir, __u64 now_ns)
{
	__u32 zero = 0;
	struct roam_pkt *pkt = bpf_map_lookup_elem(&front_pkt, &zero);

	if (!pkt)
		return NULL;
	pkt_clear(pkt);
	pkt->now_ns = now_ns;
	pkt->ifindex = ifindex;
	pkt->dir = dir;
	return pkt;
}

/* The same for a packet that has come in now. */
static __always_inline struct roam_pkt *front_now(__u32 ifindex, enum roam_dir dir)
{
	struct roam_pkt *pkt = front_start(ifindex, dir, bpf_ktime_get_coarse_ns());

	if (pkt)
		pkt->lag_ms = FRONT_LAG_MS;
	return pkt;
}

#endif
