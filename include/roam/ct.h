/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Connection tracking: flows of a VM, keyed as its application sees them.
 *
 * A VM has two tables: `flows` for those with a completed handshake (or, for datagrams, a reply)
 * and `half` for the others, so that half-open flows cannot crowd out established ones. Each table
 * comes with a clock: a queue of its keys in order of insertion, from which a new flow on a full
 * table takes a few candidates to replace, without help from user space. Two banks of both exist
 * while a quota changes; roam_vm.ct_bank names the one in use.
 *
 * A flow whose connection is translated (load balancing) has a second key, the tuple on the wire,
 * by which its packets toward the VM find it; the row of that key lives and dies with the flow.
 *
 * Map `ct_table`: ARRAY_OF_MAPS by ROAM_CT_TABLE(); inner HASH (not preallocated), struct
 * roam_flow_key -> struct roam_flow; max_entries is the quota. Map `ct_clock`: ARRAY_OF_MAPS by the
 * same index; inner QUEUE of struct roam_ct_tick with the same max_entries. Map `ct_fill`: ARRAY
 * by the same index of struct roam_ct_fill, mmapable. Map `ct_wire`: ARRAY_OF_MAPS by
 * ROAM_CT_WIRE(); inner HASH, struct roam_flow_key -> struct roam_ct_wire, with room for all flows
 * of both tables; only there while roam_vm.lb is 1. Programs and user space write all four.
 */
#ifndef ROAM_CT_H
#define ROAM_CT_H

#include "types.h"

enum roam_ct_kind {
	ROAM_CT_FLOWS,
	ROAM_CT_HALF,
	ROAM_CT_KINDS,
};

#define ROAM_CT_BANKS                 2
#define ROAM_CT_TABLES                (ROAM_CT_KINDS * ROAM_CT_BANKS)
#define ROAM_CT_TABLE(vm, bank, kind) ((vm) * ROAM_CT_TABLES + (bank) * ROAM_CT_KINDS + (kind))
#define ROAM_CT_WIRE(vm, bank)        ((vm) * ROAM_CT_BANKS + (bank))

/*
 * States and their idle timeouts: those of nf_conntrack (Linux,
 * net/netfilter/nf_conntrack_proto*.c, 6.1). `kind` is the table where a flow in that state lives.
 * X(id, name, timeout in seconds, kind)
 */
#define ROAM_CT_STATES(X)                                                                          \
	X(NONE, "none", 0, HALF)                                                                   \
	X(SYN_SENT, "syn_sent", 120, HALF)                                                         \
	X(SYN_RECV, "syn_recv", 60, HALF)                                                          \
	X(ESTABLISHED, "established", 432000, FLOWS)                                               \
	X(FIN_WAIT, "fin_wait", 120, FLOWS)                                                        \
	X(CLOSE_WAIT, "close_wait", 60, FLOWS)                                                     \
	X(LAST_ACK, "last_ack", 30, FLOWS)                                                         \
	X(TIME_WAIT, "time_wait", 120, FLOWS)                                                      \
	X(CLOSE, "close", 10, FLOWS)                                                               \
	X(UDP_NEW, "udp_new", 30, HALF)                                                            \
	X(UDP_REPLIED, "udp_replied", 30, FLOWS)                                                   \
	X(UDP_STREAM, "udp_stream", 120, FLOWS)                                                    \
	X(ICMP_NEW, "icmp_new", 30, HALF)                                                          \
	X(ICMP_REPLIED, "icmp_replied", 30, FLOWS)                                                 \
	X(OTHER_NEW, "other_new", 600, HALF)                                                       \
	X(OTHER_REPLIED, "other_replied", 600, FLOWS)                                              \
	X(SCTP_COOKIE_WAIT, "sctp_cookie_wait", 3, HALF)                                           \
	X(SCTP_COOKIE_ECHOED, "sctp_cookie_echoed", 3, HALF)                                       \
	X(SCTP_HEARTBEAT_SENT, "sctp_heartbeat_sent", 30, HALF)                                    \
	X(SCTP_ESTABLISHED, "sctp_established", 210, FLOWS)                                        \
	X(SCTP_SHUTDOWN_SENT, "sctp_shutdown_sent", 3, FLOWS)                                      \
	X(SCTP_SHUTDOWN_RECD, "sctp_shutdown_recd", 3, FLOWS)                                      \
	X(SCTP_SHUTDOWN_ACK_SENT, "sctp_shutdown_ack_sent", 3, FLOWS)                              \
	X(SCTP_CLOSED, "sctp_closed", 10, FLOWS)

