/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How each reason comes about: the table of explain.c, its only includer, in the language of
 * explain_script.h; and why there are reasons without a row.
 */
#ifndef ROAM_TESTS_EXPLAIN_CAUSES_H
#define ROAM_TESTS_EXPLAIN_CAUSES_H

#include <string.h>
#include "explain_script.h"
#include "harness.h"
#include "host.h"
#include "late.h"
#include "move_own.h"
#include "tables.h"
#include "tunnel.h"
#include "vm.h"

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

/* The VM is on its way between two hosts. */
static void set_gate(struct explain_test *self, struct roam_gate gate)
{
	struct roam_vm vm;

	CHECK_OK(move_gate_put(self->host->host, self->slot, &gate));
	CHECK_OK(vm_get(self->host->host, self->slot, &vm));
	vm.life = ROAM_LIFE_GATED;
	CHECK_OK(vm_put(self->host->host, self->slot, &vm));
}

static void gate_copying(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_COPYING });
}

static void gate_frozen(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_FROZEN });
}

static void gate_moved(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_MOVED });
}

static void gate_carries(struct explain_test *self)
{
	const struct late_way way = { .from = tunnel_near(self->family),
				      .to = tunnel_far(self->family) };

	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_MOVED,
					   .late_until_ns = now_ns() + NS_PER_S * 100 });
	CHECK_OK(late_to_put(self->host->host, self->slot, &way));
}

static void gate_prepared(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_PREPARED });
}

static void gate_staged(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_STAGED, .grace = 1 });
}

static void gate_in_open(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_STAGED, .in_open = 1 });
}

static void gate_grace(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_OPEN,
					   .grace = 1,
					   .opened_ns = now_ns() + NS_PER_S * 100 });
}

static void gate_open(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_OPEN });
}

static void gate_shut(struct explain_test *self)
{
	set_gate(self, (struct roam_gate){ .state = ROAM_GATE_SHUT });
}

