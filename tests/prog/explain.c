// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Explaining changes nothing, and says what would be: for every reason that there is, in every
 * direction and family that it is known in, a packet is explained; all maps must be as before, and
 * the real list must then find the same reason for the same packet. A reason that nothing here
 * causes fails the test, unless `spared` says why.
 *
 * What leads to a reason is a script: lines that begin with '!' are commands, with '>' packets in
 * the direction of the one that is explained, with '<' packets against it, with '?' those of '>'
 * that need not pass; '@' says how many seconds ago the next ones were; -100 is
 * ahead, where a slow machine finds no bucket filled. In them SRC and DST are the
 * ends of that line's packet; VM, PEER, OTHER, ROUTER, GROUP, VIP, BACK are addresses, ICMP, DIR
 * and DEV what they say, '#' a number that grows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "cmd.h"
#include "ct.h"
#include "explain.h"
#include "explain_frame.h"
#include "harness.h"
#include "hosts.h"
#include "map_sums.h"
#include "monitor.h"
#include "stats.h"
#include "tables.h"
#include "vm.h"

#define LINE_LEN  512
#define WORDS_MAX 48
#define FILL      64 /* rows of the smallest tables */

struct explain_test {
	struct test_host *host;
	struct cmd cmd;
	uint32_t slot;
	int family;
	enum roam_dir dir;
	bool at_uplink;
	bool explained;  /* the packet that is made now is the one; others are at a port */
	bool changed;    /* the VM is not as make_vm() made it */
	uint64_t age_ns; /* of a script's packets */
	int number;      /* of '#' */
};

enum {
	IN = 1 << ROAM_DIR_IN,
	OUT = 1 << ROAM_DIR_OUT,
	BOTH = IN | OUT,
	UPLINK = 1 << ROAM_DIR_COUNT, /* the list of an uplink */
	V4 = 1,
	V6 = 2,
	V46 = V4 | V6,
};

/* ---- what the packets' words cannot say ---- */

static void other_ethertype(struct packet *packet)
{
	memcpy(packet->bytes + 12, (uint8_t[]){ 0x88, 0xcc }, 2); /* LLDP */
}

static void short_tcp(struct packet *packet)
{
	packet->bytes[14 + (packet->bytes[14] >> 4 == 4 ? 20 : 40) + 12] = 4 << 4;
}

static void no_rules(struct explain_test *self)
{
	host_clear_inner(self->host->host, HOST_MAP_acl_match, self->slot * ROAM_DIR_COUNT);
	host_clear_inner(self->host->host, HOST_MAP_acl_match, self->slot * ROAM_DIR_COUNT + 1);
}

/* The device's row is gone, as if it had never been a port's. */
static void no_port(struct explain_test *self)
{
	CHECK_OK(host_delete(self->host->host, HOST_MAP_port_dev, &self->host->ifindex));
}

/* The flows are on their way to tables of another size, as while a quota changes. */
static void moving(struct explain_test *self)
{
	const uint32_t quota[ROAM_CT_KINDS] = { 128, 128 };
	struct roam_vm vm;

	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	CHECK_OK(tables_make_bank(self->host->host, self->slot, !vm.ct_bank, quota));
	vm.ct_bank = !vm.ct_bank;
	vm.ct_moving = 1;
	CHECK_OK(vm_put(self->host->host, self->slot, &vm));
}

#define SYN      "> tcp SRC:1 to DST:80\n"
#define REPLY    "< tcp SRC:80 to DST:1 syn ack\n"
#define OPEN     SYN REPLY "> tcp SRC:1 to DST:80 ack\n"
#define BALANCED "! lb add web vip VIP port 443 tcp\n! lb on vm vm\n"
#define BACKEND  BALANCED "! lb backend web add addr BACK port 8443\n"

