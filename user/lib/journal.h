/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The journal: one folder DIR/journal/SLOT while somebody changes the VM in that slot (0: what is
 * no VM's, the services; JOURNAL_SETS: sets by name) in more than one step, locked by flock for as
 * long as that process lives. A folder that nobody holds was left by a process that was killed;
 * recover() finishes or undoes what it was at (bpffs holds no plain files, but folders do). In the
 * folder there may be a pinned map: what is to be, all of it. From then on the change is made, and
 * recover() carries it through.
 */
#ifndef ROAM_JOURNAL_H
#define ROAM_JOURNAL_H

#include "host.h"

#define JOURNAL_SETS ROAM_VM_MAX

/*
 * Opens the entry; the descriptor holds its lock. Needs the host's lock. Refuses (-EBUSY) a VM
 * whose policy is not to be changed here now (move_may_change()), so that no writer need think of
 * it.
 */
int journal_begin(struct host *host, uint32_t slot, int *ret_fd);
/* The same for what is not policy: a handover's own steps, binding, a VM that goes. */
int journal_begin_any(struct host *host, uint32_t slot, int *ret_fd);
/* All steps are done. Closes the descriptor. */
void journal_end(struct host *host, uint32_t slot, int *fd);

/* Keeps a map in the entry, one: the commit point of a change in many steps. */
int journal_keep(struct host *host, uint32_t slot, int map_fd);
/* The map that an entry keeps, for the caller to close; -ENOENT if there is none. */
int journal_kept(const struct host *host, uint32_t slot);
/* What it says is true now. */
void journal_drop_kept(struct host *host, uint32_t slot);

/* Calls fn for every entry that no living process holds. Needs the host's lock. */
int journal_each_dead(struct host *host, int (*fn)(struct host *, uint32_t slot));
bool journal_is_empty(const struct host *host);

#endif
