/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Addresses and ports in a frame, for rewrite.h: from what the application sees to what is on the
 * wire, and back. ct.h tells what each role means. Checksums are changed by difference, by helpers
 * that know of partial ones, so that it does not matter who computed them, or whether anybody has.
 */
#ifndef ROAM_BPF_TRANSLATE_H
#define ROAM_BPF_TRANSLATE_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "parse_window.h"
#include "stages.h"
#include "translate_quote.h"
#include "translate_window.h"

static __always_inline bool replace_ipv4(const struct frame *frame, const struct roam_pkt *pkt,
					 const struct end *from, const struct end *to)
{
	__u32 off = pkt->l3_off +
		    (to->is_dest ? offsetof(struct iphdr, daddr) : offsetof(struct iphdr, saddr));
	__u32 before = from->addr.words[3], after = to->addr.words[3];

	return frame_fix_l3(frame, pkt->l3_off + offsetof(struct iphdr, check), before, after) &&
	       frame_store(frame, off, &after, sizeof(after));
}

/*
 * frame_write, not frame_store: of a checksum over the whole frame (CHECKSUM_COMPLETE) the kernel's
 * frame_fix_l4 takes the address's change off, which is right with an IPv4 header's checksum in
 * between, and has to be made up for here.
 */
static __always_inline bool replace_ipv6(const struct frame *frame, const struct roam_pkt *pkt,
					 const struct end *to)
{
	__u32 off = pkt->l3_off + (to->is_dest ? offsetof(struct ipv6hdr, daddr)
					       : offsetof(struct ipv6hdr, saddr));

	return frame_write(frame, off, &to->addr, sizeof(to->addr));
}

static __always_inline __u64 sum_flags(const struct roam_pkt *pkt)
{
	/* A UDP checksum of 0 says that there is none, and stays. */
	return pkt->key.proto == IPPROTO_UDP && !is_error(pkt) ? BPF_F_MARK_MANGLED_0 : 0;
}

static __always_inline __u32 sum_off(const struct roam_pkt *pkt)
{
	if (is_error(pkt))
		return error_sum_off(pkt);
	return pkt->l4_off + (pkt->key.proto == IPPROTO_UDP ? offsetof(struct udphdr, check)
							    : offsetof(struct tcphdr, check));
}

static __always_inline bool fix_for_addr(const struct frame *frame, const struct roam_pkt *pkt,
					 const struct end *from, const struct end *to)
{
	__u64 flags = sum_flags(pkt) | BPF_F_PSEUDO_HDR;

	if (pkt->key.family == ROAM_FAMILY_IPV4)
		return frame_fix_l4(frame, sum_off(pkt),
				    (__u64)from->addr.words[3] << 32 | to->addr.words[3],
				    flags | sizeof(__u32));
	return frame_fix_l4(frame, sum_off(pkt), words_change(from->addr.words, to->addr.words, 4),
			    flags);
}

static __always_inline bool fix_for_port(const struct frame *frame, const struct roam_pkt *pkt,
					 const struct end *from, const struct end *to)
{
	__u64 change = (__u64)from->port << 32 | to->port;

	return from->port == to->port ||
	       frame_fix_l4(frame, sum_off(pkt), change, sum_flags(pkt) | sizeof(to->port));
}

static __always_inline bool replace_addr(const struct frame *frame, const struct roam_pkt *pkt,
					 const struct end *from, const struct end *to)
{
	/* A later fragment has no checksum, its first one's has been changed for all. */
	if (pkt->l4_off && !fix_for_addr(frame, pkt, from, to))
		return false;
	return pkt->key.family == ROAM_FAMILY_IPV4 ? replace_ipv4(frame, pkt, from, to)
						   : replace_ipv6(frame, pkt, to);
}

static __always_inline bool replace_port(const struct frame *frame, const struct roam_pkt *pkt,
					 const struct end *from, const struct end *to)
{
	__u32 off = pkt->l4_off + (to->is_dest ? sizeof(__be16) : 0);
	__be16 port = to->port;

	if (from->port == port || !pkt->l4_off)
		return true;
	return fix_for_port(frame, pkt, from, to) && frame_store(frame, off, &port, sizeof(port));
}

/*
 * An ICMP error about the flow: in the quote the end stands on the other side. In the error's own
 * header it is who the error is for, or who sent it, if that was no router on the way. ICMP's
 * checksum is not over IPv4 addresses.
 */
static __always_inline bool replace_in_error(const struct frame *frame, const struct roam_pkt *pkt,
					     const struct end *from, const struct end *to)
{
	struct end quoted_from = *from, quoted_to = *to;

	quoted_from.is_dest = quoted_to.is_dest = !to->is_dest;
	if (!replace_quoted(frame, pkt, &quoted_from, &quoted_to))
		return false;
	if (!to->is_dest && !addr_equal(&pkt->error_source, &from->addr))
		return true;
	return pkt->key.family == ROAM_FAMILY_IPV4 ? replace_ipv4(frame, pkt, from, to)
						   : replace_addr(frame, pkt, from, to);
}

/* Not inlined: several callers. */
static __noinline bool replace_end(const struct frame *frame, const struct roam_pkt *pkt,
				   const struct end *from, const struct end *to)
{
	if (is_error(pkt))
		return replace_in_error(frame, pkt, from, to);
	return replace_addr(frame, pkt, from, to) && replace_port(frame, pkt, from, to);
}

