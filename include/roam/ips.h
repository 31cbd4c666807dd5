/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Intrusion prevention: per VM a limit on new connections a second from each remote source, and
 * blocks: those that sources earn by exceeding it, for a time that grows with repetition, and those
 * that an operator adds. A source is a remote address or, for IPv6, usually its /64.
 *
 * Map `ips_conf`: ARRAY by VM slot of struct roam_ips, written by user space only, under the host's
 * lock; programs look at it while roam_vm.features has ROAM_VM_IPS. Maps `ips_source` and
 * `ips_block`: ARRAY_OF_MAPS by VM slot; inner HASH (not preallocated), struct roam_addr (masked)
 * -> struct roam_ips_source, struct roam_ips_block; max_entries is the quota. Map `ips_clock`:
 * ARRAY_OF_MAPS by ROAM_IPS_CLOCK(); inner QUEUE of struct roam_ips_tick, from which room is made
 * on a full table. Programs and user space write these; a VM without the feature has none of them.
 */
#ifndef ROAM_IPS_H
#define ROAM_IPS_H

#include "types.h"

enum roam_ips_kind {
	ROAM_IPS_SOURCES,
	ROAM_IPS_BLOCKS,
	ROAM_IPS_KINDS,
};

#define ROAM_IPS_CLOCK(vm, kind) ((vm) * ROAM_IPS_KINDS + (kind))

struct roam_ips {
	/* As the stage reads it. */
	__u64 cost_ns; /* of a connection: 1 s / rate */
	__u64 burst_ns;
	__be32 mask4[4]; /* a remote address & mask is the source */
	__be32 mask6[4];

	/* As it was written. */
	__u32 rate ROAM_CARRY("uint", "required");    /* new connections a second; 0: no limit */
	__u32 burst ROAM_CARRY("uint", "required");   /* as many at once */
	__u32 block_s ROAM_CARRY("uint", "required"); /* the first block; 0: the limit alone */
	__u32 block_max_s ROAM_CARRY("uint", "required");
	__u32 sources ROAM_CARRY("uint", "optional"); /* quota: remembered at once */
	__u32 blocks ROAM_CARRY("uint", "optional");  /* quota */
	__u8 prefix4 ROAM_CARRY("uint", "required");  /* bits that make a source, of 32 */
	__u8 prefix6 ROAM_CARRY("uint", "required");  /* of 128 */
	__u8 is_set ROAM_CARRY("uint", "required");   /* 1: the VM has a profile */
	__u8 pad[5];
};

ROAM_ASSERT_SIZE(struct roam_ips, 80);

/* A bucket of connections as a time, as in qos.h. Racing CPUs share it by compare-and-swap. */
struct roam_ips_source {
	__u64 paid_ns ROAM_CARRY("age", "required") ROAM_MERGE("max");
};

/*
 * One that is over stays for a while, for its strikes. Of racing writers of last_ns either is
 * right; until_ns and strikes are written by who wins the compare-and-swap on until_ns.
 */
struct roam_ips_block {
	/* Its low 32 bits are the clock's stamp. */
	__u64 since_ns ROAM_CARRY("age", "required");
	/* 0: until it is released. */
	__u64 until_ns ROAM_CARRY("until", "required") ROAM_MERGE("max");
	/* Last packet dropped; 0: none yet. */
	__u64 last_ns ROAM_CARRY("age", "optional") ROAM_MERGE("max");
	/* Dropped by it. */
	__u64 packets ROAM_CARRY("uint", "optional") ROAM_MERGE("sum");
	__u64 bytes ROAM_CARRY("uint", "optional") ROAM_MERGE("sum");
	/* How often it was learned. */
	__u32 strikes ROAM_CARRY("uint", "required") ROAM_MERGE("max");
	/* 1: an operator's; never replaced. */
	__u8 by_hand ROAM_CARRY("uint", "required") ROAM_MERGE("union");
	__u8 pad[1];
	__u16 logged; /* the round in which a soft write was logged last (move.h) */
};

ROAM_ASSERT_SIZE(struct roam_ips_block, 48);

/* An entry of a clock: it stands for the row of that key if the stamp is the row's. */
struct roam_ips_tick {
	struct roam_addr key;
	__u32 stamp; /* of a source: 0 */
	__u32 pad;
};

/* Rows with their keys, as an image carries them. */
struct roam_ips_source_rec {
	struct roam_addr addr ROAM_CARRY("addr", "required");
	struct roam_ips_source source;
};

struct roam_ips_block_rec {
	struct roam_addr addr ROAM_CARRY("addr", "required");
	struct roam_ips_block block;
};

ROAM_ASSERT_SIZE(struct roam_ips_source_rec, 24);
ROAM_ASSERT_SIZE(struct roam_ips_block_rec, 64);

#define ROAM_IPS_RATE_MAX 1000000U
#define ROAM_IPS_TIME_MAX (366U * 86400) /* of a block, in seconds */

#define ROAM_IPS_BLOCK_DEFAULT_S     60
#define ROAM_IPS_BLOCK_MAX_DEFAULT_S 3600
#define ROAM_IPS_PREFIX4_DEFAULT     32
#define ROAM_IPS_PREFIX6_DEFAULT     64
#define ROAM_IPS_SOURCES_DEFAULT     100000U
#define ROAM_IPS_BLOCKS_DEFAULT      4096U
#define ROAM_IPS_QUOTA_MIN           64U
#define ROAM_IPS_QUOTA_MAX           (4U * 1024 * 1024)

/* A block that has been over for this many times its longest length is forgotten. */
#define ROAM_IPS_FORGET_FACTOR 10

#endif
