// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The words of `acl add`: from packet terms to the VM's end and the other one, and refusals. */
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <roam/pkt.h>
#include "acl.h"
#include "acl_words.h"
#include "harness.h"
#include "text.h"

#define WORDS_MAX 32

/* Words with blanks between them, as a batch splits them; `line` is cut to pieces. */
static int parse(const char *text, struct roam_acl_rule *ret_rule)
{
	char line[256], *word[WORDS_MAX], *rest;
	int count = 0, err;

	snprintf(line, sizeof(line), "%s", text);
	for (char *at = strtok_r(line, " ", &rest); at; at = strtok_r(NULL, " ", &rest))
		word[count++] = at;
	err = acl_words_rule(&(struct words){ .word = word, .count = count }, ret_rule);
	return err ? err : acl_validate(ret_rule);
}

static struct roam_prefix prefix(const char *text)
{
	struct roam_prefix value = {};

	if (text)
		CHECK_OK(text_prefix_parse(text, &value));
	return value;
}

static const struct rule {
	const char *name;
	const char *words;
	uint8_t dir, action, family, proto, any_proto;
	const char *local, *remote; /* NULL: any */
	struct roam_port_range lport, rport;
	uint32_t prio;
} rules[] = {
	{ "from the manual",
	  "name https in prio 10 allow tcp from any dport 443",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  0,
	  IPPROTO_TCP,
	  0,
	  NULL,
	  NULL,
	  { 443, 443 },
	  { 0, 65535 },
	  10 },
	{ "shortest",
	  "name a in drop",
	  ROAM_DIR_IN,
	  ROAM_ACTION_DROP,
	  0,
	  0,
	  1,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "in, both ends",
	  "name a in allow udp from 10.0.0.0/8 to 10.0.0.10 sport 53 dport 1024-2000",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  4,
	  IPPROTO_UDP,
	  0,
	  "10.0.0.10",
	  "10.0.0.0/8",
	  { 1024, 2000 },
	  { 53, 53 },
	  1000 },
	{ "out, both ends",
	  "name a out allow udp from 10.0.0.10 to 10.0.0.0/8 sport 1024-2000 dport 53",
	  ROAM_DIR_OUT,
	  ROAM_ACTION_ALLOW,
	  4,
	  IPPROTO_UDP,
	  0,
	  "10.0.0.10",
	  "10.0.0.0/8",
	  { 1024, 2000 },
	  { 53, 53 },
	  1000 },
	{ "IPv6",
	  "name a out drop any to fd00::/8",
	  ROAM_DIR_OUT,
	  ROAM_ACTION_DROP,
	  6,
	  0,
	  1,
	  NULL,
	  "fd00::/8",
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "any4",
	  "name a in allow tcp from any4",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  4,
	  IPPROTO_TCP,
	  0,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "any6",
	  "name a in allow tcp to any6",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  6,
	  IPPROTO_TCP,
	  0,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "icmp is IPv4",
	  "name a in allow icmp",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  4,
	  IPPROTO_ICMP,
	  0,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "icmp6 is IPv6",
	  "name a in allow icmp6 from any",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  6,
	  IPPROTO_ICMPV6,
	  0,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "ports of sctp",
	  "name a in allow sctp dport 36412",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  0,
	  IPPROTO_SCTP,
	  0,
	  NULL,
	  NULL,
	  { 36412, 36412 },
	  { 0, 65535 },
	  1000 },
	{ "by name, without ports",
	  "name a in allow gre",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  0,
	  IPPROTO_GRE,
	  0,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "by number",
	  "name a in allow proto 47",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  0,
	  47,
	  0,
	  NULL,
	  NULL,
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
	{ "all IPv4 as a prefix",
	  "name a in allow from 0.0.0.0/0",
	  ROAM_DIR_IN,
	  ROAM_ACTION_ALLOW,
	  4,
	  0,
	  1,
	  NULL,
	  "0.0.0.0/0",
	  { 0, 65535 },
	  { 0, 65535 },
	  1000 },
};

TEST_EACH(accepts, rules)
{
	struct roam_prefix local = prefix(row->local), remote = prefix(row->remote);
	struct roam_acl_rule rule;

	if (!CHECK_OK(parse(row->words, &rule)))
		return;
	CHECK_EQ(rule.dir, row->dir);
	CHECK_EQ(rule.prio, row->prio);
	CHECK_EQ(rule.action, row->action);
	CHECK_EQ(rule.family, row->family);
	CHECK_EQ(rule.proto, row->proto);
	CHECK_EQ(rule.any_proto, row->any_proto);
	CHECK_MEM(&rule.local, &local, sizeof(local));
	CHECK_MEM(&rule.remote, &remote, sizeof(remote));
	CHECK_MEM(&rule.lport, &row->lport, sizeof(row->lport));
	CHECK_MEM(&rule.rport, &row->rport, sizeof(row->rport));
}

static const struct beyond {
	const char *name;
	const char *words;
	struct roam_acl_rule rule; /* no more than these fields */
} beyond[] = {
	{ "flags",
	  "name a in allow tcp flags syn/syn,ack,rst",
	  { .tcp_flags = ROAM_TCP_SYN, .tcp_mask = ROAM_TCP_SYN | ROAM_TCP_ACK | ROAM_TCP_RST } },
	{ "flags without a mask",
	  "name a in allow tcp flags syn,psh dport 80",
	  { .tcp_flags = ROAM_TCP_SYN | ROAM_TCP_PSH, .tcp_mask = ROAM_TCP_SYN | ROAM_TCP_PSH } },
	{ "no flag", "name a in allow tcp flags none/urg", { .tcp_mask = ROAM_TCP_URG } },
	{ "a type's name",
	  "name a in allow icmp type echo-request",
	  { .has_icmp_type = 1, .icmp_type = 8 } },
	{ "the other family's",
	  "name a in allow icmp6 type echo-request",
	  { .has_icmp_type = 1, .icmp_type = 128 } },
	{ "a code's name",
	  "name a in allow icmp type port-unreachable",
	  { .has_icmp_type = 1, .icmp_type = 3, .has_icmp_code = 1, .icmp_code = 3 } },
	{ "a name and a code",
	  "name a in allow icmp6 type unreachable/200",
	  { .has_icmp_type = 1, .icmp_type = 1, .has_icmp_code = 1, .icmp_code = 200 } },
	{ "log", "name a in audit tcp log 255 dport 80", { .log = 255 } },
	{ "stateless", "name a in allow tcp stateless dport 80", { .stateless = 1 } },
	{ "connections", "name a in allow tcp conns 100 dport 80", { .conns = 100 } },
	{ "of each remote",
	  "name a out allow perremote 1 conns 32768",
	  { .conns = 32768, .perremote = 1 } },
	{ "numbers", "name a in allow icmp type 0/0", { .has_icmp_type = 1, .has_icmp_code = 1 } },
};

TEST_EACH(accepts_beyond_ports, beyond)
{
	struct roam_acl_rule rule;

	if (!CHECK_OK(parse(row->words, &rule)))
		return;
	CHECK_EQ(rule.tcp_flags, row->rule.tcp_flags);
	CHECK_EQ(rule.tcp_mask, row->rule.tcp_mask);
	CHECK_EQ(rule.has_icmp_type, row->rule.has_icmp_type);
	CHECK_EQ(rule.icmp_type, row->rule.icmp_type);
	CHECK_EQ(rule.has_icmp_code, row->rule.has_icmp_code);
	CHECK_EQ(rule.icmp_code, row->rule.icmp_code);
	CHECK_EQ(rule.log, row->rule.log);
	CHECK_EQ(rule.stateless, row->rule.stateless);
	CHECK_EQ(rule.conns, row->rule.conns);
	CHECK_EQ(rule.perremote, row->rule.perremote);
}

/* What is said of flags and types is what they are read from. */
TEST(says_what_it_reads)
{
	char text[TEXT_ICMP_LEN], flags_text[TEXT_FLAGS_LEN];

	for (uint32_t kind = 0; kind < 1 << 18; kind++) {
		struct text_icmp icmp = {
			.type = kind,
			.has_code = kind >> 16 & 1,
			.code = kind >> 8,
		};
		uint8_t proto = kind >> 17 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		struct text_icmp again;

		if (!icmp.has_code)
			icmp.code = 0;
		if (!CHECK_OK(text_icmp_parse(proto, text_icmp(proto, &icmp, text), &again)))
			return;
		CHECK_MEM(&again, &icmp, sizeof(icmp));
	}
	for (int mask = 1; mask <= ROAM_TCP_ALL; mask++) {
		for (int flags = 0; flags <= ROAM_TCP_ALL; flags++) {
			uint8_t again, mask_again;

			if (flags & ~mask)
				continue;
			text_tcp_flags(flags, mask, flags_text);
			if (!CHECK_OK(text_tcp_flags_parse(flags_text, &again, &mask_again)))
				return;
			CHECK_EQ(again, flags);
			CHECK_EQ(mask_again, mask);
		}
	}
}

static const struct refusal {
	const char *name;
	const char *words;
	const char *line; /* what the refusal must name */
} refusals[] = {
	{ "nothing", "", "name RULE" },
	{ "no name", "in allow tcp", "name RULE" },
	{ "a bad name", "name -x in allow tcp", "-x" },
	{ "no direction", "name a", "missing" },
	{ "a bad direction", "name a forward allow", "forward" },
	{ "no action", "name a in prio 5", "missing" },
	{ "a bad action", "name a in deny", "deny" },
	{ "a bad priority", "name a in prio x allow", "prio 'x'" },
	{ "a bad protocol", "name a in allow dccp", "dccp" },
	{ "a protocol above 255", "name a in allow proto 256", "256" },
	{ "a bad prefix", "name a in allow from 10.0.0.1/8", "10.0.0.1/8" },
	{ "an open end", "name a in allow tcp dport", "dport" },
	{ "both families", "name a in allow from 10.0.0.1 to fd00::1", "IPv4 and IPv6" },
	{ "icmp over IPv6", "name a in allow icmp from any6", "IPv4 and IPv6" },
	{ "icmp6 over IPv4", "name a in allow icmp6 to 10.0.0.0/8", "IPv4 and IPv6" },
	{ "ports of esp", "name a in allow esp dport 4", "ports" },
	{ "ports of icmp", "name a in allow icmp dport 4", "ports" },
	{ "ports of anything", "name a in allow any sport 4", "ports" },
	{ "ports back to front", "name a in allow tcp dport 9-4", "9-4" },
	{ "a flag that is none", "name a in allow tcp flags syn,foo", "'foo'" },
	{ "a flag twice", "name a in allow tcp flags syn,syn", "'syn' is given twice" },
	{ "a flag outside of the mask", "name a in allow tcp flags syn/ack", "syn/ack" },
	{ "a mask of none", "name a in allow tcp flags none", "matches anything" },
	{ "an empty mask", "name a in allow tcp flags syn/", "flags: ''" },
	{ "flags of udp", "name a in allow udp flags syn", "flags without tcp" },
	{ "flags of anything", "name a in allow any flags syn", "flags without tcp" },
	{ "a type of tcp", "name a in allow tcp type 8", "without icmp" },
	{ "a type of any", "name a in allow any type 8", "without icmp" },
	{ "a type of ICMP over any family", "name a in allow proto 1 type 8", "without icmp" },
	{ "a type that is none", "name a in allow icmp type packet-too-big", "packet-too-big" },
	{ "a type above 255", "name a in allow icmp type 256", "256" },
	{ "a code above 255", "name a in allow icmp type 3/256", "256" },
	{ "a code of a code", "name a in allow icmp type port-unreachable/3", "one code already" },
	{ "no code", "name a in allow icmp type 3/", "code" },
	{ "log of nothing", "name a in allow log 0", "log 0 is not" },
	{ "too much of it", "name a in allow log 256", "log 256 is not" },
	{ "log without a rate", "name a in allow log", "log" },
	{ "no connection", "name a in allow conns 0", "conns 0 is not from 1 to 32768" },
	{ "too many of them", "name a in allow conns 32769", "conns 32769 is not" },
	{ "too many of each", "name a in allow perremote 32769", "perremote 32769 is not" },
	{ "connections twice", "name a in allow conns 1 conns 2", "given twice" },
	{ "connections of what", "name a in allow conns", "conns" },
	{ "stateless twice", "name a in allow stateless stateless", "given twice" },
	{ "more words", "name a in allow tcp from any please", "please" },
};

TEST_EACH(refuses, refusals)
{
	struct roam_acl_rule rule;

	CHECK_NE(parse(row->words, &rule), 0);
	CHECK_HAS(fail_line(), row->line);
}
