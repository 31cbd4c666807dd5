/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rows that traffic writes, and that go over to another layout while old programs still write
 * theirs: hits, buckets, counters of backends, sources and blocks (include/roam/carry.h). For
 * carry.c and carry_flows.c. Each can be done again at any time, and brings over what has come
 * since; nothing is counted twice, whoever is killed on the way.
 */
#ifndef ROAM_LIB_CARRY_MERGE_H
#define ROAM_LIB_CARRY_MERGE_H

#include "carry_own.h"

/* Remembers, in the new maps, what has been added: before the first merge. */
int carry_merge_begin(const struct carry *carry);

/*
 * All of it: refused, by name, if a row has what there is no place for. Once the new programs are
 * on devices there is no way back, and such a row stays as it is there: CARRY_DECIDED. The last two
 * are a part of that: what two truths would open.
 */
enum carry_when {
	CARRY_BEFORE,
	CARRY_DECIDED,
	CARRY_RATES,
	CARRY_BLOCKS,
};
int carry_merge(const struct carry *carry, enum carry_when when);

#endif
