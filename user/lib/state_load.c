// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From an image to a host: see state.h. Every row is checked as it comes, as if an enemy had
 * written it; what the VM will be is gathered in a struct placing (state_place.h).
 */
#include <string.h>
#include <net/if.h>
#include "acl.h"
#include "ct.h"
#include "merge.h"
#include "monitor.h"
#include "move_own.h"
#include "port.h"
#include "state.h"
#include "state_lb.h"
#include "state_place.h"
#include "state_set.h"
#include "text.h"
#include "vm.h"

struct loading {
	struct host *host;
	const struct state_load *load;
	struct placing placing;
	struct image_header header;
	struct image_maps maps;
	bool has_vm;
	/* By row of the image, from 0. */
	char zone_name[ROAM_VM_PORTS][ROAM_NAME_LEN];
	uint32_t ports;
	struct acl_list rules;
	uint32_t *rule_id; /* by row of the image, from 1 */
	struct state_lb lb;
	struct sets sets; /* of the image */
	struct state_loaded loaded;
};

static void cleanup_loading(struct loading *loading)
{
	place_close(&loading->placing);
	free(loading->rules.recs);
	free(loading->rule_id);
	sets_free(&loading->sets);
}
#define _cleanup_loading_ __attribute__((cleanup(cleanup_loading)))

static int on_header(const struct image_header *header, void *arg)
{
	struct loading *loading = arg;

	if (loading->load->vm && strcmp(loading->load->vm, header->vm) != 0)
		return fail(-EINVAL, "state: the image is of vm '%s', not of '%s'", header->vm,
			    loading->load->vm);
	if (loading->load->gate)
		memcpy(loading->load->gate->id, header->handover, sizeof(header->handover));
	if (header->sequence)
		return fail(-EINVAL, "state: the image is a delta; only a whole one can be loaded");
	/*
	 * Not when the load was begun: who waits at a pipe would count that time twice, once here
	 * and once in the ages, and fill buckets and release sources with it. From here on the
	 * image's VM has been away at least this long, so a load takes nothing from it either.
	 */
	loading->maps.now_ns = loading->load->now_ns ? loading->load->now_ns : now_ns();
	loading->header = *header;
	memcpy(loading->loaded.vm, header->vm, sizeof(header->vm));
	return 0;
}

static bool has_own_policy(const struct loading *loading)
{
	return loading->placing.replaces != ROAM_VM_NONE;
}

/* The VM that is here already: its policy stays. */
static int adopt_own(struct loading *loading, struct roam_vm *vm)
{
	struct placing *placing = &loading->placing;
	struct roam_port ports[ROAM_VM_PORTS];
	struct roam_vm own;
	int err = vm_get(loading->host, placing->replaces, &own), count;

	if (err)
		return err;
	if (own.life == ROAM_LIFE_GATED) {
		err = move_may_load(loading->host, placing->replaces);
		if (err)
			return err;
	}
	if (own.life == ROAM_LIFE_ACTIVE && !loading->load->replace)
		return fail(-EEXIST,
			    "state: vm '%s' is active on this host (say replace to load over it)",
			    own.name);
	if (memcmp(own.uuid, vm->uuid, sizeof(own.uuid)) != 0)
		return fail(-EEXIST, "state: vm '%s' of this host has another uuid", own.name);
	err = acl_reject_get(loading->host, placing->replaces, &own.reject_paid_ns);
	if (err)
		return err;
	merge_row(TABLE_VM, &own, vm);
	own.reject_paid_ns = vm->reject_paid_ns;
	own.incarnation = vm->incarnation;
	own.epoch = vm->epoch;
	*vm = own;
	placing->replaces_gen = own.gen;
	loading->loaded.own_policy = true;
	count = port_list(loading->host, placing->replaces, ports);
	for (int i = 0; i < count && !err; i++)
		err = place_port(placing, &ports[i]);
	return err;
}

