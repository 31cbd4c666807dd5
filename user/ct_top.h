/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A verb of `roam ct`, for user/ct.c. */
#ifndef ROAM_CT_TOP_H
#define ROAM_CT_TOP_H

#include "cmd.h"

int ct_top_cmd(struct cmd *cmd);

#endif
