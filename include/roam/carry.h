/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What goes over from rows that old programs write to rows of another layout (`roam host upgrade`),
 * while both judge packets: SEC("syscall") programs, each of the stage that owns the rows, get an
 * old row as user space has read and translated it, and bring the new row up to it. Times of
 * buckets and blocks: the later of the two. Counters: what the old row has more than it had the
 * last time, so that a run can be repeated at any point and nothing is added twice.
 *
 * Map `carry_base`: ARRAY_OF_MAPS with one place; inner HASH (not preallocated), struct
 * roam_carry_key -> struct roam_carry_sums: how much of an old row's counters the new row has. It
 * is there during an upgrade only, made by user space. Run one at a time, under the host's lock.
 */
#ifndef ROAM_CARRY_H
#define ROAM_CARRY_H

#include "acl.h"
#include "ips.h"
#include "lb.h"
#include "qos.h"
#include "types.h"

/* By their programs: acl_merge, reject_merge, qos_merge, lb_merge, source_merge, block_merge. */
enum roam_carry_rows {
	ROAM_CARRY_HITS,
	ROAM_CARRY_REJECT,
	ROAM_CARRY_QOS,
	ROAM_CARRY_LB,
	ROAM_CARRY_SOURCES,
	ROAM_CARRY_BLOCKS,
	ROAM_CARRY_KINDS,
};

/* Which row it is. */
struct roam_carry_key {
	__u32 kind; /* enum roam_carry_rows */
	__u32 vm;   /* slot; of a backend: 0 */
	__u32 row;  /* a rule's id, a direction, a backend's number; else 0 */
	__u32 pad;
	struct roam_addr addr; /* of a source or block; else :: */
};

ROAM_ASSERT_SIZE(struct roam_carry_key, 32);

/* The counters of a row, in the order of its fields. */
#define ROAM_CARRY_SUMS 5

struct roam_carry_sums {
	__u64 sum[ROAM_CARRY_SUMS];
};

/* A program's argument, in and out. */
struct roam_carry_run {
	struct roam_carry_key key;
	__u64 cost_ns; /* of qos: what has passed by the old row since the last time, at the rate */
	__s32 error;   /* out: 0 or -errno; then nothing has been changed */
	__u32 pad;
	union {
		struct roam_acl_hits hits;
		struct roam_acl_reject reject;
		struct roam_qos_state qos;
		struct roam_lb_stats lb; /* of all CPUs */
		struct roam_ips_source source;
		struct roam_ips_block block;
	} old;
};

ROAM_ASSERT_SIZE(struct roam_carry_run, 96);

#endif
