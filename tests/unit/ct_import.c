// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Entries of nf_conntrack as flows, as the VM sees them. */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_sctp.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include "ct_import.h"
#include "harness.h"
#include "text.h"

#define NOW_NS (1000 * NS_PER_S)

struct import {
	struct roam_port port;
	struct nf_conntrack *entry;
	struct roam_flow_rec rec;
};

static const char *vm_addr(int family)
{
	return family == 4 ? "10.0.0.10" : "fd00::10";
}

static const char *peer_addr(int family)
{
	return family == 4 ? "192.0.2.7" : "2001:db8::7";
}

static const char *router_addr(int family)
{
	return family == 4 ? "10.0.0.1" : "fd00::1";
}

static void import_setup(struct import *self)
{
	self->port.addr_count = 2;
	self->port.zone = 3;
	CHECK_OK(text_addr_parse(vm_addr(4), &self->port.addr[0]));
	CHECK_OK(text_addr_parse(vm_addr(6), &self->port.addr[1]));
	self->entry = nfct_new();
	CHECK(self->entry != NULL);
}

static void import_teardown(struct import *self)
{
	nfct_destroy(self->entry);
}

static void set_addr(struct import *self, int family, enum nf_conntrack_attr v4, const char *text)
{
	enum nf_conntrack_attr v6 = v4 - ATTR_ORIG_IPV4_SRC + ATTR_ORIG_IPV6_SRC;
	uint8_t bytes[16];

	CHECK_EQ(inet_pton(family == 4 ? AF_INET : AF_INET6, text, bytes), 1);
	if (family == 4)
		nfct_set_attr(self->entry, v4, bytes);
	else
		nfct_set_attr(self->entry, v6, bytes);
}

/* One tuple, the original or the reply's. */
struct ends {
	const char *src, *dst;
	uint16_t sport, dport;
};

static void set_tuples(struct import *self, int family, struct ends orig, struct ends reply)
{
	nfct_set_attr_u8(self->entry, ATTR_L3PROTO, family == 4 ? AF_INET : AF_INET6);
	set_addr(self, family, ATTR_ORIG_IPV4_SRC, orig.src);
	set_addr(self, family, ATTR_ORIG_IPV4_DST, orig.dst);
	nfct_set_attr_u16(self->entry, ATTR_ORIG_PORT_SRC, htons(orig.sport));
	nfct_set_attr_u16(self->entry, ATTR_ORIG_PORT_DST, htons(orig.dport));
	set_addr(self, family, ATTR_REPL_IPV4_SRC, reply.src);
	set_addr(self, family, ATTR_REPL_IPV4_DST, reply.dst);
	nfct_set_attr_u16(self->entry, ATTR_REPL_PORT_SRC, htons(reply.sport));
	nfct_set_attr_u16(self->entry, ATTR_REPL_PORT_DST, htons(reply.dport));
}

static void set_tcp(struct import *self, uint8_t state, uint32_t left_s)
{
	nfct_set_attr_u8(self->entry, ATTR_L4PROTO, IPPROTO_TCP);
	nfct_set_attr_u8(self->entry, ATTR_TCP_STATE, state);
	nfct_set_attr_u32(self->entry, ATTR_TIMEOUT, left_s);
	nfct_set_attr_u32(self->entry, ATTR_STATUS, IPS_SEEN_REPLY);
}

static enum ct_import_find convert(struct import *self)
{
	struct ct_import_view view = { .ports = &self->port, .port_count = 1, .now_ns = NOW_NS };

	return ct_import_convert(&view, self->entry, &self->rec);
}

static void check_ends(const struct import *self, const char *local, uint16_t lport,
		       const char *remote, uint16_t rport)
{
	char text[TEXT_ADDR_LEN];

	CHECK_STR(text_addr(&self->rec.key.local, text), local);
	CHECK_STR(text_addr(&self->rec.key.remote, text), remote);
	CHECK_EQ(ntohs(self->rec.key.lport), lport);
	CHECK_EQ(ntohs(self->rec.key.rport), rport);
	CHECK_EQ(self->rec.key.zone, ROAM_ZONE(3, 0));
}

TEST_46_F(import, the_vm_opened_it)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family);

	set_tuples(self, family, (struct ends){ vm, peer, 40000, 443 },
		   (struct ends){ peer, vm, 443, 40000 });
	set_tcp(self, TCP_CONNTRACK_ESTABLISHED, 431990);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	check_ends(self, vm, 40000, peer, 443);
	CHECK_EQ(self->rec.key.family, family);
	CHECK_EQ(self->rec.flow.open_dir, ROAM_DIR_OUT);
	CHECK_EQ(self->rec.flow.state, ROAM_CT_ESTABLISHED);
	CHECK_EQ(self->rec.flow.seen_ns, NOW_NS - 10 * NS_PER_S);
	CHECK_EQ(self->rec.flow.gen, 0);
	CHECK_EQ(self->rec.flow.flags, ROAM_FLOW_PICKED_UP | ROAM_FLOW_LEARNED);
}

