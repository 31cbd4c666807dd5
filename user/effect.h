/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a change of policy has done to the flows that are live, for the commands that make one. */
#ifndef ROAM_EFFECT_H
#define ROAM_EFFECT_H

#include "cmd.h"

/*
 * One item: the VM's live flows, those that stay, those that end with their next packet; nothing of
 * a VM without flows. With the host's lock. The change has been made: what fails here is only
 * noted.
 */
void effect_show(struct cmd *cmd, uint32_t slot);
/* A list of such items, of one change that was about all of them. */
void effect_show_many(struct cmd *cmd, const uint32_t *slots, uint32_t count);

#endif
