/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Into a tunnel, for forward.h: the packet as it is behind an outer header of the family of the
 * host that the backend is on (RFC 2003, RFC 2473, RFC 4213). Also the routes that it asks.
 *
 * The outer header has a hop limit of its own, the packet's DSCP, and no ECN (RFC 6040,
 * compatibility mode): so nothing needs to be brought back into the packet at the other end. In
 * IPv4 it always says "don't fragment", which RFC 2003 allows: the other end puts no fragments
 * together. What does not fit is dropped here.
 */
#ifndef ROAM_BPF_TUNNEL_H
#define ROAM_BPF_TUNNEL_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "rewrite.h"
#include "stages.h"

#define AF_INET_NUMBER  2 /* sys/socket.h cannot be had outside libc */
#define AF_INET6_NUMBER 10

#define TUNNEL_HOPS        64 /* RFC 1700 and IANA's registry: the default */
#define IPV4_DONT_FRAGMENT 0x4000

/* Asks the host's routes and neighbours. The host must be a router (net.ipv4.ip_forward). */
static __always_inline long find_route(struct xdp_md *xdp, const struct roam_addr *from,
				       const struct roam_addr *to, struct bpf_fib_lookup *route)
{
	route->ifindex = xdp->ingress_ifindex;
	if (addr_is_ipv4(to)) {
		route->family = AF_INET_NUMBER;
		route->ipv4_src = from->words[3];
		route->ipv4_dst = to->words[3];
	} else {
		route->family = AF_INET6_NUMBER;
		__builtin_memcpy(route->ipv6_src, from, sizeof(route->ipv6_src));
		__builtin_memcpy(route->ipv6_dst, to, sizeof(route->ipv6_dst));
	}
	return bpf_fib_lookup(xdp, route, sizeof(*route), 0);
}

/* What the outer header says of the packet within. */
struct tunnelled {
	__u32 len; /* without the padding of a short frame */
	__u8 dscp;
	__u8 proto; /* its family, as a protocol */
};

static __always_inline bool has_tunnel(const struct roam_pkt *pkt)
{
	return !addr_is_zero(&pkt->lb_host);
}

static __always_inline bool read_tunnelled(const struct frame *frame, const struct roam_pkt *pkt,
					   struct tunnelled *in)
{
	__be16 words[3]; /* IPv4: its length is the second; IPv6: that of what follows, the third */

	if (!frame_read(frame, pkt->l3_off, words, sizeof(words)))
		return false;
	if (pkt->key.family == ROAM_FAMILY_IPV4) {
		in->proto = IPPROTO_IPIP;
		in->len = bpf_ntohs(words[1]);
		in->dscp = bpf_ntohs(words[0]) >> DSCP_SHIFT & ROAM_DSCP_MASK;
	} else {
		in->proto = IPPROTO_IPV6;
		in->len = bpf_ntohs(words[2]) + sizeof(struct ipv6hdr);
		in->dscp = bpf_ntohs(words[0]) >> DSCP_IN_IPV6 & ROAM_DSCP_MASK;
	}
	return true;
}

/* Either one, as bytes of the frame. */
union outer {
	struct iphdr ipv4;
	struct ipv6hdr ipv6;
};

static __always_inline void fill_ipv4(const struct roam_pkt *pkt, const struct tunnelled *in,
				      struct iphdr *ip)
{
	__u32 sum;

	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = in->dscp << DSCP_SHIFT,
		.tot_len = bpf_htons(in->len + sizeof(*ip)),
		.id = pkt->tunnel_tag,
		.frag_off = bpf_htons(IPV4_DONT_FRAGMENT),
		.ttl = TUNNEL_HOPS,
		.protocol = in->proto,
		.saddr = pkt->lb_from.words[3],
		.daddr = pkt->lb_host.words[3],
	};
	sum = bpf_csum_diff(NULL, 0, (__be32 *)ip, sizeof(*ip), 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
}

