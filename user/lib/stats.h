/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Counters of VMs, folded over the CPUs. */
#ifndef ROAM_LIB_STATS_H
#define ROAM_LIB_STATS_H

#include <roam/stats.h>
#include "host.h"

int stats_fold(struct host *host, uint32_t slot, struct roam_stats *ret_stats);

/* Each counter that is not 0, as an image carries it, until one is refused. */
typedef int (*stats_fn)(const struct roam_stats_rec *rec, void *arg);
int stats_each(const struct roam_stats *stats, stats_fn fn, void *arg);

/* Gives the VM these counters: they go on from there. For a slot that no program uses yet. */
int stats_set(struct host *host, uint32_t slot, const struct roam_stats *stats);

/* Adds to what is counted, while packets are. Needs the host's lock. */
int stats_add(struct host *host, uint32_t slot, const struct roam_stats *more);

#endif
