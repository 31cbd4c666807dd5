/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The transport layer of parse.h: TCP (RFC 9293), UDP, SCTP (RFC 9260), ICMP, ICMPv6 and neighbour
 * discovery (RFC 4861). `len` is what the network layer says is there; the frame may be longer
 * (padding).
 */
#ifndef ROAM_BPF_PARSE_L4_H
#define ROAM_BPF_PARSE_L4_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <roam/pkt.h>
#include "parse_window.h"

/* ICMP and ICMPv6, as far as it is read (linux/icmp.h cannot be had outside libc). */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 id; /* of an echo */
	__be16 sequence;
};

#define ICMP_ECHO_REPLY    0
#define ICMP_UNREACHABLE   3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT      5
#define ICMP_ECHO_REQUEST  8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER     12
#define ICMP6_ERROR_FIRST  1 /* unreachable, too big, time exceeded, parameter problem */
#define ICMP6_ERROR_LAST   4
#define ICMP6_ECHO_REQUEST 128
#define ICMP6_ECHO_REPLY   129

#define TCP_OPTIONS_MIN   4 /* bytes: whole words, or none at all */
#define TCP_OPTIONS_MAX   40
#define TCP_OPT_END       0
#define TCP_OPT_NOP       1
#define TCP_OPT_LEN_MIN   2
#define TCP_OPT_SCALE     3
#define TCP_OPT_SCALE_LEN 3
#define TCP_SCALE_MAX     14
#define TCP_OPT_SACK_OK   4
#define TCP_OPT_SACK      5
#define TCP_SACK_BLOCK    8

/* The options of nearly every segment: two NOPs, a timestamp (RFC 7323, appendix A). */
#define TCP_OPT_TIMESTAMP    0x0101080a
#define TCP_TIMESTAMP_HEADER 32 /* bytes of a header that has no others */

#define ND_OPTIONS_WALKED    4
#define ND_OPT_SOURCE_LLADDR 1
#define ND_OPT_TARGET_LLADDR 2

#define DHCP_CLIENT_PORT  68
#define DHCP_SERVER_PORT  67
#define DHCP6_CLIENT_PORT 546
#define DHCP6_SERVER_PORT 547

static __always_inline void set_ports(struct roam_pkt *pkt, __be16 source, __be16 dest)
{
	pkt->key.lport = pkt->dir == ROAM_DIR_OUT ? source : dest;
	pkt->key.rport = pkt->dir == ROAM_DIR_OUT ? dest : source;
}

/* A walk through the options. */
struct tcp_options {
	__u8 bytes[TCP_OPTIONS_MAX];
	__u32 off;
	__u32 len;
	__u32 blocks; /* of a selective acknowledgement, to be read yet, at `off` */
	__u32 sack;   /* out: the highest edge of them (RFC 2018), if it is beyond */
	__u8 scale;   /* out: window scale (RFC 7323), or ROAM_PKT_NO_SCALE */
	__u8 sack_ok; /* out */
};

/* A block's right edge. */
static __always_inline long tcp_sack_step(struct tcp_options *options)
{
	__u32 off = options->off, edge;

	if (off > TCP_OPTIONS_MAX - TCP_SACK_BLOCK)
		return 1;
	edge = (__u32)options->bytes[off + 4] << 24 | options->bytes[off + 5] << 16 |
	       options->bytes[off + 6] << 8 | options->bytes[off + 7];
	if ((__s32)(edge - options->sack) > 0)
		options->sack = edge;
	options->off = off + TCP_SACK_BLOCK;
	options->blocks--;
	return !options->blocks;
}

