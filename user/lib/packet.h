/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Frames made from a description, for `roam explain`, tests and benches: `struct packet_spec` holds
 * what is to be said, with zero meaning "the usual", and packet_build() turns it into bytes. Both
 * families are described alike: addresses are struct roam_addr.
 */
#ifndef ROAM_LIB_PACKET_H
#define ROAM_LIB_PACKET_H

#include <stdbool.h>
#include <stdint.h>
#include <netinet/in.h>
#include <roam/pkt.h>

#define PACKET_MAX            2048
#define PACKET_DONT_FRAGMENT  0x4000
#define PACKET_MORE_FRAGMENTS 0x2000

#define PACKET_PAYLOAD_MAX 1400 /* behind all the headers that a frame may have */

struct packet {
	uint8_t bytes[PACKET_MAX];
	uint32_t len;
	uint32_t gso_size; /* 0, or the payload of each segment that tc is told it stands for */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): by header, as they stand in a frame */
struct packet_spec {
	uint8_t smac[ROAM_MAC_LEN];
	uint8_t dmac[ROAM_MAC_LEN];
	uint16_t vlan[2];   /* ids, outer first; 0: no tag */
	uint16_t ethertype; /* 0: by the family of src */
	struct roam_addr src;
	struct roam_addr dst;
	uint8_t proto;
	uint8_t hop_limit; /* 0: 64, or 255 for neighbour discovery */
	uint8_t tos;       /* DSCP and ECN; in IPv6 the traffic class */
	uint16_t sport;
	uint16_t dport;
	uint8_t tcp_flags;
	uint8_t tcp_scale;    /* window scale option; 0: none, but for tcp_has_scale */
	bool tcp_has_scale;   /* also one of 0 */
	bool tcp_sack_ok;     /* SACK-permitted option */
	bool tcp_timestamp;   /* timestamp option */
	uint32_t tcp_sack[2]; /* a block of selective acknowledgement; none if both are equal */
	uint16_t window;      /* 0: 65535 */
	bool no_window;       /* a window of 0 */
	uint32_t seq;
	uint32_t ack;
	uint8_t sctp_chunk; /* of payload bytes */
	uint32_t sctp_tag;
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint16_t icmp_id;
	/* ICMP errors: the packet that they quote, and how much of it from its IP header on (0:
	 * all) */
	const struct packet_spec *quote;
	uint16_t quote_len;
	uint8_t ext_headers; /* IPv6 destination options headers before the transport */
	/* Offset and flags as IPv4 has them, host order; IPv6: a fragment header that says so,
	 * which is that of an atomic one with PACKET_DONT_FRAGMENT alone */
	uint16_t frag;
	uint16_t payload; /* bytes behind the transport header */
	/* Neighbour discovery */
	struct roam_addr target;
	uint8_t lladdr_option; /* type of the option, 0: none */
	uint8_t lladdr[ROAM_MAC_LEN];
	/* ARP, RARP: src and dst are the protocol addresses */
	uint16_t arp_op;
	uint8_t arp_sender[ROAM_MAC_LEN];
	uint8_t arp_target[ROAM_MAC_LEN];
};

/* It must fit, as PACKET_PAYLOAD_MAX bytes do. */
void packet_build(const struct packet_spec *spec, struct packet *ret_packet);

/*
 * A fragment of it: bytes lo to hi - 1 of what is behind its IP header (without VLAN tags), the
 * last one if that is all there is.
 */
struct packet_cut {
	uint32_t lo;
	uint32_t hi;
	uint32_t id;
};
void packet_cut(const struct packet *whole, struct packet_cut cut, struct packet *ret_packet);

/*
 * A tunnel's packet: the IP packet of `inner`, which has no VLAN tags, behind an IP header of the
 * spec's, with what its family has for a tag.
 */
void packet_wrap(const struct packet_spec *outer, uint16_t tag, const struct packet *inner,
		 struct packet *ret_packet);

/* "10.0.0.1" or "fd00::1", as written in a test; aborts on anything else. */
struct roam_addr packet_addr(const char *text);

#endif
