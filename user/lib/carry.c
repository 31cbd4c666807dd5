// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Which maps go over to another layout, and those that only policy is in: see carry.h. */
#include <stdio.h>
#include <string.h>
#include <bpf/bpf.h>
#include <roam/elder.h>
#include <roam/vm.h>
#include "acl.h"
#include "carry_merge.h"
#include "layout.h"
#include "util.h"
#include "vm.h"

#define PATH_LEN 512

enum carry_kind {
	CARRY_POLICY, /* only user space writes it, under the host's lock */
	CARRY_FLOWS,  /* ct_table, and what flows fill and count in: all new if one is */
	CARRY_TRAINS, /* of fragments: both new if one is, and flows, too, whose order they go in */
	CARRY_COUNTERS, /* stats */
	CARRY_ROWS,     /* traffic writes it: merged (carry_merge.h) */
	CARRY_TABLES,   /* the same, a table for each VM */
	CARRY_IPS,      /* the same, with their clocks: all new if one is */
	CARRY_CACHE,    /* an uplink's memory: copied as it is */
	CARRY_EMPTY,    /* nothing is in it while no handover is under way */
	CARRY_HEARD,    /* of listeners, who know the old layout: new ones come to new maps */
	CARRY_COMPILED, /* acl_match: made anew from the rules */
};

/*
 * All maps that outlive a run of a program, with the types of their rows, or of their inner maps'.
 * NULL: bytes. A map that is not here cannot be carried over.
 */
static const struct known {
	const char *name;
	enum carry_kind kind;
	const char *key;
	const char *value;
} known[] = {
	{ "vm_conf", CARRY_POLICY, NULL, "struct roam_vm" },
	{ "vm_slot", CARRY_POLICY, NULL, NULL },
	{ "port_conf", CARRY_POLICY, "struct roam_port_key", "struct roam_port" },
	{ "port_dev", CARRY_POLICY, NULL, "struct roam_port" },
	{ "port_mac", CARRY_POLICY, NULL, NULL },
	{ "port_addr", CARRY_POLICY, "struct roam_addr", NULL },
	{ "acl_policy", CARRY_POLICY, NULL, "struct roam_acl_rule" },
	{ "ct_timeouts", CARRY_POLICY, NULL, "struct roam_ct_timeouts" },
	{ "lb_service", CARRY_POLICY, "struct roam_lb_key", "struct roam_lb_service" },
	{ "lb_backend", CARRY_POLICY, NULL, "struct roam_lb_backend" },
	{ "lb_table", CARRY_POLICY, NULL, "struct roam_lb_table" },
	{ "lb_member", CARRY_POLICY, "struct roam_lb_member_key", "struct roam_lb_member" },
	{ "lb_vip", CARRY_POLICY, "struct roam_addr", NULL },
	{ "lb_peers", CARRY_POLICY, "struct roam_addr", "struct roam_lb_peers" },
	{ "lb_tag", CARRY_POLICY, "struct roam_lb_tag_key", "struct roam_lb_tagged" },
	{ "ips_conf", CARRY_POLICY, NULL, "struct roam_ips" },
	{ "qos_conf", CARRY_POLICY, NULL, "struct roam_qos" },
	{ "set_all", CARRY_POLICY, NULL, "struct roam_set" },
	{ "set_rows", CARRY_POLICY, NULL, "struct roam_set_entry" },
	{ "ct_table", CARRY_FLOWS, "struct roam_flow_key", "struct roam_flow" },
	{ "ct_clock", CARRY_FLOWS, NULL, "struct roam_ct_tick" },
	{ "ct_wire", CARRY_FLOWS, "struct roam_flow_key", "struct roam_ct_wire" },
	{ "ct_fill", CARRY_FLOWS, NULL, "struct roam_ct_fill" },
	{ "limit_count", CARRY_FLOWS, "struct roam_limit_key", NULL },
	{ "limit_clock", CARRY_FLOWS, NULL, "struct roam_ct_tick" },
	{ "late_to", CARRY_POLICY, NULL, "struct roam_late_to" },
	{ "late_from", CARRY_POLICY, "struct roam_late_key", "struct roam_late_from" },
	{ "limit_rule", CARRY_POLICY, NULL, "struct roam_limit" },
	{ "stats", CARRY_COUNTERS, NULL, "struct roam_stats" },
	{ "move_gate", CARRY_EMPTY, NULL, "struct roam_gate" },
	{ "move_log", CARRY_EMPTY, NULL, "struct roam_log_rec" },
	{ "move_flight", CARRY_EMPTY, NULL, "struct roam_flight" },
	{ "acl_match", CARRY_COMPILED, NULL, "struct roam_acl_row" },
	{ "acl_hits", CARRY_TABLES, NULL, "struct roam_acl_hits" },
	{ "acl_reject", CARRY_ROWS, NULL, "struct roam_acl_reject" },
	{ "frag_table", CARRY_TRAINS, "struct roam_frag_key", "struct roam_frag" },
	{ "frag_clock", CARRY_TRAINS, NULL, "struct roam_frag_tick" },
	{ "ips_source", CARRY_IPS, "struct roam_addr", "struct roam_ips_source" },
	{ "ips_block", CARRY_IPS, "struct roam_addr", "struct roam_ips_block" },
	{ "ips_clock", CARRY_IPS, NULL, "struct roam_ips_tick" },
	{ "lb_stats", CARRY_ROWS, NULL, "struct roam_lb_stats" },
	{ "lb_affinity", CARRY_CACHE, "struct roam_lb_affinity_key", "struct roam_lb_affinity" },
	{ "lb_frag", CARRY_CACHE, "struct roam_lb_frag_key", "struct roam_lb_frag" },
	{ "qos_state", CARRY_ROWS, NULL, "struct roam_qos_state" },
	{ "monitor_conf", CARRY_HEARD, NULL, "struct roam_monitor" },
	{ "monitor_lost", CARRY_HEARD, NULL, NULL },
	{ "monitor_ring", CARRY_HEARD, NULL, "struct roam_event" },
};

