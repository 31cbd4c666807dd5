/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMs of a host: finding them, changing their rows, and bringing what programs read into line with
 * policy as written (vm_sync). VMs are made by drafts (draft.h).
 */
#ifndef ROAM_LIB_VM_H
#define ROAM_LIB_VM_H

#include <roam/vm.h>
#include "host.h"

int vm_find(struct host *host, const char *name, uint32_t *ret_slot);
int vm_get(struct host *host, uint32_t slot, struct roam_vm *ret_vm);
int vm_put(struct host *host, uint32_t slot, const struct roam_vm *vm);

/* Calls fn for every VM, in no order, until it returns non-zero, which it returns. */
int vm_each(struct host *host, int (*fn)(struct host *, uint32_t slot, void *), void *arg);

/* The VM is gone with all it has. */
int vm_del(struct host *host, const char *name);

/* New defaults, midstream, life or quotas; the rest of the row is not the caller's. */
int vm_set(struct host *host, uint32_t slot, const struct roam_vm *wanted);

/*
 * Brings everything that programs read into line with the rows of policy: lists of rules first,
 * then the generation, then ports. Safe to run again at any time. Needs the host's lock.
 */
int vm_sync(struct host *host, uint32_t slot);
/* The same where no rule has changed. */
int vm_sync_ports(struct host *host, uint32_t slot);

/* roam_vm.features as the rows of the features say. Needs the host's lock. */
int vm_sync_features(struct host *host, uint32_t slot);
uint8_t vm_features(struct host *host, uint32_t slot);

/* Frees a slot that no name points to: tables, ports, row. Needs the host's lock. */
void vm_free_slot(struct host *host, uint32_t slot);

/* For a VM to which nobody has given one. */
int vm_random_uuid(uint8_t ret_uuid[16]);

/* Refuses names, quotas and values that are out of bounds. */
int vm_validate(const struct roam_vm *vm);

#endif
