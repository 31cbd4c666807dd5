/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The gauges of the flow tables, for the files of libroam that delete rows. */
#ifndef ROAM_CT_FILL_H
#define ROAM_CT_FILL_H

#include "host.h"

/* `rows` were deleted from a table (ROAM_CT_TABLE) while programs may be counting, too. */
int ct_fill_subtract(struct host *host, uint32_t table, uint32_t rows);

#endif
