/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From bytes to struct roam_pkt: the only code that reads a frame. Called once per packet by the
 * front ends, before the stages. It never skips what it did not understand: whatever it cannot
 * parse has a reason of its own. The front end includes frame_skb.h or frame_xdp.h first.
 *
 * Layers, in order: Ethernet and VLAN tags here, ARP and IP in parse_ip.h, transport and neighbour
 * discovery in parse_l4.h, what ICMP errors quote in parse_quote.h.
 */
#ifndef ROAM_BPF_PARSE_H
#define ROAM_BPF_PARSE_H

#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include "parse_ip.h"
#include "parse_quote.h"

#define VLAN_VID_MASK 0x0fff
#define VLAN_TAGS_MAX 2

/* As struct ethhdr, which is read byte by byte, because it may be anywhere. */
struct ether {
	__be16 dest[ROAM_MAC_LEN / 2];
	__be16 source[ROAM_MAC_LEN / 2];
	__be16 proto;
};

static __always_inline void copy_mac(__u8 *to, const __be16 *from)
{
	__be16 *words = (__be16 *)to;

	for (int i = 0; i < ROAM_MAC_LEN / 2; i++)
		words[i] = from[i];
}

struct vlan_header {
	__be16 tci;
	__be16 ethertype;
};

static __always_inline bool is_vlan(__be16 ethertype)
{
	return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

/*
 * Reads the tags behind the Ethernet header; the outermost may be in the metadata. A third tag is
 * left in place, so that it shows as an ethertype that nobody may use. A priority tag (VLAN id 0)
 * counts as no tag at all.
 */
static __always_inline bool parse_vlan(const struct frame *frame, struct roam_pkt *pkt, __u32 *off)
{
	__u32 tags = frame->has_vlan;

	pkt->vlan = frame->has_vlan ? frame->vlan_tci & VLAN_VID_MASK : 0;
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		const struct vlan_header *tag;

		if (tags == VLAN_TAGS_MAX || !is_vlan(pkt->ethertype))
			break;
		tag = frame_at(frame, pkt, *off, sizeof(*tag));
		if (!tag)
			return false;
		pkt->vlan = (pkt->vlan << 12) | (bpf_ntohs(tag->tci) & VLAN_VID_MASK);
		pkt->ethertype = tag->ethertype;
		*off += sizeof(*tag);
		tags++;
	}
	/* One tag alone is the outer one. With a priority tag outside, the inner one is alone. */
	if (pkt->vlan && pkt->vlan <= VLAN_VID_MASK)
		pkt->vlan = ROAM_VLAN(pkt->vlan, 0);
	return true;
}

/* The caller has zeroed pkt and set now_ns, ifindex and dir. NONE: parsed, go on. */
static __always_inline enum roam_reason parse(const struct frame *frame, struct roam_pkt *pkt)
{
	const struct ether *eth = (const void *)pkt->head;
	__u32 off = sizeof(*eth);

	pkt->len = frame->len + (frame->has_vlan ? sizeof(struct vlan_header) : 0);
	pkt->gso_size = frame->gso_size;
	if (!window_open(frame, pkt))
		return ROAM_REASON_MALFORMED;
	copy_mac(pkt->smac, eth->source);
	copy_mac(pkt->dmac, eth->dest);
	pkt->ethertype = eth->proto;
	if (!parse_vlan(frame, pkt, &off))
		return ROAM_REASON_MALFORMED;

	switch (bpf_ntohs(pkt->ethertype)) {
	case ETH_P_IP:
		return parse_ipv4(frame, pkt, off);
	case ETH_P_IPV6:
		return parse_ipv6(frame, pkt, off);
	case ETH_P_ARP:
		pkt->link = ROAM_LINK_ARP;
		return parse_arp(frame, pkt, off);
	case ETH_P_RARP:
		pkt->link = ROAM_LINK_RARP;
		return parse_arp(frame, pkt, off);
	default:
		return ROAM_REASON_ETHERTYPE;
	}
}

#endif
