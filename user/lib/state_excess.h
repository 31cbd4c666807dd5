/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rows of an image beyond a quota. Tables are walked while packets write to them: a row that was
 * read may be gone and another have taken its place before the walk is over, so of a full table an
 * image may have more rows than ever were there at once. Each bucket is read at one moment, so it
 * is only a few: about the root of the quota, where all of it changed meanwhile.
 *
 * The deltas of a handover tell which of them are gone: rows wait until these have made room
 * (move_apply.c). Whoever loads an image alone cannot know. As many as the image has more than its
 * own quota are not there any more; those are left out that the programs would have let go first: a
 * flow with the least of its patience left, the source that has the fullest bucket, the block that
 * ends first.
 */
#ifndef ROAM_STATE_EXCESS_H
#define ROAM_STATE_EXCESS_H

#include <roam/ips.h>
#include "host.h"
#include "rows.h"

/* More than that are no accident. */
#define EXCESS_MOST(quota) ((quota) / 8 + 32)

struct excess {
	struct rows flows;   /* struct roam_flow_rec */
	struct rows sources; /* struct roam_ips_source_rec */
	struct rows blocks;  /* struct roam_ips_block_rec */
};

int excess_hold(struct rows *late, const void *row, size_t size);
void excess_free(struct excess *excess);

/*
 * Puts them into tables of a slot that no program sees, in place of rows that are worth less; some
 * may be worth less than all that are there. None are left.
 */
int excess_place_flows(struct host *host, uint32_t slot, struct rows *late);
int excess_place_ips(struct host *host, uint32_t slot, enum roam_ips_kind kind, struct rows *late);

#endif
