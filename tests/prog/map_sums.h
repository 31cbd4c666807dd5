/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A checksum of all that is in each of a host's maps, inner maps and the order of queues included,
 * so that a test can tell that nothing has changed. Not of what packets leave behind by their
 * nature: explain_run, which holds an answer, and what ct_scratch and acl_walk have for
 * dry runs.
 */
#ifndef ROAM_TESTS_MAP_SUMS_H
#define ROAM_TESTS_MAP_SUMS_H

#include <stdint.h>
#include "host.h"

#define MAP_SUMS_MAX 128

struct map_sums {
	uint32_t count;
	struct {
		char name[32];
		uint64_t sum;
	} map[MAP_SUMS_MAX];
};

/* Of a host on which nothing else runs: queues are turned once around. */
void map_sums(struct host *host, struct map_sums *ret_sums);

/* How many differ; names each in a note if asked to. */
uint32_t map_sums_differ(const struct map_sums *a, const struct map_sums *b, bool say);

#endif