static const struct cause {
	const char *name;
	uint8_t reason;
	uint8_t dirs;
	uint8_t families;
	const char *packet;
	const char *script; /* before it */
	const char *fill;   /* before that, FILL times */
	void (*prepare)(struct explain_test *self);
	void (*damage)(struct packet *packet);
} causes[] = {
#define R(id) ROAM_REASON_##id
	{ "opened", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80" },
	{ "opened_udp", R(OPENED), BOTH, V46, .packet = "udp SRC:1 to DST:80" },
	{ "opened_icmp", R(OPENED), BOTH, V46, .packet = "ICMP SRC to DST" },
	{ "opened_other", R(OPENED), BOTH, V46, .packet = "proto 132 SRC to DST" },
	{ "opened_over_dead", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = OPEN "< tcp SRC:80 to DST:1 rst ackseq 1\n" },
	{ "opened_midstream", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = "! vm set vm midstream pickup\n" },
	{ "opened_balanced", R(OPENED), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND },
	{ "opened_backend", R(OPENED), IN, V46, .packet = "tcp PEER:1 to VIP:443",
	  .script = BALANCED "! lb backend web add addr VM port 80\n" },
	{ "opened_hairpin", R(OPENED), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BALANCED "! lb backend web add addr VM port 80\n" },
	{ "opened_by_source", R(OPENED), IN, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! ips set vm vm rate 10 burst 10\n" },
	{ "opened_marked", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! qos set vm vm DIR rate 1mbit dscp af21\n" },
	{ "opened_over_expired", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "@1000\n" SYN },
	{ "opened_with_lb_over_expired", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = BACKEND "@1000\n" SYN },
	{ "opened_in_a_full_table", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .fill = "@1000\n> tcp SRC:# to DST:80\n" },
	{ "opened_over_expired_session", R(OPENED), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND "@1000\n> tcp VM:1 to VIP:443\n" },
	{ "opened_where_a_session_was", R(OPENED), OUT, V46, .packet = "tcp VM:1 to BACK:8443",
	  .script = BACKEND "@1000\n> tcp VM:1 to VIP:443\n" },
	{ "moving", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = SYN REPLY, .prepare = moving },
	{ "opened_learned", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script =
		  "! port del vm vm mac MAC\n! port add vm vm dev DEV mac MAC addr VM learn 60s\n" },
	{ "again", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80", .script = SYN },
	{ "refused", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 rst ack",
	  .script = "< tcp SRC:80 to DST:1\n" },
	{ "completes", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = SYN REPLY },
	{ "data", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack len 100",
	  .script = OPEN },
	{ "reply", R(ESTABLISHED), BOTH, V46, .packet = "udp SRC:80 to DST:1",
	  .script = "< udp SRC:1 to DST:80\n" },
	{ "closes", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 fin ack",
	  .script = OPEN },
	{ "older_policy", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = OPEN "! acl add vm vm name more DIR prio 1 allow tcp\n" },
	{ "translated", R(ESTABLISHED), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND "> tcp VM:1 to VIP:443\n" },
	{ "viewed", R(ESTABLISHED), IN, V46, .packet = "tcp BACK:8443 to VM:1 syn ack",
	  .script = BACKEND "< tcp VM:1 to VIP:443\n" },
	{ "untracked", R(UNTRACKED), OUT, V46, .packet = "udp SRC:1 to GROUP:5353" },
	{ "untracked", R(UNTRACKED), IN, V46, .packet = "udp SRC:1 to GROUP:5353" },
	{ "arp", R(ARP), BOTH, V4, .packet = "arp SRC to DST" },
	{ "rarp", R(RARP), BOTH, V4, .packet = "rarp SRC to DST" },
	{ "nd", R(ND), BOTH, V6, .packet = "icmp6 SRC to DST type 135 target DST" },
	{ "ra", R(RA), IN, V6, .packet = "icmp6 ROUTER to DST type 134",
	  .script = "! port del vm vm mac MAC\n! port add vm vm dev DEV mac MAC addr VM ra on\n" },
	{ "mcast_ctl", R(MCAST_CTL), BOTH, V4, .packet = "proto 2 SRC to GROUP" },
	{ "mcast_ctl", R(MCAST_CTL), BOTH, V6, .packet = "icmp6 SRC to GROUP type 143 ttl 1" },
	{ "dhcp", R(DHCP), OUT, V4, .packet = "udp 0.0.0.0:68 to 255.255.255.255:67",
	  .script =
		  "! port del vm vm mac MAC\n! port add vm vm dev DEV mac MAC addr VM dhcp on\n" },
	{ "malformed", R(MALFORMED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .damage = short_tcp },
	{ "ethertype", R(ETHERTYPE), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .damage = other_ethertype },
	{ "ext_headers", R(EXT_HEADERS), BOTH, V6, .packet = "tcp SRC:1 to DST:80 ext 9" },
	{ "fragment", R(FRAGMENT), BOTH, V46, .packet = "udp SRC:1 to DST:80 frag 8192" },
	{ "tcp_flags", R(TCP_FLAGS), BOTH, V46, .packet = "tcp SRC:1 to DST:80 none" },
	{ "port_unknown", R(PORT_UNKNOWN), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = no_port },
	{ "vm_shut", R(VM_SHUT), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! vm set vm shut\n" },
	{ "vlan", R(VLAN), BOTH, V46, .packet = "tcp SRC:1 to DST:80 vlan 10" },
	{ "spoof_mac", R(SPOOF_MAC), OUT, V46,
	  .packet = "tcp SRC:1 to DST:80 smac 02:00:00:00:00:99" },
	{ "spoof_addr", R(SPOOF_ADDR), OUT, V46, .packet = "tcp OTHER:1 to DST:80" },
	{ "spoof_arp", R(SPOOF_ARP), OUT, V4, .packet = "arp OTHER to DST" },
	{ "spoof_nd", R(SPOOF_ND), OUT, V6, .packet = "icmp6 SRC to DST type 136 target OTHER" },
	{ "spoof_nd", R(SPOOF_ND), IN, V6,
	  .packet = "icmp6 SRC to DST type 135 target DST ttl 64" },
	{ "ra_from_vm", R(RA_FROM_VM), OUT, V6, .packet = "icmp6 SRC to DST type 134" },
	{ "ra_off", R(RA_OFF), IN, V6, .packet = "icmp6 ROUTER to DST type 134" },
	{ "dhcp_server", R(DHCP_SERVER), OUT, V4, .packet = "udp SRC:67 to 255.255.255.255:68" },
	{ "dhcp_off", R(DHCP_OFF), OUT, V4, .packet = "udp 0.0.0.0:68 to 255.255.255.255:67" },
	{ "dhcp_off", R(DHCP_OFF), IN, V4, .packet = "udp SRC:67 to DST:68" },
	{ "not_local", R(NOT_LOCAL), IN, V46, .packet = "tcp SRC:1 to OTHER:80" },
	{ "acl_rule", R(ACL_RULE), BOTH, V46, .packet = "tcp SRC:1 to DST:22" },
	{ "acl_default", R(ACL_DEFAULT), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! vm set vm default in drop out drop\n" },
	{ "revoked", R(REVOKED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = OPEN "! acl add vm vm name less DIR prio 1 drop tcp\n" },
	{ "midstream", R(MIDSTREAM), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack" },
	{ "ct_invalid", R(CT_INVALID), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = SYN },
	{ "ct_full", R(CT_FULL), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = SYN REPLY,
	  .fill = "> tcp SRC:# to DST:80\n< tcp SRC:80 to DST:# syn ack\n> tcp SRC:# to DST:80 ack\n" },
	{ "ct_half_full", R(CT_HALF_FULL), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .fill = "> tcp SRC:# to DST:80\n" },
	{ "ct_half_full_balanced", R(CT_HALF_FULL), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND, .fill = "> tcp SRC:# to DST:80\n" },
	{ "no_table", R(NO_TABLE), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = no_rules },
	{ "lb_no_backend", R(LB_NO_BACKEND), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BALANCED },
	{ "lb_clash", R(LB_CLASH), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND "> tcp VM:1 to BACK:8443\n" },
	{ "ips_blocked", R(IPS_BLOCKED), IN, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! ips set vm vm rate 10 burst 10\n! ips block vm vm from PEER\n" },
	{ "ips_limit", R(IPS_LIMIT), IN, V46, .packet = "tcp SRC:2 to DST:80",
	  .script = "! ips set vm vm rate 1 burst 1\n@-100\n> tcp SRC:1 to DST:80\n" },
	{ "ips_limit_again", R(IPS_LIMIT), IN, V46, .packet = "tcp SRC:2 to DST:80",
	  .script = "! ips set vm vm rate 1 burst 1 block 0s\n@-100\n> tcp SRC:1 to DST:80\n" },
	{ "ips_limit_once_more", R(IPS_LIMIT), IN, V46, .packet = "tcp SRC:4 to DST:80",
	  .script =
		  "! ips set vm vm rate 1 burst 1 block 1s max 500s\n@1000\n"
		  "> tcp SRC:1 to DST:80\n? tcp SRC:2 to DST:80\n@-100\n> tcp SRC:3 to DST:80\n" },
	{ "uplink", R(UPLINK), UPLINK, V46, .packet = "tcp SRC:1 to DST:80" },
	{ "uplink_picks", R(UPLINK), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443",
	  .script = BALANCED "! lb backend web add addr VM port 80\n" },
	{ "uplink_blocked", R(IPS_BLOCKED), UPLINK, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! ips set vm vm rate 10 burst 10\n! ips block vm vm from PEER\n" },
	{ "uplink_no_backend", R(LB_NO_BACKEND), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443",
	  .script = BALANCED },
	{ "lb_no_route", R(LB_NO_ROUTE), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443",
	  .script = BACKEND },
	{ "outside_mac", R(OUTSIDE_MAC), UPLINK, V46, .packet = "tcp SRC:1 to DST:80 smac MAC" },
	{ "outside_addr", R(OUTSIDE_ADDR), UPLINK, V46, .packet = "tcp VM:1 to VM:80" },
	{ "ips_full", R(IPS_FULL), IN, V46, .packet = "tcp SRC:2 to DST:80",
	  .script = "@-100\n> tcp SRC:1 to DST:80\n",
	  .fill = "! ips set vm vm rate 1 burst 1 blocks 64\n! ips block vm vm from 10.9.#.1\n" },
	{ "qos_rate", R(QOS_RATE), BOTH, V46, .packet = "tcp SRC:2 to DST:80 len 1400",
	  .script =
		  "! qos set vm vm DIR rate 8kbit burst 2048\n@-100\n> tcp SRC:1 to DST:80 len 1400\n" },
#undef R
};

static const struct spare {
	uint8_t reason;
	const char *why;
} spared[] = {
	{ ROAM_REASON_NONE, "no packet ends with it" },
	{ ROAM_REASON_NO_MEMORY,
	  "a dry run asks for no memory: that there is some cannot be known" },
	{ ROAM_REASON_LB_FRONT, "of a port's list behind XDP, which nobody attaches" },
};

static const char *const reason_name[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = name,
	ROAM_REASONS(X)
#undef X
};

/* ---- scripts ---- */

static const struct name {
	const char *name;
	const char *text[2]; /* IPv4, IPv6 */
} names[] = {
	{ "VM", { "10.0.0.10", "fd00::10" } },
	{ "PEER", { "192.0.2.7", "2001:db8::7" } },
	{ "OTHER", { "10.0.0.66", "fd00::66" } },
	{ "ROUTER", { "10.0.0.1", "fe80::1" } },
	{ "GROUP", { "224.0.0.251", "ff02::fb" } },
	{ "VIP", { "198.51.100.9", "2001:db8:99::9" } },
	{ "BACK", { "10.0.0.77", "fd00::77" } },
	{ "ICMP", { "icmp", "icmp6" } },
	{ "MAC", { "52:54:00:aa:bb:10", "52:54:00:aa:bb:10" } },
};

static const char *meaning(const struct explain_test *self, enum roam_dir dir, const char *word,
			   size_t len)
{
	bool out = dir == ROAM_DIR_OUT;

	if (len == 3 && !strncmp(word, "SRC", len))
		return meaning(self, dir, out ? "VM" : "PEER", out ? 2 : 4);
	if (len == 3 && !strncmp(word, "DST", len))
		return meaning(self, dir, out ? "PEER" : "VM", out ? 4 : 2);
	if (len == 3 && !strncmp(word, "DIR", len))
		return self->dir == ROAM_DIR_OUT ? "out" : "in";
	if (len == 3 && !strncmp(word, "DEV", len))
		return self->host->dev;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i].name) == len && !strncmp(word, names[i].name, len))
			return names[i].text[self->family == 6];
	}
	return NULL;
}

/* A line with its names replaced; IPv6 addresses before a port get their brackets. */
static void expand(const struct explain_test *self, enum roam_dir dir, const char *line,
		   char ret_text[LINE_LEN])
{
	size_t at = 0;

	while (*line && *line != '\n') {
		size_t len = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		const char *text = len ? meaning(self, dir, line, len) : NULL;
		bool brackets = text && line[len] == ':' && strchr(text, ':');

		if (text)
			at += snprintf(ret_text + at, LINE_LEN - at, brackets ? "[%s]" : "%s",
				       text);
		else if (*line == '#')
			at += snprintf(ret_text + at, LINE_LEN - at, "%d", self->number);
		else
			ret_text[at++] = *line;
		line += text ? len : 1;
	}
	ret_text[at] = '\0';
}

static int split(char *text, char *word[WORDS_MAX])
{
	int count = 0;
	char *rest;

	for (char *at = strtok_r(text, " ", &rest); at && count < WORDS_MAX;
	     at = strtok_r(NULL, " ", &rest))
		word[count++] = at;
	return count;
}

static void command(struct explain_test *self, const char *line)
{
	char text[LINE_LEN], *word[WORDS_MAX];

	self->changed = true;
	expand(self, self->dir, line, text);
	if (!CHECK_OK(cmd_run(&self->cmd, word, split(text, word))))
		note("%s: %s", line, fail_line());
}

static bool make_packet(struct explain_test *self, enum roam_dir dir, const char *line,
			struct packet *ret_packet)
{
	struct explain_at at = { .slot = self->slot, .dir = dir };
	char text[LINE_LEN], *word[WORDS_MAX];
	struct explain_ask ask;
	int count, err;

	expand(self, dir, line, text);
	count = split(text, word);
	err = explain_words_packet(&(struct words){ .word = word, .count = count }, &ask);
	if (!err && self->at_uplink && self->explained)
		err = explain_frame_outside(self->host->host, &ask, ret_packet);
	else if (!err)
		err = explain_frame(self->host->host, &at, &ask, ret_packet);
	if (!CHECK_OK(err))
		note("%s: %s", line, fail_line());
	return !err;
}

static enum roam_verdict run_live(struct explain_test *self, enum roam_dir dir,
				  const struct packet *packet)
{
	self->host->now_ns = now_ns() - self->age_ns;
	return hosts_run(self->host, FRONT_TC, dir, packet);
}

static void run_script(struct explain_test *self, const char *script)
{
	struct packet packet;

	for (const char *line = script; line && *line; line = strchr(line, '\n') + 1) {
		enum roam_dir dir = *line == '<' ? !self->dir : self->dir;

		if (*line == '!')
			command(self, line + 2);
		else if (*line == '@')
			self->age_ns = strtoull(line + 1, NULL, 10) * NS_PER_S;
		else if (make_packet(self, dir, line + 2, &packet) &&
			 !CHECK(run_live(self, dir, &packet) == ROAM_PASS || *line == '?'))
			note("%.60s", line);
	}
}

/* ---- one cause ---- */

static uint64_t counted(struct explain_test *self, uint32_t slot, uint8_t reason)
{
	struct roam_stats stats;

	CHECK_OK(stats_fold(self->host->host, slot, &stats));
	return stats.by_reason[reason][self->dir].packets;
}

/* The host's own program. */
static enum roam_verdict run_uplink(struct explain_test *self, const struct packet *packet)
{
	struct xdp_md xdp = { .ingress_ifindex = self->host->ifindex, .data_end = packet->len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .ctx_in = &xdp, .ctx_size_in = sizeof(xdp));

	CHECK_OK(bpf_prog_test_run_opts(host_prog(self->host->host, HOST_PROG_xdp_uplink), &opts));
	return opts.retval == XDP_DROP ? ROAM_DROP : ROAM_PASS;
}

static int hear(const struct roam_event *event, void *arg)
{
	(void)event;
	++*(uint32_t *)arg;
	return 0;
}

/* Events since the last call, by a listener to everything. */
static uint32_t heard(struct explain_test *self)
{
	static const struct monitor_want all = { ROAM_EVENT_BIT(ROAM_EVENT_COUNT) - 1, ROAM_VM_NONE,
						 1 << 20 };
	static struct monitor *monitor;
	uint32_t count = 0;

	if (!monitor)
		CHECK_OK(monitor_open(self->host->host, &all, &monitor));
	CHECK_OK(monitor_poll(monitor, 0, hear, &count));
	return count;
}

static void compare(struct explain_test *self, const struct cause *cause,
		    const struct packet *packet)
{
	static struct map_sums before, after;
	struct roam_explain run = {};
	uint64_t count;

	heard(self);
	map_sums(self->host->host, &before);
	if (self->at_uplink)
		CHECK_OK(explain_uplink(self->host->host, self->host->ifindex, packet, &run));
	else
		CHECK_OK(explain_port(self->host->host, self->host->ifindex, self->dir, packet,
				      &run));
	map_sums(self->host->host, &after);
	CHECK_EQ(map_sums_differ(&before, &after, true), 0);
	CHECK_EQ(heard(self), 0);
	if (!CHECK_EQ(run.pkt.reason, cause->reason))
		note("explained as %s", reason_name[run.pkt.reason]);
	CHECK_OP(run.steps, >, 1);
	CHECK_OP(run.steps, <, ROAM_EXPLAIN_STEPS);

	count = counted(self, run.pkt.vm, cause->reason);
	self->age_ns = now_ns() - run.pkt.now_ns; /* buckets fill with time */
	CHECK_EQ(self->at_uplink ? run_uplink(self, packet) : run_live(self, self->dir, packet),
		 run.verdict);
	CHECK_EQ(counted(self, run.pkt.vm, cause->reason), count + 1);
	if (run.verdict == ROAM_DROP)
		CHECK(heard(self) > 0);
	map_sums(self->host->host, &after);
	CHECK_OP(map_sums_differ(&before, &after, false), >, 0); /* and the sums can tell */
}

/* As it is for every cause. Making and removing it takes long: it stays while only flows come. */
static void make_vm(struct explain_test *self)
{
	uint64_t flows;

	if (!vm_find(self->host->host, "vm", &self->slot)) {
		CHECK_OK(ct_flush(self->host->host, self->slot, &flows));
		return;
	}
	command(self, "vm add vm default in allow out allow flows 64 half 64");
	command(self, "acl add vm vm name no-ssh-in in drop tcp from any dport 22");
	command(self, "acl add vm vm name no-ssh-out out drop tcp to any dport 22");
	command(self, "port add vm vm dev DEV mac MAC addr 10.0.0.10 addr fd00::10");
	CHECK_OK(vm_find(self->host->host, "vm", &self->slot));
	self->changed = false;
}

static void remove_vm(struct explain_test *self)
{
	if (!self->changed && !harness_stopped())
		return;
	vm_del(self->host->host, "vm");
	cmd_run(&self->cmd, (char *const[]){ "lb", "del", "web" }, 3); /* few have it */
}

static void explain_test_setup(struct explain_test *self)
{
	self->host = hosts_shared();
	self->cmd.host = self->host->host;
	self->cmd.out = out_open(OUT_JSON);
	make_vm(self);
}

static void explain_test_teardown(struct explain_test *self)
{
	remove_vm(self);
	out_close(self->cmd.out);
}

static void try_cause(struct explain_test *self, const struct cause *cause)
{
	struct packet packet;

	remove_vm(self);
	make_vm(self);
	self->explained = false;
	self->age_ns = 0;
	self->changed |= cause->prepare || cause->fill;
	for (int i = 0; cause->fill && i < FILL; i++) {
		self->number = 100 + i;
		run_script(self, cause->fill);
	}
	run_script(self, cause->script);
	self->explained = true;
	if (make_packet(self, self->dir, cause->packet, &packet)) {
		if (cause->damage)
			cause->damage(&packet);
		if (cause->prepare)
			cause->prepare(self);
		compare(self, cause, &packet);
	}
	if (harness_stopped())
		note("%s, %s", cause->name, self->dir == ROAM_DIR_OUT ? "out" : "in");
}

TEST_46_EACH_F(explain_test, changes_nothing, causes)
{
	if (!(row->families & (family == 4 ? V4 : V6)))
		return;
	self->family = family;
	for (self->dir = 0; self->dir < ROAM_DIR_COUNT && !harness_stopped(); self->dir++) {
		if (row->dirs & (1 << self->dir))
			try_cause(self, row);
	}
	self->dir = ROAM_DIR_IN;
	self->at_uplink = true;
	if (row->dirs & UPLINK && !harness_stopped())
		try_cause(self, row);
}

TEST(every_reason_is_caused)
{
	for (uint8_t reason = 0; reason < ROAM_REASON_COUNT; reason++) {
		uint32_t found = 0, why = 0;

		for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
			found += causes[i].reason == reason;
		for (size_t i = 0; i < ARRAY_SIZE(spared); i++)
			why += spared[i].reason == reason && spared[i].why[0];
		if (!CHECK_EQ(!!found + why, 1))
			note("%s: no cause in this test, or one and an excuse",
			     reason_name[reason]);
	}
}
