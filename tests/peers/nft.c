// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* nftables as an oracle of rules: see nft.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include "nft.h"
#include "text.h"

#define END_TYPE 0x88b5 /* of a frame that nobody judges: behind it nothing is on its way */
#define AT_ONCE  200    /* frames; fewer than a device's backlog takes */
#define L4_LEN   24     /* ports, and the packet's number at its end */

struct frame {
	struct ethhdr eth;
	union {
		struct {
			struct iphdr ip;
			uint8_t l4[L4_LEN];
		} v4;
		struct {
			struct ip6_hdr ip;
			uint8_t l4[L4_LEN];
		} v6;
	};
} __attribute__((packed));

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# nft: %s: %s\n", what, strerror(errno));
	abort();
}

static void run(const char *command)
{
	must(!system(command), command); /* NOLINT(cert-env33-c) */
}

const char *nft_lacks(void)
{
	if (system("nft --version >/dev/null 2>&1")) /* NOLINT(cert-env33-c) */
		return "nft is not installed";
	/* NOLINTNEXTLINE(cert-env33-c) */
	if (system("nft -c 'table netdev try { chain c { type filter hook ingress device \"lo\" "
		   "priority 0; fwd to \"lo\"; }; }' 2>/dev/null"))
		return "nftables cannot forward between devices here";
	return NULL;
}

static int open_device(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int sock = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), yes = 1, room = 8 << 20;
	struct timeval patience = { .tv_sec = 5 };

	must(sock >= 0, "a packet socket");
	must(!setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes)) &&
		     !setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) &&
		     !setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
	     "a socket's options");
	must(!bind(sock, (struct sockaddr *)&at, sizeof(at)), name);
	return sock;
}

