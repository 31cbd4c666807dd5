// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From an image to a host: see state.h. Rows go into a draft as they come; it is published when the
 * image has turned out to be whole and right, and dropped otherwise.
 */
#include <string.h>
#include "acl.h"
#include "ct.h"
#include "draft.h"
#include "port.h"
#include "state.h"
#include "state_features.h"
#include "text.h"
#include "vm.h"

/* Flows that wait for a bulk load, by kind. */
#define WAITING_ROWS 4096

struct loading {
	struct host *host;
	const struct state_load *load;
	struct draft *draft;
	struct image_header header;
	struct image_maps maps;
	uint32_t own_slot; /* of the VM that is here already, or ROAM_VM_NONE */
	struct roam_port own_ports[ROAM_VM_PORTS];
	int own_port_count;
	struct acl_list own_rules;
	/* By row of the image, from 0. */
	char zone_name[ROAM_VM_PORTS][ROAM_NAME_LEN];
	uint32_t ports;
	struct roam_acl_rec *rules;
	uint32_t rules_count;
	/* What flows are checked against: the draft's. */
	struct roam_port draft_ports[ROAM_VM_PORTS];
	int draft_port_count;
	uint32_t *rule_id; /* by row of the image, from 1 */
	bool has_vm;
	struct roam_flow_rec *waiting[ROAM_CT_KINDS];
	uint32_t waiting_count[ROAM_CT_KINDS];
	struct state_features features;
	struct roam_stats stats;
	struct state_loaded loaded;
};

static void cleanup_loading(struct loading *loading)
{
	draft_close(loading->draft);
	free(loading->own_rules.recs);
	free(loading->rules);
	free(loading->rule_id);
	for (int kind = 0; kind < ROAM_CT_KINDS; kind++)
		free(loading->waiting[kind]);
}
#define _cleanup_loading_ __attribute__((cleanup(cleanup_loading)))

static int on_header(const struct image_header *header, void *arg)
{
	struct loading *loading = arg;

	if (loading->load->vm && strcmp(loading->load->vm, header->vm) != 0)
		return fail(-EINVAL, "state: the image is of vm '%s', not of '%s'", header->vm,
			    loading->load->vm);
	if (header->sequence)
		return fail(-EINVAL, "state: the image is a delta; only a whole one can be loaded");
	loading->header = *header;
	memcpy(loading->loaded.vm, header->vm, sizeof(header->vm));
	return 0;
}

/* The VM that is here already: its policy stays. */
static int adopt_own(struct loading *loading, struct roam_vm *vm)
{
	struct roam_vm own;
	int err = vm_get(loading->host, loading->own_slot, &own);

	if (err)
		return err;
	if (own.life == ROAM_LIFE_ACTIVE && !loading->load->replace)
		return fail(-EEXIST, "state: vm '%s' is active on this host", own.name);
	if (memcmp(own.uuid, vm->uuid, sizeof(own.uuid)) != 0)
		return fail(-EEXIST, "state: vm '%s' of this host has another uuid", own.name);
	own.incarnation = vm->incarnation;
	own.epoch = vm->epoch;
	*vm = own;
	loading->loaded.own_policy = true;
	loading->own_port_count = port_list(loading->host, loading->own_slot, loading->own_ports);
	return acl_list(loading->host, loading->own_slot, &loading->own_rules);
}

static int on_vm(struct loading *loading, const struct roam_vm *row)
{
	struct roam_vm vm = *row;
	int err = 0;

	if (loading->has_vm)
		return fail(-EBADMSG, "image: more than one row in table vm");
	if (memcmp(vm.name, loading->header.vm, sizeof(vm.name)) != 0 ||
	    memcmp(vm.uuid, loading->header.uuid, sizeof(vm.uuid)) != 0)
		return fail(-EBADMSG, "image: the header is of another VM than the rows");
	if (vm.epoch == UINT64_MAX)
		return fail(-EBADMSG, "image: the epoch is absurd");
	vm.quota_flows = vm.quota_flows ? vm.quota_flows : ROAM_QUOTA_FLOWS_DEFAULT;
	vm.quota_half = vm.quota_half ? vm.quota_half : ROAM_QUOTA_HALF_DEFAULT;
	vm.epoch++;
	err = vm_validate(&vm);
	if (!err && !vm_find(loading->host, vm.name, &loading->own_slot))
		err = adopt_own(loading, &vm);
	if (err)
		return err;
	vm.life = loading->load->shut ? ROAM_LIFE_SHUT : ROAM_LIFE_ACTIVE;
	loading->has_vm = true;
	err = draft_open(loading->host, &vm, loading->own_slot, &loading->draft);
	loading->features = (struct state_features){
		.host = loading->host,
		.slot = err ? ROAM_VM_NONE : draft_slot(loading->draft),
		.own_slot = loading->own_slot,
	};
	return err;
}

