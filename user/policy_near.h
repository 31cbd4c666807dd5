/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* For a key that is not known: the known one that was probably meant, or all there are. */
#ifndef ROAM_POLICY_NEAR_H
#define ROAM_POLICY_NEAR_H

#include "policy_keys.h"

#define POLICY_HINT_LEN 200

/* ", did you mean 'prio'?" or " (known: name, dir, prio)" */
const char *policy_hint(const struct policy_map *map, const char *name, char hint[POLICY_HINT_LEN]);

#endif