static const struct known *find_known(const char *map)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(known[i].name, map))
			return &known[i];
	}
	return NULL;
}

/* ---- what differs ---- */

static const char *map_part(const char *text, const char *map)
{
	char name[64];

	snprintf(name, sizeof(name), "map %.50s", map);
	return carry_part(text, name);
}

static bool differs_alone(const struct carry_texts *texts, const char *map)
{
	const char *old = map_part(texts->old, map), *now = map_part(texts->now, map);
	const struct known *entry = find_known(map);

	if (!old || !now || carry_part_len(old) != carry_part_len(now) ||
	    strncmp(old, now, carry_part_len(old)) != 0)
		return true;
	if (!entry)
		return false;
	if ((entry->kind == CARRY_COUNTERS || entry->kind == CARRY_HEARD) &&
	    carry_lists_differ(texts, "enum roam_reason"))
		return true;
	return (entry->key && !carry_same(texts, entry->key)) ||
	       (entry->value && !carry_same(texts, entry->value));
}

/* Whether a map has to be new if one of that kind is. */
static bool goes_with(enum carry_kind kind, enum carry_kind other)
{
	switch (kind) {
	case CARRY_FLOWS:
		return other == CARRY_FLOWS || other == CARRY_TRAINS;
	case CARRY_TRAINS:
	case CARRY_IPS:
	case CARRY_HEARD:
		return other == kind;
	default:
		return false;
	}
}

bool carry_changes(const struct carry_texts *texts, const char *map)
{
	const struct known *entry = find_known(map);
	bool changes = differs_alone(texts, map);

	for (size_t i = 0; entry && i < ARRAY_SIZE(known) && !changes; i++)
		changes = goes_with(entry->kind, known[i].kind) &&
			  differs_alone(texts, known[i].name);
	return changes;
}

bool carry_had(const struct carry *carry, const char *map)
{
	return map_part(carry->texts.old, map) != NULL;
}

int carry_plans_of(const struct carry *carry, const char *map, struct carry_plans *ret_plans)
{
	const struct known *entry = find_known(map);
	struct carry_plans plans = {};
	int err = 0;

	if (entry->key)
		err = carry_plan_make(&carry->texts, entry->key, &plans.key);
	if (!err && entry->value)
		err = carry_plan_make(&carry->texts, entry->value, &plans.value);
	if (err)
		cleanup_carry_plans(&plans);
	else
		*ret_plans = plans;
	return err;
}

/* ---- policy ---- */

/* Tables are as large as they were, and empty. */
static int reset_fill(int to)
{
	int err = 0;

	for (uint32_t index = 0; index < ROAM_VM_MAX * ROAM_CT_TABLES && !err; index++) {
		struct roam_ct_fill fill;

		if (bpf_map_lookup_elem(to, &index, &fill) || !fill.quota)
			continue;
		fill.used = fill.clocked = 0;
		if (bpf_map_update_elem(to, &index, &fill, BPF_ANY))
			err = fail_errno(-errno, "host: cannot write ct_fill");
	}
	return err;
}

