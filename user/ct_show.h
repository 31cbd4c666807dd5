/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A flow's fields, for `ct show` and `state show`. */
#ifndef ROAM_CT_SHOW_H
#define ROAM_CT_SHOW_H

#include <roam/ct.h>
#include "ct_import.h"
#include <roam/vm.h>
#include "out.h"

/*
 * Into an item that the caller has begun. Times are shown as ages against now_ns; `own`: the VM's
 * timeouts.
 */
void ct_show_flow(struct out *out, const struct roam_flow_rec *rec,
		  const struct roam_ct_timeouts *own, uint64_t now_ns);

/* What a VM has set beyond the usual: windows, timeouts. */
void ct_show_settings(struct out *out, const struct roam_vm *vm);

/* What `ct import` has done, and `port add` of a VM that learns. */
void ct_show_imported(struct out *out, const struct ct_imported *imported);

#endif