static int on_vm(struct loading *loading, const struct roam_vm *row)
{
	struct placing *placing = &loading->placing;
	struct roam_vm vm = *row;
	int err = 0;

	if (loading->has_vm)
		return fail(-EBADMSG, "image: more than one row in table vm");
	err = state_check_vm(&loading->header, &vm);
	if (err)
		return err;
	if (vm.learn_until_ns && (int64_t)(vm.learn_until_ns - loading->maps.now_ns) >
					 (int64_t)(PORT_LEARN_MAX_S * NS_PER_S))
		return fail(-EBADMSG, "image: the VM would learn for more than %d s",
			    PORT_LEARN_MAX_S);
	placing->image = vm;
	vm.epoch++;
	if (!vm_find(loading->host, vm.name, &placing->replaces))
		err = adopt_own(loading, &vm);
	if (err)
		return err;
	vm.life = loading->load->shut ? ROAM_LIFE_SHUT : ROAM_LIFE_ACTIVE;
	if (loading->load->gate) {
		vm.life = ROAM_LIFE_GATED;
		loading->load->gate->epoch = vm.epoch;
		loading->load->gate->own_policy = placing->replaces != ROAM_VM_NONE;
		placing->gate = loading->load->gate;
	}
	placing->vm = vm;
	loading->has_vm = true;
	return 0;
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
		/* A port may wait for its device, but who moves a VM has made it. */
		if (!if_nametoindex(dev->dev))
			return fail(-ENODEV, "state: dev %s: there is no such device", dev->dev);
		strcpy(port->dev, dev->dev);
		return 0;
	}
	return fail(-ENODEV, "state: which device is the port with mac %s? say dev MAC=DEV",
		    text_mac(port->mac, mac));
}

/* Who names a device for a port that is not there, or another than that port has, is mistaken. */
static int check_dev(const struct loading *loading, const struct state_dev *dev)
{
	const struct placing *placing = &loading->placing;
	char mac[TEXT_MAC_LEN];
	int at = 0;

	while (at < placing->port_count &&
	       memcmp(placing->ports[at].mac, dev->mac, ROAM_MAC_LEN) != 0)
		at++;
	text_mac(dev->mac, mac);
	if (at == placing->port_count)
		return fail(-ENOENT, "state: dev %s=%s: vm '%s' has no port with that mac", mac,
			    dev->dev, loading->loaded.vm);
	if (strcmp(placing->ports[at].dev, dev->dev) != 0)
		return fail(-EEXIST, "state: dev %s=%s: that port has dev %s", mac, dev->dev,
			    placing->ports[at].dev);
	return 0;
}

static int check_devs(const struct loading *loading)
{
	int err = 0;

	for (uint32_t i = 0; i < loading->load->dev_count && !err; i++)
		err = check_dev(loading, &loading->load->devs[i]);
	return err;
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
	if (has_own_policy(loading))
		return 0;
	err = find_dev(loading, &port);
	return err ? err : place_port(&loading->placing, &port);
}

static int on_set(struct loading *loading, const struct roam_set *row)
{
	return state_set_row(&loading->sets, row);
}

static int on_rule(struct loading *loading, const struct roam_acl_rec *rec)
{
	int err = acl_validate(&rec->rule);

	return err ? err : place_rule(&loading->rules, rec);
}

/*
 * The connection may have gone on since the save (a VM that runs, a peer that does not know): its
 * windows are judged liberally until both ends have been seen here. What only this version's
 * flags mean is kept; what a later one's mean is not known.
 */
static void mark_stale(const struct loading *loading, struct roam_flow *flow)
{
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		struct roam_tcp_end *end = &flow->side[dir].tcp;

		end->flags &= ROAM_TCP_END_SEEN | ROAM_TCP_END_SCALE | ROAM_TCP_END_FIN |
			      ROAM_TCP_END_SACK | ROAM_TCP_END_ACKED | ROAM_TCP_END_STALE;
		if (end->flags & ROAM_TCP_END_SEEN && !loading->load->exact)
			end->flags |= ROAM_TCP_END_STALE;
	}
}

