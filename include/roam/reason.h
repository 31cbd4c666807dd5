/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Why a packet passed or was dropped. Every packet ends with exactly one of these, counted per VM
 * and direction (stats.h). Names are ABI: images, JSON and metrics use them; numbers are not.
 *
 * X(id, name, verdict, text)
 */
#ifndef ROAM_REASON_H
#define ROAM_REASON_H

#include "types.h"

/* What a stage says of a packet. The first verdict other than CONTINUE ends the list of stages. */
enum roam_verdict {
	ROAM_CONTINUE,
	ROAM_PASS,
	ROAM_DROP,
};

#define ROAM_REASONS(X)                                                                            \
	X(NONE, "none", CONTINUE, "not judged yet")                                                \
	/* passed */                                                                               \
	X(ESTABLISHED, "established", PASS, "belongs to a tracked flow")                           \
	X(OPENED, "opened", PASS, "opened a flow that policy admits")                              \
	X(CT_REPLACED, "ct_replaced", PASS, "opened a flow in the place of a half-open one")       \
	X(RELATED, "related", PASS, "an ICMP error about a tracked flow")                          \
	X(UNTRACKED, "untracked", PASS, "admitted by policy, and not tracked")                     \
	X(AUDITED, "audited", PASS, "would be dropped by policy, which is only audited")           \
	X(ANSWERED, "answered", PASS, "the answer to a packet that was rejected")                  \
	X(ARP, "arp", PASS, "ARP for a bound address")                                             \
	X(RARP, "rarp", PASS, "RARP announcement with the port's MAC")                             \
	X(ND, "nd", PASS, "IPv6 neighbour discovery")                                              \
	X(RA, "ra", PASS, "router advertisement, switched on")                                     \
	X(MCAST_CTL, "mcast_ctl", PASS, "MLD or IGMP")                                             \
	X(DHCP, "dhcp", PASS, "DHCP client traffic, switched on")                                  \
	X(FRAG_LATER, "frag_later", PASS, "a later fragment of a datagram whose first one passed") \
	X(UPLINK, "uplink", PASS, "seen at the uplink, judged at a port")                          \
	X(LATE_CARRIED, "late_carried", PASS, "carried on to the host that the VM moved to")       \
	X(LATE_TAKEN, "late_taken", PASS, "carried here by the host that the VM moved from")       \
	/* dropped while parsing */                                                                \
	X(MALFORMED, "malformed", DROP, "a header is cut short or contradicts itself")             \
	X(ETHERTYPE, "ethertype", DROP, "an ethertype that the port may not use")                  \
	X(EXT_HEADERS, "ext_headers", DROP, "more IPv6 extension headers than are walked")         \
	X(FRAGMENT, "fragment", DROP, "a fragment in a tunnel, or of what a link lives by")        \
	X(FRAG_TINY, "frag_tiny", DROP, "a first fragment that does not hold all headers")         \
	X(TCP_FLAGS, "tcp_flags", DROP, "a combination of TCP flags that means nothing")           \
	X(QUOTE, "quote", DROP, "an ICMP error whose quote is cut short or not of its flow")       \
	X(ICMP_REDIRECT, "icmp_redirect", DROP, "an ICMP redirect")                                \
	/* dropped at the port */                                                                  \
	X(PORT_UNKNOWN, "port_unknown", DROP, "the device is no port of this host")                \
	X(VM_SHUT, "vm_shut", DROP, "the VM is here, but shut")                                    \
	X(FROZEN, "frozen", DROP, "the VM is paused, to go to another host")                       \
	X(MOVED, "moved", DROP, "the VM runs on another host")                                     \
	X(LATE_MTU, "late_mtu", DROP, "too large for the way to the host that the VM moved to")    \
	X(LATE_FOREIGN, "late_foreign", DROP, "carried here by who may not, or of no handover")    \
	X(LATE_LOOP, "late_loop", DROP, "carried here for a VM that moves away from here")         \
	X(PREPARED, "prepared", DROP, "the VM is expected, and its state is not here yet")         \
	X(STAGED, "staged", DROP, "the VM is expected, and has not been heard yet")                \
	X(GRACE, "grace", DROP, "of no known flow while the last of the VM's state is on its way") \
	X(VLAN, "vlan", DROP, "a VLAN that the port has not been given")                           \
	X(SPOOF_MAC, "spoof_mac", DROP, "source MAC is not the port's")                            \
	X(SPOOF_ADDR, "spoof_addr", DROP, "source address is not bound to the port")               \
	X(SPOOF_ARP, "spoof_arp", DROP, "ARP for an address that is not bound to the port")        \
	X(SPOOF_ND, "spoof_nd", DROP, "neighbour discovery for what is not the port's")            \
	X(RA_FROM_VM, "ra_from_vm", DROP, "router advertisement or redirect from a VM")            \
	X(RA_OFF, "ra_off", DROP, "router advertisement, switched off for the port")               \
	X(DHCP_SERVER, "dhcp_server", DROP, "DHCP server traffic from a VM")                       \
	X(DHCP_OFF, "dhcp_off", DROP, "DHCP, switched off for the port")                           \
	X(NOT_LOCAL, "not_local", DROP, "for an address that is not bound to the port")            \
	/* dropped as fragments */                                                                 \
	X(FRAG_NO_FIRST, "frag_no_first", DROP, "a fragment before, or without, the first")        \
	X(FRAG_OVERLAP, "frag_overlap", DROP, "a fragment of bytes that have been there already")  \
	X(FRAG_GAPS, "frag_gaps", DROP, "more gaps in a datagram than are kept track of")          \
	X(FRAG_FULL, "frag_full", DROP, "the table of fragments is full of established flows")     \
	/* dropped by the firewall */                                                              \
	X(ACL_RULE, "acl_rule", DROP, "a rule says drop")                                          \
	X(ACL_DEFAULT, "acl_default", DROP, "no rule matches and the default is drop")             \
	X(REJECTED, "rejected", DROP, "a rule or the default says reject")                         \
	X(REVOKED, "revoked", DROP, "policy no longer admits this flow")                           \
	X(MIDSTREAM, "midstream", DROP, "TCP or SCTP of no known flow, and not an opening")        \
	X(CT_INVALID, "ct_invalid", DROP, "does not fit the state of its flow")                    \
	X(UNRELATED, "unrelated", DROP, "an ICMP error about no known flow")                       \
	X(TCP_WINDOW, "tcp_window", DROP, "a TCP segment outside of its connection's windows")     \
	X(CT_FULL, "ct_full", DROP, "the VM's flow table is full of live flows")                   \
	X(CT_HALF_FULL, "ct_half_full", DROP, "too many half-open flows of the VM's own")          \
	X(CONN_LIMIT, "conn_limit", DROP, "as many connections as its rule allows at once")        \
	X(CONN_LIMIT_REMOTE, "conn_limit_remote", DROP, "as many as its rule allows a remote")     \
	X(CONN_LIMIT_FULL, "conn_limit_full", DROP, "the table of counted connections is full")    \
	X(NO_MEMORY, "no_memory", DROP, "the kernel had no memory for it")                         \
	X(NO_TABLE, "no_table", DROP, "a table of the VM is missing: the engine cannot judge")     \
	/* dropped by the load balancer */                                                         \
	X(LB_NO_BACKEND, "lb_no_backend", DROP, "no backend of the service takes new sessions")    \
	X(LB_CLASH, "lb_clash", DROP, "another flow has the translated tuple already")             \
	X(LB_FRONT, "lb_front", DROP, "needs a translation, which XDP must not do")                \
	X(LB_NO_ROUTE, "lb_no_route", DROP, "the host does not know the way to the backend")       \
	X(LB_MTU, "lb_mtu", DROP, "too large for the tunnel to the backend's host")                \
	X(LB_PEER, "lb_peer", DROP, "tunnelled for a VIP by who is no balancer of this host")      \
	X(LB_NOT_HERE, "lb_not_here", DROP, "tunnelled for a backend that is no VM of this host")  \
	/* dropped by intrusion prevention */                                                      \
	X(IPS_BLOCKED, "ips_blocked", DROP, "from a source that is blocked")                       \
	X(IPS_LIMIT, "ips_limit", DROP, "more new connections than the VM takes from one source")  \
	X(IPS_FULL, "ips_full", DROP, "the same, and the VM's table of blocks is full")            \
	/* dropped by quality of service */                                                        \
	X(QOS_RATE, "qos_rate", DROP, "more than the VM's rate and burst in this direction")       \
	/* dropped at the uplink */                                                                \
	X(OUTSIDE_MAC, "outside_mac", DROP, "comes from outside with a local VM's MAC")            \
	X(OUTSIDE_ADDR, "outside_addr", DROP, "comes from outside with a local VM's address")

enum roam_reason {
#define X(id, name, verdict, text) ROAM_REASON_##id,
	ROAM_REASONS(X)
#undef X
		ROAM_REASON_COUNT
};

/* Room in the counters' rows, so that a new reason does not change their size. */
#define ROAM_REASON_MAX 96
_Static_assert(ROAM_REASON_COUNT <= ROAM_REASON_MAX, "make the counters' rows larger");

#endif
