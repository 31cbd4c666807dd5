/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The packet within a tunnel's (IPv4 or IPv6 in IPv4 or IPv6: RFC 2003, RFC 2473, RFC 4213), for
 * untunnel.h. It is parsed as any other is, where it lies; one level only.
 */
#ifndef ROAM_BPF_PARSE_TUNNEL_H
#define ROAM_BPF_PARSE_TUNNEL_H

#include "parse.h"

#define IPV6_LABEL_OFF 2 /* of the flow label's last 16 bits */

static __always_inline bool parse_tag(const struct frame *frame, struct roam_pkt *pkt)
{
	__u32 off = pkt->key.family == ROAM_FAMILY_IPV4 ? offsetof(struct iphdr, id)
							: IPV6_LABEL_OFF;

	return frame_read(frame, pkt->l3_off + off, &pkt->tunnel_tag, sizeof(pkt->tunnel_tag));
}

/*
 * What parse() has said of the outer headers is gone, but for the link layer. The frame is cut
 * before the packet within (l3_off) when it is taken out.
 */
static __always_inline enum roam_reason parse_inner(const struct frame *frame, struct roam_pkt *pkt)
{
	bool ipv4 = pkt->key.proto == IPPROTO_IPIP;
	__u32 off = pkt->tunnel_off;

	if (!parse_tag(frame, pkt))
		return ROAM_REASON_MALFORMED;
	pkt->key = (struct roam_flow_key){};
	pkt->ethertype = bpf_htons(ipv4 ? ETH_P_IP : ETH_P_IPV6);
	return ipv4 ? parse_ipv4(frame, pkt, off) : parse_ipv6(frame, pkt, off);
}

#endif
