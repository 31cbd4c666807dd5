/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The words of `roam lb` that are about tunnels: for lb.c. */
#ifndef ROAM_LB_TUNNEL_H
#define ROAM_LB_TUNNEL_H

#include "cmd.h"
#include "lb.h"

/* "to HOST [from ADDR]" or "to local", to the last word. */
int lb_place_parse(struct words *words, struct lb_place *ret_place);

int lb_peer_cmd(struct cmd *cmd);

#endif