/* One option. A callback, because the verifier walks a plain loop over them a million times. */
static long tcp_option_step(__u32 i, struct tcp_options *options)
{
	__u32 off = options->off;
	__u8 kind, len;

	(void)i;
	if (options->blocks)
		return tcp_sack_step(options);
	if (off >= options->len || off > TCP_OPTIONS_MAX - TCP_OPT_LEN_MIN)
		return 1;
	kind = options->bytes[off];
	if (kind == TCP_OPT_END)
		return 1;
	if (kind == TCP_OPT_NOP) {
		options->off++;
		return 0;
	}
	len = options->bytes[off + 1];
	if (len < TCP_OPT_LEN_MIN || off + len > options->len)
		return 1;
	options->off = off + len;
	if (kind == TCP_OPT_SACK_OK && len == TCP_OPT_LEN_MIN) {
		options->sack_ok = 1;
	} else if (kind == TCP_OPT_SCALE && len == TCP_OPT_SCALE_LEN) {
		options->scale = options->bytes[off + 2];
	} else if (kind == TCP_OPT_SACK && len > TCP_SACK_BLOCK && len % TCP_SACK_BLOCK == 2) {
		options->off = off + 2;
		options->blocks = len / TCP_SACK_BLOCK;
	}
	return 0;
}

static __always_inline void parse_tcp_options(const struct frame *frame, struct roam_pkt *pkt,
					      __u32 off, __u64 len)
{
	/*
	 * Before 6.7 the verifier looks at a callback as it is called first, and takes out what
	 * cannot happen then: where the walk begins must be 0 without its knowing that.
	 */
	struct tcp_options options = {
		.off = pkt->tcp_sack_ok,
		.blocks = pkt->tcp_sack_ok,
		.len = len,
		.scale = ROAM_PKT_NO_SCALE,
		.sack = pkt->tcp_ack,
	};

	/*
	 * Linux 6.1 learns nothing from `len != 0`, to which clang would turn the test below; and
	 * of a 32-bit len it would learn about a shifted copy only.
	 */
	barrier_var(len);
	if (len < TCP_OPTIONS_MIN || len > TCP_OPTIONS_MAX ||
	    !frame_read(frame, off, options.bytes, len))
		return;
	bpf_loop(TCP_OPTIONS_MAX, tcp_option_step, &options, 0);
	pkt->tcp_sack_ok = options.sack_ok;
	if (pkt->tcp_flags & ROAM_TCP_SYN) {
		pkt->tcp_scale = options.scale;
		if (options.scale != ROAM_PKT_NO_SCALE && options.scale > TCP_SCALE_MAX)
			pkt->tcp_scale = TCP_SCALE_MAX;
	} else {
		pkt->tcp_sack = options.sack;
	}
}

/* Flags that no TCP sends: those that nf_conntrack calls invalid (tcp_valid_flags). */
static __always_inline bool tcp_flags_valid(__u8 flags)
{
	flags &= ~(ROAM_TCP_PSH);
	switch (flags) {
	case ROAM_TCP_SYN:
	case ROAM_TCP_SYN | ROAM_TCP_URG:
	case ROAM_TCP_SYN | ROAM_TCP_ACK:
	case ROAM_TCP_RST:
	case ROAM_TCP_RST | ROAM_TCP_ACK:
	case ROAM_TCP_FIN | ROAM_TCP_ACK:
	case ROAM_TCP_FIN | ROAM_TCP_ACK | ROAM_TCP_URG:
	case ROAM_TCP_ACK:
	case ROAM_TCP_ACK | ROAM_TCP_URG:
		return true;
	default:
		return false;
	}
}

/* What kind of options a segment has: the first word of them. */
static __always_inline bool is_timestamp(const struct frame *frame, struct roam_pkt *pkt, __u32 off)
{
	const __be32 *option = frame_at(frame, pkt, off, sizeof(*option));

	return option && *option == bpf_htonl(TCP_OPT_TIMESTAMP);
}

/*
 * Those of a SYN; of other segments, only what is not a timestamp alone may be of interest.
 * `header`: bytes of the header with them.
 */
static __always_inline bool wants_options(const struct frame *frame, struct roam_pkt *pkt,
					  __u32 off, __u32 header)
{
	if (pkt->tcp_flags & ROAM_TCP_SYN)
		return true;
	return header > sizeof(struct tcphdr) &&
	       (header > TCP_TIMESTAMP_HEADER ||
		!is_timestamp(frame, pkt, off + sizeof(struct tcphdr)));
}

