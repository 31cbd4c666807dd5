/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A virtual machine on a host.
 *
 * Map `vm_conf`: ARRAY by slot of struct roam_vm. The first 16 bytes are read by the port stage for
 * every packet; the rest is the policy as it was written, read by user space only. Slots are found
 * by name in map `vm_slot` (HASH, char[ROAM_NAME_LEN] -> __u32). Only user space writes, under the
 * host's lock.
 */
#ifndef ROAM_VM_H
#define ROAM_VM_H

#include "ct.h"
#include "types.h"

#define ROAM_LIVES(X)                                                                              \
	X(FREE, "free")     /* the slot is nobody's */                                             \
	X(MAKING, "making") /* a process is filling the slot; if it died, the next one frees it */ \
	X(SHUT, "shut")     /* policy is here; every packet is dropped as vm_shut */               \
	X(ACTIVE, "active") /* packets are judged */                                               \
	X(GATED, "gated")   /* a handover is under way: the gate says (move.h) */

enum roam_life {
#define X(id, text) ROAM_LIFE_##id,
	ROAM_LIVES(X)
#undef X
		ROAM_LIFE_COUNT
};

#define ROAM_ACTIONS(X)                                                                            \
	X(DROP, "drop")                                                                            \
	X(ALLOW, "allow")                                                                          \
	X(AUDIT, "audit")   /* as allow, but told and counted as what would have been dropped */   \
	X(REJECT, "reject") /* drop, and say so to the sender */

enum roam_action {
#define X(id, text) ROAM_ACTION_##id,
	ROAM_ACTIONS(X)
#undef X
		ROAM_ACTION_COUNT
};

/*
 * What to do with a TCP segment in the middle of a connection that is not known.
 * strict: drop it. pickup: track it from here if policy admits the connection's opening in either
 * direction.
 */
#define ROAM_MIDSTREAMS(X)                                                                         \
	X(STRICT, "strict")                                                                        \
	X(PICKUP, "pickup")

enum roam_midstream {
#define X(id, text) ROAM_MIDSTREAM_##id,
	ROAM_MIDSTREAMS(X)
#undef X
		ROAM_MIDSTREAM_COUNT
};

/* What a VM has beyond port, ct and acl: stages that are skipped where it has none of it. */
enum roam_vm_feature {
	ROAM_VM_QOS = 1 << 0,
	ROAM_VM_IPS = 1 << 1,
	ROAM_VM_LB = 1 << 2,
	ROAM_VM_LEARN = 1 << 3,     /* look at learn_until_ns */
	ROAM_VM_STATELESS = 1 << 4, /* some of its rules do not track */
};

struct roam_vm {
	/* Read for every packet. */
	__u32 gen; /* generation of the policy; grows with every change; 0 is older than all */
	__u8 life; /* enum roam_life */
	__u8 default_action[ROAM_DIR_COUNT] ROAM_CARRY("enum/ACTION", "required");
	__u8 midstream ROAM_CARRY("enum/MIDSTREAM", "required");
	__u8 ct_bank;   /* which of the two banks of flow tables is in use: 0 or 1 (ct.h) */
	__u8 ct_moving; /* 1 while rows move here from the other bank */
	__u8 next_life; /* of a slot that is MAKING: its life once it is published */
	__u8 unsynced;  /* 1: policy rows changed, but what programs read may not have followed yet
			 */
	__u8 features;  /* enum roam_vm_feature: which of the VM's rows the programs look at */
	__u8 lb ROAM_CARRY("uint", "later"); /* 1: services of the host are the VM's, too */
	/* 1: TCP segments outside of their windows pass, but for RST */
	__u8 liberal ROAM_CARRY("uint", "later");
	__u8 pad[1];

	/* Policy as written, and what user space must remember. */
	char name[ROAM_NAME_LEN] ROAM_CARRY("name", "required");
	__u8 uuid[16] ROAM_CARRY("bytes", "required");
	__u32 quota_flows ROAM_CARRY("uint", "optional");
	__u32 quota_half ROAM_CARRY("uint", "optional");
	__u32 next_rule; /* id for the next new rule; ids are never used twice within a VM */
	__u32 staged;    /* slot that holds the policy which this VM is about to have; 0: none */
	__u64 incarnation ROAM_CARRY("uint",
				     "required");   /* random at a cold start; moves keep it */
	__u64 epoch ROAM_CARRY("uint", "required"); /* grows with every move */

	/*
	 * Until then connections that are under way are taken in as they are seen (ct.h,
	 * ROAM_FLOW_LEARNED). CLOCK_MONOTONIC; 0: never.
	 */
	__u64 learn_until_ns ROAM_CARRY("until", "later");
	/* In an image only: the bucket of answers to what is rejected (acl.h). */
	__u64 reject_paid_ns ROAM_CARRY("age", "optional") ROAM_MERGE("max");
	struct roam_ct_timeouts timeouts;
};

ROAM_ASSERT_SIZE(struct roam_vm, 240);
ROAM_ASSERT_OFFSET(struct roam_vm, name, 16);

#define ROAM_QUOTA_FLOWS_DEFAULT 16384
#define ROAM_QUOTA_HALF_DEFAULT  4096
#define ROAM_QUOTA_MIN           64
#define ROAM_QUOTA_MAX           (4 * 1024 * 1024)

#endif