enum roam_ct_state {
#define X(id, name, timeout, kind) ROAM_CT_##id,
	ROAM_CT_STATES(X)
#undef X
		ROAM_CT_STATE_COUNT
};

/*
 * How long a VM's flows may idle, by state, in seconds; 0: as above. The fields stand in the order
 * of the states, so that it can be read as an array; in the place of `none` is what a TCP flow is
 * given whose state allows longer, while one end has not acknowledged what the other has sent.
 *
 * Map `ct_timeouts`: ARRAY by slot of struct roam_ct_timeouts, a copy of that in struct roam_vm for
 * the programs.
 */
struct roam_ct_timeouts {
	__u32 unacked ROAM_CARRY("uint", "later");
	__u32 syn_sent ROAM_CARRY("uint", "later");
	__u32 syn_recv ROAM_CARRY("uint", "later");
	__u32 established ROAM_CARRY("uint", "later");
	__u32 fin_wait ROAM_CARRY("uint", "later");
	__u32 close_wait ROAM_CARRY("uint", "later");
	__u32 last_ack ROAM_CARRY("uint", "later");
	__u32 time_wait ROAM_CARRY("uint", "later");
	__u32 close ROAM_CARRY("uint", "later");
	__u32 udp_new ROAM_CARRY("uint", "later");
	__u32 udp_replied ROAM_CARRY("uint", "later");
	__u32 udp_stream ROAM_CARRY("uint", "later");
	__u32 icmp_new ROAM_CARRY("uint", "later");
	__u32 icmp_replied ROAM_CARRY("uint", "later");
	__u32 other_new ROAM_CARRY("uint", "later");
	__u32 other_replied ROAM_CARRY("uint", "later");
	__u32 sctp_cookie_wait ROAM_CARRY("uint", "later");
	__u32 sctp_cookie_echoed ROAM_CARRY("uint", "later");
	__u32 sctp_heartbeat_sent ROAM_CARRY("uint", "later");
	__u32 sctp_established ROAM_CARRY("uint", "later");
	__u32 sctp_shutdown_sent ROAM_CARRY("uint", "later");
	__u32 sctp_shutdown_recd ROAM_CARRY("uint", "later");
	__u32 sctp_shutdown_ack_sent ROAM_CARRY("uint", "later");
	__u32 sctp_closed ROAM_CARRY("uint", "later");
};

ROAM_ASSERT_SIZE(struct roam_ct_timeouts, 4 * ROAM_CT_STATE_COUNT);
ROAM_ASSERT_OFFSET(struct roam_ct_timeouts, established, 4 * ROAM_CT_ESTABLISHED);
ROAM_ASSERT_OFFSET(struct roam_ct_timeouts, udp_new, 4 * ROAM_CT_UDP_NEW);
ROAM_ASSERT_OFFSET(struct roam_ct_timeouts, other_replied, 4 * ROAM_CT_OTHER_REPLIED);
ROAM_ASSERT_OFFSET(struct roam_ct_timeouts, sctp_closed, 4 * ROAM_CT_SCTP_CLOSED);

#define ROAM_CT_UNACKED_S   300
#define ROAM_CT_TIMEOUT_MAX (400U * 24 * 3600)

