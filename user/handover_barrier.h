/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `roam handover barrier`: a verb of `roam handover`, for user/handover.c. */
#ifndef ROAM_HANDOVER_BARRIER_H
#define ROAM_HANDOVER_BARRIER_H

#include "cmd.h"

int handover_barrier(struct cmd *cmd);

#endif
