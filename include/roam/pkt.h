/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct roam_pkt: all that the stages know of a packet. Plain data, no packet pointers, so that a
 * stage can be a global function that the verifier checks once, and a test can make one by hand.
 * The front end fills the first part, parse.h the second, the port stage the third; the firewall's
 * stages talk to each other through the fourth.
 */
#ifndef ROAM_PKT_H
#define ROAM_PKT_H

#include "ct.h"
#include "reason.h"
#include "types.h"

/* Messages that a link lives by: judged by the spoof stage, never by the firewall. */
enum roam_link_msg {
	ROAM_LINK_NONE,
	ROAM_LINK_ARP,
	ROAM_LINK_RARP,
	ROAM_LINK_RS,
	ROAM_LINK_RA,
	ROAM_LINK_NS,
	ROAM_LINK_NA,
	ROAM_LINK_REDIRECT,
	ROAM_LINK_MCAST,       /* MLD, IGMP */
	ROAM_LINK_DHCP_CLIENT, /* from a client to a server */
	ROAM_LINK_DHCP_SERVER, /* from a server to a client */
};

/* What the VM's own address in a packet is to the port. */
enum roam_local_kind {
	ROAM_LOCAL_OTHER, /* none of the below */
	ROAM_LOCAL_BOUND, /* bound by policy, or the port's own IPv6 link-local (EUI-64) */
	ROAM_LOCAL_ANY,   /* unspecified: 0.0.0.0 or :: */
};

/* What the port stage found true of a packet, beyond its addresses. */
enum roam_pkt_fact {
	ROAM_PKT_OWN_SMAC = 1 << 0,          /* smac is the port's */
	ROAM_PKT_OWN_DMAC = 1 << 1,          /* dmac is the port's */
	ROAM_PKT_OWN_LLADDR = 1 << 2,        /* lladdr is the port's */
	ROAM_PKT_OWN_TARGET_LLADDR = 1 << 3, /* target_lladdr is the port's */
	ROAM_PKT_TO_VM = 1 << 5,             /* at the uplink: dmac is that of a VM's port */
	ROAM_PKT_TO_GROUP = 1 << 4,          /* to a multicast or broadcast address or MAC */
};

enum roam_pkt_ct {
	ROAM_PKT_CT_NONE,      /* the ct stage has not looked, or does not track such packets */
	ROAM_PKT_CT_FLOW,      /* belongs to a flow that policy has admitted */
	ROAM_PKT_CT_STALE,     /* belongs to a flow that an older policy admitted */
	ROAM_PKT_CT_OPENING,   /* would open a flow */
	ROAM_PKT_CT_MIDSTREAM, /* would open a flow in the middle of a TCP connection */
	ROAM_PKT_CT_LEARN,     /* the same of any protocol, for a VM that learns */
	ROAM_PKT_CT_STRAY,     /* may not open one; passes if a rule without tracking says so */
};

/* What part of a datagram a packet is. */
enum roam_pkt_frag {
	ROAM_PKT_WHOLE,
	ROAM_PKT_FRAG_ATOMIC, /* whole, but with a fragment header (RFC 6946) */
	ROAM_PKT_FRAG_FIRST,
	ROAM_PKT_FRAG_LATER, /* no transport header: judged by its train (frag.h) */
};

/* Of a VM for which a handover is under way. */
enum roam_pkt_gate {
	ROAM_PKT_GATE_NONE,  /* there is none */
	ROAM_PKT_GATE_ASK,   /* its gate is to be asked */
	ROAM_PKT_GATE_GRACE, /* asked: what is of no known flow is dropped */
};

/* Ethernet, two VLAN tags, IPv6, TCP and a word more, and some options. */
#define ROAM_PKT_HEAD  94
#define ROAM_PKT_SPARE 40 /* the largest header that is read */

struct roam_pkt {
	/* Front end. */
	__u64 now_ns;  /* CLOCK_MONOTONIC, read once; it may be late by lag_ms */
	__u32 ifindex; /* the port's device */
	__u8 dir;      /* enum roam_dir */
	__u8 reason;   /* enum roam_reason; set by whoever ends the list */

