/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Counters per VM: packets and bytes by reason and direction.
 *
 * Map `stats`: ARRAY_OF_MAPS by VM slot; each inner map is a PERCPU_ARRAY with one struct
 * roam_stats. Written by the pipeline at the end of every packet, each CPU its own copy, so that no
 * count is lost. Readers fold the CPUs.
 */
#ifndef ROAM_STATS_H
#define ROAM_STATS_H

#include "reason.h"

struct roam_counter {
	__u64 packets;
	__u64 bytes; /* as on the wire, link layer included, without FCS */
};

struct roam_stats {
	struct roam_counter by_reason[ROAM_REASON_MAX][ROAM_DIR_COUNT];
};

ROAM_ASSERT_SIZE(struct roam_stats, 4096);

/* One folded counter as an image carries it; counters that are zero are left out. */
struct roam_stats_rec {
	__u64 packets ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u64 bytes ROAM_CARRY("uint", "optional") ROAM_MERGE("max");
	__u8 reason ROAM_CARRY("enum/REASON", "optional");
	__u8 dir ROAM_CARRY("enum/DIR", "optional");
	__u8 pad[6];
};

ROAM_ASSERT_SIZE(struct roam_stats_rec, 24);

#endif
