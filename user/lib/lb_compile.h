/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What programs pick from, made from the rows of policy: for lb.c. */
#ifndef ROAM_LB_COMPILE_H
#define ROAM_LB_COMPILE_H

#include "lb.h"

/* A service's table and members as its backends' rows say. Needs the host's lock. */
int lb_compile(struct host *host, const struct lb_service *service);

/* Members of the service that are no backends of it any more. */
int lb_drop_members(struct host *host, const struct lb_service *service);

/* All that is left of a service whose row is gone. */
int lb_forget(struct host *host, const struct lb_service *service);

#endif