/*
 * Of a table that is fuller than nine tenths, what idles is taken earlier when room is needed: its
 * timeouts count for as much of the last tenth as is free, and a tenth at least.
 */
#define ROAM_CT_SHRINK 10

/*
 * The address space of a flow: the port's zone in the upper 8 bits (its number within the VM; by
 * name in an image), the frame's VLANs (ROAM_VLAN) in the lower 24.
 */
#define ROAM_ZONE(zone, vlan) (((__u32)(zone) << 24) | ((vlan) & ROAM_VLAN_MASK))
#define ROAM_ZONE_NO(z)       ((z) >> 24)

/*
 * ICMP echo: the identifier is lport if the VM asks, rport if it is asked; the other one is 0.
 * Protocols without ports: both 0.
 */
struct roam_flow_key {
	struct roam_addr local ROAM_CARRY("addr", "required");
	struct roam_addr remote ROAM_CARRY("addr", "required");
	__be16 lport ROAM_CARRY("be", "required");
	__be16 rport ROAM_CARRY("be", "required");
	__u32 zone ROAM_CARRY("zone", "required");
	__u8 family ROAM_CARRY("uint", "required");
	__u8 proto ROAM_CARRY("uint", "required");
	__u8 pad[2];
};

ROAM_ASSERT_SIZE(struct roam_flow_key, 44);

/*
 * One direction of a TCP flow, as its sender counts (after nf_conntrack's ip_ct_tcp_state; bpf/
 * ct_tcp.h says what is judged by it). Packets of that direction write it; those of the other one
 * write `maxend`, raise `maxwin`, and set `end` where nothing is known of it. Packets of either
 * direction may be on several CPUs at once: `end`, `maxend` and `maxack` only rise, by
 * compare-and-swap; the others are aligned stores of a value that was right a moment ago. What can
 * get lost is a step of `maxwin`, and the next packet that acknowledges mends it.
 */
struct roam_tcp_end {
	/* highest sequence number sent, plus one */
	__u32 end ROAM_CARRY("uint", "optional");
	/* highest that the other end allowed */
	__u32 maxend ROAM_CARRY("uint", "optional");
	/* largest window offered, scaled */
	__u32 maxwin ROAM_CARRY("uint", "optional");
	/* highest acknowledgement sent; with ROAM_TCP_END_ACKED */
	__u32 maxack ROAM_CARRY("uint", "optional");
	/* window scale offered; it counts if both ends offer one */
	__u8 scale ROAM_CARRY("uint", "optional");
	/* enum roam_tcp_end_flags; without it the fields above mean nothing */
	__u8 flags ROAM_CARRY("uint", "optional");
	/*
	 * Of the whole flow, whatever its protocol (move.h): in the end of `in` the round in which
	 * a soft write was logged last, in that of `out` the scan that has brought the row.
	 */
	__u16 logged;
};

enum roam_tcp_end_flags {
	ROAM_TCP_END_SEEN = 1 << 0,  /* the fields above mean something */
	ROAM_TCP_END_SCALE = 1 << 1, /* the SYN carried a window scale option */
	ROAM_TCP_END_FIN = 1 << 2,   /* this end has sent its FIN */
	ROAM_TCP_END_SACK = 1 << 3,  /* the SYN permitted selective acknowledgements */
	ROAM_TCP_END_ACKED = 1 << 4, /* maxack means something */
	ROAM_TCP_END_STALE = 1 << 5, /* loaded, and may have gone on elsewhere since: windows are
				      * judged liberally until this end has been seen */
};

/*
 * A packet that was let through though it may be wrong, because its answer will tell: a SYN within
 * a connection (`value`: the sequence number behind it), or an ACK in answer to a SYN (`value`: its
 * acknowledgement). The next packet that fits ends it, but for a RST. Written by either direction
 * as a whole is read: a torn one matches no answer.
 */
