/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Turns a frame that was rejected into the answer to it, in place: a TCP reset, or "destination
 * unreachable" of ICMP and ICMPv6 about the rest. For the tc front end only, as rewrite.h; what may
 * be answered, and how often, the acl stage has said.
 *
 * Only a transport that directly follows its IP header is answered: then it stays where it is,
 * which matters where a device is still to compute the checksum of what is there
 * (CHECKSUM_PARTIAL). The kernel sums from there on, and puts the result where the old transport
 * had its checksum: TCP's is at its place, to which frame_fix_l4 gives what each case needs; UDP's
 * falls into the unused field of the ICMP message, where a message whose checksum is right already
 * makes it 0.
 */
#ifndef ROAM_BPF_ANSWER_H
#define ROAM_BPF_ANSWER_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <roam/pkt.h>
#include "checksum.h"
#include "translate.h"

#define ANSWER_HOPS       64
#define IPV4_OFFSET_MASK  0x3fff /* more-fragments bit and offset */
#define IPV4_DONT         0x4000
#define QUOTED            8 /* bytes of the transport that an ICMP message quotes */
#define ICMP_UNREACHABLE  3
#define ICMP6_UNREACHABLE 1

/* Codes of either: RFC 792, RFC 1812 and RFC 4443. */
enum unreachable_code {
	ICMP_PORT = 3,
	ICMP_PROHIBITED = 13,
	ICMP6_PROHIBITED = 1,
	ICMP6_PORT = 4,
};

static __always_inline __u32 sum_of(const void *bytes, __u32 size, __u32 sum)
{
	return bpf_csum_diff(NULL, 0, (void *)bytes, size, sum);
}

/* What TCP and ICMPv6 sum up besides themselves; the addresses' order is no matter to it. */
static __always_inline __u32 pseudo_sum(const struct roam_pkt *pkt, const void *addrs, __u32 size,
					__u32 len)
{
	__be32 rest[2] = {
		bpf_htonl(len),
		bpf_htonl(pkt->key.proto == IPPROTO_TCP ? IPPROTO_TCP : IPPROTO_ICMPV6),
	};

	return sum_of(rest, sizeof(rest), sum_of(addrs, size, 0));
}

/* RFC 9293, 3.5.2: in the window of whoever gets it. `ports` are those of the packet. */
static __always_inline struct tcphdr make_reset(const struct roam_pkt *pkt, const __be16 ports[2])
{
	__u32 end = pkt->tcp_seq + pkt->payload;
	struct tcphdr tcp = { .source = ports[1], .dest = ports[0], .doff = 5, .rst = 1 };

	if (pkt->tcp_flags & ROAM_TCP_ACK) {
		tcp.seq = bpf_htonl(pkt->tcp_ack);
		return tcp;
	}
	if (pkt->tcp_flags & ROAM_TCP_SYN)
		end++;
	if (pkt->tcp_flags & ROAM_TCP_FIN)
		end++;
	tcp.ack = 1;
	tcp.ack_seq = bpf_htonl(end);
	return tcp;
}

/* At `off`, with the pseudo header's sum. A field that holds ~0 says that the sum is 0 so far. */
static __always_inline bool write_reset(const struct frame *frame, __u32 off, struct tcphdr *tcp,
					__u32 pseudo)
{
	__u32 own = sum_of(tcp, sizeof(*tcp), 0);
	__u32 at = off + offsetof(struct tcphdr, check);

	tcp->check = 0xffff;
	return frame_write(frame, off, tcp, sizeof(*tcp)) &&
	       frame_fix_l4(frame, at, pseudo, BPF_F_PSEUDO_HDR) && frame_fix_l4(frame, at, own, 0);
}

/* What an ICMP message begins with. */
struct unreachable {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 unused;
};

static __always_inline bool finish_ipv4(const struct frame *frame, const struct roam_pkt *pkt,
					const struct iphdr *ip, __u32 len)
{
	struct iphdr turned = {
		.version = 4,
		.ihl = 5,
		.tot_len = bpf_htons(sizeof(turned) + len),
		.frag_off = bpf_htons(IPV4_DONT),
		.ttl = ANSWER_HOPS,
		.protocol = ip->protocol == IPPROTO_TCP ? IPPROTO_TCP : IPPROTO_ICMP,
		.saddr = ip->daddr,
		.daddr = ip->saddr,
	};

	turned.check = checksum_fold(sum_of(&turned, sizeof(turned), 0));
	return swap_macs(frame, pkt) && frame_write(frame, pkt->l3_off, &turned, sizeof(turned));
}

/* Not inlined, as the three below: for the stack. */
static __noinline bool reset_ipv4(frame_ctx *ctx, const struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);
	__u32 off = pkt->l3_off + sizeof(struct iphdr);
	struct tcphdr tcp;
	__be16 ports[2];
	struct iphdr ip;

	if (!frame_read(&frame, pkt->l3_off, &ip, sizeof(ip)) ||
	    !frame_read(&frame, off, ports, sizeof(ports)) || ip.ihl != 5 ||
	    (ip.frag_off & bpf_htons(IPV4_OFFSET_MASK)) || !frame_resize(&frame, off + sizeof(tcp)))
		return false;
	tcp = make_reset(pkt, ports);
	return finish_ipv4(&frame, pkt, &ip, sizeof(tcp)) &&
	       write_reset(&frame, off, &tcp,
			   pseudo_sum(pkt, &ip.saddr, 2 * sizeof(ip.saddr), sizeof(tcp)));
}

