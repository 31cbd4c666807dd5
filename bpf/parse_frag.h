/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fragments, for parse_ip.h: where in its datagram a packet stands. What its headers say is checked
 * here as far as one packet alone can tell; frag.bpf.c judges it by those before it.
 */
#ifndef ROAM_BPF_PARSE_FRAG_H
#define ROAM_BPF_PARSE_FRAG_H

#include <stdbool.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <roam/pkt.h>

#define IPV4_FRAGMENT_MORE   0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff /* in units of 8 bytes */
#define IPV6_FRAGMENT_MORE   0x0001
#define IPV6_FRAGMENT_OFFSET 0xfff8 /* in bytes, of a field whose low 3 bits are others' */
#define FRAGMENT_UNIT        8
#define DATAGRAM_MAX         0xffff /* what either family's length field can say */

/* RFC 8200, 4.5. */
struct ipv6_fragment {
	__u8 next;
	__u8 reserved;
	__be16 field; /* offset, more-fragments bit */
	__be32 id;
};

/* Of a datagram, where a fragment begins, and whether others follow. */
struct fragment_at {
	__u32 offset;
	bool more;
};

static __always_inline struct fragment_at ipv6_fragment_of(__be16 field)
{
	return (struct fragment_at){
		.offset = bpf_ntohs(field) & IPV6_FRAGMENT_OFFSET,
		.more = field & bpf_htons(IPV6_FRAGMENT_MORE),
	};
}

static __always_inline bool is_ipv4_fragment(__be16 field)
{
	return field & bpf_htons(IPV4_FRAGMENT_MORE | IPV4_FRAGMENT_OFFSET);
}

/* `len`: its bytes of the datagram. */
static __always_inline enum roam_reason note_fragment(struct roam_pkt *pkt, struct fragment_at at,
						      __u32 len)
{
	if (!at.offset && !at.more) {
		pkt->frag = ROAM_PKT_FRAG_ATOMIC;
		return ROAM_REASON_NONE;
	}
	pkt->frag = at.offset ? ROAM_PKT_FRAG_LATER : ROAM_PKT_FRAG_FIRST;
	pkt->frag_lo = at.offset;
	pkt->frag_hi = at.offset + len;
	pkt->frag_last = !at.more;
	if (!len || pkt->frag_hi > DATAGRAM_MAX || (at.more && len % FRAGMENT_UNIT))
		return ROAM_REASON_MALFORMED;
	return ROAM_REASON_NONE;
}

static __always_inline enum roam_reason note_ipv4_fragment(struct roam_pkt *pkt,
							   const struct iphdr *ip, __u32 len)
{
	struct fragment_at at = {
		.offset = (bpf_ntohs(ip->frag_off) & IPV4_FRAGMENT_OFFSET) * FRAGMENT_UNIT,
		.more = ip->frag_off & bpf_htons(IPV4_FRAGMENT_MORE),
	};

	pkt->frag_id = ip->id;
	return note_fragment(pkt, at, len);
}

/* What is cut short in a first fragment is in the next one, where no filter can see it (RFC 1858,
 * RFC 7112). */
static __always_inline enum roam_reason first_whole(const struct roam_pkt *pkt,
						    enum roam_reason reason)
{
	if (reason == ROAM_REASON_MALFORMED && pkt->frag == ROAM_PKT_FRAG_FIRST)
		return ROAM_REASON_FRAG_TINY;
	return reason;
}

#endif
