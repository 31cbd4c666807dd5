// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Finishing or undoing what a killed process left half done: see recover.h and journal.h. */
#include <bpf/bpf.h>
#include "draft.h"
#include "journal.h"
#include "lb.h"
#include "monitor.h"
#include "recover.h"
#include "set.h"
#include "vm.h"

/* A name that points to the slot is the commit point of every change. */
static int recover_slot(struct host *host, uint32_t slot)
{
	uint32_t named = ROAM_VM_NONE;
	struct roam_vm vm;
	int err;

	if (slot == ROAM_VM_NONE)
		return lb_recover(host);
	if (slot == JOURNAL_SETS)
		return sets_recover(host);
	err = vm_get(host, slot, &vm);
	if (err)
		return err;
	bpf_map_lookup_elem(host_map(host, HOST_MAP_vm_slot), vm.name, &named);
	if (named == slot)
		return draft_finish(host, slot);
	if (named && !vm_get(host, named, &vm) && vm.staged == slot)
		return draft_finish(host, named); /* which frees this one */
	vm_free_slot(host, slot);
	return 0;
}

void recover(struct host *host)
{
	journal_each_dead(host, recover_slot);
	monitor_recover(host);
}
