// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A VM that lives on under another policy: see takeover.h. */
#include <string.h>
#include "acl.h"
#include "ct.h"
#include "ips.h"
#include "lb.h"
#include "port.h"
#include "qos.h"
#include "takeover.h"
#include "vm.h"

/* What features make the VM's own, in this order; each can be repeated. */
static int (*const take_features[])(struct host *host, uint32_t slot, uint32_t from) = {
	qos_take,
	ips_take,
	lb_take,
};

/* What features may refuse, before anything is changed. */
static int (*const check_features[])(struct host *host, uint32_t slot, uint32_t from) = {
	ips_check_take,
	acl_check_take,
};

int takeover_commit(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_vm vm, wanted;
	int err = vm_get(host, slot, &vm);
	bool resize;

	if (!err)
		err = vm_get(host, from, &wanted);
	for (size_t i = 0; i < ARRAY_SIZE(check_features) && !err; i++)
		err = check_features[i](host, slot, from);
	if (err)
		return err;
	resize = vm.quota_flows != wanted.quota_flows || vm.quota_half != wanted.quota_half;
	vm.staged = from;
	vm.quota_flows = wanted.quota_flows;
	vm.quota_half = wanted.quota_half;
	/* The write that switches to other tables is the commit as well. */
	return resize ? ct_resize(host, slot, &vm) : vm_put(host, slot, &vm);
}

/* A VM that is to be shut is shut before it gets other rules, one that is to open after it. */
static int shut(struct host *host, uint32_t slot, const struct roam_vm *wanted)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (err || wanted->next_life == ROAM_LIFE_ACTIVE || vm.life != ROAM_LIFE_ACTIVE)
		return err;
	vm.life = wanted->next_life;
	return vm_put(host, slot, &vm);
}

/* The last step: what is not of the new policy yet (generation, binding), any sync brings. */
static int take_settings(struct host *host, uint32_t slot, const struct roam_vm *wanted)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (err)
		return err;
	memcpy(vm.default_action, wanted->default_action, sizeof(vm.default_action));
	vm.midstream = wanted->midstream;
	vm.liberal = wanted->liberal;
	vm.timeouts = wanted->timeouts;
	if (vm.life != ROAM_LIFE_GATED) /* a handover says what it is */
		vm.life = wanted->next_life;
	vm.next_rule = wanted->next_rule;
	vm.staged = ROAM_VM_NONE;
	return vm_put(host, slot, &vm);
}

static int take_all(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_vm wanted;
	int err = vm_get(host, from, &wanted);

	if (!err)
		err = shut(host, slot, &wanted);
	if (!err)
		err = port_narrow(host, slot, from);
	if (!err)
		err = acl_take(host, slot, from, wanted.default_action);
	for (size_t i = 0; i < ARRAY_SIZE(take_features) && !err; i++)
		err = take_features[i](host, slot, from);
	if (!err)
		err = port_take(host, slot, from);
	return err ? err : take_settings(host, slot, &wanted);
}

int takeover_finish(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err && vm.ct_moving)
		err = ct_finish_move(host, slot);
	if (!err)
		err = take_all(host, slot, vm.staged);
	if (err)
		return err;
	vm_free_slot(host, vm.staged);
	return vm_sync_ports(host, slot);
}
