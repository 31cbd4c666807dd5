/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A handover by hand, through a pipe that goes one way (`roam state save … follow | ssh … roam
 * state load - follow`): a base image and its deltas, each in pieces with their length before them.
 * See roam-state(8).
 */
#ifndef ROAM_STATE_FOLLOW_H
#define ROAM_STATE_FOLLOW_H

#include "cmd.h"
#include "move.h"

/* To standard output, until somebody freezes the VM; a signal ends it and the handover. */
int state_follow_save(struct cmd *cmd, const char *vm);
/* From standard input, until the last delta is applied. */
int state_follow_load(struct cmd *cmd, const struct move_dest_options *options);

/* The VM's part in a handover is over, at either end: as if there had been none. */
int state_follow_abort(struct cmd *cmd, const char *vm);

#endif