/* What an IPv4 header's checksum is followed by, if there are no options. */
struct ipv4_ends {
	__be16 check;
	__be32 source;
	__be32 dest;
	__be16 sport;
	__be16 dport;
} __attribute__((packed, aligned(2)));

static __always_inline bool has_ipv4_ends(const struct roam_pkt *pkt)
{
	return pkt->key.family == ROAM_FAMILY_IPV4 &&
	       pkt->l4_off == pkt->l3_off + sizeof(struct iphdr) && !is_error(pkt);
}

/*
 * What replace_end does to what an offload has yet to finish, with one store in place of three
 * changes. From the window, so nothing may be written before.
 */
static __always_inline bool replace_ipv4_end(const struct frame *frame, struct roam_pkt *pkt,
					     const struct end *from, const struct end *to)
{
	__u32 off = pkt->l3_off + offsetof(struct iphdr, check);
	__be32 before = from->addr.words[3], after = to->addr.words[3];
	const struct ipv4_ends *was = frame_at(frame, pkt, off, sizeof(*was));
	struct ipv4_ends ends;

	if (!was)
		return false;
	ends = *was;
	ends.check = sum_after(ends.check, words_change(&before, &after, 1));
	/* Not one branch each, which clang joins by arithmetic with pointers. */
	ends.source = to->is_dest ? ends.source : after;
	ends.dest = to->is_dest ? after : ends.dest;
	ends.sport = to->is_dest ? ends.sport : to->port;
	ends.dport = to->is_dest ? to->port : ends.dport;
	return fix_for_addr(frame, pkt, from, to) && fix_for_port(frame, pkt, from, to) &&
	       frame_store(frame, off, &ends, sizeof(ends));
}

static __always_inline bool replace_only_end(const struct frame *frame, struct roam_pkt *pkt,
					     const struct end *from, const struct end *to)
{
	enum ends_done done = replace_in_window(frame, pkt, from, to);

	if (done != ENDS_LEFT)
		return done == ENDS_WRITTEN;
	return has_ipv4_ends(pkt) ? replace_ipv4_end(frame, pkt, from, to)
				  : replace_end(frame, pkt, from, to);
}

/* Client and backend: one end is another one on the wire, `lb_addr` and `lb_port`. */
static __always_inline bool translate_end(const struct frame *frame, struct roam_pkt *pkt)
{
	bool out = pkt->dir == ROAM_DIR_OUT, remote = pkt->lb_role == ROAM_LB_ROLE_CLIENT;
	struct end app = {
		.addr = remote ? pkt->key.remote : pkt->key.local,
		.port = remote ? pkt->key.rport : pkt->key.lport,
		.is_dest = out == remote,
	};
	struct end wire = {
		.addr = pkt->lb_addr,
		.port = pkt->lb_port,
		.is_dest = out == remote,
	};

	return out ? replace_only_end(frame, pkt, &app, &wire)
		   : replace_only_end(frame, pkt, &wire, &app);
}

/* A packet of the VM that goes back to it. */
static __always_inline bool turns_back(const struct roam_pkt *pkt)
{
	return pkt->dir == ROAM_DIR_OUT && (pkt->lb_role == ROAM_LB_ROLE_HAIRPIN_CLIENT ||
					    pkt->lb_role == ROAM_LB_ROLE_HAIRPIN_SERVER);
}

/* As if the one that it was sent to, a router, had sent it. */
static __always_inline bool swap_macs(const struct frame *frame, const struct roam_pkt *pkt)
{
	__u8 macs[2 * ROAM_MAC_LEN];

	__builtin_memcpy(macs, pkt->smac, ROAM_MAC_LEN);
	__builtin_memcpy(macs + ROAM_MAC_LEN, pkt->dmac, ROAM_MAC_LEN);
	return frame_store(frame, 0, macs, sizeof(macs));
}

/*
 * Both ends change: the source becomes the VIP, the destination the VM. What the VIP's port and
 * the backend's are differs by role; the client's port is the same on both sides.
 */
static __always_inline bool translate_hairpin(const struct frame *frame, const struct roam_pkt *pkt)
{
	bool client = pkt->lb_role == ROAM_LB_ROLE_HAIRPIN_CLIENT;
	struct end from = { .addr = pkt->key.local, .port = pkt->key.lport };
	struct end to = {
		.addr = pkt->key.remote,
		.port = client ? pkt->key.lport : pkt->lb_port,
	};

	if (!replace_end(frame, pkt, &from, &to))
		return false;
	from = (struct end){ .addr = pkt->key.remote, .port = pkt->key.rport, .is_dest = 1 };
	to = (struct end){
		.addr = pkt->lb_addr,
		.port = client ? pkt->lb_port : pkt->key.rport,
		.is_dest = 1,
	};
	return replace_end(frame, pkt, &from, &to) && swap_macs(frame, pkt);
}

static __always_inline bool translate(const struct frame *frame, struct roam_pkt *pkt)
{
	switch (pkt->lb_role) {
	case ROAM_LB_ROLE_CLIENT:
	case ROAM_LB_ROLE_BACKEND:
		return translate_end(frame, pkt);
	default:
		return !turns_back(pkt) || translate_hairpin(frame, pkt);
	}
}

#endif
