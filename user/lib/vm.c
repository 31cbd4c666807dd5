// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* VMs of a host: see vm.h. */
#include <string.h>
#include <sys/random.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "ct.h"
#include "ips.h"
#include "journal.h"
#include "late.h"
#include "limit.h"
#include "move_own.h"
#include "port.h"
#include "qos.h"
#include "tables.h"
#include "text.h"
#include "vm.h"

int vm_find(struct host *host, const char *name, uint32_t *ret_slot)
{
	char key[ROAM_NAME_LEN];
	int err = text_name_parse("vm", name, key);

	if (err)
		return err;
	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_vm_slot), key, ret_slot))
		return fail(-ENOENT, "vm '%s': there is none of that name on this host", name);
	return 0;
}

int vm_get(struct host *host, uint32_t slot, struct roam_vm *ret_vm)
{
	return host_get(host, HOST_MAP_vm_conf, &slot, ret_vm);
}

/* The programs' copy first: what it says is of no consequence until the row says so, too. */
int vm_put(struct host *host, uint32_t slot, const struct roam_vm *vm)
{
	struct roam_ct_timeouts copy;
	int err = host_get(host, HOST_MAP_ct_timeouts, &slot, &copy);

	if (!err && memcmp(&copy, &vm->timeouts, sizeof(copy)) != 0)
		err = host_put(host, HOST_MAP_ct_timeouts, &slot, &vm->timeouts);
	return err ? err : host_put(host, HOST_MAP_vm_conf, &slot, vm);
}

int vm_each(struct host *host, int (*fn)(struct host *, uint32_t slot, void *), void *arg)
{
	int fd = host_map(host, HOST_MAP_vm_slot), err = 0;
	char key[ROAM_NAME_LEN], *at = NULL;
	uint32_t slot;

	while (!err && !bpf_map_get_next_key(fd, at, key)) {
		at = key;
		if (!bpf_map_lookup_elem(fd, key, &slot))
			err = fn(host, slot, arg);
	}
	return err;
}

int vm_validate(const struct roam_vm *vm)
{
	if (!text_name_valid(vm->name))
		return fail(-EINVAL, "vm: the name is not one");
	if (vm->default_action[ROAM_DIR_IN] >= ROAM_ACTION_COUNT ||
	    vm->default_action[ROAM_DIR_OUT] >= ROAM_ACTION_COUNT)
		return fail(-EINVAL, "vm '%s': a default that is neither drop nor allow", vm->name);
	if (vm->lb > 1)
		return fail(-EINVAL, "vm '%s': lb is neither on nor off", vm->name);
	if (vm->liberal > 1)
		return fail(-EINVAL, "vm '%s': windows are neither strict nor liberal", vm->name);
	for (uint32_t i = 0; i < ROAM_CT_STATE_COUNT; i++) {
		uint32_t timeout = ((const uint32_t *)&vm->timeouts)[i];

		if (timeout > ROAM_CT_TIMEOUT_MAX)
			return fail(-ERANGE, "vm '%s': timeout %s %u is not from 1 to %u, or 0",
				    vm->name, ct_timeout_name(i), timeout, ROAM_CT_TIMEOUT_MAX);
	}
	if (vm->midstream >= ROAM_MIDSTREAM_COUNT)
		return fail(-EINVAL, "vm '%s': midstream is neither strict nor pickup", vm->name);
	if (vm->quota_flows < ROAM_QUOTA_MIN || vm->quota_flows > ROAM_QUOTA_MAX)
		return fail(-ERANGE, "vm '%s': flows %u is not from %u to %u", vm->name,
			    vm->quota_flows, ROAM_QUOTA_MIN, ROAM_QUOTA_MAX);
	if (vm->quota_half < ROAM_QUOTA_MIN || vm->quota_half > ROAM_QUOTA_MAX)
		return fail(-ERANGE, "vm '%s': half %u is not from %u to %u", vm->name,
			    vm->quota_half, ROAM_QUOTA_MIN, ROAM_QUOTA_MAX);
	return 0;
}

/* RFC 9562, version 4. */
int vm_random_uuid(uint8_t ret_uuid[16])
{
	if (getrandom(ret_uuid, 16, 0) != 16)
		return fail(-EIO, "vm: no random numbers");
	ret_uuid[6] = (ret_uuid[6] & 0x0f) | 0x40;
	ret_uuid[8] = (ret_uuid[8] & 0x3f) | 0x80;
	return 0;
}