TEST_46_F(import, the_vm_answers)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family);

	set_tuples(self, family, (struct ends){ peer, vm, 50000, 22 },
		   (struct ends){ vm, peer, 22, 50000 });
	set_tcp(self, TCP_CONNTRACK_FIN_WAIT, 60);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	check_ends(self, vm, 22, peer, 50000);
	CHECK_EQ(self->rec.flow.open_dir, ROAM_DIR_IN);
	CHECK_EQ(self->rec.flow.state, ROAM_CT_FIN_WAIT);
}

/* To the router's port 8080, which the host translates on the way to the VM, and the VM out by the
 * router's address: it sees neither. */
TEST_46_F(import, translated_behind_its_back)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family), *router = router_addr(family);

	set_tuples(self, family, (struct ends){ peer, router, 50000, 8080 },
		   (struct ends){ vm, peer, 80, 50000 });
	set_tcp(self, TCP_CONNTRACK_ESTABLISHED, 1);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	check_ends(self, vm, 80, peer, 50000);
	set_tuples(self, family, (struct ends){ vm, peer, 40000, 443 },
		   (struct ends){ peer, router, 443, 61000 });
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	check_ends(self, vm, 40000, peer, 443);
}

TEST_46_F(import, somebody_elses)
{
	const char *peer = peer_addr(family), *router = router_addr(family);

	set_tuples(self, family, (struct ends){ peer, router, 50000, 22 },
		   (struct ends){ router, peer, 22, 50000 });
	set_tcp(self, TCP_CONNTRACK_ESTABLISHED, 1);
	CHECK_EQ(convert(self), CT_IMPORT_FOREIGN);
}

TEST_46_F(import, an_echo_has_its_identifier)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family);

	set_tuples(self, family, (struct ends){ peer, vm, 0, 0 }, (struct ends){ vm, peer, 0, 0 });
	nfct_set_attr_u8(self->entry, ATTR_L4PROTO, family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	nfct_set_attr_u8(self->entry, ATTR_ICMP_TYPE, family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST);
	nfct_set_attr_u16(self->entry, ATTR_ICMP_ID, htons(77));
	nfct_set_attr_u32(self->entry, ATTR_STATUS, IPS_SEEN_REPLY);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	check_ends(self, vm, 0, peer, 77);
	CHECK_EQ(self->rec.flow.state, ROAM_CT_ICMP_REPLIED);
}

TEST_46_F(import, an_association)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family);

	set_tuples(self, family, (struct ends){ vm, peer, 40000, 36412 },
		   (struct ends){ peer, vm, 36412, 40000 });
	nfct_set_attr_u8(self->entry, ATTR_L4PROTO, IPPROTO_SCTP);
	nfct_set_attr_u8(self->entry, ATTR_SCTP_STATE, SCTP_CONNTRACK_SHUTDOWN_RECD);
	nfct_set_attr_u32(self->entry, ATTR_STATUS, IPS_SEEN_REPLY);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	check_ends(self, vm, 40000, peer, 36412);
	CHECK_EQ(self->rec.flow.state, ROAM_CT_SCTP_SHUTDOWN_RECD);
	nfct_set_attr_u8(self->entry, ATTR_SCTP_STATE, SCTP_CONNTRACK_NONE);
	CHECK_EQ(convert(self), CT_IMPORT_USELESS);
}

TEST_46_F(import, datagrams_and_streams_of_them)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family);

	set_tuples(self, family, (struct ends){ vm, peer, 40000, 53 },
		   (struct ends){ peer, vm, 53, 40000 });
	nfct_set_attr_u8(self->entry, ATTR_L4PROTO, IPPROTO_UDP);
	nfct_set_attr_u32(self->entry, ATTR_STATUS, IPS_SEEN_REPLY);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	CHECK_EQ(self->rec.flow.state, ROAM_CT_UDP_REPLIED);
	nfct_set_attr_u32(self->entry, ATTR_STATUS, IPS_SEEN_REPLY | IPS_ASSURED);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	CHECK_EQ(self->rec.flow.state, ROAM_CT_UDP_STREAM);
}

TEST_46_F(import, the_vlan_must_be_known)
{
	const char *vm = vm_addr(family), *peer = peer_addr(family);

	set_tuples(self, family, (struct ends){ vm, peer, 40000, 443 },
		   (struct ends){ peer, vm, 443, 40000 });
	set_tcp(self, TCP_CONNTRACK_ESTABLISHED, 1);
	self->port.vlan_count = 1;
	self->port.vlan[0] = ROAM_VLAN(7, 0);
	CHECK_EQ(convert(self), CT_IMPORT_TAKEN);
	CHECK_EQ(self->rec.key.zone, ROAM_ZONE(3, ROAM_VLAN(7, 0)));
	self->port.vlan_count = 2;
	CHECK_EQ(convert(self), CT_IMPORT_USELESS);
}