static __always_inline enum roam_reason parse_tcp(const struct frame *frame, struct roam_pkt *pkt,
						  __u32 off, __u32 len)
{
	const struct tcphdr *tcp = frame_at(frame, pkt, off, sizeof(*tcp));
	__u32 header;

	if (!tcp)
		return ROAM_REASON_MALFORMED;
	header = tcp->doff * 4;
	if (header < sizeof(*tcp) || header > len)
		return ROAM_REASON_MALFORMED;
	pkt->l4_off = off;
	set_ports(pkt, tcp->source, tcp->dest);
	pkt->tcp_flags = ((const __u8 *)tcp)[13] & 0x3f; /* not CWR and ECE */
	pkt->tcp_seq = bpf_ntohl(tcp->seq);
	pkt->tcp_ack = bpf_ntohl(tcp->ack_seq);
	pkt->tcp_sack = pkt->tcp_ack;
	pkt->tcp_scale = ROAM_PKT_NO_SCALE;
	pkt->tcp_window = bpf_ntohs(tcp->window);
	pkt->payload = len - header;
	if (!tcp_flags_valid(pkt->tcp_flags))
		return ROAM_REASON_TCP_FLAGS;
	if (wants_options(frame, pkt, off, header))
		parse_tcp_options(frame, pkt, off + sizeof(*tcp), header - sizeof(*tcp));
	return ROAM_REASON_NONE;
}

static __always_inline enum roam_link_msg dhcp_message(__be16 source, __be16 dest)
{
	if ((source == bpf_htons(DHCP_CLIENT_PORT) && dest == bpf_htons(DHCP_SERVER_PORT)) ||
	    (source == bpf_htons(DHCP6_CLIENT_PORT) && dest == bpf_htons(DHCP6_SERVER_PORT)))
		return ROAM_LINK_DHCP_CLIENT;
	if ((source == bpf_htons(DHCP_SERVER_PORT) && dest == bpf_htons(DHCP_CLIENT_PORT)) ||
	    (source == bpf_htons(DHCP6_SERVER_PORT) && dest == bpf_htons(DHCP6_CLIENT_PORT)))
		return ROAM_LINK_DHCP_SERVER;
	return ROAM_LINK_NONE;
}

static __always_inline enum roam_reason parse_udp(const struct frame *frame, struct roam_pkt *pkt,
						  __u32 off, __u32 len)
{
	const struct udphdr *udp = frame_at(frame, pkt, off, sizeof(*udp));

	/* A UDP length below the IP one is legal (RFC 768 does not forbid a trailer); above is not.
	 * Segmentation offload leaves the length of the whole, so it fits here, too; that of a
	 * first fragment counts the others. */
	if (!udp || len < sizeof(*udp) || (udp->len && bpf_ntohs(udp->len) < sizeof(*udp)) ||
	    (bpf_ntohs(udp->len) > len && pkt->frag != ROAM_PKT_FRAG_FIRST))
		return ROAM_REASON_MALFORMED;
	pkt->l4_off = off;
	set_ports(pkt, udp->source, udp->dest);
	pkt->payload = len - sizeof(*udp);
	pkt->link = dhcp_message(udp->source, udp->dest);
	return ROAM_REASON_NONE;
}

/* The common header of SCTP and the one of the first chunk (RFC 9260, 3). */
struct sctp_start {
	__be16 source;
	__be16 dest;
	__be32 tag;
	__be32 checksum;
	__u8 chunk;
	__u8 flags;
	__be16 chunk_len; /* its header included, padding not */
};

#define SCTP_COMMON_LEN   12
#define SCTP_CHUNK_HEADER 4

/* Chunks that come alone (RFC 9260, 6.10). */
static __always_inline bool sctp_is_alone(__u8 chunk)
{
	return chunk == ROAM_SCTP_INIT || chunk == ROAM_SCTP_INIT_ACK ||
	       chunk == ROAM_SCTP_SHUTDOWN_COMPLETE;
}