uint8_t vm_features(struct host *host, uint32_t slot)
{
	uint8_t features = 0;
	struct roam_vm vm;

	if (qos_is_used(host, slot))
		features |= ROAM_VM_QOS;
	if (ips_is_used(host, slot))
		features |= ROAM_VM_IPS;
	if (vm_get(host, slot, &vm))
		return features;
	if (vm.lb)
		features |= ROAM_VM_LB;
	if (vm.learn_until_ns) /* programs ask the time */
		features |= ROAM_VM_LEARN;
	if (acl_has_stateless(host, slot))
		features |= ROAM_VM_STATELESS;
	return features;
}

int vm_sync_features(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (err)
		return err;
	vm.features = vm_features(host, slot);
	move_policy_changed(host, slot);
	return vm_put(host, slot, &vm);
}

int vm_sync_ports(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err;

	err = vm_get(host, slot, &vm);
	if (err)
		return err;
	/* After the lists: a packet that still saw an old list carries the old generation, so its
	 * flow is matched again. 0 is older than every generation. */
	vm.gen = vm.gen + 1 ? vm.gen + 1 : 1;
	vm.features = vm_features(host, slot);
	err = vm_put(host, slot, &vm);
	if (!err && vm.ct_moving)
		err = ct_finish_move(host, slot);
	if (!err)
		err = limit_sync(host, slot);
	if (!err)
		err = port_bind_all(host, slot);
	return err;
}

int vm_sync(struct host *host, uint32_t slot)
{
	int err = acl_compile(host, slot);

	return err ? err : vm_sync_ports(host, slot);
}

void vm_free_slot(struct host *host, uint32_t slot)
{
	struct roam_vm none = {}, vm;

	port_unbind_all(host, slot);
	/* No program looks for its tables any more; whoever finishes this still sees whose it was.
	 */
	if (!vm_get(host, slot, &vm)) {
		vm.life = ROAM_LIFE_SHUT;
		vm_put(host, slot, &vm);
	}
	tables_clear(host, slot);
	qos_clear(host, slot);
	ips_clear(host, slot);
	move_clear(host, slot);
	late_from_del(host, slot);
	vm_put(host, slot, &none);
}

/* In whatever phase of a handover: who deletes a VM has no policy to lose, and its peer is told. */
int vm_del(struct host *host, const char *name)
{
	char key[ROAM_NAME_LEN];
	uint32_t slot;
	int err, entry;

	err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = vm_find(locked, name, &slot);
	if (!err)
		err = journal_begin_any(host, slot, &entry);
	if (err)
		return err;
	text_name_parse("vm", name, key);
	err = host_delete(host, HOST_MAP_vm_slot, key); /* from here on it is deleted */
	if (!err)
		vm_free_slot(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

/* One write is the change: here, or with new quotas, where ct_resize() switches banks. */
static int set_locked(struct host *host, uint32_t slot, const struct roam_vm *wanted)
{
	struct roam_vm vm;
	int err, entry;
	bool resize, lists;

	err = move_may_change(host, slot);
	if (!err)
		err = vm_get(host, slot, &vm);
	if (!err && (vm.life == ROAM_LIFE_GATED) != (wanted->life == ROAM_LIFE_GATED))
		err = fail(-EBUSY, "vm '%s': a handover is under way, which says what it is",
			   vm.name);
	if (!err)
		err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	resize = wanted->quota_flows != vm.quota_flows || wanted->quota_half != vm.quota_half;
	lists = memcmp(vm.default_action, wanted->default_action, sizeof(vm.default_action)) != 0;
	memcpy(vm.default_action, wanted->default_action, sizeof(vm.default_action));
	vm.midstream = wanted->midstream;
	vm.liberal = wanted->liberal;
	vm.timeouts = wanted->timeouts;
	vm.life = wanted->life;
	vm.quota_flows = wanted->quota_flows;
	vm.quota_half = wanted->quota_half;
	err = resize ? ct_resize(host, slot, &vm) : vm_put(host, slot, &vm);
	if (!err) /* the lists end with the defaults */
		err = lists ? vm_sync(host, slot) : vm_sync_ports(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

int vm_set(struct host *host, uint32_t slot, const struct roam_vm *wanted)
{
	int err = vm_validate(wanted);

	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return set_locked(locked, slot, wanted);
}
