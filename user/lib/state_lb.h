/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Load-balancer sessions in an image: the part of state_save.c and state_load.c that knows of
 * services. A session is a flow with a translation; it names its service by the row of table lb.
 *
 * A service is the host's: an image never makes one. Where it is loaded, one of the same name must
 * have the same address, port and protocol, or a session of it cannot be loaded, nor, then, the
 * image. Its backends may differ, since sets change: a session whose backend is not in the set
 * there (nor draining) is left out and counted, since nothing says that the VM may talk to that
 * address. So is one whose service was gone where it was saved.
 */
#ifndef ROAM_STATE_LB_H
#define ROAM_STATE_LB_H

#include <roam/lb.h>
#include "host.h"
#include "image.h"

/* Services by row of table lb, from 1. */
struct state_lb {
	struct host *host;
	struct roam_lb_rec recs[ROAM_LB_SERVICES + 1];
	uint32_t id[ROAM_LB_SERVICES + 1]; /* here; STATE_LB_MISSING: not here */
	uint32_t count;
};

#define STATE_LB_MISSING UINT32_MAX

/* ---- saving ---- */

/* The host's services, for a VM that may have sessions with them; table lb if there are any. */
int state_lb_read(struct host *host, struct state_lb *lb, struct image_maps *maps);
int state_lb_write(const struct state_lb *lb, struct image_writer *writer);

/* ---- loading ---- */

/* A row of table lb: the service of that name here. */
int state_lb_row(struct state_lb *lb, const struct roam_lb_rec *rec, struct image_maps *maps);

/*
 * The session of a flow, whose backend's number it gets. *ret_skip: it cannot be taken over, and
 * is to be left out.
 */
int state_lb_session(const struct state_lb *lb, struct roam_flow_rec *rec, bool *ret_skip);

/* What can be said of both without a host. */
int state_lb_check_row(const struct roam_lb_rec *rec);

#endif
