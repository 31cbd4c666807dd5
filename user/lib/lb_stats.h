/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the packets of a backend's sessions are counted in: one row a CPU (include/roam/lb.h). */
#ifndef ROAM_LIB_LB_STATS_H
#define ROAM_LIB_LB_STATS_H

#include <roam/lb.h>
#include "host.h"

/* The sum over all CPUs. */
int lb_stats_fold(struct host *host, uint32_t number, struct roam_lb_stats *ret_stats);
/* Of a number that somebody else gets, or has got. */
int lb_stats_clear(struct host *host, uint32_t number);

#endif
