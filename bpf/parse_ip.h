/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network layer of parse.h: IPv4 (RFC 791), IPv6 with its extension headers (RFC 8200), ARP
 * (RFC 826) and RARP (RFC 903).
 */
#ifndef ROAM_BPF_PARSE_IP_H
#define ROAM_BPF_PARSE_IP_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include "parse_frag.h"
#include "parse_l4.h"
#include "parse_window.h"

/* Headers between IPv6 and the transport that are walked; RFC 8200 recommends at most 7. */
#define IPV6_EXT_MAX 8

/* Numbers of IANA's registry that linux/in6.h lacks. */
#define IPPROTO_AUTH  51
#define IPPROTO_HIP   139
#define IPPROTO_SHIM6 140

#define ARPHRD_ETHER 1 /* linux/if_arp.h cannot be had outside libc */

struct arp_ether_ipv4 {
	__be16 hw_type;
	__be16 proto_type;
	__u8 hw_len;
	__u8 proto_len;
	__be16 op;
	__u8 sender_mac[ROAM_MAC_LEN];
	__u8 sender_ip[4]; /* not aligned */
	__u8 target_mac[ROAM_MAC_LEN];
	__u8 target_ip[4];
} __attribute__((packed));

static __always_inline void addr_from_ipv4(const void *ipv4, struct roam_addr *ret_addr)
{
	ret_addr->words[0] = 0;
	ret_addr->words[1] = 0;
	ret_addr->words[2] = bpf_htonl(0xffff);
	__builtin_memcpy(&ret_addr->words[3], ipv4, 4);
}

static __always_inline struct roam_addr *source_end(struct roam_pkt *pkt)
{
	return pkt->dir == ROAM_DIR_OUT ? &pkt->key.local : &pkt->key.remote;
}

static __always_inline struct roam_addr *dest_end(struct roam_pkt *pkt)
{
	return pkt->dir == ROAM_DIR_OUT ? &pkt->key.remote : &pkt->key.local;
}

static __always_inline enum roam_reason parse_arp(const struct frame *frame, struct roam_pkt *pkt,
						  __u32 off)
{
	struct arp_ether_ipv4 arp;

	if (!frame_read(frame, off, &arp, sizeof(arp)))
		return ROAM_REASON_MALFORMED;
	if (arp.hw_type != bpf_htons(ARPHRD_ETHER) || arp.proto_type != bpf_htons(ETH_P_IP) ||
	    arp.hw_len != ROAM_MAC_LEN || arp.proto_len != 4 || bpf_ntohs(arp.op) > 0xff)
		return ROAM_REASON_MALFORMED;
	pkt->link_op = bpf_ntohs(arp.op);
	pkt->has_lladdr = 1;
	__builtin_memcpy(pkt->lladdr, arp.sender_mac, ROAM_MAC_LEN);
	__builtin_memcpy(pkt->target_lladdr, arp.target_mac, ROAM_MAC_LEN);
	addr_from_ipv4(arp.sender_ip, source_end(pkt));
	addr_from_ipv4(arp.target_ip, dest_end(pkt));
	addr_from_ipv4(arp.target_ip, &pkt->target);
	return ROAM_REASON_NONE;
}

static __always_inline enum roam_reason parse_ipv4(const struct frame *frame, struct roam_pkt *pkt,
						   __u32 off)
{
	const struct iphdr *ip = frame_at(frame, pkt, off, sizeof(*ip));
	__u32 header, total;

	if (!ip)
		return ROAM_REASON_MALFORMED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	/* BIG TCP (Linux 6.3 and later): a local stack's GSO frame past 64 KiB has tot_len 0. */
	if (!total && frame->len > 0xffff)
		total = frame->len - off;
	if (ip->version != 4 || header < sizeof(*ip) || total < header || off + total > frame->len)
		return ROAM_REASON_MALFORMED;

	pkt->l3_off = off;
	pkt->key.family = ROAM_FAMILY_IPV4;
	pkt->key.proto = ip->protocol;
	pkt->hop_limit = ip->ttl;
	addr_from_ipv4(&ip->saddr, source_end(pkt));
	addr_from_ipv4(&ip->daddr, dest_end(pkt));
	if (is_ipv4_fragment(ip->frag_off)) {
		enum roam_reason reason = note_ipv4_fragment(pkt, ip, total - header);

		if (reason || pkt->frag == ROAM_PKT_FRAG_LATER)
			return reason;
	}
	return first_whole(pkt, parse_transport(frame, pkt, off + header, total - header));
}

/* A walk through extension headers. */
struct ext_walk {
	const struct frame *frame;
	__u32 off;
	__u8 next; /* protocol of the header at off */
	__u8 reason;
	__be16 frag_field; /* offset and more-fragments bit */
	__be32 frag_id;
	__u32 frag_at; /* what is behind a fragment header; 0: there is none */
};

