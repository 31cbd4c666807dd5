// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The words that describe a packet: see explain_words.h. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include "explain_words.h"
#include "text.h"

#define ND_SOLICIT    135
#define ND_ADVERTISE  136
#define ECHO_IPV4     8
#define ECHO_IPV6     128
#define ARP_REQUEST   1
#define RARP_REVERSE  3
#define SCTP_INIT_LEN 16 /* behind the chunk's own header */
#define EXT_MAX       16
#define WORDS_MAX     64
#define LINE_MAX_LEN  512

static const struct kind {
	const char *name;
	uint8_t proto;
	uint8_t family; /* 0: either */
	uint16_t ethertype;
	bool has_ports;
} kinds[] = {
	{ "tcp", IPPROTO_TCP, 0, 0, true },
	{ "udp", IPPROTO_UDP, 0, 0, true },
	{ "sctp", IPPROTO_SCTP, 0, 0, true },
	{ "icmp", IPPROTO_ICMP, ROAM_FAMILY_IPV4, 0, false },
	{ "icmp6", IPPROTO_ICMPV6, ROAM_FAMILY_IPV6, 0, false },
	{ "arp", 0, ROAM_FAMILY_IPV4, ETH_P_ARP, false },
	{ "rarp", 0, ROAM_FAMILY_IPV4, ETH_P_RARP, false },
	{ "proto", 0, 0, 0, false },
};

static const struct flag {
	const char *name;
	uint8_t bit;
} flags[] = {
	{ "syn", ROAM_TCP_SYN }, { "ack", ROAM_TCP_ACK }, { "fin", ROAM_TCP_FIN },
	{ "rst", ROAM_TCP_RST }, { "psh", ROAM_TCP_PSH }, { "urg", ROAM_TCP_URG },
	{ "none", 0 },
};

/* Words with a number, and which packets they are for. */
enum with {
	WITH_ANY,
	WITH_TCP,
	WITH_SCTP,
	WITH_ICMP,
	WITH_ARP,
	WITH_IP,
};

static const struct number {
	const char *name;
	uint32_t max;
	enum with with;
	size_t at;
	uint8_t size;
} numbers[] = {
#define AT(field) offsetof(struct packet_spec, field), sizeof(((struct packet_spec *)0)->field)
	{ "seq", UINT32_MAX, WITH_TCP, AT(seq) },
	{ "ackseq", UINT32_MAX, WITH_TCP, AT(ack) },
	{ "window", UINT16_MAX, WITH_TCP, AT(window) },
	{ "scale", 14, WITH_TCP, AT(tcp_scale) },
	{ "chunk", UINT8_MAX, WITH_SCTP, AT(sctp_chunk) },
	{ "type", UINT8_MAX, WITH_ICMP, AT(icmp_type) },
	{ "code", UINT8_MAX, WITH_ICMP, AT(icmp_code) },
	{ "id", UINT16_MAX, WITH_ICMP, AT(icmp_id) },
	{ "op", UINT16_MAX, WITH_ARP, AT(arp_op) },
	{ "ttl", UINT8_MAX, WITH_IP, AT(hop_limit) },
	{ "len", PACKET_PAYLOAD_MAX, WITH_IP, AT(payload) },
	{ "ext", EXT_MAX, WITH_IP, AT(ext_headers) },
	{ "frag", UINT16_MAX, WITH_IP, AT(frag) },
#undef AT
};

/* "10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]:80" */
static int parse_end(const char *text, bool has_port, struct roam_addr *ret_addr,
		     uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':'), *from = text;
	char addr[TEXT_ADDR_LEN];
	uint32_t port = 0;
	size_t len = colon ? (size_t)(colon - text) : 0;
	int err;

	if (!has_port)
		return text_addr_parse(text, ret_addr);
	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		from++;
		len -= 2;
	}
	if (!len || len >= sizeof(addr) || (from == text && memchr(text, ':', len)))
		return fail(-EINVAL, "'%.80s' is neither ADDR:PORT nor [ADDR]:PORT", text);
	memcpy(addr, from, len);
	addr[len] = '\0';
	err = text_addr_parse(addr, ret_addr);
	if (!err)
		err = text_u32_parse("port", colon + 1, &port);
	if (!err && port > UINT16_MAX)
		err = fail(-EINVAL, "port %u is above 65535", port);
	*ret_port = port;
	return err;
}

