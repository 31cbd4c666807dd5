// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* From a host to an image: see state.h. */
#include <string.h>
#include <xxhash.h>
#include "acl.h"
#include "ct.h"
#include "port.h"
#include "state.h"
#include "state_features.h"
#include "state_lb.h"
#include "state_set.h"
#include "stats.h"
#include "text.h"
#include "vm.h"

/* What is read of the VM before its flows. */
struct policy {
	uint32_t slot;
	struct roam_vm vm;
	struct roam_port ports[ROAM_VM_PORTS];
	int port_count;
	struct acl_list rules;
	uint32_t *rule_row; /* by id: row in table acl, from 1 */
	struct state_lb *lb;
};

struct saving {
	struct policy policy;
	struct image_writer *writer;
	uint64_t digest;
	uint64_t flows;
};

static void cleanup_saving(struct saving *saving)
{
	image_writer_close(saving->writer);
	free(saving->policy.rules.recs);
	free(saving->policy.rule_row);
	free(saving->policy.lb);
}
#define _cleanup_saving_ __attribute__((cleanup(cleanup_saving)))

/* With the host's lock: policy that is half changed is not to be saved. */
static int read_locked(struct host *host, const char *name, struct policy *policy)
{
	int err = vm_find(host, name, &policy->slot);

	if (!err)
		err = vm_get(host, policy->slot, &policy->vm);
	if (!err)
		err = acl_reject_get(host, policy->slot, &policy->vm.reject_paid_ns);
	if (!err)
		err = acl_list(host, policy->slot, &policy->rules);
	if (err)
		return err;
	policy->port_count = port_list(host, policy->slot, policy->ports);
	policy->rule_row = calloc(policy->vm.next_rule + 1, sizeof(*policy->rule_row));
	policy->lb = calloc(1, sizeof(*policy->lb));
	if (!policy->rule_row || !policy->lb)
		return fail(-ENOMEM, "state: out of memory");
	for (uint32_t i = 0; i < policy->rules.count; i++)
		policy->rule_row[policy->rules.recs[i].rule.id] = i + 1;
	return 0;
}

static int read_policy(struct host *host, const char *name, struct policy *policy)
{
	int err = host_lock(host);

	if (err)
		return err;
	err = read_locked(host, name, policy);
	host_unlock(host);
	return err;
}

static void fill_maps(const struct policy *policy, struct image_maps *maps)
{
	maps->gen = policy->vm.gen;
	maps->rule = policy->rule_row;
	maps->rule_count = policy->vm.next_rule + 1;
	maps->zone_count = ROAM_VM_PORTS;
	for (int row = policy->port_count - 1; row >= 0; row--)
		maps->zone[policy->ports[row].zone] = row;
}

/* What is read before flows, and what their references become. */
static int read_all(struct host *host, const char *name, struct policy *policy,
		    struct image_maps *maps)
{
	int err = read_policy(host, name, policy);

	if (err)
		return err;
	fill_maps(policy, maps);
	return policy->vm.lb ? state_lb_read(host, policy->lb, maps) : 0;
}

/* Over what an operator wrote, host-local fields left out: two hosts with the same policy agree. */
static uint64_t policy_digest(struct host *host, const struct policy *policy)
{
	XXH3_state_t *hash = XXH3_createState();
	uint64_t digest;

	XXH3_64bits_reset(hash);
	XXH3_64bits_update(hash, policy->vm.default_action, sizeof(policy->vm.default_action));
	XXH3_64bits_update(hash, &policy->vm.midstream, sizeof(policy->vm.midstream));
	XXH3_64bits_update(hash, &policy->vm.liberal, sizeof(policy->vm.liberal));
	XXH3_64bits_update(hash, &policy->vm.timeouts, sizeof(policy->vm.timeouts));
	XXH3_64bits_update(hash, &policy->vm.lb, sizeof(policy->vm.lb));
	for (int i = 0; i < policy->port_count; i++) {
		struct roam_port port = policy->ports[i];

		port.vm = port.zone = port.ifindex = 0;
		memset(port.dev, 0, sizeof(port.dev));
		XXH3_64bits_update(hash, &port, sizeof(port));
	}
	for (uint32_t i = 0; i < policy->rules.count; i++) {
		struct roam_acl_rule rule = policy->rules.recs[i].rule;

		rule.id = 0;
		XXH3_64bits_update(hash, &rule, sizeof(rule));
	}
	state_features_digest(host, policy->slot, hash);
	digest = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return digest;
}