static __always_inline enum roam_reason parse_sctp(const struct frame *frame, struct roam_pkt *pkt,
						   __u32 off, __u32 len)
{
	struct sctp_start sctp;
	__u32 chunk_len;

	if (len < sizeof(sctp) || !frame_read(frame, off, &sctp, sizeof(sctp)))
		return ROAM_REASON_MALFORMED;
	chunk_len = bpf_ntohs(sctp.chunk_len);
	if (!sctp.source || !sctp.dest || chunk_len < SCTP_CHUNK_HEADER ||
	    chunk_len > len - SCTP_COMMON_LEN)
		return ROAM_REASON_MALFORMED;
	if (sctp_is_alone(sctp.chunk) && chunk_len + 3 < len - SCTP_COMMON_LEN)
		return ROAM_REASON_MALFORMED;
	if (sctp.chunk == ROAM_SCTP_INIT && sctp.tag) /* there is none yet (8.5.1) */
		return ROAM_REASON_MALFORMED;
	set_ports(pkt, sctp.source, sctp.dest);
	pkt->sctp_chunk = sctp.chunk;
	return ROAM_REASON_NONE;
}

/* An echo's identifier is the port of the end that asks, so pings both ways are two flows. */
static __always_inline void set_echo_id(struct roam_pkt *pkt, bool request, __be16 id)
{
	bool local_asks = (pkt->dir == ROAM_DIR_OUT) == request;

	pkt->key.lport = local_asks ? id : 0;
	pkt->key.rport = local_asks ? 0 : id;
}

