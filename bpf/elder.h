/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether elders (include/roam/elder.h) may know more of a packet: for ct.bpf.c and the front end
 * at a port. Without elders it costs one look-up for what is of no known flow, and one for a drop.
 */
#ifndef ROAM_BPF_ELDER_H
#define ROAM_BPF_ELDER_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/elder.h>
#include <roam/pkt.h>

/* Weak, because two files have it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} elder_mode __weak SEC(".maps");

static __always_inline __u32 elder_mode_now(const struct roam_pkt *pkt)
{
	__u32 zero = 0;
	const __u32 *mode = bpf_map_lookup_elem(&elder_mode, &zero);

	return mode && !pkt->dry_run ? *mode : ROAM_ELDER_NONE;
}

/*
 * Of a packet that is dropped here. What policy, a rate or a full table has refused here, for what
 * it knows, is refused; a limit on connections has only if it is an opening for sure.
 * ROAM_REASON_NONE: a stage has found that it is the elders'.
 */
static __always_inline bool elder_may_know(const struct roam_pkt *pkt)
{
	switch (pkt->reason) {
	case ROAM_REASON_ACL_RULE:
	case ROAM_REASON_ACL_DEFAULT:
	case ROAM_REASON_REJECTED:
	case ROAM_REASON_REVOKED:
	case ROAM_REASON_CT_FULL:
	case ROAM_REASON_CT_HALF_FULL:
	case ROAM_REASON_NO_MEMORY:
	case ROAM_REASON_IPS_BLOCKED:
	case ROAM_REASON_IPS_LIMIT:
	case ROAM_REASON_IPS_FULL:
	case ROAM_REASON_QOS_RATE:
		return false;
	case ROAM_REASON_CONN_LIMIT:
	case ROAM_REASON_CONN_LIMIT_REMOTE:
	case ROAM_REASON_CONN_LIMIT_FULL:
		return pkt->elder && elder_mode_now(pkt) != ROAM_ELDER_NONE;
	default:
		return elder_mode_now(pkt) != ROAM_ELDER_NONE;
	}
}

#endif
