// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Frames from descriptions: see packet.h. */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include "packet.h"

#define IPPROTO_FRAGMENT_HEADER 44
#define IPPROTO_DEST_OPTIONS    60
#define FRAG_OFFSET             0x1fff /* of packet_spec.frag, in units of 8 bytes */

/* Headers stand wherever the ones before them end. */
typedef struct iphdr ipv4_header __attribute__((aligned(1)));
typedef struct ipv6hdr ipv6_header __attribute__((aligned(1)));
typedef struct tcphdr tcp_header __attribute__((aligned(1)));
typedef struct udphdr udp_header __attribute__((aligned(1)));

struct icmp_echo {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint16_t id;
	uint16_t sequence;
} __attribute__((packed));

static void *append(struct packet *packet, size_t size)
{
	void *at = packet->bytes + packet->len;

	if (packet->len + size > PACKET_MAX)
		abort();
	memset(at, 0, size);
	packet->len += size;
	return at;
}

static void append_be16(struct packet *packet, uint16_t value)
{
	value = htons(value);
	memcpy(append(packet, sizeof(value)), &value, sizeof(value));
}

static void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static bool is_ipv4(const struct roam_addr *addr)
{
	return !addr->words[0] && !addr->words[1] && addr->words[2] == htonl(0xffff);
}

struct roam_addr packet_addr(const char *text)
{
	struct roam_addr addr = {};

	if (inet_pton(AF_INET, text, &addr.words[3]) == 1)
		addr.words[2] = htonl(0xffff);
	else if (inet_pton(AF_INET6, text, addr.bytes) != 1)
		abort();
	return addr;
}

/* The one's complement sum of RFC 1071 over `len` bytes, on top of `sum`. */
static uint32_t add_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? bytes[i] : bytes[i] << 8;
	return sum;
}

static uint16_t fold_sum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

static void append_word(struct packet *packet, uint32_t value)
{
	value = htonl(value);
	memcpy(append(packet, sizeof(value)), &value, sizeof(value));
}

/* Each padded to whole words, as most stacks do. */
static void append_tcp_options(const struct packet_spec *spec, struct packet *packet)
{
	if (spec->tcp_scale || spec->tcp_has_scale)
		append_word(packet, 0x01030300 | spec->tcp_scale);
	if (spec->tcp_sack_ok)
		append_word(packet, 0x01010402);
	if (spec->tcp_timestamp) {
		append_word(packet, 0x0101080a);
		append_word(packet, 1);
		append_word(packet, 1);
	}
	if (spec->tcp_sack[0] != spec->tcp_sack[1]) {
		append_word(packet, 0x0101050a);
		append_word(packet, spec->tcp_sack[0]);
		append_word(packet, spec->tcp_sack[1]);
	}
}

static void append_tcp(const struct packet_spec *spec, struct packet *packet)
{
	uint32_t start = packet->len;
	tcp_header *tcp = append(packet, sizeof(*tcp));

	append_tcp_options(spec, packet);
	tcp->source = htons(spec->sport);
	tcp->dest = htons(spec->dport);
	tcp->seq = htonl(spec->seq);
	tcp->ack_seq = htonl(spec->ack);
	tcp->doff = (packet->len - start) / 4;
	((uint8_t *)tcp)[13] = spec->tcp_flags;
	tcp->window = htons(spec->window || spec->no_window ? spec->window : 0xffff);
}

static void append_udp(const struct packet_spec *spec, struct packet *packet)
{
	udp_header *udp = append(packet, sizeof(*udp));

	udp->source = htons(spec->sport);
	udp->dest = htons(spec->dport);
	udp->len = htons(sizeof(*udp) + spec->payload);
}

/* Its CRC is left to the device, as local stacks do. */
static void append_sctp(const struct packet_spec *spec, struct packet *packet)
{
	uint32_t tag = htonl(spec->sctp_tag);

	append_be16(packet, spec->sport);
	append_be16(packet, spec->dport);
	memcpy(append(packet, sizeof(tag)), &tag, sizeof(tag));
	append(packet, 4);
	append_be16(packet, spec->sctp_chunk << 8);
	append_be16(packet, 4 + spec->payload);
}

static void append_nd(const struct packet_spec *spec, struct packet *packet)
{
	if (spec->icmp_type == 135 || spec->icmp_type == 136)
		memcpy(append(packet, sizeof(spec->target)), &spec->target, sizeof(spec->target));
	if (spec->lladdr_option) {
		uint8_t *option = append(packet, 8);

		option[0] = spec->lladdr_option;
		option[1] = 1;
		memcpy(option + 2, spec->lladdr, ROAM_MAC_LEN);
	}
}

static bool is_nd(const struct packet_spec *spec)
{
	return spec->proto == IPPROTO_ICMPV6 && spec->icmp_type >= 133 && spec->icmp_type <= 137;
}

