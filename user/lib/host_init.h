/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Making a host and taking it down: see host.h for what is under its folder. */
#ifndef ROAM_HOST_INIT_H
#define ROAM_HOST_INIT_H

#include "host.h"

/*
 * Loads the programs and pins everything under `dir`, which must not exist; attaches the uplinks.
 * It is made beside it and renamed, so that it is there whole or not at all.
 */
int host_init(const char *dir, char *const *uplinks, int uplink_count);

/* Everything is gone: ports and uplinks without programs, pins, the folder. */
int host_teardown(const char *dir);

#endif
