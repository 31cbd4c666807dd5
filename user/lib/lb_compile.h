/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What programs pick from, made from the rows of policy: for lb.c and lb_tunnel.c. */
#ifndef ROAM_LB_COMPILE_H
#define ROAM_LB_COMPILE_H

#include "lb.h"

/* A service's table and members as its backends' rows say. Needs the host's lock. */
int lb_compile(struct host *host, const struct lb_service *service);

/* One backend's row, and what follows. Needs the host's lock. */
int lb_find_backend(struct host *host, const struct lb_service *service,
		    const struct roam_addr *addr, struct lb_backend *ret_backend);
int lb_put_backend(struct host *host, const struct lb_service *service, uint32_t number,
		   const struct roam_lb_backend *row);

/* All that is left of a service whose row is gone. */
int lb_forget(struct host *host, const struct lb_service *service);

#endif