	/* Parse. */
	__u16 l3_off;   /* where the IP header begins in the frame; 0: there is none */
	__u32 len;      /* bytes on the wire, link layer and every GSO segment's headers included */
	__u32 gso_size; /* payload of each segment that the frame will be cut into; 0: it is one */
	__u16 l4_off;   /* where the TCP or UDP header begins; 0: there is none */
	__u8 link;      /* enum roam_link_msg */
	__u8 hop_limit;
	__be16 ethertype; /* behind the VLAN tags */
	__u8 smac[ROAM_MAC_LEN];
	__u8 dmac[ROAM_MAC_LEN];
	__u8 tcp_flags;
	__u8 tcp_scale;           /* of a SYN: window scale, or ROAM_PKT_NO_SCALE */
	__u32 vlan;               /* ROAM_VLAN() */
	struct roam_flow_key key; /* family 0: not IP; zone is set by the port stage */
	__u32 tcp_seq;            /* host byte order, as tcp_ack */
	__u32 tcp_ack;
	__u32 tcp_sack;   /* highest edge of a selective acknowledgement, or tcp_ack */
	__u32 payload;    /* bytes behind the TCP or UDP header */
	__u16 tcp_window; /* as in the header, unscaled */
	__u8 icmp_type;
	__u8 icmp_code;
	/*
	 * ARP, RARP and ND. key.local: ARP's sender address (from the VM) or target address
	 * (toward it). target: the target of ARP, of a neighbour solicitation or advertisement.
	 * lladdr: the sender's hardware address in ARP, the link-layer address option in ND.
	 * target_lladdr: ARP and RARP only.
	 */
	__u8 link_op; /* ARP operation */
	__u8 has_lladdr;
	__u8 lladdr[ROAM_MAC_LEN];
	__u8 target_lladdr[ROAM_MAC_LEN];
	struct roam_addr target;
	__u32 frag_id;   /* as in the header */
	__u32 frag_lo;   /* of the datagram's bytes, the fragment's first */
	__u32 frag_hi;   /* the one behind its last */
	__u8 frag;       /* enum roam_pkt_frag */
	__u8 frag_last;  /* 1: the datagram ends with it */
	__u8 frag_noted; /* 1: it has begun its train */
	__u8 ct_replied; /* 1: of a flow whose both ends have been heard (firewall) */
	/*
	 * ICMP errors. `key` is the flow's that the quoted packet belongs to, l4_off where the
	 * quoted TCP or UDP header begins, tcp_seq is quoted, payload all that is; icmp_type and
	 * icmp_code are the error's own.
	 */
	struct roam_addr error_source;
	__u16 quote_off; /* where the quoted IP header begins; 0: it is no ICMP error */
	/* Firewall: */
	__u8 limited;     /* 1: the rule that admits it has limits (limit.h) */
	__u8 counted_for; /* 1: it counts for its rule, 2: and for its remote; no flow has that yet
			   */

	/* Port. */
	__u32 vm; /* slot; ROAM_VM_NONE until the port stage has found it */
	__u32 gen;
	__u8 default_action[ROAM_DIR_COUNT];
	__u8 midstream;
	__u8 tcp_liberal; /* 1: windows are tracked, but only RST is judged by them */
	__u8 switches;
	__u8 ct_bank;
	__u8 ct_moving;
	__u8 features;    /* enum roam_vm_feature; of ROAM_VM_LEARN, whether it still does */
	__u8 facts;       /* enum roam_pkt_fact */
	__u8 local_kind;  /* enum roam_local_kind of key.local */
	__u8 target_kind; /* the same of target */