static int on_flow(struct loading *loading, const struct roam_flow_rec *row)
{
	const struct placing *placing = &loading->placing;
	struct roam_flow_rec rec = *row;
	bool skip = false;
	int err = state_check_flow(row, placing->ports, placing->port_count);

	if (!err && row->flow.lb_role && !placing->vm.lb)
		err = fail(-EINVAL,
			   "state: vm '%s' has sessions of services, but does not use lb here",
			   loading->loaded.vm);
	mark_stale(loading, &rec.flow);
	if (!err)
		err = state_lb_session(&loading->lb, &rec, &skip);
	loading->loaded.sessions_left += skip;
	if (err || skip)
		return err;
	loading->loaded.flows++;
	return place_flow(&loading->placing, &rec);
}

static int on_stats(struct loading *loading, const struct roam_stats_rec *rec)
{
	struct roam_counter *counter = &loading->placing.stats.by_reason[rec->reason][rec->dir];

	if (rec->reason == ROAM_REASON_NONE) /* a name that is unknown here */
		return 0;
	if (counter->packets)
		return fail(-EBADMSG, "image: the counter of %s twice",
			    text_enum_name(&text_reason, rec->reason));
	*counter = (struct roam_counter){ rec->packets, rec->bytes };
	return 0;
}

static int on_row(enum schema_table_id table, const void *row, void *arg)
{
	struct loading *loading = arg;

	if (schema_is_delta(table))
		return fail(-EBADMSG, "image: rows of a delta in one that is none");
	switch (table) {
	case TABLE_VM:
		return on_vm(loading, row);
	case TABLE_PORT:
		return on_port(loading, row);
	case TABLE_SET:
		return on_set(loading, row);
	case TABLE_ACL:
		return on_rule(loading, row);
	case TABLE_LB:
		return state_lb_row(&loading->lb, row, &loading->maps);
	case TABLE_FLOW:
		return on_flow(loading, row);
	case TABLE_STATS:
		return on_stats(loading, row);
	default:
		return place_feature(&loading->placing, table, row);
	}
}

static int on_rows(enum schema_table_id table, const void *rows, size_t count, void *arg)
{
	return image_each_row(table, rows, count, on_row, arg);
}

/* The zone of that name here, for flows of a row of table port. */
static int map_zones(struct loading *loading)
{
	const struct placing *placing = &loading->placing;

	for (uint32_t row = 0; row < loading->ports; row++) {
		int at = 0;

		while (at < placing->port_count &&
		       strcmp(placing->ports[at].zone_name, loading->zone_name[row]) != 0)
			at++;
		if (at == placing->port_count)
			return fail(-ENOENT, "state: vm '%s' has no port in zone '%s' here",
				    loading->loaded.vm, loading->zone_name[row]);
		loading->maps.zone[row] = placing->ports[at].zone;
	}
	loading->maps.zone_count = loading->ports;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct roam_acl_rec *const *x = a, *const *y = b;

	return strcmp((*x)->rule.name, (*y)->rule.name);
}