/* A fragment header. What comes behind that of a later fragment is no header. */
static __always_inline long fragment_step(struct ext_walk *walk)
{
	struct ipv6_fragment header;

	walk->reason = ROAM_REASON_MALFORMED;
	if (walk->frag_at || !frame_read(walk->frame, walk->off, &header, sizeof(header)))
		return 1;
	walk->off += sizeof(header);
	walk->next = header.next;
	walk->frag_at = walk->off;
	walk->frag_field = header.field;
	walk->frag_id = header.id;
	if (header.field & bpf_htons(IPV6_FRAGMENT_OFFSET)) {
		walk->reason = ROAM_REASON_NONE;
		return 1;
	}
	walk->reason = ROAM_REASON_EXT_HEADERS;
	return 0;
}

/*
 * One header. ESP and whatever is unknown here is the transport: the walk ends there, nothing is
 * skipped. A callback, because the verifier would follow what comes after a plain loop once for
 * every way out of it.
 */
static long ext_step(__u32 i, struct ext_walk *walk)
{
	struct ipv6_opt_hdr ext;

	switch (walk->next) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case IPPROTO_HIP:
	case IPPROTO_SHIM6:
	case IPPROTO_AUTH:
		break;
	case IPPROTO_FRAGMENT:
		return fragment_step(walk);
	default:
		walk->reason = ROAM_REASON_NONE;
		return 1;
	}
	if (i == IPV6_EXT_MAX) /* reason is still EXT_HEADERS */
		return 1;
	if (!frame_read(walk->frame, walk->off, &ext, sizeof(ext))) {
		walk->reason = ROAM_REASON_MALFORMED;
		return 1;
	}
	walk->off += walk->next == IPPROTO_AUTH ? (ext.hdrlen + 2) * 4 : (ext.hdrlen + 1) * 8;
	walk->next = ext.nexthdr;
	return 0;
}

static __always_inline bool is_plain_transport(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_ICMPV6;
}

/* To the transport, at *off; `end` is where the packet ends. */
/* The caller has set frame, off and next. */
static __always_inline void walk_headers(struct ext_walk *walk)
{
	walk->reason = ROAM_REASON_NONE;
	if (is_plain_transport(walk->next)) /* most packets: spares the call */
		return;
	walk->reason = ROAM_REASON_EXT_HEADERS;
	bpf_loop(IPV6_EXT_MAX + 1, ext_step, walk, 0);
}

static __always_inline enum roam_reason walk_extensions(const struct frame *frame,
							struct roam_pkt *pkt, __u32 *off, __u32 end)
{
	enum roam_reason reason = ROAM_REASON_NONE;
	struct ext_walk walk = { .frame = frame, .off = *off, .next = pkt->key.proto };

	walk_headers(&walk);
	pkt->key.proto = walk.next;
	*off = walk.off;
	if (walk.frag_at) {
		pkt->frag_id = walk.frag_id;
		reason = note_fragment(pkt, ipv6_fragment_of(walk.frag_field),
				       end > walk.frag_at ? end - walk.frag_at : 0);
	}
	return reason ? reason : first_whole(pkt, walk.reason);
}

/*
 * An IPv4 address within an IPv6 one is not for the wire (RFC 6890, table 20); here it would be
 * taken for the IPv4 address that it looks like.
 */
static __always_inline bool is_mapped(const struct in6_addr *addr)
{
	return !addr->s6_addr32[0] && !addr->s6_addr32[1] &&
	       addr->s6_addr32[2] == bpf_htonl(0xffff);
}

static __always_inline enum roam_reason parse_ipv6(const struct frame *frame, struct roam_pkt *pkt,
						   __u32 off)
{
	const struct ipv6hdr *ip = frame_at(frame, pkt, off, sizeof(*ip));
	enum roam_reason reason;
	__u32 end;

	if (!ip)
		return ROAM_REASON_MALFORMED;
	end = off + sizeof(*ip) + bpf_ntohs(ip->payload_len);
	/* BIG TCP (Linux 5.19 and later), as with IPv4. */
	if (!ip->payload_len && frame->len > 0xffff)
		end = frame->len;
	if (ip->version != 6 || end > frame->len || is_mapped(&ip->saddr) || is_mapped(&ip->daddr))
		return ROAM_REASON_MALFORMED;

	pkt->l3_off = off;
	pkt->key.family = ROAM_FAMILY_IPV6;
	pkt->key.proto = ip->nexthdr;
	pkt->hop_limit = ip->hop_limit;
	__builtin_memcpy(source_end(pkt), &ip->saddr, sizeof(struct roam_addr));
	__builtin_memcpy(dest_end(pkt), &ip->daddr, sizeof(struct roam_addr));
	off += sizeof(*ip);
	reason = walk_extensions(frame, pkt, &off, end);
	if (reason || pkt->frag == ROAM_PKT_FRAG_LATER)
		return reason;
	reason = ROAM_REASON_MALFORMED;
	if (off <= end)
		reason = parse_transport(frame, pkt, off, end - off);
	return first_whole(pkt, reason);
}

#endif
