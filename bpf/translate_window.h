/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One end of nearly every packet, for translate.h: what changes of it lies within a few words, from
 * the first address to the transport's checksum. It is changed in the window (parse_window.h) and
 * written with one call, in place of one for each field and checksum: each call of a helper costs
 * as much as a look-up in a table.
 *
 * What a checksum holds that an offload has yet to finish (CHECKSUM_PARTIAL), a program is not
 * told. But then it is the sum of the pseudo header, or the frame would be wrong at its receiver;
 * so what is equal to that is left to the helpers, which know. A whole checksum that happens to be
 * equal is in good hands there, too.
 */
#ifndef ROAM_BPF_TRANSLATE_WINDOW_H
#define ROAM_BPF_TRANSLATE_WINDOW_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <roam/pkt.h>
#include "parse_window.h"
#include "stages.h"
#include "translate_quote.h"

/* Where things are, from the beginning of the IP header on. */
struct ends_shape {
	__u8 first; /* what may change */
	__u8 len;   /* of what is behind the address */
	__u8 source;
	__u8 words; /* of an address */
	__u8 ports;
	__u8 check; /* the transport's, and the last that changes */
};

static const struct ends_shape shape_udp4 = {
	.first = offsetof(struct iphdr, check),
	.len = offsetof(struct iphdr, tot_len),
	.source = offsetof(struct iphdr, saddr),
	.words = 1,
	.ports = sizeof(struct iphdr),
	.check = sizeof(struct iphdr) + offsetof(struct udphdr, check),
};

static const struct ends_shape shape_tcp4 = {
	.first = offsetof(struct iphdr, check),
	.len = offsetof(struct iphdr, tot_len),
	.source = offsetof(struct iphdr, saddr),
	.words = 1,
	.ports = sizeof(struct iphdr),
	.check = sizeof(struct iphdr) + offsetof(struct tcphdr, check),
};

static const struct ends_shape shape_udp6 = {
	.first = offsetof(struct ipv6hdr, saddr),
	.len = offsetof(struct ipv6hdr, payload_len),
	.source = offsetof(struct ipv6hdr, saddr),
	.words = 4,
	.ports = sizeof(struct ipv6hdr),
	.check = sizeof(struct ipv6hdr) + offsetof(struct udphdr, check),
};

static const struct ends_shape shape_tcp6 = {
	.first = offsetof(struct ipv6hdr, saddr),
	.len = offsetof(struct ipv6hdr, payload_len),
	.source = offsetof(struct ipv6hdr, saddr),
	.words = 4,
	.ports = sizeof(struct ipv6hdr),
	.check = sizeof(struct ipv6hdr) + offsetof(struct tcphdr, check),
};

/* The difference that words make to a sum: what bpf_csum_diff says, without calling it. */
static __always_inline __u32 words_change(const __be32 *before, const __be32 *after, __u32 count)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < count; i++)
		sum += (__u64)after[i] + (__u32)~before[i];
	sum = (__u32)sum + (sum >> 32);
	return (__u32)sum + (sum >> 32);
}

/* Whole packets without options or extensions, whose segments need not be cut. */
static __always_inline bool is_plain(const struct roam_pkt *pkt)
{
	__u32 header = pkt->key.family == ROAM_FAMILY_IPV4 ? sizeof(struct iphdr)
							   : sizeof(struct ipv6hdr);

	return pkt->l4_off == pkt->l3_off + header && !pkt->gso_size && !pkt->frag &&
	       !is_error(pkt);
}

/* `size` bytes of the window, to be changed, or NULL. */
static __always_inline __u8 *window_at(const struct frame *frame, struct roam_pkt *pkt, __u64 off,
				       __u32 size)
{
	barrier_var(off);
	if (off > sizeof(pkt->head) - size || off + size > frame->len)
		return NULL;
	return pkt->head + off;
}

/* Whether the checksum may be one of the pseudo header alone, or there is none. */
static __always_inline bool may_be_partial(const __u8 *ip, const struct ends_shape shape, bool udp)
{
	const __be32 *addr = (const __be32 *)(ip + shape.source);
	__u16 len = bpf_ntohs(*(const __be16 *)(ip + shape.len));
	__be16 check = *(const __be16 *)(ip + shape.check);
	__u64 sum = bpf_htons(udp ? IPPROTO_UDP : IPPROTO_TCP);

	if (shape.words == 1)
		len -= sizeof(struct iphdr);
	/* A shorter datagram with something behind it: the pseudo header has its own length. */
	if (udp && (!check || *(const __be16 *)(ip + shape.ports + offsetof(struct udphdr, len)) !=
				      bpf_htons(len)))
		return true;
	sum += bpf_htons(len) + (__u16)~check;
	for (__u32 i = 0; i < 2U * shape.words; i++)
		sum += addr[i];
	sum = (__u32)sum + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* Changes the end in the window, and what sums change by it. */
static __always_inline void change_end(__u8 *ip, const struct ends_shape shape, bool udp,
				       const struct end *from, const struct end *to)
{
	__u32 far = to->is_dest ? 1 : 0;
	__be32 *addr = (__be32 *)(ip + shape.source) + far * shape.words;
	__be16 *port = (__be16 *)(ip + shape.ports) + far;
	__be16 *check = (__be16 *)(ip + shape.check);
	__u32 skip = 4 - shape.words;
	__u32 change = words_change(from->addr.words + skip, to->addr.words + skip, shape.words);
	__u64 both = (__u64)change + to->port + (__u16)~from->port;

	if (shape.words == 1)
		*(__be16 *)(ip + shape.first) = sum_after(*(__be16 *)(ip + shape.first), change);
	for (__u32 i = 0; i < shape.words; i++)
		addr[i] = to->addr.words[skip + i];
	*port = to->port;
	*check = sum_after(*check, (__u32)both + (both >> 32));
	if (udp && !*check)
		*check = 0xffff;
}

enum ends_done {
	ENDS_WRITTEN,
	ENDS_FAILED,
	ENDS_LEFT, /* to the helpers */
};

static __always_inline enum ends_done write_end(const struct frame *frame, struct roam_pkt *pkt,
						const struct end *from, const struct end *to,
						const struct ends_shape shape, bool udp)
{
	__u32 end = shape.check + sizeof(__be16);
	__u8 *ip = window_at(frame, pkt, pkt->l3_off, end);

	if (!ip || may_be_partial(ip, shape, udp))
		return ENDS_LEFT;
	change_end(ip, shape, udp, from, to);
	/* Of a checksum over the whole frame (CHECKSUM_COMPLETE) the kernel makes up for it. */
	if (!frame_write(frame, pkt->l3_off + shape.first, ip + shape.first, end - shape.first))
		return ENDS_FAILED;
	return ENDS_WRITTEN;
}

/* From the window, so nothing may be written before. */
static __always_inline enum ends_done replace_in_window(const struct frame *frame,
							struct roam_pkt *pkt,
							const struct end *from,
							const struct end *to)
{
	bool ipv4 = pkt->key.family == ROAM_FAMILY_IPV4;

	if (!is_plain(pkt))
		return ENDS_LEFT;
	switch (pkt->key.proto) {
	case IPPROTO_UDP:
		return ipv4 ? write_end(frame, pkt, from, to, shape_udp4, true)
			    : write_end(frame, pkt, from, to, shape_udp6, true);
	case IPPROTO_TCP:
		return ipv4 ? write_end(frame, pkt, from, to, shape_tcp4, false)
			    : write_end(frame, pkt, from, to, shape_tcp6, false);
	default:
		return ENDS_LEFT;
	}
}

#endif
