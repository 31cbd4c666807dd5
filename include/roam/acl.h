/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Access-control lists.
 *
 * Map `acl_policy`: ARRAY_OF_MAPS by VM slot; inner HASH, __u32 rule id -> struct roam_acl_rule:
 * the rules as they were written. Map `acl_match`: ARRAY_OF_MAPS by slot * 2 + direction; inner
 * ARRAY of struct roam_acl_row: the rules in priority order and, if there are many, an index of
 * them (acl_index.h); replaced as a whole when policy changes. Map `acl_hits`: ARRAY_OF_MAPS by VM
 * slot; inner HASH, __u32 rule id -> struct roam_acl_hits; rows live as long as their rule.
 */
#ifndef ROAM_ACL_H
#define ROAM_ACL_H

#include "types.h"
#include "vm.h"

#define ROAM_ACL_RULES 16384 /* rules of one VM */
#define ROAM_RULE_NONE 0     /* the id of no rule: the default decided */

struct roam_prefix {
	struct roam_addr addr ROAM_CARRY("addr", "required"); /* bits past `bits` are zero */
	__u8 bits ROAM_CARRY("uint", "required");             /* of the 128; an IPv4 /8 is 96 + 8 */
	__u8 pad[3];
};

/* Both ends included; host byte order. 0-65535 is any, and the only range that matches a packet of
 * a protocol without ports. */
struct roam_port_range {
	__u16 first ROAM_CARRY("uint", "required");
	__u16 last ROAM_CARRY("uint", "required");
};

/* A rule as written. */
struct roam_acl_rule {
	char name[ROAM_NAME_LEN] ROAM_CARRY("name", "required");
	__u32 id;
	__u32 prio ROAM_CARRY("uint", "required"); /* lower first; equal ones by name */
	__u8 dir ROAM_CARRY("enum/DIR", "required");
	__u8 action ROAM_CARRY("enum/ACTION", "required");
	__u8 family ROAM_CARRY("uint", "required");    /* ROAM_FAMILY_*; 0 is both */
	__u8 proto ROAM_CARRY("uint", "required");     /* IPPROTO_*; meaningless with any_proto */
	__u8 any_proto ROAM_CARRY("uint", "required"); /* 1: every protocol */
	/* TCP: the opening's flags within the mask; 0/0 is any. */
	__u8 tcp_flags ROAM_CARRY("uint", "later");
	__u8 tcp_mask ROAM_CARRY("uint", "later");
	__u8 has_icmp_type ROAM_CARRY("uint", "later"); /* 1: only of icmp_type */
	struct roam_prefix local;
	struct roam_prefix remote;
	struct roam_port_range lport;
	struct roam_port_range rport;
	__u8 icmp_type ROAM_CARRY("uint", "later");
	__u8 has_icmp_code ROAM_CARRY("uint", "later"); /* 1: only of icmp_code */
	__u8 icmp_code ROAM_CARRY("uint", "later");
	__u8 log ROAM_CARRY("uint", "optional"); /* matches told in a second; 0: none are */
	/* 1: what matches, and is of no known flow, is not tracked */
	__u8 stateless ROAM_CARRY("uint", "later");
	__u8 pad[3];
	/* Sets by name (set.h) in place of a prefix or a range; empty: there is none. */
	char local_set[ROAM_NAME_LEN] ROAM_CARRY("name", "later");
	char remote_set[ROAM_NAME_LEN] ROAM_CARRY("name", "later");
	char lport_set[ROAM_NAME_LEN] ROAM_CARRY("name", "later");
	char rport_set[ROAM_NAME_LEN] ROAM_CARRY("name", "later");
	/* Live connections that it admits: of all remotes, of each one (limit.h); 0: any number. */
	__u32 conns ROAM_CARRY("uint", "later");
	__u32 perremote ROAM_CARRY("uint", "later");
};

ROAM_ASSERT_SIZE(struct roam_acl_rule, 400);

/* What becomes of a packet that a rule admits and that is of no known flow. */
enum roam_acl_track {
	ROAM_ACL_TRACKED,
	ROAM_ACL_STATELESS,
	ROAM_ACL_LIMITED, /* as the first, unless there are too many */
};

/* A rule as the stage reads it: a packet matches if (packet & mask) == value on every field. */
struct roam_acl_match {
	__be32 local[4];
	__be32 local_mask[4];
	__be32 remote[4];
	__be32 remote_mask[4];
	struct roam_port_range lport;
	struct roam_port_range rport;
	__u32 id;
	__u8 action; /* enum roam_action */
	__u8 family;
	__u8 proto;
	__u8 any_proto;
	__u8 tcp_flags;
	__u8 tcp_mask;
	__u8 icmp_type;
	__u8 icmp_type_mask; /* 0xff, or 0 for any */
	__u8 icmp_code;
	__u8 icmp_code_mask;
	__u8 log;   /* as in the rule */
	__u8 track; /* enum roam_acl_track */
	/*
	 * Sets by name: their places in the list (acl_index.h), from 1 on; 0: none. Where there is
	 * one, the field above is of everything.
	 */
	__u16 local_named;
	__u16 remote_named;
	__u16 lport_named;
	__u16 rport_named;
};

ROAM_ASSERT_SIZE(struct roam_acl_match, 96);

/*
 * Packets that a rule decided: openings of flows, and every packet of what is not tracked. Written
 * with atomic adds; last_ns without: of two racing writers either time is right. The last two are
 * of rules with `log`.
 */
struct roam_acl_hits {
	__u64 packets ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u64 bytes ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u64 last_ns ROAM_CARRY("age", "optional") ROAM_MERGE("max"); /* 0: never */
	/* The bucket of events (bpf/bucket.h): up to when what was told is paid for; 0: full. */
	__u64 log_paid_ns ROAM_CARRY("age", "optional") ROAM_MERGE("max");
	__u64 log_lost ROAM_CARRY("uint", "optional") ROAM_MERGE("max"); /* matches not told */
};

ROAM_ASSERT_SIZE(struct roam_acl_hits, 40);

/* Answers to packets that are rejected, in a second, for one VM. */
#define ROAM_ACL_ANSWERS 100

/*
 * Map `acl_reject`: ARRAY by VM slot. Written by programs, by compare-and-swap; in an image the
 * bucket is roam_vm.reject_paid_ns.
 */
struct roam_acl_reject {
	__u64 paid_ns; /* the bucket of answers (bpf/bucket.h) */
	__u32 mark;    /* of those that are on their way (skb->mark); 0: there was none yet */
	__u32 pad;
};

ROAM_ASSERT_SIZE(struct roam_acl_reject, 16);

/* A rule and its counters as an image carries them. */
struct roam_acl_rec {
	struct roam_acl_rule rule;
	struct roam_acl_hits hits;
};

#endif
