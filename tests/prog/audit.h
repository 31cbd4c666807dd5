/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Everything that is on a host, as text: VMs with what they have, what programs read for them, and
 * what belongs to nobody, which there should be none of. Two hosts in the same state give the same
 * text; generations and slots, which may differ, are not in it.
 */
#ifndef ROAM_TESTS_AUDIT_H
#define ROAM_TESTS_AUDIT_H

#include "host.h"

/* Slots that are looked at for leftovers; tests have few VMs. */
#define AUDIT_SLOTS 16

/* The caller frees it. */
char *audit(struct host *host);

#endif