static void append_quote(const struct packet_spec *spec, struct packet *packet)
{
	static const uint32_t l3_off = 14;
	struct packet quoted;
	uint32_t len;

	packet_build(spec->quote, &quoted);
	len = quoted.len - l3_off;
	if (spec->quote_len && spec->quote_len < len)
		len = spec->quote_len;
	memcpy(append(packet, len), quoted.bytes + l3_off, len);
}

static void append_icmp(const struct packet_spec *spec, struct packet *packet)
{
	struct icmp_echo *icmp = append(packet, sizeof(*icmp));

	icmp->type = spec->icmp_type;
	icmp->code = spec->icmp_code;
	icmp->id = htons(spec->icmp_id);
	if (is_nd(spec))
		append_nd(spec, packet);
	if (spec->quote)
		append_quote(spec, packet);
}

static void append_transport(const struct packet_spec *spec, struct packet *packet)
{
	switch (spec->proto) {
	case IPPROTO_TCP:
		append_tcp(spec, packet);
		break;
	case IPPROTO_UDP:
		append_udp(spec, packet);
		break;
	case IPPROTO_SCTP:
		append_sctp(spec, packet);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		append_icmp(spec, packet);
		break;
	default:
		break;
	}
	append(packet, spec->payload);
}

/* The checksum of the transport that begins at `l4`, pseudo-header included. */
static void fill_checksum(const struct packet_spec *spec, struct packet *packet, uint32_t l4)
{
	bool ipv4 = is_ipv4(&spec->src);
	uint32_t len = packet->len - l4, at, sum = 0;
	uint16_t value;

	switch (spec->proto) {
	case IPPROTO_TCP:
		at = 16;
		break;
	case IPPROTO_UDP:
		at = 6;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at = 2;
		break;
	default:
		return;
	}
	if (spec->proto != IPPROTO_ICMP) {
		sum = add_sum(sum, spec->src.bytes + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
		sum = add_sum(sum, spec->dst.bytes + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
		sum += spec->proto + len;
	}
	value = fold_sum(add_sum(sum, packet->bytes + l4, len));
	memcpy(packet->bytes + l4 + at, &value, sizeof(value));
}

static void append_ipv4(const struct packet_spec *spec, struct packet *packet)
{
	uint32_t start = packet->len;
	ipv4_header *ip = append(packet, sizeof(*ip));

	ip->version = 4;
	ip->ihl = 5;
	ip->ttl = spec->hop_limit ? spec->hop_limit : 64;
	ip->protocol = spec->proto;
	ip->frag_off = htons(spec->frag);
	ip->saddr = spec->src.words[3];
	ip->daddr = spec->dst.words[3];
	append_transport(spec, packet);
	ip->tos = spec->tos;
	ip->tot_len = htons(packet->len - start);
	ip->check = fold_sum(add_sum(0, (const uint8_t *)ip, sizeof(*ip)));
	fill_checksum(spec, packet, start + sizeof(*ip));
}

static uint8_t ipv6_first_header(const struct packet_spec *spec)
{
	if (spec->frag)
		return IPPROTO_FRAGMENT_HEADER;
	return spec->ext_headers ? IPPROTO_DEST_OPTIONS : spec->proto;
}

static void append_ipv6(const struct packet_spec *spec, struct packet *packet)
{
	ipv6_header *ip = append(packet, sizeof(*ip));
	uint32_t start = packet->len, l4;

	ip->version = 6;
	ip->priority = spec->tos >> 4;
	ip->flow_lbl[0] = spec->tos << 4;
	ip->hop_limit = spec->hop_limit ? spec->hop_limit : is_nd(spec) ? 255 : 64;
	ip->nexthdr = ipv6_first_header(spec);
	memcpy(&ip->saddr, spec->src.bytes, 16);
	memcpy(&ip->daddr, spec->dst.bytes, 16);
	if (spec->frag) {
		uint8_t *fragment = append(packet, 8);
		uint16_t offset = (spec->frag & FRAG_OFFSET) << 3; /* in bytes there */

		put_be16(fragment + 2, offset | !!(spec->frag & PACKET_MORE_FRAGMENTS));
		fragment[0] = spec->ext_headers ? IPPROTO_DEST_OPTIONS : spec->proto;
	}
	for (int i = 0; i < spec->ext_headers; i++) {
		uint8_t *ext = append(packet, 8);

		ext[0] = i + 1 < spec->ext_headers ? IPPROTO_DEST_OPTIONS : spec->proto;
		ext[2] = 1; /* PadN */
		ext[3] = 4;
	}
	l4 = packet->len;
	append_transport(spec, packet);
	ip->payload_len = htons(packet->len - start);
	fill_checksum(spec, packet, l4);
}

static void append_arp(const struct packet_spec *spec, struct packet *packet)
{
	append_be16(packet, 1); /* Ethernet */
	append_be16(packet, ETH_P_IP);
	memcpy(append(packet, 2), (uint8_t[]){ ROAM_MAC_LEN, 4 }, 2);
	append_be16(packet, spec->arp_op);
	memcpy(append(packet, ROAM_MAC_LEN), spec->arp_sender, ROAM_MAC_LEN);
	memcpy(append(packet, 4), &spec->src.words[3], 4);
	memcpy(append(packet, ROAM_MAC_LEN), spec->arp_target, ROAM_MAC_LEN);
	memcpy(append(packet, 4), &spec->dst.words[3], 4);
}

void packet_build(const struct packet_spec *spec, struct packet *ret_packet)
{
	uint16_t ethertype = spec->ethertype;

	if (!ethertype)
		ethertype = is_ipv4(&spec->src) ? ETH_P_IP : ETH_P_IPV6;
	ret_packet->len = 0;
	ret_packet->gso_size = 0;
	memcpy(append(ret_packet, ROAM_MAC_LEN), spec->dmac, ROAM_MAC_LEN);
	memcpy(append(ret_packet, ROAM_MAC_LEN), spec->smac, ROAM_MAC_LEN);
	for (int i = 0; i < 2 && spec->vlan[i]; i++) {
		append_be16(ret_packet, i == 0 && spec->vlan[1] ? ETH_P_8021AD : ETH_P_8021Q);
		append_be16(ret_packet, spec->vlan[i]);
	}
	append_be16(ret_packet, ethertype);
	switch (ethertype) {
	case ETH_P_IP:
		append_ipv4(spec, ret_packet);
		break;
	case ETH_P_IPV6:
		append_ipv6(spec, ret_packet);
		break;
	case ETH_P_ARP:
	case ETH_P_RARP:
		append_arp(spec, ret_packet);
		break;
	default:
		append(ret_packet, 46);
	}
}

static bool is_ipv4_frame(const struct packet *packet)
{
	return packet->bytes[12] == ETH_P_IP >> 8 && packet->bytes[13] == (ETH_P_IP & 0xff);
}

void packet_wrap(const struct packet_spec *outer, uint16_t tag, const struct packet *inner,
		 struct packet *ret_packet)
{
	struct packet_spec spec = *outer;
	uint32_t l2 = sizeof(struct ethhdr), size = inner->len - l2;
	uint8_t *l3 = ret_packet->bytes + l2;

	/* As an IP header and nothing behind it. */
	spec.proto = is_ipv4_frame(inner) ? IPPROTO_IPIP : IPPROTO_IPV6;
	packet_build(&spec, ret_packet);
	memcpy(append(ret_packet, size), inner->bytes + l2, size);
	tag = htons(tag);
	if (is_ipv4(&spec.src)) {
		ipv4_header *ip = (ipv4_header *)l3;

		ip->tot_len = htons(ret_packet->len - l2);
		memcpy(&ip->id, &tag, sizeof(tag));
		ip->check = 0;
		ip->check = fold_sum(add_sum(0, l3, sizeof(*ip)));
	} else {
		ipv6_header *ip = (ipv6_header *)l3;

		ip->payload_len = htons(size);
		memcpy(&ip->flow_lbl[1], &tag, sizeof(tag));
	}
}

static uint16_t get_be16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static void cut_ipv4(struct packet *packet, struct packet_cut cut, bool last)
{
	uint8_t *ip = packet->bytes + ETH_HLEN;
	uint16_t sum;

	put_be16(ip + 2, packet->len - ETH_HLEN);
	put_be16(ip + 4, cut.id);
	put_be16(ip + 6, cut.lo / 8 | (last ? 0 : PACKET_MORE_FRAGMENTS));
	put_be16(ip + 10, 0);
	sum = fold_sum(add_sum(0, ip, 20));
	memcpy(ip + 10, &sum, sizeof(sum));
}

static void cut_ipv6(struct packet *packet, struct packet_cut cut, bool last)
{
	uint8_t *ip = packet->bytes + ETH_HLEN, *header = ip + 40;

	put_be16(ip + 4, packet->len - ETH_HLEN - 40);
	header[0] = ip[6];
	ip[6] = IPPROTO_FRAGMENT_HEADER;
	put_be16(header + 2, cut.lo | !last);
	put_be16(header + 4, cut.id >> 16);
	put_be16(header + 6, cut.id);
}

void packet_cut(const struct packet *whole, struct packet_cut cut, struct packet *ret_packet)
{
	bool ipv4 = get_be16(whole->bytes + 12) == ETH_P_IP;
	uint32_t headers = ETH_HLEN + (ipv4 ? 20 : 40);
	uint32_t end = whole->len - headers;
	uint32_t hi = cut.hi < end ? cut.hi : end;

	ret_packet->len = ret_packet->gso_size = 0;
	memcpy(append(ret_packet, headers), whole->bytes, headers);
	if (!ipv4)
		append(ret_packet, 8);
	memcpy(append(ret_packet, hi - cut.lo), whole->bytes + headers + cut.lo, hi - cut.lo);
	(ipv4 ? cut_ipv4 : cut_ipv6)(ret_packet, cut, hi == end);
}