struct roam_tcp_note {
	__u32 value ROAM_CARRY("uint", "optional");
	/* of the SYN; of an ACK the lower half of the sequence number behind it */
	__u16 window ROAM_CARRY("uint", "optional");
	__u8 scale ROAM_CARRY("uint", "optional");
	__u8 flags ROAM_CARRY("uint", "optional"); /* enum roam_tcp_note_flags */
};

enum roam_tcp_note_flags {
	ROAM_TCP_NOTE_SYN = 1 << 0,   /* of the end that opened the connection */
	ROAM_TCP_NOTE_ACK = 1 << 1,   /* of the other end */
	ROAM_TCP_NOTE_SCALE = 1 << 2, /* options of the SYN */
	ROAM_TCP_NOTE_SACK = 1 << 3,
};

enum roam_flow_flags {
	ROAM_FLOW_PICKED_UP = 1 << 0, /* tracking began in the middle of the connection */
	ROAM_FLOW_LEARNED = 1 << 1, /* taken in without policy, which is asked at the end of that */
	ROAM_FLOW_EITHER_DIR = 1 << 2, /* who opened it is not known: open_dir is a guess */
	ROAM_FLOW_AUDITED = 1 << 3,    /* admitted only because policy is audited */
	ROAM_FLOW_BOTH_OPEN = 1 << 4,  /* TCP: both ends sent a SYN (RFC 9293, 3.5) */
};

/*
 * What load balancing does to a connection, by what the VM is in it.
 *
 * client: the VM talks to the VIP (the flow's remote end), on the wire to `lb_addr` and `lb_port`,
 * the backend. backend: somebody talks to the VIP, on the wire `lb_addr` and `lb_port`; the VM is
 * talked to as the flow's local end. A VM that gets itself as backend has two flows, whose packets
 * from the VM are sent back to it: hairpin_client (VM -> VIP; `lb_addr` and `lb_port` are the
 * backend's, so the VM's own), and hairpin_server (VM <- VIP, with the client's port as the remote
 * one; `lb_addr` is the client's, so the VM's own, `lb_port` the VIP's). There the VIP stands in
 * for the VM's own address, which it would not take from outside.
 */
#define ROAM_LB_ROLES(X)                                                                           \
	X(NONE, "none")                                                                            \
	X(CLIENT, "client")                                                                        \
	X(BACKEND, "backend")                                                                      \
	X(HAIRPIN_CLIENT, "hairpin_client")                                                        \
	X(HAIRPIN_SERVER, "hairpin_server")

enum roam_lb_role {
#define X(id, text) ROAM_LB_ROLE_##id,
	ROAM_LB_ROLES(X)
#undef X
		ROAM_LB_ROLE_COUNT
};

/*
 * What packets of one direction write, but for the rare. `packets` and `bytes` are added to
 * atomically.
 */
struct roam_flow_side {
	__u64 packets ROAM_CARRY("uint", "optional");
	__u64 bytes ROAM_CARRY("uint", "optional");
	struct roam_tcp_end tcp; /* the sender's */
	__u8 pad[4];
};

ROAM_ASSERT_SIZE(struct roam_flow_side, 40);

/*
 * A flow. Times are CLOCK_MONOTONIC of the host, compared signed: a loaded flow may be older than
 * the host's uptime. `seen_ns`, `state`, `gen` and `rule` may be written by both directions at
 * once: each write is one aligned store of a value that was right when it was computed, and the
 * next packet mends it.
 *
 * Packets of both directions may be on two CPUs, and what one CPU writes the other has to fetch. So
 * the order is by cache lines, as the kernel lays out a row of the table (a header and the key, 104
 * bytes of a block of 256): what every packet reads and few write, to the end of the key's line;
 * then a line for each side.
 */
