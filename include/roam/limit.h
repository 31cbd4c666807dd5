/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Limits on live connections: how many a rule admits at once, of all remotes and of each one.
 *
 * A flow counts for the rule that admitted it from its opening until it is over (TIME_WAIT and
 * CLOSE of TCP, the same of SCTP), or gone. roam_flow.counted says in which counts it is, and is
 * exchanged atomically: whoever takes the word away takes the flow out of the counts, once. So they
 * are right whatever becomes of the row, and none of this travels: who loads flows counts them.
 *
 * An expired flow that nobody has met yet still counts. The clock holds the keys of what counts, in
 * order of opening; each opening looks at a few of them, and one at a limit at a few more.
 *
 * Map `limit_rule`: ARRAY_OF_MAPS by VM slot; inner HASH, __u32 rule id -> struct roam_limit; only
 * of rules that have one; replaced as a whole with the lists of rules. Map `limit_count`:
 * ARRAY_OF_MAPS by slot; inner HASH (not preallocated), struct roam_limit_key -> __u32 flows; a row
 * lives as long as it is not 0. Map `limit_clock`: ARRAY_OF_MAPS by slot; inner QUEUE of struct
 * roam_ct_tick. A VM has the latter two from its first rule with a limit on; programs write them.
 */
#ifndef ROAM_LIMIT_H
#define ROAM_LIMIT_H

#include "ct.h"
#include "types.h"

/* The highest limit, and what a VM can have counted at once: of rules and of remotes. */
#define ROAM_LIMIT_MAX   32768U
#define ROAM_LIMIT_ROWS  32768U
#define ROAM_LIMIT_TICKS 32768U

/* 0: there is none. */
struct roam_limit {
	__u32 conns;
	__u32 perremote;
};

ROAM_ASSERT_SIZE(struct roam_limit, 8);

enum roam_limit_kind {
	ROAM_LIMIT_RULE,
	ROAM_LIMIT_REMOTE,
};

struct roam_limit_key {
	struct roam_addr remote; /* ROAM_LIMIT_REMOTE: the address, of IPv6 its /64 */
	__u32 rule;
	__u32 kind; /* enum roam_limit_kind */
};

ROAM_ASSERT_SIZE(struct roam_limit_key, 24);

/*
 * roam_flow.counted: the rule, and whether it is in the count of its remote, too. 0: in none.
 * TAKEN: one CPU moves the row to another table, or deletes it, and nobody else does or counts it.
 */
#define ROAM_COUNTED_REMOTE  (1ULL << 32)
#define ROAM_COUNTED_TAKEN   (1ULL << 63)
#define ROAM_COUNTED_RULE(c) ((__u32)(c))

/*
 * Program `limit_sync` (SEC("syscall")) brings the count of each of a VM's flows to what rules and
 * states say: for flows that were loaded, and after a change of limits.
 */
struct roam_limit_sync {
	__u32 vm;    /* slot */
	__u32 flows; /* out: rows that were looked at */
};

ROAM_ASSERT_SIZE(struct roam_limit_sync, 8);

#endif
