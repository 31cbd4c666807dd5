/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What an ICMP error quotes (RFC 792, RFC 4443): the packet that it is about, from the other side's
 * point of view, for parse.h. The tuple becomes the packet's key, so that the stages look for the
 * flow that the error belongs to; who sent the error is kept in error_source. The quote is cut
 * short (8 bytes of the transport are sure), and whoever forges an error writes what he likes in
 * it.
 */
#ifndef ROAM_BPF_PARSE_QUOTE_H
#define ROAM_BPF_PARSE_QUOTE_H

#include "parse_ip.h"
#include "stages.h"

/* The quoted packet's headers. */
struct quote {
	struct roam_addr source;
	struct roam_addr dest;
	__u32 l4_off;
	__u32 end; /* of what is quoted */
	__u8 proto;
};

/* The first 8 bytes of whatever transport. */
union quote_transport {
	struct {
		__be16 source;
		__be16 dest;
		__be32 seq; /* TCP */
	} ports;
	struct icmp_header icmp;
};

/* What the length fields say is not looked at: routers have been seen to leave them in any order.
 */
static __always_inline bool read_quoted_ipv4(const struct frame *frame, __u32 off,
					     struct quote *quote)
{
	struct iphdr ip;

	if (off + sizeof(ip) > quote->end || !frame_read(frame, off, &ip, sizeof(ip)))
		return false;
	if (ip.version != 4 || ip.ihl * 4 < sizeof(ip) ||
	    (ip.frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET)))
		return false;
	addr_from_ipv4(&ip.saddr, &quote->source);
	addr_from_ipv4(&ip.daddr, &quote->dest);
	quote->proto = ip.protocol;
	quote->l4_off = off + ip.ihl * 4;
	return true;
}

/* Of a quoted fragment only the first is known by its ports. */
static __always_inline bool read_quoted_ipv6(const struct frame *frame, __u32 off,
					     struct quote *quote)
{
	struct ext_walk walk = { .frame = frame, .off = off + sizeof(struct ipv6hdr) };
	struct ipv6hdr ip;

	if (off + sizeof(ip) > quote->end || !frame_read(frame, off, &ip, sizeof(ip)))
		return false;
	if (ip.version != 6 || is_mapped(&ip.saddr) || is_mapped(&ip.daddr))
		return false;
	__builtin_memcpy(&quote->source, &ip.saddr, sizeof(quote->source));
	__builtin_memcpy(&quote->dest, &ip.daddr, sizeof(quote->dest));
	walk.next = ip.nexthdr;
	walk_headers(&walk);
	quote->proto = walk.next;
	quote->l4_off = walk.off;
	return !walk.reason && !(walk.frag_field & bpf_htons(IPV6_FRAGMENT_OFFSET));
}

/* The quoted packet went the other way: its source is where the error goes. */
static __always_inline bool read_quoted_transport(const struct frame *frame, struct roam_pkt *pkt,
						  const struct quote *quote)
{
	union quote_transport l4;
	__u8 type;

	switch (quote->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		break;
	default:
		return quote->l4_off <= quote->end;
	}
	if (quote->l4_off + sizeof(l4) > quote->end ||
	    !frame_read(frame, quote->l4_off, &l4, sizeof(l4)))
		return false;
	if (quote->proto == IPPROTO_ICMP || quote->proto == IPPROTO_ICMPV6) {
		type = l4.icmp.type;
		if (is_echo_request(quote->proto, type) || is_echo_reply(quote->proto, type))
			set_echo_id(pkt, is_echo_reply(quote->proto, type), l4.icmp.id);
		return true;
	}
	set_ports(pkt, l4.ports.dest, l4.ports.source);
	pkt->tcp_seq = bpf_ntohl(l4.ports.seq);
	if (quote->proto != IPPROTO_SCTP) /* which nothing translates */
		pkt->l4_off = quote->l4_off;
	return true;
}

/*
 * quote_off is set, payload is what the message has from there on. An error is for the source of
 * the packet that it is about, and nobody else.
 */
static __always_inline enum roam_reason parse_quote(const struct frame *frame, struct roam_pkt *pkt)
{
	struct quote quote = { .end = pkt->quote_off + pkt->payload };
	__u8 proto = pkt->key.proto;
	bool fits;

	fits = pkt->key.family == ROAM_FAMILY_IPV4
		       ? read_quoted_ipv4(frame, pkt->quote_off, &quote)
		       : read_quoted_ipv6(frame, pkt->quote_off, &quote);
	/* In fragments no honest error comes, and its train would be that of the quoted packet. */
	if (!fits || pkt->frag >= ROAM_PKT_FRAG_FIRST ||
	    !addr_equal(&quote.source, dest_end(pkt)) ||
	    !read_quoted_transport(frame, pkt, &quote)) {
		pkt->key.proto = proto;
		pkt->quote_off = 0;
		return ROAM_REASON_QUOTE;
	}
	pkt->error_source = *source_end(pkt);
	*source_end(pkt) = quote.dest;
	pkt->key.proto = quote.proto;
	return ROAM_REASON_NONE;
}

#endif
