/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * All services of a host and all backends changed as one: the rows as they are to be are kept in
 * the journal first, and then written one by one. Who is killed before has changed nothing, who is
 * killed later is followed by a process that writes the rest (recover.h).
 */
#ifndef ROAM_LIB_LB_ROWS_H
#define ROAM_LIB_LB_ROWS_H

#include "lb.h"

/* As in the maps: a service without an id, a backend that is FREE are none. */
struct lb_rows {
	struct lb_service services[ROAM_LB_SERVICES];
	struct roam_lb_backend backends[ROAM_LB_BACKENDS]; /* by number; the first is nobody's */
};

/*
 * What the host has; or, while somebody is about to change all of it, what it will have. The caller
 * frees it.
 */
int lb_rows_get(struct host *host, struct lb_rows **ret_rows);

/*
 * A number is never given from one backend to another, nor that of a table from one service to
 * another: programs may hold it. Needs the host's lock.
 */
int lb_rows_apply(struct host *host, const struct lb_rows *rows);

/* Finishes what a killed process left, if it left anything. Needs the host's lock. */
int lb_rows_recover(struct host *host);

#endif