/* We send at `sender`, the chain is at `judge`, what it accepts leaves at `passed`: to `hearer`. */
void nft_open(struct nft *nft)
{
	cpu_set_t one;

	/* What is sent is judged before send() returns: on one CPU there is nobody else to. */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	must(!sched_setaffinity(0, sizeof(one), &one), "one CPU");
	must(!unshare(CLONE_NEWNET | CLONE_NEWNS), "a namespace");
	must(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private mounts");
	must(!mount("sys", "/sys", "sysfs", 0, NULL), "sysfs");
	run("ip link set lo up");
	run("ip link add sender type veth peer name judge");
	run("ip link add hearer type veth peer name passed");
	run("for dev in sender judge hearer passed; do "
	    "ip link set $dev arp off addrgenmode none && ip link set $dev up || exit; done");
	nft->send_sock = open_device("sender");
	nft->hear_sock = open_device("hearer");
}

void nft_close(struct nft *nft)
{
	close(nft->send_sock);
	close(nft->hear_sock);
}

static unsigned int bits_of(const __be32 mask[4])
{
	unsigned int bits = 0;

	for (int word = 0; word < 4; word++)
		bits += __builtin_popcount(mask[word]);
	return bits;
}

/* ---- sets ---- */

static void say_element(FILE *to, const struct set_value *set, const struct roam_set_entry *entry)
{
	const struct roam_prefix *prefix = &entry->addr;
	char text[INET6_ADDRSTRLEN];

	if (set->set.kind == ROAM_SET_PORT)
		fprintf(to, "%u-%u, ", entry->port.first, entry->port.last);
	else if (addr_is_ipv4(&prefix->addr))
		fprintf(to, "%s/%u, ",
			inet_ntop(AF_INET, &prefix->addr.words[3], text, sizeof(text)),
			prefix->bits - 96);
	else
		fprintf(to, "%s/%u, ", inet_ntop(AF_INET6, &prefix->addr, text, sizeof(text)),
			prefix->bits);
}

/* What it has of a family; of ports, all. An element list that is empty is none. */
static void say_set(FILE *to, const struct set_value *set, uint32_t number, uint8_t family)
{
	static const char *const types[] = { [4] = "ipv4_addr", [6] = "ipv6_addr" };
	bool ports = set->set.kind == ROAM_SET_PORT, any = false;

	fprintf(to, "set s%u_%u { type %s; flags interval; auto-merge; ", number, family,
		ports ? "inet_service" : types[family]);
	for (uint32_t i = 0; i < set->count; i++) {
		if (!ports && addr_family(&set->entries[i].addr.addr) != family)
			continue;
		fputs(any ? "" : "elements = { ", to);
		say_element(to, set, &set->entries[i]);
		any = true;
	}
	fputs(any ? "} }\n" : "}\n", to);
}

static void say_sets(FILE *to, const struct nft_rules *rules)
{
	for (uint32_t i = 0; i < rules->set_count; i++) {
		say_set(to, &rules->sets[i], i + 1, ROAM_FAMILY_IPV4);
		if (rules->sets[i].set.kind == ROAM_SET_ADDR)
			say_set(to, &rules->sets[i], i + 1, ROAM_FAMILY_IPV6);
	}
}

/* ---- rules ---- */

static void say_prefix(FILE *to, const struct roam_acl_match *rule, const __be32 *value,
		       const char *which)
{
	unsigned int bits = bits_of(value + 4);
	uint16_t named = value == rule->local ? rule->local_named : rule->remote_named;
	char text[INET6_ADDRSTRLEN];

	if (named)
		fprintf(to, "%s %s @s%u_%u ", rule->family == ROAM_FAMILY_IPV4 ? "ip" : "ip6",
			which, named, rule->family);
	if (!bits)
		return;
	if (rule->family == ROAM_FAMILY_IPV4)
		fprintf(to, "ip %s %s/%u ", which,
			inet_ntop(AF_INET, value + 3, text, sizeof(text)), bits - 96);
	else
		fprintf(to, "ip6 %s %s/%u ", which, inet_ntop(AF_INET6, value, text, sizeof(text)),
			bits);
}

static void say_range(FILE *to, struct roam_port_range range, uint16_t named, const char *which)
{
	if (named)
		fprintf(to, "th %s @s%u_%u ", which, named, ROAM_FAMILY_IPV4);
	else if (range.first == range.last)
		fprintf(to, "th %s %u ", which, range.first);
	else if (range.first || range.last != UINT16_MAX)
		fprintf(to, "th %s %u-%u ", which, range.first, range.last);
}

static void say_action(FILE *to, uint32_t id, uint8_t action)
{
	if (action == ROAM_ACTION_ALLOW)
		fprintf(to, "ether saddr set 02:00:00:00:%02x:%02x fwd to \"passed\"\n",
			id >> 8 & 0xff, id & 0xff);
	else
		fputs("drop\n", to);
}

static void say_rule(FILE *to, const struct roam_acl_match *rule, enum roam_dir dir)
{
	bool out = dir == ROAM_DIR_OUT;

	if (rule->family)
		fprintf(to, "meta protocol %s ", rule->family == ROAM_FAMILY_IPV4 ? "ip" : "ip6");
	if (!rule->any_proto)
		fprintf(to, "meta l4proto %u ", rule->proto);
	say_prefix(to, rule, rule->local, out ? "saddr" : "daddr");
	say_prefix(to, rule, rule->remote, out ? "daddr" : "saddr");
	say_range(to, rule->lport, rule->lport_named, out ? "sport" : "dport");
	say_range(to, rule->rport, rule->rport_named, out ? "dport" : "sport");
	say_action(to, rule->id, rule->action);
}

/* A set of addresses is one for each family there. */
static void say_rule_by_family(FILE *to, const struct roam_acl_match *rule, enum roam_dir dir)
{
	static const uint8_t families[] = { ROAM_FAMILY_IPV4, ROAM_FAMILY_IPV6 };
	struct roam_acl_match one = *rule;

	if (rule->family || (!rule->local_named && !rule->remote_named)) {
		say_rule(to, rule, dir);
		return;
	}
	for (int i = 0; i < 2; i++) {
		one.family = families[i];
		say_rule(to, &one, dir);
	}
}

void nft_set_rules(struct nft *nft, const struct nft_rules *rules)
{
	FILE *to = popen("nft -f -", "w"); /* NOLINT(cert-env33-c) */

	(void)nft;
	must(to != NULL, "starting nft");
	fprintf(to, "table netdev oracle\ndelete table netdev oracle\ntable netdev oracle {\n");
	say_sets(to, rules);
	fprintf(to,
		"chain judge {\ntype filter hook ingress device \"judge\" priority 0; policy drop;\n"
		"ether type 0x%x fwd to \"passed\"\n",
		END_TYPE);
	for (uint32_t i = 0; i < rules->count; i++)
		say_rule_by_family(to, &rules->rules[i], rules->dir);
	say_action(to, ROAM_RULE_NONE, rules->rest);
	fprintf(to, "}\n}\n");
	must(!pclose(to), "nft's rules");
}

/* ---- packets ---- */

static size_t build(const struct roam_flow_key *key, enum roam_dir dir, uint32_t number,
		    struct frame *ret_frame)
{
	bool out = dir == ROAM_DIR_OUT, v4 = key->family == ROAM_FAMILY_IPV4;
	const struct roam_addr *src = out ? &key->local : &key->remote;
	const struct roam_addr *dst = out ? &key->remote : &key->local;
	__be16 ports[] = { out ? key->lport : key->rport, out ? key->rport : key->lport };
	uint8_t *l4 = v4 ? ret_frame->v4.l4 : ret_frame->v6.l4;

	memset(ret_frame, 0, sizeof(*ret_frame));
	memset(ret_frame->eth.h_dest, 0x02, ETH_ALEN);
	ret_frame->eth.h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	if (v4) {
		ret_frame->v4.ip = (struct iphdr){ .version = 4,
						   .ihl = 5,
						   .ttl = 64,
						   .tot_len = htons(sizeof(ret_frame->v4)),
						   .protocol = key->proto,
						   .saddr = src->words[3],
						   .daddr = dst->words[3] };
	} else {
		ret_frame->v6.ip.ip6_vfc = 6 << 4;
		ret_frame->v6.ip.ip6_plen = htons(L4_LEN);
		ret_frame->v6.ip.ip6_nxt = key->proto;
		ret_frame->v6.ip.ip6_hlim = 64;
		memcpy(&ret_frame->v6.ip.ip6_src, src, sizeof(*src));
		memcpy(&ret_frame->v6.ip.ip6_dst, dst, sizeof(*dst));
	}
	memcpy(l4, ports, sizeof(ports));
	memcpy(l4 + L4_LEN - sizeof(number), &number, sizeof(number));
	return sizeof(struct ethhdr) + (v4 ? sizeof(ret_frame->v4) : sizeof(ret_frame->v6));
}

static void send_end(const struct nft *nft)
{
	struct frame frame = { .eth.h_proto = htons(END_TYPE) };

	must(send(nft->send_sock, &frame, sizeof(frame), 0) == sizeof(frame), "sending");
}

/* Until the frame comes that nobody judges. */
static void hear(const struct nft *nft, struct nft_packet *packets, uint32_t count)
{
	for (;;) {
		struct frame frame;
		ssize_t len = recv(nft->hear_sock, &frame, sizeof(frame), 0);
		uint32_t number;

		must(len >= (ssize_t)sizeof(struct ethhdr), "hearing");
		if (frame.eth.h_proto == htons(END_TYPE))
			return;
		memcpy(&number, (uint8_t *)&frame + len - sizeof(number), sizeof(number));
		must(number < count && !packets[number].passes, "a packet that was not sent");
		packets[number].passes = true;
		packets[number].rule = frame.eth.h_source[4] << 8 | frame.eth.h_source[5];
	}
}

void nft_run(struct nft *nft, struct nft_packet *packets, uint32_t count, enum roam_dir dir)
{
	struct frame frame;

	for (uint32_t i = 0; i < count; i++) {
		size_t len = build(&packets[i].key, dir, i, &frame);

		packets[i].passes = false;
		packets[i].rule = ROAM_RULE_NONE;
		must(send(nft->send_sock, &frame, len, 0) == (ssize_t)len, "sending");
		if (i % AT_ONCE != AT_ONCE - 1 && i != count - 1)
			continue;
		send_end(nft);
		hear(nft, packets, count);
	}
}
