/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Services and backends as output. */
#ifndef ROAM_LB_SHOW_H
#define ROAM_LB_SHOW_H

#include "lb.h"
#include "out.h"

/* Fields of an item that the caller has begun. */
void lb_show_service(struct out *out, const struct lb_service *service);
void lb_show_backend(struct out *out, const struct lb_backend *backend);
/* An item. */
int lb_show_peer(const struct lb_peer *peer, void *out);
void lb_show_rec(struct out *out, const struct roam_lb_rec *rec);

#endif
