/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From verdict to bytes: the only code that writes to a frame. Called by the front ends for what
 * passes, with what the stages have left in struct roam_pkt. The front end includes frame_skb.h or
 * frame_xdp.h first.
 */
#ifndef ROAM_BPF_REWRITE_H
#define ROAM_BPF_REWRITE_H

#include <bpf/bpf_endian.h>
#include <roam/pkt.h>
#include <roam/qos.h>
#include "checksum.h"
#include "translate.h"

#define DSCP_SHIFT 2 /* the two bits below are ECN's (RFC 3168) */
#define DSCP_IN_IPV6                                                                               \
	6 /* bits of the first 16-bit word right of the DSCP: ECN, and the flow label's */

/* RFC 1624, equation 3: the checksum after a 16-bit word has changed. */
static __always_inline __be16 checksum_change(__be16 checksum, __be16 before, __be16 after)
{
	return checksum_fold((__u16)~checksum + (__u16)~before + after);
}

struct ipv4_start {
	__be16 first; /* version, header length, DSCP, ECN */
	__be16 rest[4];
	__be16 checksum;
};

static __always_inline bool mark_ipv4(const struct frame *frame, const struct roam_pkt *pkt)
{
	struct ipv4_start ip;
	__be16 before;
	__u16 word;

	if (!frame_read(frame, pkt->l3_off, &ip, sizeof(ip)))
		return false;
	before = ip.first;
	word = bpf_ntohs(before) & ~(ROAM_DSCP_MASK << DSCP_SHIFT);
	ip.first = bpf_htons(word | (pkt->dscp & ROAM_DSCP_MASK) << DSCP_SHIFT);
	if (ip.first == before)
		return true;
	ip.checksum = checksum_change(ip.checksum, before, ip.first);
	return frame_write(frame, pkt->l3_off, &ip, sizeof(ip));
}

static __always_inline bool mark_ipv6(const struct frame *frame, const struct roam_pkt *pkt)
{
	__be16 first, before;
	__u16 word;

	if (!frame_read(frame, pkt->l3_off, &first, sizeof(first)))
		return false;
	before = first;
	word = bpf_ntohs(before) & ~(ROAM_DSCP_MASK << DSCP_IN_IPV6);
	first = bpf_htons(word | (pkt->dscp & ROAM_DSCP_MASK) << DSCP_IN_IPV6);
	return first == before || frame_write(frame, pkt->l3_off, &first, sizeof(first));
}

/* What is to be changed in a packet that passes. */
static __always_inline bool needs_rewrite(const struct roam_pkt *pkt)
{
	return pkt->has_dscp || pkt->lb_role;
}

/* False if the frame could not be written: it must not pass as it is. */
static __always_inline bool rewrite(const struct frame *frame, struct roam_pkt *pkt)
{
	if (pkt->lb_role && !translate(frame, pkt))
		return false;
	if (!pkt->has_dscp || !pkt->l3_off)
		return true;
	return pkt->key.family == ROAM_FAMILY_IPV4 ? mark_ipv4(frame, pkt) : mark_ipv6(frame, pkt);
}

#endif
