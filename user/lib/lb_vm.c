// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Which VMs take part in load balancing (lb.h): their tables of second keys. */
#include <bpf/bpf.h>
#include "ct.h"
#include "journal.h"
#include "lb.h"
#include "tables.h"
#include "vm.h"

int lb_sync_vm(struct host *host, uint32_t slot)
{
	uint64_t ended;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (err || vm.lb == host_has_inner(host, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, vm.ct_bank)))
		return err;
	if (vm.lb)
		return tables_make_wire(host, slot, vm.ct_bank);
	err = ct_flush_translated(host, slot, &ended);
	if (!err)
		host_clear_inner(host, HOST_MAP_ct_wire, ROAM_CT_WIRE(slot, vm.ct_bank));
	return err;
}

/* roam_vm.lb is the change. Programs look for the table while the feature's bit is set. */
static int use_locked(struct host *host, uint32_t slot, bool use)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm), entry;

	if (!err)
		err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	vm.lb = use;
	if (!use)
		vm.features &= ~ROAM_VM_LB;
	err = vm_put(host, slot, &vm);
	if (!err)
		err = lb_sync_vm(host, slot);
	if (!err)
		err = vm_sync_features(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

/* The bit of a feature that is turned on is set by the sync that follows. */
int lb_take(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_vm vm, wanted;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = vm_get(host, from, &wanted);
	if (err)
		return err;
	vm.lb = wanted.lb;
	if (!vm.lb)
		vm.features &= ~ROAM_VM_LB;
	err = vm_put(host, slot, &vm);
	return err ? err : lb_sync_vm(host, slot);
}

int lb_use(struct host *host, uint32_t slot, bool use)
{
	int err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return use_locked(locked, slot, use);
}