#define SYN       "> tcp SRC:1 to DST:80\n"
#define REPLY     "< tcp SRC:80 to DST:1 syn ack\n"
#define OPEN      SYN REPLY "> tcp SRC:1 to DST:80 ack\n"
#define STATELESS "! acl add vm vm name each DIR prio 1 allow tcp stateless\n"
#define BIG       "udp SRC:1 to DST:80 len 1400"
#define FIRST     BIG " | cut 0 400"
#define BALANCED  "! lb add web vip VIP port 443 tcp\n! lb on vm vm\n"
#define HERE      BALANCED "! lb backend web add addr VM port 80\n"
#define BACKEND   BALANCED "! lb backend web add addr BACK port 8443\n"
#define MOVED     BACKEND "! lb backend web move addr BACK to FAR from NEAR\n"

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
	{ "opened_other", R(OPENED), BOTH, V46, .packet = "proto 47 SRC to DST" },
	{ "opened_sctp", R(OPENED), BOTH, V46, .packet = "sctp SRC:1 to DST:80" },
	{ "opened_logged", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! acl add vm vm name all DIR prio 1 allow tcp log 5\n" },
	{ "opened_first_fragment", R(OPENED), BOTH, V46, .packet = FIRST },
	{ "opened_over_dead", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = OPEN "< tcp SRC:80 to DST:1 rst ackseq 1\n" },
	{ "opened_midstream", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = "! vm set vm midstream pickup\n" },
	{ "opened_balanced", R(OPENED), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND },
	{ "opened_backend", R(OPENED), IN, V46, .packet = "tcp PEER:1 to VIP:443", .script = HERE },
	{ "opened_hairpin", R(OPENED), OUT, V46, .packet = "tcp VM:1 to VIP:443", .script = HERE },
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
	{ "fragment", R(FRAGMENT), BOTH, V6,
	  .packet = "icmp6 SRC to DST type 135 target DST frag 16384" },
	{ "frag_tiny", R(FRAG_TINY), BOTH, V46, .packet = "tcp SRC:1 to DST:80 len 100 | cut 0 8" },
	{ "frag_later", R(FRAG_LATER), BOTH, V46, .packet = BIG " | cut 400 800",
	  .script = "> " FIRST "\n" },
	{ "frag_later_between", R(FRAG_LATER), BOTH, V46, .packet = BIG " | cut 400 800",
	  .script = "> " FIRST "\n> " BIG " | cut 800 1200\n" },
	{ "frag_last", R(FRAG_LATER), BOTH, V46, .packet = BIG " | cut 800 1408",
	  .script = "> " FIRST "\n" },
	{ "frag_completes", R(FRAG_LATER), BOTH, V46, .packet = BIG " | cut 400 1408",
	  .script = "> " FIRST "\n" },
	{ "frag_translated", R(FRAG_LATER), OUT, V46,
	  .packet = "tcp VM:1 to VIP:443 len 1000 | cut 400 800",
	  .script = BACKEND "> tcp VM:1 to VIP:443 len 1000 | cut 0 400\n" },
	{ "frag_viewed", R(FRAG_LATER), IN, V46,
	  .packet = "tcp PEER:1 to VIP:443 len 1000 | cut 400 800",
	  .script = HERE "> tcp PEER:1 to VIP:443 len 1000 | cut 0 400\n" },
	{ "frag_no_first", R(FRAG_NO_FIRST), BOTH, V46, .packet = BIG " | cut 400 800" },
	{ "frag_expired", R(FRAG_NO_FIRST), BOTH, V46, .packet = BIG " | cut 400 800",
	  .script = "@1000\n> " FIRST "\n" },
	{ "frag_first_again", R(FRAG_OVERLAP), BOTH, V46, .packet = FIRST,
	  .script = "> " FIRST "\n" },
	{ "frag_first_differs", R(FRAG_OVERLAP), BOTH, V46, .packet = BIG " | cut 0 800",
	  .script = "> " FIRST "\n" },
	{ "frag_overlap", R(FRAG_OVERLAP), BOTH, V46, .packet = BIG " | cut 392 800",
	  .script = "> " FIRST "\n" },
	{ "frag_dead", R(FRAG_OVERLAP), BOTH, V46, .packet = BIG " | cut 400 800",
	  .script = "> " FIRST "\n? " BIG " | cut 392 800\n" },
	{ "frag_gaps", R(FRAG_GAPS), BOTH, V46, .packet = BIG " | cut 800 880",
	  .script = "> " FIRST "\n> " BIG " | cut 480 560\n> " BIG " | cut 640 720\n> " BIG
		    " | cut 1120 1200\n" },
	{ "quote", R(QUOTE), BOTH, V46,
	  .packet = "ICMP SRC to DST type UNREACHABLE about tcp SRC:80 to DST:1 ack",
	  .script = OPEN },
	{ "quote_outside_the_window", R(QUOTE), BOTH, V46,
	  .packet = "ICMP SRC to DST type UNREACHABLE"
		    " about tcp DST:80 to SRC:1 ack seq 1000000",
	  .script = OPEN },
	{ "icmp_redirect", R(ICMP_REDIRECT), BOTH, V4,
	  .packet = "icmp SRC to DST type 5 about tcp DST:80 to SRC:1 ack", .script = OPEN },
	{ "related", R(RELATED), BOTH, V46,
	  .packet = "ICMP SRC to DST type UNREACHABLE about tcp DST:80 to SRC:1 ack",
	  .script = OPEN },
	{ "related_older_policy", R(RELATED), BOTH, V46,
	  .packet = "ICMP SRC to DST type UNREACHABLE about tcp DST:80 to SRC:1 ack",
	  .script = OPEN "! acl add vm vm name more DIR prio 1 allow tcp\n" },
	{ "related_translated", R(RELATED), IN, V46,
	  .packet = "ICMP SRC to DST type UNREACHABLE about tcp VM:1 to BACK:8443",
	  .script = BACKEND "< tcp VM:1 to VIP:443\n" },
	{ "unrelated", R(UNRELATED), BOTH, V46,
	  .packet = "ICMP SRC to DST type UNREACHABLE about tcp DST:80 to SRC:1 ack" },
	{ "tcp_flags", R(TCP_FLAGS), BOTH, V46, .packet = "tcp SRC:1 to DST:80 none" },
	{ "port_unknown", R(PORT_UNKNOWN), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = no_port },
	{ "copying", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = gate_copying },
	{ "frozen", R(FROZEN), IN, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_frozen },
	{ "thaws", R(OPENED), OUT, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_frozen },
	{ "moved", R(MOVED), IN, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_moved },
	{ "late_carried", R(LATE_CARRIED), IN, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = gate_carries },
	{ "late_mtu", R(LATE_MTU), IN, V46, .packet = "tcp SRC:1 to DST:80 ack len 1300",
	  .prepare = gate_carries },
	{ "two_senders", R(OPENED), OUT, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = gate_moved },
	{ "prepared", R(PREPARED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = gate_prepared },
	{ "staged", R(STAGED), IN, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_staged },
	{ "opens", R(GRACE), OUT, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_staged },
	{ "in_open", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = gate_in_open },
	{ "grace", R(GRACE), BOTH, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_grace },
	{ "known_in_grace", R(ESTABLISHED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = OPEN, .prepare = gate_grace },
	{ "open", R(OPENED), BOTH, V46, .packet = "tcp SRC:1 to DST:80", .prepare = gate_open },
	{ "gate_shut", R(VM_SHUT), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .prepare = gate_shut },
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
	{ "audited", R(AUDITED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! acl add vm vm name watch DIR prio 1 audit tcp log 5\n" },
	{ "audited_by_default", R(AUDITED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! vm set vm default in audit out audit\n" },
	{ "rejected", R(REJECTED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "! acl add vm vm name no DIR prio 1 reject tcp log 5\n" },
	{ "rejected_by_default", R(REJECTED), BOTH, V46, .packet = "udp SRC:1 to DST:80",
	  .script = "! vm set vm default in reject out reject\n" },
	{ "untracked_by_rule", R(UNTRACKED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = STATELESS },
	{ "untracked_over_expired", R(UNTRACKED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = "@1000\n" SYN STATELESS },
	{ "untracked_over_dead", R(UNTRACKED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .script = OPEN "< tcp SRC:80 to DST:1 rst ackseq 1\n" STATELESS },
	{ "revoked_by_reject", R(REVOKED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = OPEN "! acl add vm vm name no DIR prio 1 reject tcp\n" },
	{ "revoked", R(REVOKED), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = OPEN "! acl add vm vm name less DIR prio 1 drop tcp\n" },
	{ "midstream", R(MIDSTREAM), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack" },
	{ "ct_invalid", R(CT_INVALID), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = SYN },
	{ "tcp_window", R(TCP_WINDOW), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack seq 1000000",
	  .script = OPEN },
	{ "tcp_window_of_ack", R(TCP_WINDOW), BOTH, V46,
	  .packet = "tcp SRC:1 to DST:80 ack ackseq 1000000", .script = OPEN },
	{ "ct_full", R(CT_FULL), BOTH, V46, .packet = "tcp SRC:1 to DST:80 ack",
	  .script = SYN REPLY,
	  .fill = "> tcp SRC:# to DST:80\n< tcp SRC:80 to DST:# syn ack\n> tcp SRC:# to DST:80 ack\n" },
	{ "ct_half_full", R(CT_HALF_FULL), IN, V46, .packet = "tcp SRC:1 to DST:80",
	  .fill = "< tcp SRC:# to DST:80\n" },
	{ "ct_replaced", R(CT_REPLACED), BOTH, V46, .packet = "tcp SRC:1 to DST:80",
	  .fill = "> tcp SRC:# to DST:80\n" },
	{ "ct_replaced_balanced", R(CT_REPLACED), OUT, V46, .packet = "tcp VM:1 to VIP:443",
	  .script = BACKEND, .fill = "> tcp SRC:# to DST:80\n" },
	{ "opened_within_limits", R(OPENED), BOTH, V46, .packet = "tcp SRC:2 to DST:80",
	  .script = "! acl add vm vm name few DIR prio 1 allow tcp conns 2 perremote 2\n" SYN },
	{ "opened_over_a_limit_that_has_expired", R(OPENED), BOTH, V46,
	  .packet = "tcp SRC:2 to DST:80",
	  .script =
		  "! acl add vm vm name few DIR prio 1 allow tcp conns 1 perremote 1\n@1000\n" SYN },
	{ "conn_limit", R(CONN_LIMIT), BOTH, V46, .packet = "tcp SRC:2 to DST:80",
	  .script = "! acl add vm vm name few DIR prio 1 allow tcp conns 1\n" SYN },
	{ "conn_limit_remote", R(CONN_LIMIT_REMOTE), BOTH, V46, .packet = "tcp SRC:2 to DST:80",
	  .script = "! acl add vm vm name few DIR prio 1 allow tcp conns 9 perremote 1\n" SYN },
	{ "older_policy_without_limits", R(ESTABLISHED), BOTH, V46,
	  .packet = "tcp SRC:1 to DST:80 ack",
	  .script = OPEN "! acl add vm vm name few DIR prio 1 allow tcp conns 1\n" },
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
	  .script = HERE },
	{ "uplink_first_fragment", R(UPLINK), UPLINK, V46,
	  .packet = "tcp PEER:1 to VIP:443 len 1000 | cut 0 400 100", .script = HERE },
	{ "uplink_later_fragment", R(UPLINK), UPLINK, V46,
	  .packet = "tcp PEER:1 to VIP:443 len 1000 | cut 400 800 101",
	  .script = HERE "^ tcp PEER:1 to VIP:443 len 1000 | cut 0 400 101\n" },
	{ "uplink_no_first", R(FRAG_NO_FIRST), UPLINK, V46,
	  .packet = "tcp PEER:1 to VIP:443 len 1000 | cut 400 800 102", .script = HERE },
	{ "uplink_tiny", R(FRAG_TINY), UPLINK, V46,
	  .packet = "tcp PEER:1 to VIP:443 len 1000 | cut 0 8 103", .script = HERE },
	{ "uplink_error", R(UPLINK), UPLINK, V46,
	  .packet = "ICMP PEER to VIP type UNREACHABLE about tcp VIP:443 to PEER:1 ack",
	  .script = HERE },
	{ "into_a_tunnel", R(UPLINK), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443",
	  .script = MOVED },
	{ "out_of_a_tunnel", R(UPLINK), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443 | tunnelled",
	  .script = HERE "! lb peer add NEAR at FAR\n" },
	{ "lb_mtu", R(LB_MTU), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443 ack len 1400",
	  .script = MOVED },
	{ "lb_peer", R(LB_PEER), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443 | tunnelled",
	  .script = HERE "! lb peer add NOWHERE at FAR\n" },
	{ "lb_not_here", R(LB_NOT_HERE), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443 | tunnelled",
	  .script = BACKEND "! lb peer add NEAR at FAR\n" },
	{ "lb_no_way_to_a_tunnel", R(LB_NO_ROUTE), UPLINK, V46, .packet = "tcp PEER:1 to VIP:443",
	  .script = BACKEND "! lb backend web move addr BACK to NOWHERE from NEAR\n" },
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
	{ ROAM_REASON_CONN_LIMIT_FULL,
	  "a queue does not say how full it is, and a dry run adds nothing" },
	{ ROAM_REASON_FRAG_FULL,
	  "a queue does not say how full it is, and a dry run adds nothing" },
	{ ROAM_REASON_ANSWERED, "known by a mark of the kernel's, which no described frame has" },
	{ ROAM_REASON_LATE_TAKEN, "a frame within UDP, which no words describe" },
	{ ROAM_REASON_LATE_FOREIGN, "a frame within UDP, which no words describe" },
	{ ROAM_REASON_LATE_LOOP, "a frame within UDP, which no words describe" },
	{ ROAM_REASON_LB_FRONT, "of a port's list behind XDP, which nobody attaches" },
};

#endif
