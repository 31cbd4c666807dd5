/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the stages have said of a packet, as a list of items: one for each, and one for the end. */
#ifndef ROAM_EXPLAIN_SHOW_H
#define ROAM_EXPLAIN_SHOW_H

#include <roam/explain.h>
#include "host.h"
#include "out.h"

void explain_show(struct host *host, struct out *out, const struct roam_explain *run);

#endif