static __always_inline bool is_echo_request(__u8 proto, __u8 type)
{
	return type == (proto == IPPROTO_ICMP ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
}

static __always_inline bool is_echo_reply(__u8 proto, __u8 type)
{
	return type == (proto == IPPROTO_ICMP ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY);
}

/* What it quotes is read by parse_quote.h. */
static __always_inline void note_error(struct roam_pkt *pkt, __u32 off, __u32 len)
{
	pkt->quote_off = off + sizeof(struct icmp_header);
	pkt->payload = len - sizeof(struct icmp_header);
}

static __always_inline enum roam_reason parse_icmp(const struct frame *frame, struct roam_pkt *pkt,
						   __u32 off, __u32 len)
{
	struct icmp_header icmp;

	if (!frame_read(frame, off, &icmp, sizeof(icmp)) || len < sizeof(icmp))
		return ROAM_REASON_MALFORMED;
	pkt->icmp_type = icmp.type;
	pkt->icmp_code = icmp.code;
	switch (icmp.type) {
	case ICMP_ECHO_REQUEST:
	case ICMP_ECHO_REPLY:
		set_echo_id(pkt, icmp.type == ICMP_ECHO_REQUEST, icmp.id);
		return ROAM_REASON_NONE;
	case ICMP_UNREACHABLE:
	case ICMP_SOURCE_QUENCH:
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETER:
		note_error(pkt, off, len);
		return ROAM_REASON_NONE;
	case ICMP_REDIRECT:
		return ROAM_REASON_ICMP_REDIRECT;
	default:
		return ROAM_REASON_NONE;
	}
}

/* The first link-layer address option of neighbour discovery (RFC 4861, 4.6.1). */
static __always_inline enum roam_reason parse_nd_options(const struct frame *frame,
							 struct roam_pkt *pkt, __u32 off, __u32 end)
{
	for (int i = 0; i < ND_OPTIONS_WALKED; i++) {
		struct {
			__u8 type;
			__u8 units; /* of 8 bytes */
			__u8 lladdr[ROAM_MAC_LEN];
		} opt;

		if (off >= end)
			return ROAM_REASON_NONE;
		if (off + sizeof(opt) > end || !frame_read(frame, off, &opt, sizeof(opt)) ||
		    !opt.units)
			return ROAM_REASON_MALFORMED;
		if (opt.type == ND_OPT_SOURCE_LLADDR || opt.type == ND_OPT_TARGET_LLADDR) {
			pkt->has_lladdr = 1;
			__builtin_memcpy(pkt->lladdr, opt.lladdr, ROAM_MAC_LEN);
			return ROAM_REASON_NONE;
		}
		off += opt.units * 8;
	}
	return off >= end ? ROAM_REASON_NONE : ROAM_REASON_MALFORMED;
}

static __always_inline enum roam_reason parse_nd(const struct frame *frame, struct roam_pkt *pkt,
						 __u32 off, __u32 len)
{
	__u32 fixed = 8; /* of a router solicitation */

	if (pkt->link == ROAM_LINK_NS || pkt->link == ROAM_LINK_NA) {
		fixed = 24;
		if (!frame_read(frame, off + 8, &pkt->target, sizeof(pkt->target)))
			return ROAM_REASON_MALFORMED;
	}
	if (len < fixed)
		return ROAM_REASON_MALFORMED;
	return parse_nd_options(frame, pkt, off + fixed, off + len);
}

static __always_inline enum roam_link_msg icmp6_link_message(__u8 type)
{
	switch (type) {
	case 130: /* MLD query, report, done (RFC 2710) */
	case 131:
	case 132:
	case 143: /* MLDv2 report (RFC 3810) */
		return ROAM_LINK_MCAST;
	case 133:
		return ROAM_LINK_RS;
	case 134:
		return ROAM_LINK_RA;
	case 135:
		return ROAM_LINK_NS;
	case 136:
		return ROAM_LINK_NA;
	case 137:
		return ROAM_LINK_REDIRECT;
	default:
		return ROAM_LINK_NONE;
	}
}

static __always_inline enum roam_reason parse_icmp6(const struct frame *frame, struct roam_pkt *pkt,
						    __u32 off, __u32 len)
{
	struct icmp_header icmp;

	if (!frame_read(frame, off, &icmp, sizeof(icmp)) || len < sizeof(icmp))
		return ROAM_REASON_MALFORMED;
	pkt->icmp_type = icmp.type;
	pkt->icmp_code = icmp.code;
	pkt->link = icmp6_link_message(icmp.type);
	if (icmp.type == ICMP6_ECHO_REQUEST || icmp.type == ICMP6_ECHO_REPLY)
		set_echo_id(pkt, icmp.type == ICMP6_ECHO_REQUEST, icmp.id);
	if (icmp.type >= ICMP6_ERROR_FIRST && icmp.type <= ICMP6_ERROR_LAST)
		note_error(pkt, off, len);
	if (pkt->link == ROAM_LINK_RS || pkt->link == ROAM_LINK_NS || pkt->link == ROAM_LINK_NA)
		return parse_nd(frame, pkt, off, len);
	return ROAM_REASON_NONE;
}

/* A protocol that does not belong to the family (ICMPv6 over IPv4) is just another protocol. */
static __always_inline enum roam_reason parse_transport(const struct frame *frame,
							struct roam_pkt *pkt, __u32 off, __u32 len)
{
	bool ipv4 = pkt->key.family == ROAM_FAMILY_IPV4;

	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		return parse_tcp(frame, pkt, off, len);
	case IPPROTO_UDP:
		return parse_udp(frame, pkt, off, len);
	case IPPROTO_SCTP:
		return parse_sctp(frame, pkt, off, len);
	case IPPROTO_ICMP:
		return ipv4 ? parse_icmp(frame, pkt, off, len) : ROAM_REASON_NONE;
	case IPPROTO_ICMPV6:
		return ipv4 ? ROAM_REASON_NONE : parse_icmp6(frame, pkt, off, len);
	case IPPROTO_IGMP:
		if (ipv4)
			pkt->link = ROAM_LINK_MCAST;
		return ROAM_REASON_NONE;
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		pkt->tunnel_off = off; /* for parse_tunnel.h */
		return ROAM_REASON_NONE;
	default:
		return ROAM_REASON_NONE;
	}
}

#endif
