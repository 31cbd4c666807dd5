/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Maglev's table: which backend a hash gets (D. Eisenbud et al., "Maglev: A Fast and Reliable
 * Software Network Load Balancer", NSDI 2016, section 3.4). Pure: the same backends make the same
 * table on every host, in whatever order they come; when one leaves, few slots of the others
 * change.
 */
#ifndef ROAM_MAGLEV_H
#define ROAM_MAGLEV_H

#include <stdint.h>
#include <roam/lb.h>

struct maglev_backend {
	struct roam_addr addr; /* with `port` what makes it itself */
	__be16 port;
	uint16_t number; /* what its slots hold */
	uint32_t weight; /* its share against that of the others; at least 1 */
};

/* Without backends every slot is 0. 0 or -ENOMEM. */
int maglev_fill(const struct maglev_backend *backends, uint32_t count, struct roam_lb_table *table);

#endif