static __always_inline void fill_ipv6(const struct roam_pkt *pkt, const struct tunnelled *in,
				      struct ipv6hdr *ip)
{
	__be16 start[2] = { bpf_htons(6 << 12 | in->dscp << DSCP_IN_IPV6), pkt->tunnel_tag };

	*ip = (struct ipv6hdr){
		.payload_len = bpf_htons(in->len),
		.nexthdr = in->proto,
		.hop_limit = TUNNEL_HOPS,
	};
	__builtin_memcpy(ip, start, sizeof(start));
	__builtin_memcpy(&ip->saddr, &pkt->lb_from, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &pkt->lb_host, sizeof(ip->daddr));
}

/* An Ethernet header and the outer one in front of the packet; VLAN tags go, they were the frame's.
 */
static __always_inline bool write_outer(struct xdp_md *xdp, const struct roam_pkt *pkt,
					const struct tunnelled *in)
{
	bool ipv4 = addr_is_ipv4(&pkt->lb_host);
	__u32 size = ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct ethhdr eth = { .h_proto = bpf_htons(ipv4 ? ETH_P_IP : ETH_P_IPV6) };
	union outer outer = {};

	__builtin_memcpy(eth.h_dest, pkt->dmac, ROAM_MAC_LEN);
	__builtin_memcpy(eth.h_source, pkt->smac, ROAM_MAC_LEN);
	if (bpf_xdp_adjust_head(xdp, (int)pkt->l3_off - (int)(sizeof(eth) + size)) ||
	    bpf_xdp_store_bytes(xdp, 0, &eth, sizeof(eth)))
		return false;
	if (ipv4) {
		fill_ipv4(pkt, in, &outer.ipv4);
		return !bpf_xdp_store_bytes(xdp, sizeof(eth), &outer.ipv4, sizeof(outer.ipv4));
	}
	fill_ipv6(pkt, in, &outer.ipv6);
	return !bpf_xdp_store_bytes(xdp, sizeof(eth), &outer.ipv6, sizeof(outer.ipv6));
}

/* The way to the backend's host, and whether the packet fits there; NONE if it does. */
static __always_inline enum roam_reason find_tunnel(struct xdp_md *xdp, struct roam_pkt *pkt,
						    const struct tunnelled *in, __u32 *ret_ifindex)
{
	__u32 size = addr_is_ipv4(&pkt->lb_host) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct bpf_fib_lookup route = { .l4_protocol = in->proto };
	long found;

	if (in->len + size > 0xffff)
		return ROAM_REASON_LB_MTU;
	route.tot_len = in->len + size;
	found = find_route(xdp, &pkt->lb_from, &pkt->lb_host, &route);
	if (found == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return ROAM_REASON_LB_MTU;
	if (found != BPF_FIB_LKUP_RET_SUCCESS)
		return ROAM_REASON_LB_NO_ROUTE;
	__builtin_memcpy(pkt->smac, route.smac, ROAM_MAC_LEN);
	__builtin_memcpy(pkt->dmac, route.dmac, ROAM_MAC_LEN);
	*ret_ifindex = route.ifindex;
	return ROAM_REASON_NONE;
}

/* What becomes of the frame; of XDP_DROP, pkt says why. Not inlined, as route_frame. */
static __noinline int tunnel_frame(struct xdp_md *xdp, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(xdp);
	struct tunnelled in = {};
	enum roam_reason reason;
	__u32 ifindex = 0;

	reason = read_tunnelled(&frame, pkt, &in) ? find_tunnel(xdp, pkt, &in, &ifindex)
						  : ROAM_REASON_MALFORMED;
	if (!reason && !write_outer(xdp, pkt, &in))
		reason = ROAM_REASON_NO_MEMORY;
	if (!reason)
		return bpf_redirect(ifindex, 0);
	drop(pkt, reason);
	return XDP_DROP;
}

#endif
