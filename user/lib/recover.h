/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a killed process left half done is finished or undone by the next one that opens the host.
 */
#ifndef ROAM_RECOVER_H
#define ROAM_RECOVER_H

#include "host.h"

/* Called by host_lock(), so that every writer begins with a host that is whole. */
void recover(struct host *host);

#endif
