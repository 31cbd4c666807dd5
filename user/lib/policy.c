// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The whole policy of a VM: see policy.h. */
#include <string.h>
#include <sys/random.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "draft.h"
#include "ips.h"
#include "policy.h"
#include "port.h"
#include "qos.h"
#include "vm.h"

void policy_init(struct policy *ret_policy)
{
	*ret_policy = (struct policy){
		.vm = {
			.life = ROAM_LIFE_ACTIVE,
			.quota_flows = ROAM_QUOTA_FLOWS_DEFAULT,
			.quota_half = ROAM_QUOTA_HALF_DEFAULT,
		},
	};
}

void policy_free(struct policy *policy)
{
	free(policy->rules);
	policy->rules = NULL;
}

int policy_add_rule(struct policy *policy, struct roam_acl_rule **ret_rule)
{
	uint32_t room = policy->rule_room ? policy->rule_room * 2 : 64;
	struct roam_acl_rule *rules = policy->rules;

	if (policy->rule_count == ROAM_ACL_RULES)
		return fail(-E2BIG, "acl: more than %d rules for one VM", ROAM_ACL_RULES);
	if (policy->rule_count == policy->rule_room) {
		rules = reallocarray(rules, room, sizeof(*rules));
		if (!rules)
			return fail(-ENOMEM, "policy: out of memory");
		policy->rules = rules;
		policy->rule_room = room;
	}
	*ret_rule = &rules[policy->rule_count++];
	return 0;
}

static int compare_ports(const void *a, const void *b)
{
	return memcmp(((const struct roam_port *)a)->mac, ((const struct roam_port *)b)->mac,
		      ROAM_MAC_LEN);
}

void policy_sort(struct policy *policy)
{
	qsort(policy->ports, policy->port_count, sizeof(*policy->ports), compare_ports);
	if (policy->rule_count)
		qsort(policy->rules, policy->rule_count, sizeof(*policy->rules), acl_compare_rules);
}

static int get_rules(struct host *host, uint32_t slot, struct policy *policy)
{
	_cleanup_acl_list_ struct acl_list list = {};
	struct roam_acl_rule *rule;
	int err = acl_list(host, slot, &list);

	for (uint32_t i = 0; i < list.count && !err; i++) {
		err = policy_add_rule(policy, &rule);
		if (!err)
			*rule = list.recs[i].rule;
	}
	return err;
}

static int get_qos(struct host *host, uint32_t slot, struct policy *policy)
{
	struct roam_qos_rec rec;
	int err = 0;

	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		err = qos_get(host, slot, dir, &rec);
		if (!err)
			policy->qos[dir] = rec.conf;
	}
	return err;
}

int policy_get(struct host *host, uint32_t slot, struct policy *ret_policy)
{
	struct policy policy = { .has_uuid = true };
	int err = vm_get(host, slot, &policy.vm);

	if (err)
		return err;
	policy.port_count = port_list(host, slot, policy.ports);
	err = get_rules(host, slot, &policy);
	if (!err)
		err = get_qos(host, slot, &policy);
	if (!err)
		err = ips_get(host, slot, &policy.ips);
	if (err) {
		policy_free(&policy);
		return err;
	}
	policy_sort(&policy);
	*ret_policy = policy;
	return 0;
}

static int fill_features(struct host *host, struct draft *draft, const struct policy *policy)
{
	uint32_t slot = draft_slot(draft);
	int err = policy->ips.is_set ? ips_validate("ips", &policy->ips) : 0;

	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		struct roam_qos_rec rec = { .conf = policy->qos[dir], .dir = dir };

		err = qos_validate("qos", &rec.conf);
		if (!err)
			err = qos_store(host, slot, &rec);
	}
	if (err || !policy->ips.is_set)
		return err;
	if (draft_is_policy(draft))
		return ips_stage(host, slot, &policy->ips);
	return ips_store(host, slot, &policy->ips);
}

/* Rows of a slot that no program sees; `policy` itself is not changed. */
static int fill(struct host *host, struct draft *draft, const struct policy *policy)
{
	int err = 0;

	for (uint32_t i = 0; i < policy->port_count && !err; i++) {
		struct roam_port port = policy->ports[i];

		err = draft_add_port(draft, &port);
	}
	for (uint32_t i = 0; i < policy->rule_count && !err; i++) {
		struct roam_acl_rule rule = policy->rules[i];

		err = draft_add_rule(draft, &rule, NULL);
	}
	return err ? err : fill_features(host, draft, policy);
}

/* A VM that is new here. */
static int open_new(struct host *host, const struct policy *policy, struct draft **ret_draft)
{
	struct roam_vm vm = policy->vm;

	if (getrandom(&vm.incarnation, sizeof(vm.incarnation), 0) != sizeof(vm.incarnation))
		return fail(-EIO, "vm: no random numbers");
	if (!policy->has_uuid && vm_random_uuid(vm.uuid))
		return -EIO;
	return draft_open(host, &vm, ROAM_VM_NONE, ret_draft);
}

static int open_known(struct host *host, const struct policy *policy, uint32_t slot,
		      struct draft **ret_draft)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err && policy->has_uuid && memcmp(policy->vm.uuid, vm.uuid, sizeof(vm.uuid)) != 0)
		return fail(-EEXIST, "vm '%s': the one of that name here has another uuid",
			    vm.name);
	return err ? err : draft_open_policy(host, &policy->vm, slot, ret_draft);
}

static int apply_locked(struct host *host, const struct policy *policy)
{
	_cleanup_draft_ struct draft *draft = NULL;
	uint32_t slot;
	int err;

	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_vm_slot), policy->vm.name, &slot))
		err = open_new(host, policy, &draft);
	else
		err = open_known(host, policy, slot, &draft);
	if (!err)
		err = fill(host, draft, policy);
	return err ? err : draft_publish(draft);
}

int policy_apply(struct host *host, const struct policy *policy)
{
	int err = host_lock(host);

	if (err)
		return err;
	err = apply_locked(host, policy);
	host_unlock(host);
	return err;
}
