// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The words of a packet: what they mean, and what is refused, and how. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <linux/if_ether.h>
#include "explain_words.h"
#include "harness.h"
#include "text.h"

#define WORDS_MAX 64

/* Words with blanks between them; with `quoted` they are one. */
static int parse(const char *text, bool quoted, struct explain_ask *ret_ask)
{
	static char line[1024]; /* the result may point into it */
	char *word[WORDS_MAX], *rest;
	int count = 0;

	snprintf(line, sizeof(line), "%s", text);
	if (quoted)
		word[count++] = line;
	else
		for (char *at = strtok_r(line, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
			word[count++] = at;
	return explain_words_packet(&(struct words){ .word = word, .count = count }, ret_ask);
}

static const struct packet_row {
	const char *name;
	const char *words;
	const char *src, *dst;
	struct packet_spec spec; /* but for the addresses */
} packets[] = {
	{ "tcp_syn",
	  "tcp 192.0.2.7:40000 > 10.0.0.10:443 syn",
	  "192.0.2.7",
	  "10.0.0.10",
	  { .proto = IPPROTO_TCP, .sport = 40000, .dport = 443, .tcp_flags = ROAM_TCP_SYN } },
	{ "tcp_without_flags_opens",
	  "tcp 192.0.2.7:1 to 10.0.0.10:2",
	  "192.0.2.7",
	  "10.0.0.10",
	  { .proto = IPPROTO_TCP, .sport = 1, .dport = 2, .tcp_flags = ROAM_TCP_SYN } },
	{ "tcp_none",
	  "tcp 192.0.2.7:1 to 10.0.0.10:2 none",
	  "192.0.2.7",
	  "10.0.0.10",
	  { .proto = IPPROTO_TCP, .sport = 1, .dport = 2 } },
	{ "tcp_all",
	  "tcp [fd00::1]:1 to [fd00::2]:65535 ack psh seq 4294967295 ackseq 7 window 9 "
	  "scale 14 len 1400 ttl 3",
	  "fd00::1",
	  "fd00::2",
	  { .proto = IPPROTO_TCP,
	    .sport = 1,
	    .dport = 65535,
	    .tcp_flags = ROAM_TCP_ACK | ROAM_TCP_PSH,
	    .seq = UINT32_MAX,
	    .ack = 7,
	    .window = 9,
	    .tcp_scale = 14,
	    .payload = 1400,
	    .hop_limit = 3 } },
	{ "udp",
	  "udp 10.0.0.1:53 to 10.0.0.2:53 vlan 10.20 frag 8192",
	  "10.0.0.1",
	  "10.0.0.2",
	  { .proto = IPPROTO_UDP, .sport = 53, .dport = 53, .vlan = { 10, 20 }, .frag = 8192 } },
	{ "association",
	  "sctp [fd00::1]:9 to [fd00::2]:36412",
	  "fd00::1",
	  "fd00::2",
	  { .proto = IPPROTO_SCTP, .sport = 9, .dport = 36412, .sctp_chunk = 1, .payload = 16 } },
	{ "chunk",
	  "sctp 10.0.0.1:9 to 10.0.0.2:8 chunk 0 len 40",
	  "10.0.0.1",
	  "10.0.0.2",
	  { .proto = IPPROTO_SCTP, .sport = 9, .dport = 8, .payload = 40 } },
	{ "echo",
	  "icmp 10.0.0.1 to 10.0.0.2",
	  "10.0.0.1",
	  "10.0.0.2",
	  { .proto = IPPROTO_ICMP, .icmp_type = 8, .icmp_id = 1 } },
	{ "echo6",
	  "icmp6 fd00::1 to fd00::2 id 5",
	  "fd00::1",
	  "fd00::2",
	  { .proto = IPPROTO_ICMPV6, .icmp_type = 128, .icmp_id = 5 } },
	{ "error",
	  "icmp 10.0.0.1 to 10.0.0.2 type 3 code 4",
	  "10.0.0.1",
	  "10.0.0.2",
	  { .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 4, .icmp_id = 1 } },
	{ "advertisement",
	  "icmp6 fd00::1 to fd00::2 type 136 target fd00::1 "
	  "lladdr 02:00:00:00:00:05",
	  "fd00::1",
	  "fd00::2",
	  { .proto = IPPROTO_ICMPV6,
	    .icmp_type = 136,
	    .icmp_id = 1,
	    .lladdr_option = 2,
	    .lladdr = { 2, 0, 0, 0, 0, 5 } } },
	{ "arp",
	  "arp 10.0.0.1 to 10.0.0.2",
	  "10.0.0.1",
	  "10.0.0.2",
	  { .ethertype = ETH_P_ARP, .icmp_type = 128, .icmp_id = 1, .arp_op = 1 } },
	{ "arp_reply",
	  "arp 10.0.0.1 to 10.0.0.2 op 2 lladdr 02:00:00:00:00:05",
	  "10.0.0.1",
	  "10.0.0.2",
	  { .ethertype = ETH_P_ARP,
	    .icmp_type = 128,
	    .icmp_id = 1,
	    .arp_op = 2,
	    .arp_sender = { 2, 0, 0, 0, 0, 5 } } },
	{ "number",
	  "proto 99 fd00::1 to fd00::2 ext 3 smac 02:00:00:00:00:06",
	  "fd00::1",
	  "fd00::2",
	  { .proto = 99,
	    .icmp_type = 128,
	    .icmp_id = 1,
	    .ext_headers = 3,
	    .smac = { 2, 0, 0, 0, 0, 6 } } },
};

TEST_EACH(understood, packets)
{
	struct packet_spec want = row->spec;
	struct explain_ask ask, quoted;
	struct packet packet;

	CHECK_OK(parse(row->words, false, &ask));
	CHECK_OK(parse(row->words, true, &quoted));
	CHECK_MEM(&quoted.spec, &ask.spec, sizeof(ask.spec));
	CHECK_OK(text_addr_parse(row->src, &want.src));
	CHECK_OK(text_addr_parse(row->dst, &want.dst));
	if (want.sport) { /* no matter there */
		want.icmp_type = ask.spec.icmp_type;
		want.icmp_id = ask.spec.icmp_id;
		want.arp_op = ask.spec.arp_op;
	}
	if (!want.ethertype)
		want.arp_op = ask.spec.arp_op;
	if (strstr(row->words, "target"))
		CHECK_OK(text_addr_parse("fd00::1", &want.target));
	CHECK_MEM(&ask.spec, &want, sizeof(want));
	CHECK_EQ(ask.has_smac, strstr(row->words, "smac") != NULL);
	packet_build(&ask.spec, &packet);
	CHECK_OP(packet.len, >=, 42);
}

/* The packet that an error quotes is described as any other. */
TEST(about)
{
	struct explain_ask ask, about;
	struct packet packet, whole;

	CHECK_OK(parse("icmp6 fd00::9 to fd00::1 type 2 about "
		       "tcp [fd00::1]:5 to [fd00::2]:443 ack seq 7 len 1400",
		       true, &ask));
	CHECK_OK(parse("tcp [fd00::1]:5 to [fd00::2]:443 ack seq 7 len 1400", true, &about));
	CHECK(ask.has_about);
	CHECK_EQ(ask.spec.icmp_type, 2);
	CHECK_MEM(&ask.about, &about.spec, sizeof(about.spec));
	/* The largest there can be. */
	CHECK_OK(parse("icmp6 fd00::9 to fd00::1 type 2 ext 16 frag 1 vlan 10.20 about "
		       "tcp [fd00::1]:5 to [fd00::2]:443 ack len 1400 ext 16 frag 1 scale 14",
		       true, &ask));
	ask.spec.quote = &ask.about;
	packet_build(&ask.about, &whole);
	CHECK_OP(whole.len, >, 1400);
	ask.spec.quote_len = 548; /* as explain_frame() has it */
	packet_build(&ask.spec, &packet);
	CHECK_OP(packet.len, >, 548);
}

TEST(device)
{
	struct explain_ask ask;

	CHECK_OK(parse("arp 10.0.0.1 to 10.0.0.2 dev tap7", true, &ask));
	CHECK_STR(ask.dev, "tap7");
}

static const struct refusal {
	const char *name;
	const char *words;
	const char *line;
} refusals[] = {
	{ "nothing", "", "the packet is missing" },
	{ "kind", "dccp 10.0.0.1:1 to 10.0.0.2:2", "'dccp' is neither tcp, udp" },
	{ "no_destination", "tcp 10.0.0.1:1", "'to DST' is missing" },
	{ "half_a_destination", "tcp 10.0.0.1:1 to", "the word behind 'to' is missing" },
	{ "no_port", "tcp 10.0.0.1 to 10.0.0.2:1", "'10.0.0.1' is neither ADDR:PORT" },
	{ "bare_ipv6", "tcp fd00::1:80 to fd00::2:80", "'fd00::1:80' is neither ADDR:PORT" },
	{ "unclosed", "tcp [fd00::1:80 to [fd00::2]:80", "is neither ADDR:PORT" },
	{ "empty_port", "udp 10.0.0.1: to 10.0.0.2:1", "port '' is not a number" },
	{ "high_port", "udp 10.0.0.1:65536 to 10.0.0.2:1", "port 65536 is above 65535" },
	{ "port_of_icmp", "icmp 10.0.0.1:1 to 10.0.0.2", "'10.0.0.1:1' is not an IPv4 or IPv6" },
	{ "two_families", "tcp 10.0.0.1:1 to [fd00::1]:1", "IPv4 and IPv6 in one packet" },
	{ "wrong_family", "icmp6 10.0.0.1 to 10.0.0.2", "icmp6 is not IPv4" },
	{ "arp_of_ipv6", "arp fd00::1 to fd00::2", "arp is not IPv6" },
	{ "flag_of_udp", "udp 10.0.0.1:1 to 10.0.0.2:2 syn", "'syn' is not understood here" },
	{ "type_of_tcp", "tcp 10.0.0.1:1 to 10.0.0.2:2 type 8", "'type' means nothing for such" },
	{ "op_of_tcp", "tcp 10.0.0.1:1 to 10.0.0.2:2 op 1", "'op' means nothing for such" },
	{ "long", "udp 10.0.0.1:1 to 10.0.0.2:2 len 1401", "len 1401 is above 1400" },
	{ "scale", "tcp 10.0.0.1:1 to 10.0.0.2:2 scale 15", "scale 15 is above 14" },
	{ "number", "tcp 10.0.0.1:1 to 10.0.0.2:2 seq x", "seq 'x' is not a number" },
	{ "proto", "proto 256 10.0.0.1 to 10.0.0.2", "proto 256 is above 255" },
	{ "mac", "arp 10.0.0.1 to 10.0.0.2 smac 1", "mac '1' is not of the form" },
	{ "value", "tcp 10.0.0.1:1 to 10.0.0.2:2 dev", "the word behind 'dev' is missing" },
	{ "chunk_of_tcp", "tcp 10.0.0.1:1 to 10.0.0.2:2 chunk 1", "'chunk' means nothing" },
	{ "about_of_tcp", "tcp 10.0.0.1:1 to 10.0.0.2:2 about icmp 10.0.0.2 to 10.0.0.1",
	  "'about' is for errors of ICMP" },
	{ "about_and_len", "icmp 10.0.0.1 to 10.0.0.2 len 4 about icmp 10.0.0.2 to 10.0.0.1",
	  "which have no other 'len'" },
	{ "about_nothing", "icmp 10.0.0.1 to 10.0.0.2 type 3 about", "behind 'about' is missing" },
	{ "about_a_family", "icmp 10.0.0.1 to 10.0.0.2 type 3 about udp [fd00::1]:1 to [fd00::2]:2",
	  "IPv4 and IPv6 in one packet" },
	{ "about_arp", "icmp 10.0.0.1 to 10.0.0.2 type 3 about arp 10.0.0.1 to 10.0.0.2",
	  "no packet that an error quotes" },
	{ "about_a_device", "icmp 10.0.0.1 to 10.0.0.2 about icmp 10.0.0.2 to 10.0.0.1 dev tap0",
	  "no packet that an error quotes" },
	{ "about_about",
	  "icmp 10.0.0.1 to 10.0.0.2 about icmp 10.0.0.2 to 10.0.0.1 about "
	  "icmp 10.0.0.1 to 10.0.0.2",
	  "no packet that an error quotes" },
	{ "about_half", "icmp 10.0.0.1 to 10.0.0.2 about udp 10.0.0.2:1", "'to DST' is missing" },
	{ "word", "tcp 10.0.0.1:1 to 10.0.0.2:2 fast", "'fast' is not understood here" },
};

TEST_EACH(refused, refusals)
{
	struct explain_ask ask = { .dev = "as it was" };

	CHECK_NE(parse(row->words, false, &ask), 0);
	CHECK_HAS(fail_line(), row->line);
	CHECK_STR(ask.dev, "as it was");
	if (strchr(row->words, ' ')) {
		CHECK_NE(parse(row->words, true, &ask), 0);
		CHECK_HAS(fail_line(), row->line);
	}
}