static int parse_ends(struct words *words, const struct kind *kind, struct packet_spec *spec)
{
	const char *text;
	int err = words_value(words, kind->name, &text);
	uint8_t family;

	if (!err)
		err = parse_end(text, kind->has_ports, &spec->src, &spec->sport);
	if (!err && !words_take(words, "to") && !words_take(words, ">"))
		return usage("'to DST' is missing (a shell takes '>' for itself)");
	if (!err)
		err = words_value(words, "to", &text);
	if (!err)
		err = parse_end(text, kind->has_ports, &spec->dst, &spec->dport);
	if (err)
		return err;
	family = addr_family(&spec->src);
	if (family != addr_family(&spec->dst))
		return fail(-EINVAL, "explain: IPv4 and IPv6 in one packet");
	if (kind->family && kind->family != family)
		return fail(-EINVAL, "explain: %s is not IPv%d", kind->name, family);
	return 0;
}

static int parse_kind(struct words *words, const struct kind **ret_kind, struct packet_spec *spec)
{
	const char *text = words_next(words);
	uint32_t number;
	size_t i = 0;
	int err;

	if (!text)
		return usage("the packet is missing; see 'roam explain help'");
	while (i < ARRAY_SIZE(kinds) && strcmp(text, kinds[i].name) != 0)
		i++;
	if (i == ARRAY_SIZE(kinds))
		return usage("'%.80s' is neither tcp, udp, sctp, icmp, icmp6, arp, rarp nor proto",
			     text);
	*ret_kind = &kinds[i];
	spec->proto = kinds[i].proto;
	spec->ethertype = kinds[i].ethertype;
	if (strcmp(text, "proto") != 0)
		return 0;
	err = words_value(words, "proto", &text);
	if (!err)
		err = text_u32_parse("proto", text, &number);
	if (!err && number > UINT8_MAX)
		err = fail(-EINVAL, "proto %u is above 255", number);
	if (!err)
		spec->proto = number;
	return err;
}

static bool fits(enum with with, const struct packet_spec *spec)
{
	switch (with) {
	case WITH_TCP:
		return spec->proto == IPPROTO_TCP;
	case WITH_SCTP:
		return spec->proto == IPPROTO_SCTP;
	case WITH_ICMP:
		return spec->proto == IPPROTO_ICMP || spec->proto == IPPROTO_ICMPV6;
	case WITH_ARP:
		return spec->ethertype;
	case WITH_IP:
		return !spec->ethertype;
	case WITH_ANY:
	default:
		return true;
	}
}

static int parse_number(struct words *words, const struct number *number, struct packet_spec *spec)
{
	const char *text;
	uint32_t value;
	int err = words_value(words, number->name, &text);

	if (!err)
		err = text_u32_parse(number->name, text, &value);
	if (err)
		return err;
	if (value > number->max)
		return fail(-EINVAL, "explain: %s %u is above %u", number->name, value,
			    number->max);
	if (!fits(number->with, spec))
		return usage("'%s' means nothing for such a packet", number->name);
	memcpy((uint8_t *)spec + number->at, &value, number->size); /* little-endian */
	return 0;
}

static int parse_vlan(struct words *words, struct packet_spec *spec)
{
	const char *text;
	uint32_t vlan;
	int err = words_value(words, "vlan", &text);

	if (!err)
		err = text_vlan_parse(text, &vlan);
	if (!err) {
		spec->vlan[0] = vlan >> 12;
		spec->vlan[1] = vlan & 0xfff;
	}
	return err;
}

static int parse_mac(struct words *words, const char *keyword, uint8_t ret_mac[ROAM_MAC_LEN])
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_mac_parse(text, ret_mac);
}

/* Of neighbour discovery: the option that carries it is the message's. */
static int parse_lladdr(struct words *words, struct packet_spec *spec)
{
	bool target = spec->icmp_type == ND_ADVERTISE || spec->icmp_type == 137;

	if (spec->ethertype)
		return parse_mac(words, "lladdr", spec->arp_sender);
	spec->lladdr_option = target ? 2 : 1;
	return parse_mac(words, "lladdr", spec->lladdr);
}

static int parse(struct words *words, struct explain_ask *ret_ask);

