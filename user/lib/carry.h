/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What of a host is laid out otherwise in another build goes over into maps of that build, while
 * packets are judged: for host_upgrade.h, under the host's lock. Maps that are the same in both are
 * shared by old and new programs; of the others
 *
 *   policy    is copied before the new programs are on a device (carry_policy)
 *   flows     come over while packets go on (carry_traffic, include/roam/elder.h), and with them
 *             trains of fragments
 *   hits, buckets, sources, blocks
 *             are there before the new programs are, and brought up to what the old ones write as
 *             long as they do (include/roam/carry.h)
 *   counters  begin at 0, and what the old programs have counted is added at the end
 *
 * A map that is none of these is another version's: such an upgrade is refused by name.
 */
#ifndef ROAM_LIB_CARRY_H
#define ROAM_LIB_CARRY_H

#include "carry_plan.h"

struct carry {
	struct carry_texts texts;
	const char *dir;  /* of the host: maps and progs as they are */
	const char *next; /* the folder with those that are to be */
};

/* Whether the new build needs a map of its own; `map` is in both. */
bool carry_changes(const struct carry_texts *texts, const char *map);

/* Refused, by name, if something cannot be carried over. Nothing is changed. */
int carry_check(const struct carry *carry);

/* Fills the new maps, which nobody uses yet, and has the new programs ask the old ones. */
int carry_policy(const struct carry *carry);

/*
 * Before the first device gets a new program: what the old ones have written since the rows were
 * copied, or they would begin with buckets and blocks of that time. Can be repeated.
 */
int carry_late(const struct carry *carry);

/*
 * The new programs are on all devices: brings over what traffic has made, and from then on they ask
 * nobody. Can be repeated from whatever point a killed process has come to.
 */
int carry_traffic(const struct carry *carry);

/* The new maps are the host's: what only an upgrade needs of them is gone. Can be repeated. */
void carry_end(const char *dir);

#endif
