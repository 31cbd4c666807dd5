// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From one entry of nf_conntrack to a flow: see ct_import.h. The VM sees its own end of a
 * translated connection: what it opened as in the original direction, what it answers as in the
 * reply's.
 */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_sctp.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include "ct.h"
#include "ct_import.h"
#include "text.h"

/* The same names for the two tuples of an entry. */
struct tuple_attrs {
	enum nf_conntrack_attr src4, dst4, src6, dst6, sport, dport;
};

static const struct tuple_attrs original = {
	ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_SRC,
	ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_SRC, ATTR_ORIG_PORT_DST,
};
static const struct tuple_attrs reply = {
	ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_SRC,
	ATTR_REPL_IPV6_DST, ATTR_REPL_PORT_SRC, ATTR_REPL_PORT_DST,
};

static const uint8_t tcp_states[] = {
	[TCP_CONNTRACK_NONE] = ROAM_CT_NONE,
	[TCP_CONNTRACK_SYN_SENT] = ROAM_CT_SYN_SENT,
	[TCP_CONNTRACK_SYN_RECV] = ROAM_CT_SYN_RECV,
	[TCP_CONNTRACK_ESTABLISHED] = ROAM_CT_ESTABLISHED,
	[TCP_CONNTRACK_FIN_WAIT] = ROAM_CT_FIN_WAIT,
	[TCP_CONNTRACK_CLOSE_WAIT] = ROAM_CT_CLOSE_WAIT,
	[TCP_CONNTRACK_LAST_ACK] = ROAM_CT_LAST_ACK,
	[TCP_CONNTRACK_TIME_WAIT] = ROAM_CT_TIME_WAIT,
	[TCP_CONNTRACK_CLOSE] = ROAM_CT_CLOSE,
	[TCP_CONNTRACK_SYN_SENT2] = ROAM_CT_SYN_SENT,
};

static const uint8_t sctp_states[] = {
	[SCTP_CONNTRACK_NONE] = ROAM_CT_NONE,
	[SCTP_CONNTRACK_CLOSED] = ROAM_CT_SCTP_CLOSED,
	[SCTP_CONNTRACK_COOKIE_WAIT] = ROAM_CT_SCTP_COOKIE_WAIT,
	[SCTP_CONNTRACK_COOKIE_ECHOED] = ROAM_CT_SCTP_COOKIE_ECHOED,
	[SCTP_CONNTRACK_ESTABLISHED] = ROAM_CT_SCTP_ESTABLISHED,
	[SCTP_CONNTRACK_SHUTDOWN_SENT] = ROAM_CT_SCTP_SHUTDOWN_SENT,
	[SCTP_CONNTRACK_SHUTDOWN_RECD] = ROAM_CT_SCTP_SHUTDOWN_RECD,
	[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT] = ROAM_CT_SCTP_SHUTDOWN_ACK_SENT,
	[SCTP_CONNTRACK_HEARTBEAT_SENT] = ROAM_CT_SCTP_HEARTBEAT_SENT,
	[SCTP_CONNTRACK_HEARTBEAT_ACKED] = ROAM_CT_SCTP_ESTABLISHED, /* before Linux 6.2 */
};

