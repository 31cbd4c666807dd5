/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A flow's fields, for `ct show` and `state show`. */
#ifndef ROAM_CT_SHOW_H
#define ROAM_CT_SHOW_H

#include <roam/ct.h>
#include "ct_import.h"
#include "out.h"

/* Into an item that the caller has begun. Times are shown as ages against now_ns. */
void ct_show_flow(struct out *out, const struct roam_flow_rec *rec, uint64_t now_ns);

/* What `ct import` has done, and `port add` of a VM that learns. */
void ct_show_imported(struct out *out, const struct ct_imported *imported);

#endif