static int find_dev(const struct loading *loading, struct roam_port *port)
{
	char mac[TEXT_MAC_LEN];

	for (uint32_t i = 0; i < loading->load->dev_count; i++) {
		const struct state_dev *dev = &loading->load->devs[i];

		if (memcmp(dev->mac, port->mac, ROAM_MAC_LEN) != 0)
			continue;
		if (strlen(dev->dev) >= sizeof(port->dev))
			return fail(-EINVAL, "state: dev '%.80s' is no device's name", dev->dev);
		strcpy(port->dev, dev->dev);
		return 0;
	}
	return fail(-ENODEV, "state: which device is the port with mac %s? say dev MAC=DEV",
		    text_mac(port->mac, mac));
}

static int on_port(struct loading *loading, const struct roam_port *row)
{
	struct roam_port port = *row;
	int err;

	if (!loading->has_vm)
		return fail(-EBADMSG, "image: ports before the VM");
	if (loading->ports == ROAM_VM_PORTS)
		return fail(-EBADMSG, "image: more than %d ports", ROAM_VM_PORTS);
	err = port_validate(&port);
	if (err)
		return err;
	memcpy(loading->zone_name[loading->ports++], port.zone_name, ROAM_NAME_LEN);
	if (loading->own_slot)
		return 0;
	err = find_dev(loading, &port);
	return err ? err : draft_add_port(loading->draft, &port);
}

static int on_rule(struct loading *loading, const struct roam_acl_rec *rec)
{
	int err = acl_validate(&rec->rule);

	if (err)
		return err;
	if (loading->rules_count == ROAM_ACL_RULES)
		return fail(-EBADMSG, "image: more than %d rules", ROAM_ACL_RULES);
	if ((loading->rules_count & (loading->rules_count - 1)) == 0) {
		uint32_t room = loading->rules_count ? loading->rules_count * 2 : 64;
		void *rules = reallocarray(loading->rules, room, sizeof(*rec));

		if (!rules)
			return fail(-ENOMEM, "state: out of memory");
		loading->rules = rules;
	}
	loading->rules[loading->rules_count++] = *rec;
	return 0;
}

static int flush_waiting(struct loading *loading, enum roam_ct_kind kind)
{
	uint32_t count = loading->waiting_count[kind];

	loading->waiting_count[kind] = 0;
	loading->loaded.flows += count;
	return count ? draft_load_flows(loading->draft, kind, loading->waiting[kind], count) : 0;
}

static int on_flow(struct loading *loading, const struct roam_flow_rec *rec)
{
	enum roam_ct_kind kind = ct_state_kind(rec->flow.state);
	int err = state_check_flow(rec, loading->draft_ports, loading->draft_port_count);

	if (err)
		return err;
	loading->waiting[kind][loading->waiting_count[kind]++] = *rec;
	return loading->waiting_count[kind] == WAITING_ROWS ? flush_waiting(loading, kind) : 0;
}

static int on_stats(struct loading *loading, const struct roam_stats_rec *rec)
{
	struct roam_counter *counter = &loading->stats.by_reason[rec->reason][rec->dir];

	if (rec->reason == ROAM_REASON_NONE) /* a name that is unknown here */
		return 0;
	if (counter->packets)
		return fail(-EBADMSG, "image: the counter of %s twice",
			    text_enum_name(&text_reason, rec->reason));
	*counter = (struct roam_counter){ rec->packets, rec->bytes };
	return 0;
}

static int on_row(struct loading *loading, enum schema_table_id table, const void *row)
{
	switch (table) {
	case TABLE_VM:
		return on_vm(loading, row);
	case TABLE_PORT:
		return on_port(loading, row);
	case TABLE_ACL:
		return on_rule(loading, row);
	case TABLE_FLOW:
		return on_flow(loading, row);
	case TABLE_STATS:
		return on_stats(loading, row);
	default:
		return state_features_row(&loading->features, table, row);
	}
}

static int on_rows(enum schema_table_id table, const void *rows, size_t count, void *arg)
{
	const uint8_t *row = rows;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++, row += schema_tables[table].row_size)
		err = on_row(arg, table, row);
	return err;
}

/* The zone of that name in the draft, for flows of a row of table port. */
static int map_zones(struct loading *loading)
{
	loading->draft_port_count = port_list(loading->host, draft_slot(loading->draft),
					      loading->draft_ports);
	loading->maps.zone_count = loading->ports;
	for (uint32_t row = 0; row < loading->ports; row++) {
		int at = 0;

		while (at < loading->draft_port_count &&
		       strcmp(loading->draft_ports[at].zone_name, loading->zone_name[row]) != 0)
			at++;
		if (at == loading->draft_port_count)
			return fail(-ENOENT, "state: vm '%s' has no port in zone '%s' here",
				    loading->loaded.vm, loading->zone_name[row]);
		loading->maps.zone[row] = loading->draft_ports[at].zone;
	}
	return 0;
}