static bool is_echo(uint8_t proto)
{
	return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

static struct roam_addr get_addr(const struct nf_conntrack *entry, uint8_t family,
				 enum nf_conntrack_attr v4, enum nf_conntrack_attr v6)
{
	struct roam_addr addr = {};

	if (family == ROAM_FAMILY_IPV6) {
		memcpy(addr.bytes, nfct_get_attr(entry, v6), sizeof(addr.bytes));
		return addr;
	}
	addr.words[2] = htonl(0xffff);
	addr.words[3] = nfct_get_attr_u32(entry, v4);
	return addr;
}

/* The local end is the tuple's source: the opener's, or the answering one's. */
static void get_key(const struct nf_conntrack *entry, const struct tuple_attrs *tuple,
		    struct roam_flow_key *key)
{
	key->local = get_addr(entry, key->family, tuple->src4, tuple->src6);
	key->remote = get_addr(entry, key->family, tuple->dst4, tuple->dst6);
	if (!has_ports(key->proto))
		return;
	key->lport = nfct_get_attr_u16(entry, tuple->sport);
	key->rport = nfct_get_attr_u16(entry, tuple->dport);
}

/* The port that has the address; -1: none. */
static int find_port(const struct ct_import_view *view, const struct roam_addr *addr)
{
	for (int i = 0; i < view->port_count; i++) {
		for (int j = 0; j < view->ports[i].addr_count; j++) {
			if (!memcmp(&view->ports[i].addr[j], addr, sizeof(*addr)))
				return i;
		}
	}
	return -1;
}

/* Whose it is, and in which direction it was opened; -1: not the VM's. */
static int find_ends(const struct ct_import_view *view, const struct nf_conntrack *entry,
		     struct roam_flow_rec *rec)
{
	int port;

	get_key(entry, &original, &rec->key);
	rec->flow.open_dir = ROAM_DIR_OUT;
	port = find_port(view, &rec->key.local);
	if (port >= 0)
		return port;
	get_key(entry, &reply, &rec->key);
	rec->flow.open_dir = ROAM_DIR_IN;
	return find_port(view, &rec->key.local);
}

/* nf_conntrack knows no VLANs: of a port with one alone it must be that. */
static bool set_zone(const struct roam_port *port, struct roam_flow_key *key)
{
	if (port->vlan_count > 1)
		return false;
	key->zone = ROAM_ZONE(port->zone, port->vlan_count ? port->vlan[0] : 0);
	return true;
}

static bool is_replied(const struct nf_conntrack *entry)
{
	return nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_SEEN_REPLY;
}

static uint8_t state_of(const struct nf_conntrack *entry, uint8_t proto)
{
	bool replied = is_replied(entry);
	uint8_t state;

	switch (proto) {
	case IPPROTO_TCP:
		state = nfct_get_attr_u8(entry, ATTR_TCP_STATE);
		return state < ARRAY_SIZE(tcp_states) ? tcp_states[state] : ROAM_CT_NONE;
	case IPPROTO_SCTP:
		state = nfct_get_attr_u8(entry, ATTR_SCTP_STATE);
		return state < ARRAY_SIZE(sctp_states) ? sctp_states[state] : ROAM_CT_NONE;
	case IPPROTO_UDP:
		if (nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_ASSURED)
			return ROAM_CT_UDP_STREAM;
		return replied ? ROAM_CT_UDP_REPLIED : ROAM_CT_UDP_NEW;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return replied ? ROAM_CT_ICMP_REPLIED : ROAM_CT_ICMP_NEW;
	default:
		return replied ? ROAM_CT_OTHER_REPLIED : ROAM_CT_OTHER_NEW;
	}
}

/* An echo's identifier is the port of the end that asks (ct.h). */
static bool set_opening(const struct nf_conntrack *entry, struct roam_flow_rec *rec)
{
	uint8_t type = rec->key.proto == IPPROTO_ICMP ? ICMP_ECHO : ICMP6_ECHO_REQUEST;

	if (rec->key.proto == IPPROTO_TCP)
		rec->flow.open_tcp_flags = 0x02; /* SYN */
	if (!is_echo(rec->key.proto))
		return true;
	if (nfct_get_attr_u8(entry, ATTR_ICMP_TYPE) != type)
		return false;
	rec->flow.open_icmp_type = type;
	if (rec->flow.open_dir == ROAM_DIR_OUT)
		rec->key.lport = nfct_get_attr_u16(entry, ATTR_ICMP_ID);
	else
		rec->key.rport = nfct_get_attr_u16(entry, ATTR_ICMP_ID);
	return true;
}

/* Counted only where nf_conntrack_acct is on. */
static void set_counters(const struct nf_conntrack *entry, struct roam_flow *flow)
{
	int opener = flow->open_dir, other = !opener;

	flow->side[opener].packets = nfct_get_attr_u64(entry, ATTR_ORIG_COUNTER_PACKETS);
	flow->side[opener].bytes = nfct_get_attr_u64(entry, ATTR_ORIG_COUNTER_BYTES);
	flow->side[other].packets = nfct_get_attr_u64(entry, ATTR_REPL_COUNTER_PACKETS);
	flow->side[other].bytes = nfct_get_attr_u64(entry, ATTR_REPL_COUNTER_BYTES);
}

/* Last seen as long ago as nf_conntrack has taken off the timeout; its own may be a longer one. */
static void set_times(const struct nf_conntrack *entry, uint64_t now_ns, struct roam_flow *flow)
{
	uint32_t left = nfct_get_attr_u32(entry, ATTR_TIMEOUT);
	static const struct roam_ct_timeouts usual; /* the kernel's own may be others */
	uint32_t whole = ct_patience_s(&usual, flow);
	uint64_t idle_ns = left < whole ? (whole - left) * NS_PER_S : 0;

	flow->seen_ns = now_ns - idle_ns;
	flow->created_ns = flow->seen_ns;
}

enum ct_import_find ct_import_convert(const struct ct_import_view *view,
				      const struct nf_conntrack *entry,
				      struct roam_flow_rec *ret_rec)
{
	struct roam_flow_rec rec = {};
	int port;

	rec.key.proto = nfct_get_attr_u8(entry, ATTR_L4PROTO);
	rec.key.family = nfct_get_attr_u8(entry, ATTR_L3PROTO) == AF_INET ? ROAM_FAMILY_IPV4
									  : ROAM_FAMILY_IPV6;
	port = find_ends(view, entry, &rec);
	if (port < 0)
		return CT_IMPORT_FOREIGN;
	rec.flow.state = state_of(entry, rec.key.proto);
	if (rec.flow.state == ROAM_CT_NONE || !set_opening(entry, &rec) ||
	    !set_zone(&view->ports[port], &rec.key))
		return CT_IMPORT_USELESS;
	rec.flow.flags = ROAM_FLOW_PICKED_UP | ROAM_FLOW_LEARNED;
	set_counters(entry, &rec.flow);
	set_times(entry, view->now_ns, &rec.flow);
	*ret_rec = rec;
	return CT_IMPORT_TAKEN;
}