static __noinline bool refuse_ipv4(frame_ctx *ctx, const struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);
	__u32 off = pkt->l3_off + sizeof(struct iphdr);
	struct {
		struct unreachable head;
		struct iphdr ip;
		__u8 transport[QUOTED];
	} message = { .head.type = ICMP_UNREACHABLE };

	if (!frame_read(&frame, pkt->l3_off, &message.ip, sizeof(message.ip) + QUOTED) ||
	    message.ip.ihl != 5 || (message.ip.frag_off & bpf_htons(IPV4_OFFSET_MASK)) ||
	    !frame_resize(&frame, off + sizeof(message)))
		return false;
	message.head.code = message.ip.protocol == IPPROTO_UDP ? ICMP_PORT : ICMP_PROHIBITED;
	message.head.check = checksum_fold(sum_of(&message, sizeof(message), 0));
	return finish_ipv4(&frame, pkt, &message.ip, sizeof(message)) &&
	       frame_write(&frame, off, &message, sizeof(message));
}

static __always_inline bool finish_ipv6(const struct frame *frame, const struct roam_pkt *pkt,
					const struct ipv6hdr *ip, __u32 len)
{
	struct ipv6hdr turned = {
		.version = 6,
		.payload_len = bpf_htons(len),
		.nexthdr = ip->nexthdr == IPPROTO_TCP ? IPPROTO_TCP : IPPROTO_ICMPV6,
		.hop_limit = ANSWER_HOPS,
		.saddr = ip->daddr,
		.daddr = ip->saddr,
	};

	return swap_macs(frame, pkt) && frame_write(frame, pkt->l3_off, &turned, sizeof(turned));
}

static __noinline bool reset_ipv6(frame_ctx *ctx, const struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);
	__u32 off = pkt->l3_off + sizeof(struct ipv6hdr);
	struct ipv6hdr ip;
	struct tcphdr tcp;
	__be16 ports[2];

	if (!frame_read(&frame, pkt->l3_off, &ip, sizeof(ip)) ||
	    !frame_read(&frame, off, ports, sizeof(ports)) || ip.nexthdr != IPPROTO_TCP ||
	    !frame_resize(&frame, off + sizeof(tcp)))
		return false;
	tcp = make_reset(pkt, ports);
	return finish_ipv6(&frame, pkt, &ip, sizeof(tcp)) &&
	       write_reset(&frame, off, &tcp,
			   pseudo_sum(pkt, &ip.saddr, 2 * sizeof(ip.saddr), sizeof(tcp)));
}

static __noinline bool refuse_ipv6(frame_ctx *ctx, const struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);
	__u32 off = pkt->l3_off + sizeof(struct ipv6hdr);
	__u32 unused = off + offsetof(struct unreachable, unused) + 2;
	struct {
		struct unreachable head;
		struct ipv6hdr ip;
		__u8 transport[QUOTED];
	} message = { .head.type = ICMP6_UNREACHABLE };
	__u32 pseudo;

	if (!frame_read(&frame, pkt->l3_off, &message.ip, sizeof(message.ip) + QUOTED) ||
	    message.ip.nexthdr != pkt->key.proto || !frame_resize(&frame, off + sizeof(message)))
		return false;
	message.head.code = message.ip.nexthdr == IPPROTO_UDP ? ICMP6_PORT : ICMP6_PROHIBITED;
	pseudo = pseudo_sum(pkt, &message.ip.saddr, 2 * sizeof(message.ip.saddr), sizeof(message));
	message.head.check = checksum_fold(sum_of(&message, sizeof(message), pseudo));
	/* Where UDP's sum will be put, a device finds the pseudo header's. Where all is summed up
	 * here, the second change undoes the first. */
	return finish_ipv6(&frame, pkt, &message.ip, sizeof(message)) &&
	       frame_write(&frame, off, &message, sizeof(message)) &&
	       frame_fix_l4(&frame, unused, pseudo, BPF_F_PSEUDO_HDR) &&
	       frame_fix_l4(&frame, unused, ~pseudo, 0);
}

/* False if it cannot be answered; then the frame may be half of both, and must be dropped. */
static __always_inline bool answer_frame(frame_ctx *ctx, const struct roam_pkt *pkt)
{
	bool tcp = pkt->key.proto == IPPROTO_TCP;

	if (!pkt->answer || !pkt->l3_off)
		return false;
	if (pkt->key.family == ROAM_FAMILY_IPV4)
		return tcp ? reset_ipv4(ctx, pkt) : refuse_ipv4(ctx, pkt);
	return tcp ? reset_ipv6(ctx, pkt) : refuse_ipv6(ctx, pkt);
}

#endif
