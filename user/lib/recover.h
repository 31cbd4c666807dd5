/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a killed process left half done is finished or undone by the next one that opens the host.
 */
#ifndef ROAM_RECOVER_H
#define ROAM_RECOVER_H

#include "host.h"

/* Does nothing while another process is writing: that one, or the next, will. */
void recover(struct host *host);

#endif