/* The name of this host where it can be one; a host whose name cannot is nameless. */
void state_host_name(char ret_name[ROAM_NAME_LEN])
{
	char name[256] = "";

	memset(ret_name, 0, ROAM_NAME_LEN);
	if (!gethostname(name, sizeof(name) - 1) && text_name_valid(name))
		memcpy(ret_name, name, strlen(name));
}

static int write_policy(struct host *host, struct saving *saving, const uint8_t *handover)
{
	struct image_writer *writer = saving->writer;
	const struct policy *policy = &saving->policy;
	struct image_header header = { .policy_digest = policy_digest(host, policy) };
	int err;

	saving->digest = header.policy_digest;
	if (handover)
		memcpy(header.handover, handover, sizeof(header.handover));

	memcpy(header.vm, policy->vm.name, sizeof(header.vm));
	memcpy(header.uuid, policy->vm.uuid, sizeof(header.uuid));
	state_host_name(header.host);
	err = image_write_header(writer, &header);
	if (!err)
		err = image_write_table(writer, TABLE_VM);
	if (!err)
		err = image_write_rows(writer, &policy->vm, 1);
	if (!err)
		err = image_write_table(writer, TABLE_PORT);
	if (!err)
		err = image_write_rows(writer, policy->ports, policy->port_count);
	if (!err)
		err = state_set_save(host, &policy->rules, writer);
	if (!err)
		err = image_write_table(writer, TABLE_ACL);
	if (!err)
		err = image_write_rows(writer, policy->rules.recs, policy->rules.count);
	if (!err)
		err = state_features_save(host, policy->slot, writer);
	return err ? err : state_lb_write(policy->lb, writer);
}

/* Flows of ports and addresses that the VM has no more see no packet again: they stay behind. */
static int write_flows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct saving *saving = arg;
	uint32_t from = 0, at = 0;
	int err = 0;

	for (; at < count && !err; at++) {
		if (state_is_local(&rows[at].key, saving->policy.ports, saving->policy.port_count))
			continue;
		err = image_write_rows(saving->writer, &rows[from], at - from);
		from = at + 1;
	}
	saving->flows += count; /* those too: what is looked at is what takes time */
	return err ? err : image_write_rows(saving->writer, &rows[from], at - from);
}

static int write_counter(const struct roam_stats_rec *rec, void *arg)
{
	return image_write_rows(arg, rec, 1);
}

static int write_stats(struct image_writer *writer, const struct roam_stats *stats)
{
	int err = image_write_table(writer, TABLE_STATS);

	return err ? err : stats_each(stats, write_counter, writer);
}

void state_refs_close(struct state_refs *refs)
{
	free(refs->rule);
	free(refs->lb);
	free(refs->rules.recs);
	excess_free(&refs->late);
	*refs = (struct state_refs){};
}

static void keep_refs(struct policy *policy, const struct image_maps *maps, uint64_t digest,
		      struct state_refs *ret_refs)
{
	*ret_refs = (struct state_refs){
		.slot = policy->slot,
		.maps = *maps,
		.rule = TAKE_PTR(policy->rule_row),
		.lb = TAKE_PTR(policy->lb),
		.vm = policy->vm,
		.port_count = policy->port_count,
		.rules = policy->rules,
		.digest = digest,
	};
	memcpy(ret_refs->ports, policy->ports, sizeof(policy->ports));
	policy->rules = (struct acl_list){};
}

int state_refs_read(struct host *host, const char *vm, struct state_refs *ret_refs)
{
	_cleanup_saving_ struct saving saving = {};
	struct image_maps maps = {};
	int err = read_all(host, vm, &saving.policy, &maps);

	if (!err)
		keep_refs(&saving.policy, &maps, policy_digest(host, &saving.policy), ret_refs);
	return err;
}

int state_save(struct host *host, const struct state_save *save)
{
	_cleanup_saving_ struct saving saving = {};
	struct image_maps maps = { .now_ns = save->now_ns ? save->now_ns : now_ns() };
	struct roam_stats stats;
	int err = read_all(host, save->vm, &saving.policy, &maps);

	if (!err)
		err = image_writer_open(&maps, save->write, save->arg, &saving.writer);
	if (!err)
		err = write_policy(host, &saving, save->handover);
	if (!err)
		err = image_write_table(saving.writer, TABLE_FLOW);
	if (!err)
		err = ct_dump(host, saving.policy.slot, write_flows, &saving);
	if (!err)
		err = stats_fold(host, saving.policy.slot, &stats);
	if (!err)
		err = write_stats(saving.writer, &stats);
	if (!err)
		err = image_write_end(saving.writer);
	if (!err && save->refs) {
		keep_refs(&saving.policy, &maps, saving.digest, save->refs);
		save->refs->flows = saving.flows;
	}
	return err;
}