/* Rules, sets and VMs are in the new maps by now, as a host that can be opened. */
static int compile_rules(const struct carry *carry)
{
	_cleanup_free_ uint32_t *slots = calloc(ROAM_VM_MAX, sizeof(*slots));
	_cleanup_host_ struct host *host = NULL;
	uint32_t count = 0;
	struct roam_vm vm;
	int err = slots ? host_open(carry->next, &host) : fail(-ENOMEM, "host: out of memory");

	for (uint32_t slot = 0; slot < ROAM_VM_MAX && !err; slot++) {
		err = vm_get(host, slot, &vm);
		if (!err && vm.life != ROAM_LIFE_FREE)
			slots[count++] = slot;
	}
	return err ? err : acl_compile_many(host, slots, count);
}

/* With its rows, or, of what traffic writes, as tables to be filled. */
static bool is_copied(enum carry_kind kind)
{
	return kind == CARRY_POLICY || kind == CARRY_FLOWS || kind == CARRY_TRAINS ||
	       kind == CARRY_COUNTERS || kind == CARRY_TABLES || kind == CARRY_IPS;
}

static int carry_map(const struct carry *carry, const struct known *entry)
{
	_cleanup_carry_plans_ struct carry_plans plans = {};
	_cleanup_close_ int from = -1;
	_cleanup_close_ int to = -1;
	char pin[64];
	int err;

	if (!is_copied(entry->kind))
		return 0;
	err = carry_plans_of(carry, entry->name, &plans);
	if (err)
		return err;
	snprintf(pin, sizeof(pin), "maps/%s", entry->name);
	from = carry_old(carry, pin);
	to = carry_new(carry, pin);
	if (from < 0 || to < 0)
		return -ENOENT;
	err = carry_copy(from, to, &plans, entry->kind == CARRY_POLICY);
	return err || strcmp(entry->name, "ct_fill") != 0 ? err : reset_fill(to);
}

/* The new programs find the old ones, and ask them for all that is of no known flow. */
static int ask_elders(const struct carry *carry)
{
	static const char *const progs[ROAM_DIR_COUNT] = {
		[ROAM_DIR_IN] = "progs/tc_in",
		[ROAM_DIR_OUT] = "progs/tc_out",
	};
	_cleanup_close_ int elders = carry_new(carry, "maps/elder_prog");
	_cleanup_close_ int mode = carry_new(carry, "maps/elder_mode");
	uint32_t zero = 0, all = ROAM_ELDER_ALL;

	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT && elders >= 0; dir++) {
		_cleanup_close_ int prog = carry_old(carry, progs[dir]);

		if (prog < 0 || bpf_map_update_elem(elders, &dir, &prog, BPF_ANY))
			return fail_errno(-errno, "host: cannot keep %s", progs[dir]);
	}
	if (elders < 0 || mode < 0 || bpf_map_update_elem(mode, &zero, &all, BPF_ANY))
		return fail_errno(-errno, "host: cannot write elder_mode");
	return 0;
}

int carry_policy(const struct carry *carry)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(known) && !err; i++) {
		/* What the host's version has none of is new, and empty. */
		if (carry_had(carry, known[i].name) && carry_changes(&carry->texts, known[i].name))
			err = carry_map(carry, &known[i]);
	}
	if (!err)
		err = carry_merge_begin(carry);
	if (!err)
		err = carry_merge(carry, CARRY_BEFORE);
	if (!err && carry_changes(&carry->texts, "acl_match"))
		err = compile_rules(carry);
	if (!err && carry_changes(&carry->texts, "ct_table"))
		err = ask_elders(carry);
	return err;
}

int carry_late(const struct carry *carry)
{
	int err = carry_merge(carry, CARRY_DECIDED);

	return err ? err : carry_caches(carry);
}

int carry_traffic(const struct carry *carry)
{
	_cleanup_close_ int bases = carry_new(carry, "maps/carry_base");
	int err = bases < 0 ? bases : carry_merge(carry, CARRY_DECIDED);

	if (!err && carry_changes(&carry->texts, "ct_table"))
		err = carry_flows(carry);
	if (!err) /* no old program runs any more */
		err = carry_wait(bases);
	if (!err)
		err = carry_merge(carry, CARRY_DECIDED);
	if (!err)
		err = carry_caches(carry);
	if (!err && carry_changes(&carry->texts, "stats"))
		err = carry_counters(carry);
	return err;
}

