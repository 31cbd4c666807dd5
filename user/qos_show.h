/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A direction's profile, bucket and counters as fields of output: for `qos show` and `state show`.
 */
#ifndef ROAM_QOS_SHOW_H
#define ROAM_QOS_SHOW_H

#include <roam/qos.h>
#include "out.h"

void qos_show(struct out *out, const struct roam_qos_rec *rec, uint64_t now_ns);

#endif