/* The image's rules by name, so that duplicates are neighbours. */
static int sort_rules(struct loading *loading, const struct roam_acl_rec ***ret_sorted)
{
	const struct acl_list *rules = &loading->rules;
	const struct roam_acl_rec **sorted = calloc(rules->count + 1, sizeof(*sorted));

	if (!sorted)
		return fail(-ENOMEM, "state: out of memory");
	for (uint32_t i = 0; i < rules->count; i++)
		sorted[i] = &rules->recs[i];
	if (rules->count)
		qsort(sorted, rules->count, sizeof(*sorted), compare_names);
	for (uint32_t i = 1; i < rules->count; i++) {
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
static int keep_own_rules(struct loading *loading, const struct roam_acl_rec **sorted)
{
	_cleanup_acl_list_ struct acl_list own = {};
	struct placing *placing = &loading->placing;
	int err = acl_list(loading->host, placing->replaces, &own);

	for (uint32_t i = 0; i < own.count && !err; i++) {
		const struct roam_acl_rec *key = &own.recs[i], **found;

		found = bsearch(&key, sorted, loading->rules.count, sizeof(*sorted), compare_names);
		if (found) {
			struct roam_acl_rec merged = **found;

			merge_row(TABLE_ACL, &own.recs[i], &merged);
			own.recs[i].hits = merged.hits;
			loading->rule_id[*found - loading->rules.recs + 1] = i + 1;
		}
		err = place_rule(&placing->rules, &own.recs[i]);
	}
	return err;
}

static int check_sets(struct loading *loading)
{
	struct state_set_found found;
	int err = state_set_check(loading->host, &loading->sets, &loading->rules, &found);

	if (err)
		return err;
	loading->placing.sets_digest = found.digest;
	loading->loaded.sets_other = found.others;
	memcpy(loading->loaded.set_other, found.other, sizeof(found.other));
	return 0;
}

static int take_image_rules(struct loading *loading)
{
	int err = check_sets(loading);

	for (uint32_t i = 0; i < loading->rules.count && !err; i++) {
		err = place_rule(&loading->placing.rules, &loading->rules.recs[i]);
		loading->rule_id[i + 1] = i + 1;
	}
	return err;
}

static int end_rules(struct loading *loading)
{
	const struct roam_acl_rec **sorted;
	int err = sort_rules(loading, &sorted);

	if (err)
		return err;
	loading->rule_id = calloc(loading->rules.count + 1, sizeof(*loading->rule_id));
	if (!loading->rule_id)
		err = fail(-ENOMEM, "state: out of memory");
	else if (has_own_policy(loading))
		err = keep_own_rules(loading, sorted);
	else
		err = take_image_rules(loading);
	free(sorted);
	if (!err && has_own_policy(loading))
		err = state_set_digest(loading->host, &loading->placing.rules,
				       &loading->placing.sets_digest);
	loading->maps.rule = loading->rule_id;
	loading->maps.rule_count = loading->rules.count + 1;
	/* Under a policy or sets of the host's own every flow is older than the current generation.
	 */
	loading->maps.gen = has_own_policy(loading) || loading->loaded.sets_other ? 0 : DRAFT_GEN;
	return err;
}

static int on_table_end(enum schema_table_id table, void *arg)
{
	struct loading *loading = arg;

	if (table < TABLE_VM)
		return 0;
	if (!loading->has_vm)
		return fail(-EBADMSG, "image: without the VM's row");
	if (table == TABLE_PORT) {
		int err = check_devs(loading);

		return err ? err : map_zones(loading);
	}
	if (table == TABLE_ACL)
		return end_rules(loading);
	return place_table_end(&loading->placing, table);
}

static void on_skipped(const char *table, const char *field, void *arg)
{
	(void)table;
	(void)field;
	((struct loading *)arg)->loaded.skipped++;
}

/* The loader's own goes with it: what refers to it is left behind. */
static int keep_refs(struct loading *loading, const struct roam_stats *stats,
		     struct state_refs *ret_refs)
{
	struct state_lb *lb = malloc(sizeof(*lb));

	if (!lb)
		return fail(-ENOMEM, "state: out of memory");
	*lb = loading->lb;
	*ret_refs = (struct state_refs){
		.slot = draft_slot(loading->placing.draft),
		.maps = loading->maps,
		.rule = TAKE_PTR(loading->rule_id),
		.lb = lb,
		.image_ips = loading->placing.features.image_ips,
		.stats = *stats,
		.late = loading->placing.late,
	};
	loading->placing.late = (struct excess){};
	if (loading->maps.service)
		ret_refs->maps.service = lb->id;
	return 0;
}

int state_load(struct host *host, const struct state_load *load, struct state_loaded *ret_loaded)
{
	struct roam_stats stats;
	_cleanup_loading_ struct loading loading = {
		.host = host,
		.load = load,
		.placing = { .host = host, .replaces = ROAM_VM_NONE, .rest = load->rest },
		.lb = { .host = host },
	};
	struct image_sink sink = {
		.header = on_header,
		.rows = on_rows,
		.table_end = on_table_end,
		.skipped = on_skipped,
		.maps = &loading.maps,
		.arg = &loading,
	};
	int err = image_read(load->read, load->arg, &sink);

	stats = loading.placing.stats; /* as the image has them */
	if (!err)
		err = place_publish(&loading.placing);
	if (!err && load->refs)
		err = keep_refs(&loading, &stats, load->refs);
	if (err)
		return err;
	loading.loaded.flows -= loading.placing.left;
	monitor_say(host, ROAM_EVENT_LOADED, draft_slot(loading.placing.draft));
	*ret_loaded = loading.loaded;
	return 0;
}
