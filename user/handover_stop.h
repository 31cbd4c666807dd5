/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Being told to stop (SIGINT, SIGTERM, SIGHUP), for commands that stand beside a VM which must not
 * be left standing still: `roam handover follow` and `roam handover barrier`.
 */
#ifndef ROAM_HANDOVER_STOP_H
#define ROAM_HANDOVER_STOP_H

#include <stdbool.h>

/* From here on, once in a process; waiting for roamd ends by it as well. *ret_fd can be read then.
 */
int handover_stop_catch(int *ret_fd);
bool handover_stopped(void);

#endif