/* The rest of the words are the packet that an error is about. */
static int parse_about(struct words *words, struct explain_ask *ask)
{
	struct packet_spec *spec = &ask->spec;
	struct explain_ask about;
	int err;

	if (!fits(WITH_ICMP, spec) || spec->payload)
		return usage("'about' is for errors of ICMP, which have no other 'len'");
	if (!words_peek(words))
		return usage("the packet behind 'about' is missing");
	err = parse(words, &about);
	if (err)
		return err;
	if (about.has_about || about.has_smac || about.has_dmac || about.dev ||
	    about.spec.vlan[0] || about.spec.vlan[1] || about.spec.ethertype)
		return usage("'about' is no packet that an error quotes");
	if (addr_family(&about.spec.src) != addr_family(&spec->src))
		return fail(-EINVAL, "explain: IPv4 and IPv6 in one packet");
	ask->about = about.spec;
	ask->has_about = true;
	return 0;
}

static int parse_more(struct words *words, struct explain_ask *ask, bool *ret_flags)
{
	struct packet_spec *spec = &ask->spec;
	const char *text;
	int err;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (words_take(words, numbers[i].name))
			return parse_number(words, &numbers[i], spec);
	}
	for (size_t i = 0; spec->proto == IPPROTO_TCP && i < ARRAY_SIZE(flags); i++) {
		if (!words_take(words, flags[i].name))
			continue;
		spec->tcp_flags |= flags[i].bit;
		*ret_flags = true;
		return 0;
	}
	if (words_take(words, "vlan"))
		return parse_vlan(words, spec);
	if (words_take(words, "smac"))
		return ask->has_smac = true, parse_mac(words, "smac", spec->smac);
	if (words_take(words, "dmac"))
		return ask->has_dmac = true, parse_mac(words, "dmac", spec->dmac);
	if (words_take(words, "lladdr"))
		return parse_lladdr(words, spec);
	if (words_take(words, "about"))
		return parse_about(words, ask);
	if (words_take(words, "dev"))
		return words_value(words, "dev", &ask->dev);
	if (!words_take(words, "target"))
		return words_end(words);
	err = words_value(words, "target", &text);
	if (!err)
		err = text_addr_parse(text, &spec->target);
	if (!err && addr_is_ipv4(&spec->target))
		return fail(-EINVAL, "explain: target %s is not IPv6", text);
	return err;
}

/* What a packet is when no word says so. */
static struct packet_spec usual(struct packet_spec spec)
{
	spec.icmp_type = spec.proto == IPPROTO_ICMP ? ECHO_IPV4 : ECHO_IPV6;
	spec.icmp_id = 1;
	if (spec.proto == IPPROTO_SCTP) {
		spec.sctp_chunk = ROAM_SCTP_INIT;
		spec.payload = SCTP_INIT_LEN;
	}
	spec.arp_op = spec.ethertype == ETH_P_RARP ? RARP_REVERSE : ARP_REQUEST;
	return spec;
}

static int parse(struct words *words, struct explain_ask *ret_ask)
{
	struct explain_ask ask = {};
	const struct kind *kind = &kinds[0];
	bool has_flags = false;
	int err = parse_kind(words, &kind, &ask.spec);

	if (!err)
		err = parse_ends(words, kind, &ask.spec);
	if (!err)
		ask.spec = usual(ask.spec);
	while (!err && words_peek(words))
		err = parse_more(words, &ask, &has_flags);
	if (!err && ask.spec.proto == IPPROTO_TCP && !has_flags)
		ask.spec.tcp_flags = ROAM_TCP_SYN;
	if (!err)
		*ret_ask = ask;
	return err;
}

/* A packet within quotes, where '>' is safe from the shell. */
static int parse_line(const char *text, struct explain_ask *ret_ask)
{
	static char line[LINE_MAX_LEN]; /* ret_ask->dev points into it */
	struct words words = {};
	char *word[WORDS_MAX], *rest;

	if (strlen(text) >= sizeof(line))
		return usage("the packet's words are longer than %d bytes", LINE_MAX_LEN - 1);
	strcpy(line, text);
	for (char *at = strtok_r(line, " \t", &rest); at; at = strtok_r(NULL, " \t", &rest)) {
		if (words.count == WORDS_MAX)
			return usage("the packet has more than %d words", WORDS_MAX);
		word[words.count++] = at;
	}
	words.word = word;
	return parse(&words, ret_ask);
}

int explain_words_packet(struct words *words, struct explain_ask *ret_ask)
{
	const char *first = words_peek(words);

	if (first && strchr(first, ' ') && words->at + 1 == words->count)
		return parse_line(words_next(words), ret_ask);
	return parse(words, ret_ask);
}
