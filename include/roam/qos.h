/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Quality of service: per VM and direction a rate with a burst, and a DSCP mark.
 *
 * Map `qos_conf`: ARRAY by ROAM_QOS() of struct roam_qos, written by user space only, under the
 * host's lock; programs look at a VM's rows while roam_vm.features has ROAM_VM_QOS. Map
 * `qos_state`: ARRAY by the same index of struct roam_qos_state, written by programs with atomics.
 */
#ifndef ROAM_QOS_H
#define ROAM_QOS_H

#include "types.h"

#define ROAM_QOS(vm, dir) ((vm) * ROAM_DIR_COUNT + (dir))

struct roam_qos {
	__u64 rate_Bps ROAM_CARRY("uint", "required"); /* 0: not limited */
	__u64 burst_ns;                                /* of `burst` at `rate_Bps` */
	__u32 burst ROAM_CARRY("uint", "required");    /* bytes */
	__u8 dscp ROAM_CARRY("uint", "required");      /* RFC 2474; if has_dscp */
	__u8 has_dscp ROAM_CARRY("uint", "required");  /* 1: packets are marked */
	__u8 is_set ROAM_CARRY("uint", "required");    /* 1: the direction has a profile */
	__u8 pad;
};

ROAM_ASSERT_SIZE(struct roam_qos, 24);

/*
 * A bucket of tokens as a time: packets so far are paid for, at the rate, up to paid_ns; the
 * bucket holds now - paid_ns, at most burst_ns. 0: full. One word, so that CPUs share it by
 * compare-and-swap (bpf/bucket.h), and a time, so that it moves as an age: neither filled nor
 * emptied on the way.
 */
struct roam_qos_state {
	__u64 paid_ns ROAM_CARRY("age", "required") ROAM_MERGE("max");
	__u64 passed_packets ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u64 passed_bytes ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u64 dropped_packets ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u64 dropped_bytes ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
};

ROAM_ASSERT_SIZE(struct roam_qos_state, 40);

/* A direction's profile and state as an image carries them. */
struct roam_qos_rec {
	struct roam_qos conf;
	struct roam_qos_state state;
	__u8 dir ROAM_CARRY("enum/DIR", "required");
	__u8 pad[7];
};

ROAM_ASSERT_SIZE(struct roam_qos_rec, 72);

#define ROAM_QOS_RATE_MIN  1000ULL         /* bytes a second */
#define ROAM_QOS_RATE_MAX  125000000000ULL /* 1 Tbit/s */
#define ROAM_QOS_BURST_MIN 2048U           /* bytes: more than a frame of Ethernet */
#define ROAM_QOS_BURST_MAX (1U << 30)

/* Burst of a profile that names none: what passes in 50 ms, and no less than a GSO frame. */
#define ROAM_QOS_BURST_DIVISOR     20
#define ROAM_QOS_BURST_DEFAULT_MIN (128U * 1024)

/* Six bits; 0 to 63. */
#define ROAM_DSCP_MASK 0x3f

#endif
