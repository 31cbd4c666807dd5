/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VM that lives on under another policy. The new policy is written whole into a slot of its own
 * (draft.h), which no packet belongs to; one write of the VM's row (roam_vm.staged) commits it.
 * What follows can be repeated from the beginning at any time, and whoever finds `staged` set
 * after a kill goes on (recover.h).
 *
 * Packets meanwhile: first the ports lose what the new policy does not give them, then rules and
 * default action of a direction change as one, then rates, and at last the ports get what is new.
 * So a packet is admitted only if the old policy as a whole or the new one as a whole admits it.
 */
#ifndef ROAM_TAKEOVER_H
#define ROAM_TAKEOVER_H

#include "host.h"

/*
 * From here on the VM's policy is that of slot `from`. Quotas change first, because they are what
 * may be refused. Needs the host's lock and an entry of the journal for the VM.
 */
int takeover_commit(struct host *host, uint32_t slot, uint32_t from);

/* What remains to be done of it; frees the slot that held the policy. */
int takeover_finish(struct host *host, uint32_t slot);

#endif