static int end_ports(struct loading *loading)
{
	int err = 0;

	for (int i = 0; i < loading->own_port_count && !err; i++)
		err = draft_add_port(loading->draft, &loading->own_ports[i]);
	return err ? err : map_zones(loading);
}

static int compare_names(const void *a, const void *b)
{
	const struct roam_acl_rec *const *x = a, *const *y = b;

	return strcmp((*x)->rule.name, (*y)->rule.name);
}

/* The image's rules by name, so that duplicates are neighbours. */
static int sort_rules(struct loading *loading, const struct roam_acl_rec ***ret_sorted)
{
	const struct roam_acl_rec **sorted = calloc(loading->rules_count + 1, sizeof(*sorted));

	if (!sorted)
		return fail(-ENOMEM, "state: out of memory");
	for (uint32_t i = 0; i < loading->rules_count; i++)
		sorted[i] = &loading->rules[i];
	if (loading->rules_count)
		qsort(sorted, loading->rules_count, sizeof(*sorted), compare_names);
	for (uint32_t i = 1; i < loading->rules_count; i++) {
		if (!compare_names(&sorted[i - 1], &sorted[i])) {
			int err = fail(-EBADMSG, "image: rule '%s' twice", sorted[i]->rule.name);

			free(sorted);
			return err;
		}
	}
	*ret_sorted = sorted;
	return 0;
}

/* The host's own rules, going on from the counters of the image's rules of the same name. */
static int add_own_rules(struct loading *loading, const struct roam_acl_rec **sorted)
{
	int err = 0;

	for (uint32_t i = 0; i < loading->own_rules.count && !err; i++) {
		struct roam_acl_rec *own = &loading->own_rules.recs[i];
		const struct roam_acl_rec *key = own, **found;

		found = bsearch(&key, sorted, loading->rules_count, sizeof(*sorted), compare_names);
		err = draft_add_rule(loading->draft, &own->rule, found ? &(*found)->hits : NULL);
		if (found)
			loading->rule_id[*found - loading->rules + 1] = own->rule.id;
	}
	return err;
}

static int add_image_rules(struct loading *loading)
{
	int err = 0;

	for (uint32_t i = 0; i < loading->rules_count && !err; i++) {
		struct roam_acl_rec *rec = &loading->rules[i];

		err = draft_add_rule(loading->draft, &rec->rule, &rec->hits);
		loading->rule_id[i + 1] = rec->rule.id;
	}
	return err;
}

static int end_rules(struct loading *loading)
{
	const struct roam_acl_rec **sorted;
	int err = sort_rules(loading, &sorted);

	if (err)
		return err;
	loading->rule_id = calloc(loading->rules_count + 1, sizeof(*loading->rule_id));
	if (!loading->rule_id)
		err = fail(-ENOMEM, "state: out of memory");
	else if (loading->own_slot)
		err = add_own_rules(loading, sorted);
	else
		err = add_image_rules(loading);
	free(sorted);
	loading->maps.rule = loading->rule_id;
	loading->maps.rule_count = loading->rules_count + 1;
	/* Under a policy of the host's own every flow is older than the current generation. */
	loading->maps.gen = loading->own_slot ? 0 : draft_gen(loading->draft);
	return err;
}

static int on_table_end(enum schema_table_id table, void *arg)
{
	struct loading *loading = arg;
	int err = 0;

	if (!loading->has_vm)
		return fail(-EBADMSG, "image: without the VM's row");
	switch (table) {
	case TABLE_PORT:
		return end_ports(loading);
	case TABLE_ACL:
		return end_rules(loading);
	case TABLE_FLOW:
		for (int kind = 0; kind < ROAM_CT_KINDS && !err; kind++)
			err = flush_waiting(loading, kind);
		return err;
	case TABLE_STATS:
		return draft_set_stats(loading->draft, &loading->stats);
	default:
		return state_features_end(&loading->features, table);
	}
}

static void on_skipped(const char *table, const char *field, void *arg)
{
	(void)table;
	(void)field;
	((struct loading *)arg)->loaded.skipped++;
}

int state_load(struct host *host, const struct state_load *load, struct state_loaded *ret_loaded)
{
	_cleanup_loading_ struct loading loading = { .host = host, .load = load };
	struct image_sink sink = {
		.header = on_header,
		.rows = on_rows,
		.table_end = on_table_end,
		.skipped = on_skipped,
		.maps = &loading.maps,
		.arg = &loading,
	};
	int err = 0;

	loading.maps.now_ns = load->now_ns ? load->now_ns : now_ns();
	for (int kind = 0; kind < ROAM_CT_KINDS; kind++) {
		loading.waiting[kind] = calloc(WAITING_ROWS, sizeof(*loading.waiting[kind]));
		if (!loading.waiting[kind])
			return fail(-ENOMEM, "state: out of memory");
	}
	err = image_read(load->read, load->arg, &sink);
	if (!err)
		err = draft_publish(loading.draft);
	if (!err)
		*ret_loaded = loading.loaded;
	return err;
}
