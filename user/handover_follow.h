/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `roam handover follow`: a plain QEMU's migration, with roamd's handover beside it. */
#ifndef ROAM_HANDOVER_FOLLOW_H
#define ROAM_HANDOVER_FOLLOW_H

#include <jansson.h>
#include "cmd.h"

int handover_follow(struct cmd *cmd);

/* handover.c: an option of `start` that `follow` has as well, into a request; 1: this was one. */
int handover_take_option(struct words *words, json_t *request);

#endif