void carry_end(const char *dir)
{
	char path[PATH_LEN];
	_cleanup_close_ int bases = -1;
	uint32_t zero = 0;

	snprintf(path, sizeof(path), "%.400s/maps/carry_base", dir);
	bases = bpf_obj_get(path);
	if (bases >= 0)
		bpf_map_delete_elem(bases, &zero);
}

/* ---- may it be done? ---- */

/* What the host's text says of rows is what its maps say: of inner ones, if it has those. */
static int check_sizes(const struct carry *carry, const char *map, const struct carry_plans *plans)
{
	const char *part = map_part(carry->texts.old, map), *inner = strstr(part, "\n    inner ");
	bool has_inner = inner && inner < part + carry_part_len(part);
	uint32_t key, value;
	int read = has_inner ? sscanf(inner, " inner %*u %u %u", &key, &value)
			     : sscanf(part, "map %*s %*u %u %u", &key, &value);

	if (read != 2 || (plans->key && carry_old_size(plans->key) != key) ||
	    (plans->value && carry_old_size(plans->value) != value))
		return fail(-EBADMSG, "host %s: its layout does not fit its map %s", carry->dir,
			    map);
	return 0;
}

static int check_map(const struct carry *carry, const char *map)
{
	_cleanup_carry_plans_ struct carry_plans plans = {};
	const struct known *entry = find_known(map);
	int err;

	if (!map_part(carry->texts.now, map))
		return fail(-EPROTO, "host %s: map %s is not in this version", carry->dir, map);
	if (!carry_changes(&carry->texts, map))
		return 0;
	if (!entry)
		return fail(-EPROTO,
			    "host %s: map %s is another in this version, and cannot be carried "
			    "over",
			    carry->dir, map);
	if (entry->kind == CARRY_EMPTY || entry->kind == CARRY_HEARD ||
	    entry->kind == CARRY_COMPILED)
		return 0;
	err = carry_plans_of(carry, map, &plans);
	return err ? err : check_sizes(carry, map, &plans);
}

/* Names of maps stand at the beginning of parts of the text. */
static int check_maps(const struct carry *carry)
{
	const char *part = carry->texts.old;
	char map[64];
	int err = 0;

	for (; *part && !err; part += carry_part_len(part)) {
		if (strncmp(part, "map ", 4) != 0)
			continue;
		snprintf(map, sizeof(map), "%.*s", (int)strcspn(part + 4, " \n"), part + 4);
		if (!layout_is_scratch(map))
			err = check_map(carry, map);
	}
	return err;
}

/* Nothing of a VM may be half done: only the version that began that can end it. */
static int check_vms(const struct carry *carry)
{
	_cleanup_carry_plan_ struct carry_plan *plan = NULL;
	_cleanup_close_ int fd = carry_old(carry, "maps/vm_conf");
	_cleanup_free_ uint8_t *row = NULL;
	int err = fd < 0 ? fd : carry_plan_make(&carry->texts, "struct roam_vm", &plan);

	if (err)
		return err;
	row = malloc(carry_old_size(plan) + 8);
	if (!row)
		return fail(-ENOMEM, "host: out of memory");
	for (uint32_t slot = 0; slot < ROAM_VM_MAX && !err; slot++) {
		struct roam_vm vm;

		if (bpf_map_lookup_elem(fd, &slot, row))
			return fail_errno(-errno, "host: cannot read vm_conf");
		err = carry_row(plan, row, &vm);
		if (!err && vm.life == ROAM_LIFE_GATED)
			err = fail(-EBUSY,
				   "host %s: a handover of vm '%s' is under way: end it first",
				   carry->dir, vm.name);
		if (!err && (vm.ct_moving || vm.life == ROAM_LIFE_MAKING))
			err = fail(-EBUSY,
				   "host %s: vm '%s' is being changed: try again when that is done",
				   carry->dir, vm.name);
	}
	return err;
}

static int check_journal(const struct carry *carry)
{
	char path[PATH_LEN];
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%.400s/journal", carry->dir);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			return fail(-EBUSY,
				    "host %s: a command of its own version is not done: run that "
				    "version's 'roam host show' first, or try again",
				    carry->dir);
	}
	return 0;
}

int carry_check(const struct carry *carry)
{
	int err = carry_check_lists(&carry->texts);

	if (!err)
		err = check_maps(carry);
	if (!err)
		err = check_journal(carry);
	if (!err)
		err = check_vms(carry);
	if (!err && carry_changes(&carry->texts, "ct_table"))
		err = carry_flows_check(carry);
	return err;
}