struct roam_flow {
	__u64 seen_ns ROAM_CARRY("age", "required"); /* the last packet, in either direction */
	__u32 gen ROAM_CARRY("gen", "required");     /* policy generation that admitted it last */
	__u32 rule ROAM_CARRY("rule", "required");   /* rule that admitted it, or ROAM_RULE_NONE */
	__u8 state ROAM_CARRY("enum/CT_STATE", "required");
	__u8 flags ROAM_CARRY("uint", "required"); /* enum roam_flow_flags */
	/* What the opening was matched on beyond the tuple, for matching it again. */
	__u8 open_dir ROAM_CARRY("enum/DIR", "required");
	__u8 open_tcp_flags ROAM_CARRY("uint", "required");
	__u8 open_icmp_type ROAM_CARRY("uint", "required");
	__u8 open_icmp_code ROAM_CARRY("uint", "required");
	/* Written once, when the flow is made, as the fields at the end are. */
	__u8 lb_role ROAM_CARRY("enum/LB_ROLE", "later");
	__u8 pad;

	__u64 created_ns ROAM_CARRY("age", "optional");
	__u64 counted; /* in the counts of which rule it is (limit.h) */
	struct roam_tcp_note tcp_note;
	struct roam_flow_side side[ROAM_DIR_COUNT] ROAM_SPREAD; /* by the packets' direction */
	struct roam_addr lb_addr ROAM_CARRY("addr", "later");
	__u32 lb_service ROAM_CARRY("service", "later"); /* roam_lb_service.id */
	__be16 lb_port ROAM_CARRY("be", "later");
	__u16 lb_backend; /* its number, for counting; 0: not known here */
};

ROAM_ASSERT_SIZE(struct roam_flow, 152);
ROAM_ASSERT_OFFSET(struct roam_flow, created_ns, 24);
ROAM_ASSERT_OFFSET(struct roam_flow, side[ROAM_DIR_OUT], 88);

/* A flow with its key, as an image and the bulk loader carry it. */
struct roam_flow_rec {
	struct roam_flow_key key;
	__u32 pad;
	struct roam_flow flow;
};

ROAM_ASSERT_SIZE(struct roam_flow_rec, 200);

/*
 * An entry of a clock. It stands for the row with this key only while that row's created_ns has
 * this stamp in its low 32 bits, the lowest apart: a flow that was deleted, or deleted and opened
 * again, leaves an entry behind that its next reader throws away. The lowest bit says that the row
 * was a candidate to be replaced before, and was spared.
 */
#define ROAM_CT_TICK_SPARED 1U

struct roam_ct_tick {
	struct roam_flow_key key;
	__u32 stamp;
};

ROAM_ASSERT_SIZE(struct roam_ct_tick, 48);

/* Whose second key it is. */
struct roam_ct_wire {
	struct roam_flow_key key; /* the flow's own */
	__u8 role;                /* enum roam_lb_role of the flow */
	__u8 pad[3];
};

ROAM_ASSERT_SIZE(struct roam_ct_wire, 48);

struct roam_ct_fill {
	__u32 used;    /* rows in the table; added to and taken from atomically, as `clocked` */
	__u32 clocked; /* entries of its clock, those of rows that are gone included */
	__u32 quota;   /* room in both; written when they are made */
	__u32 pad;
};

/*
 * Bulk load (program `ct_load`, SEC("syscall")): user space writes rows into map `ct_xfer` (ARRAY
 * of struct roam_flow_rec, mmapable) and runs the program, holding the host's lock. Rows whose key
 * exists already are an error. The argument is in and out.
 */
#define ROAM_CT_XFER_ROWS 16384

struct roam_ct_load {
	__u32 table;         /* ROAM_CT_TABLE() */
	__u32 count;         /* rows in ct_xfer, from `first` on */
	__u32 done;          /* out: rows that were stored */
	__s32 error;         /* out: 0, or the negative errno that stopped it at row `done` */
	__u32 skip_existing; /* 1: one whose key exists stays and counts as done; all leave the
				other bank */
	__u32 first;
};

/*
 * Program `ct_drop` takes the same: rows with the keys of those in ct_xfer are deleted from the
 * table; `done` is how many were there.
 */

#endif
