/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One end of a flow in what an ICMP error quotes, for translate.h. Checksums in the quote change
 * with what they are over, and the error's own with every byte of the quote. Nobody's offload has
 * left any of the quoted ones to be finished.
 */
#ifndef ROAM_BPF_TRANSLATE_QUOTE_H
#define ROAM_BPF_TRANSLATE_QUOTE_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

/* One end of a packet, where it stands in the headers. Sums are taken over all of it. */
struct end {
	struct roam_addr addr;
	__be16 port;
	__u8 is_dest;
	__u8 pad;
};

/* A 32-bit word of a quote that has a checksum in it. */
union sum_word {
	__be32 word;
	__be16 half[2];
};

static __always_inline __u32 end_change(const struct end *from, const struct end *to)
{
	return bpf_csum_diff((void *)from, sizeof(*from), (void *)to, sizeof(*to), 0);
}

/* The checksum after what it is over has changed by so much (RFC 1624). */
static __always_inline __be16 sum_after(__be16 sum, __u32 change)
{
	__u64 next = (__u64)(__u16)~sum + change;

	next = (next & 0xffff) + (next >> 16);
	next = (next & 0xffff) + (next >> 16);
	next = (next & 0xffff) + (next >> 16);
	return ~next;
}

/* Where the error's own checksum is. */
static __always_inline __u32 error_sum_off(const struct roam_pkt *pkt)
{
	return pkt->quote_off - sizeof(struct icmp_header) + offsetof(struct icmp_header, checksum);
}

/* Whole words, as bpf_csum_diff wants them. */
static __always_inline bool store_quoted_word(const struct frame *frame, const struct roam_pkt *pkt,
					      __u32 off, __be32 before, __be32 after)
{
	__u32 change = bpf_csum_diff(&before, sizeof(before), &after, sizeof(after), 0);

	return frame_fix_l4(frame, error_sum_off(pkt), change, 0) &&
	       frame_store(frame, off, &after, sizeof(after));
}

static __always_inline bool store_quoted_addr(const struct frame *frame, const struct roam_pkt *pkt,
					      const struct end *from, const struct end *to)
{
	__u32 off = pkt->quote_off + (to->is_dest ? offsetof(struct ipv6hdr, daddr)
						  : offsetof(struct ipv6hdr, saddr));
	__u32 change = bpf_csum_diff((void *)&from->addr, sizeof(from->addr), (void *)&to->addr,
				     sizeof(to->addr), 0);

	return frame_fix_l4(frame, error_sum_off(pkt), change, 0) &&
	       frame_store(frame, off, &to->addr, sizeof(to->addr));
}

/* The address, and the checksum of the quoted header; that one stands behind its protocol. */
static __always_inline bool replace_quoted_ipv4(const struct frame *frame,
						const struct roam_pkt *pkt, const struct end *from,
						const struct end *to)
{
	__u32 off = pkt->quote_off +
		    (to->is_dest ? offsetof(struct iphdr, daddr) : offsetof(struct iphdr, saddr));
	__u32 sum_off = pkt->quote_off + offsetof(struct iphdr, ttl);
	__be32 before = from->addr.words[3], after = to->addr.words[3];
	union sum_word was, is;

	if (!frame_read(frame, sum_off, &was, sizeof(was)))
		return false;
	is = was;
	is.half[1] = sum_after(was.half[1],
			       bpf_csum_diff(&before, sizeof(before), &after, sizeof(after), 0));
	return store_quoted_word(frame, pkt, sum_off, was.word, is.word) &&
	       store_quoted_word(frame, pkt, off, before, after);
}

static __always_inline bool replace_quoted_port(const struct frame *frame,
						const struct roam_pkt *pkt, const struct end *to)
{
	union sum_word was, is;

	if (!frame_read(frame, pkt->l4_off, &was, sizeof(was)))
		return false;
	is.half[0] = to->is_dest ? was.half[0] : to->port;
	is.half[1] = to->is_dest ? to->port : was.half[1];
	return store_quoted_word(frame, pkt, pkt->l4_off, was.word, is.word);
}

/* The checksum of the quoted TCP or UDP, if it is quoted, and if there is one. */
static __always_inline bool replace_quoted_sum(const struct frame *frame,
					       const struct roam_pkt *pkt, __u32 change)
{
	bool udp = pkt->key.proto == IPPROTO_UDP;
	__u32 off = pkt->l4_off +
		    (udp ? offsetof(struct udphdr, len) : offsetof(struct tcphdr, check));
	union sum_word was, is;
	__be16 sum;

	if (off + sizeof(was) > pkt->quote_off + pkt->payload)
		return true;
	if (!frame_read(frame, off, &was, sizeof(was)))
		return false;
	is = was;
	if (udp && !was.half[1])
		return true;
	sum = sum_after(udp ? was.half[1] : was.half[0], change);
	if (udp)
		is.half[1] = sum ? sum : 0xffff;
	else
		is.half[0] = sum;
	return store_quoted_word(frame, pkt, off, was.word, is.word);
}

static __always_inline bool replace_quoted(const struct frame *frame, const struct roam_pkt *pkt,
					   const struct end *from, const struct end *to)
{
	bool done = pkt->key.family == ROAM_FAMILY_IPV4 ? replace_quoted_ipv4(frame, pkt, from, to)
							: store_quoted_addr(frame, pkt, from, to);

	return done && replace_quoted_port(frame, pkt, to) &&
	       replace_quoted_sum(frame, pkt, end_change(from, to));
}

#endif