	/* Firewall. */
	__u8 ct; /* enum roam_pkt_ct */
	__u8 open_dir;
	__u8 open_tcp_flags;
	__u8 open_icmp_type;
	__u8 open_icmp_code;
	__u8 ct_replaces; /* 1: a dead row with the same key makes room for the opening */
	__u8 has_dscp;    /* 1: the packet gets `dscp` when it passes */
	__u8 dscp;
	/*
	 * Load balancing: as in struct roam_flow. Between the view of the wire and the rewrite
	 * `key` is the application's.
	 */
	__u8 can_translate; /* 1: the front end can; set by it */
	__u8 lb_role;
	/* Parse, where there is room for it: 1: a SYN that permits selective acknowledgements. */
	__u8 tcp_sack_ok;
	__u32 rule; /* that decided, or ROAM_RULE_NONE */
	struct roam_addr lb_addr;
	__u32 lb_service;
	__be16 lb_port;
	__u16 lb_backend;
	__u8 lb_hairpin; /* 1: on the way from the client's end of a hairpin to the server's */
	__u8 lb_try;     /* picks that have clashed */
	__u16 events;    /* ROAM_EVENT_BIT of what stages have to tell (monitor.h) */
	__u8 audited;    /* 1: what admitted it is only audited */
	__u8 either_dir; /* 1: who opened the flow is not known: policy may admit it in either */

	/* Tunnels, at the uplink. Parse: */
	__u16 tunnel_off;  /* where the packet within one begins; 0: there is none */
	__be16 tunnel_tag; /* of the backend that is meant (lb.h) */
	/* Firewall, where there is room for it: 1: elders are asked before policy drops it
	 * (elder.h) */
	__u8 elder;
	__u8 pad1;
	/* Load balancing: the ends of the one to lb_addr, or ::. */
	struct roam_addr lb_host;
	struct roam_addr lb_from;
	__u8 lb_peer; /* 1: of a tunnel that one of this host's balancers has sent */

	__u8 dry_run;    /* 1: explained, not judged: every stage leaves its maps as they are */
	__u8 sctp_chunk; /* enum roam_sctp_chunk, or any other: type of the first one */
	__u8 answer;     /* 1: rejected, and the front end may answer */
	__u32 mark; /* the frame's own (set by the front end), then what its answer will have */
	/* Port, then gate: */
	__u8 gate;   /* enum roam_pkt_gate */
	__u8 lag_ms; /* by how much now_ns may be late; set by the front end */
	__u16 round; /* of soft writes (move.h); 0: writes are not logged */

	/*
	 * From here on nothing is cleared for a packet. Parse's own (parse_window.h): the beginning
	 * of the frame, so that a 32-bit field of an IP header is where it can be read as one, and
	 * what lies beyond.
	 */
	__u8 pad2[2];
	__u8 head[ROAM_PKT_HEAD];
	__u8 spare[ROAM_PKT_SPARE];
};

ROAM_ASSERT_SIZE(struct roam_pkt, 432);
ROAM_ASSERT_OFFSET(struct roam_pkt, pad2, 296);
ROAM_ASSERT_OFFSET(struct roam_pkt, spare, 392);

#define ROAM_PKT_NO_SCALE 0xff

/* Chunks of SCTP that mean something to a flow (RFC 9260, 3.2). */
enum roam_sctp_chunk {
	ROAM_SCTP_INIT = 1,
	ROAM_SCTP_INIT_ACK = 2,
	ROAM_SCTP_HEARTBEAT = 4,
	ROAM_SCTP_HEARTBEAT_ACK = 5,
	ROAM_SCTP_ABORT = 6,
	ROAM_SCTP_SHUTDOWN = 7,
	ROAM_SCTP_SHUTDOWN_ACK = 8,
	ROAM_SCTP_ERROR = 9,
	ROAM_SCTP_COOKIE_ECHO = 10,
	ROAM_SCTP_COOKIE_ACK = 11,
	ROAM_SCTP_SHUTDOWN_COMPLETE = 14,
};

enum roam_tcp_flag {
	ROAM_TCP_FIN = 0x01,
	ROAM_TCP_SYN = 0x02,
	ROAM_TCP_RST = 0x04,
	ROAM_TCP_PSH = 0x08,
	ROAM_TCP_ACK = 0x10,
	ROAM_TCP_URG = 0x20,
	ROAM_TCP_ALL = 0x3f, /* that are read */
};

#endif
