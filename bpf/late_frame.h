/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Puts a late packet into UDP for the destination of its VM's handover, for the front ends of
 * tc, which include this between frame_skb.h and pipeline.h: there is no twin behind XDP. The
 * kernel is told what is round what, so it still can cut TCP of many segments into such that fit,
 * and finish checksums that were left to a device. Which flow it is shows in the outer source port,
 * so that each goes one way, in order.
 */
#ifndef ROAM_BPF_LATE_FRAME_H
#define ROAM_BPF_LATE_FRAME_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <roam/pkt.h>
#include "checksum.h"
#include "late_way.h"
#include "stages.h"

#define LATE_HOPS  64
#define LATE_PORTS 0xc000 /* outer source ports: the dynamic ones */

#define ENCAP(family)                                                                              \
	(BPF_F_ADJ_ROOM_ENCAP_L3_##family | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |                          \
	 BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH)

/* Behind the outer IP header. */
struct late_inside {
	struct udphdr udp;
	struct roam_late_header header;
	struct ethhdr eth;
} __attribute__((packed));

static __always_inline __be16 late_source_port(const struct roam_pkt *pkt)
{
	__u32 hash = pkt->key.remote.words[3] ^ (__u32)pkt->key.rport << 16 ^ pkt->key.lport;

	hash ^= hash >> 16;
	return bpf_htons(LATE_PORTS | (hash & ~LATE_PORTS & 0xffff));
}

static __always_inline void fill_inside(const struct roam_pkt *pkt, const struct roam_late_to *way,
					__u32 len, struct late_inside *in)
{
	in->udp.source = late_source_port(pkt);
	in->udp.dest = bpf_htons(ROAM_LATE_PORT);
	in->udp.len = bpf_htons(len);
	in->udp.check = 0; /* of a tunnel: RFC 6935 */
	in->header.magic = bpf_htonl(ROAM_LATE_MAGIC);
	in->header.version = bpf_htonl(ROAM_LATE_VERSION);
	__builtin_memcpy(in->header.id, way->id, sizeof(in->header.id));
	in->header.epoch = bpf_cpu_to_be64(way->epoch);
	__builtin_memcpy(in->eth.h_dest, pkt->dmac, ROAM_MAC_LEN);
	__builtin_memcpy(in->eth.h_source, pkt->smac, ROAM_MAC_LEN);
	in->eth.h_proto = pkt->ethertype;
}

static __always_inline void fill_late_ipv4(const struct roam_late_to *way, __u32 len,
					   struct iphdr *ip)
{
	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tot_len = bpf_htons(len + sizeof(*ip)),
		.frag_off = bpf_htons(0x4000), /* don't: the other end puts nothing together */
		.ttl = LATE_HOPS,
		.protocol = IPPROTO_UDP,
		.saddr = way->from.words[3],
		.daddr = way->to.words[3],
	};
	ip->check = checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0));
}

static __always_inline void fill_late_ipv6(const struct roam_late_to *way, __u32 len,
					   struct ipv6hdr *ip)
{
	*ip = (struct ipv6hdr){
		.version = 6,
		.payload_len = bpf_htons(len),
		.nexthdr = IPPROTO_UDP,
		.hop_limit = LATE_HOPS,
	};
	__builtin_memcpy(&ip->saddr, &way->from, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &way->to, sizeof(ip->daddr));
}

static __noinline bool write_late_outer(frame_ctx *skb, const struct roam_late_to *way, __u32 len)
{
	struct ipv6hdr ipv6;
	struct iphdr ipv4;

	if (addr_is_ipv4(&way->to)) {
		fill_late_ipv4(way, len, &ipv4);
		return !bpf_skb_store_bytes(skb, ETH_HLEN, &ipv4, sizeof(ipv4), 0);
	}
	fill_late_ipv6(way, len, &ipv6);
	return !bpf_skb_store_bytes(skb, ETH_HLEN, &ipv6, sizeof(ipv6), 0);
}

static __noinline bool write_late_inside(frame_ctx *skb, const struct roam_pkt *pkt,
					 const struct roam_late_to *way, __u32 len)
{
	struct late_inside in = {};
	__u32 off = ETH_HLEN +
		    (addr_is_ipv4(&way->to) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));

	fill_inside(pkt, way, len, &in);
	return !bpf_skb_store_bytes(skb, off, &in, sizeof(in), 0);
}

/*
 * The frame's Ethernet header stays in front for now, and is another one within; the device takes
 * it from there (tc.bpf.c). pkt->ifindex becomes that device's. A VLAN tag in the metadata would be
 * the outer frame's: those of trunks are not carried.
 */
static __noinline bool frame_carry(frame_ctx *skb, struct roam_pkt *pkt)
{
	__u32 vm = pkt->vm;
	struct roam_late_to *way = bpf_map_lookup_elem(&late_to, &vm);
	__u32 len, room;
	bool ipv4;

	if (!way || skb->vlan_present)
		return false;
	ipv4 = addr_is_ipv4(&way->to);
	room = late_outer_len(ipv4) + ETH_HLEN;
	if (bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, ipv4 ? ENCAP(IPV4) : ENCAP(IPV6)))
		return false;
	len = skb->len - ETH_HLEN -
	      (ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)); /* UDP and what follows */
	if (!write_late_outer(skb, way, len) || !write_late_inside(skb, pkt, way, len))
		return false;
	late_count(&way->count, skb->len);
	pkt->ifindex = way->ifindex;
	return true;
}

#endif
