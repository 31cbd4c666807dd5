// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A VM in the making: see draft.h. */
#include <string.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "ct.h"
#include "draft.h"
#include "ips.h"
#include "journal.h"
#include "lb.h"
#include "limit.h"
#include "monitor.h"
#include "move_own.h"
#include "port.h"
#include "stats.h"
#include "tables.h"
#include "takeover.h"
#include "text.h"
#include "vm.h"

struct draft {
	struct host *host;
	struct roam_vm vm;
	uint32_t slot;
	uint32_t replaces;
	bool policy_only;      /* for the VM in slot `replaces`, which lives on */
	struct acl_list names; /* its rules, by name */
	/* Of a new VM; while it is made and published, the kernel may still wait for them, but no
	 * packet has found what was there before. */
	struct places tables;
	struct places lists;
	int entry; /* of the journal, locked as long as we live */
	bool published;
	bool has_rules;
};

static int check_name(struct host *host, const struct roam_vm *vm, uint32_t replaces)
{
	uint32_t slot;

	if (!bpf_map_lookup_elem(host_map(host, HOST_MAP_vm_slot), vm->name, &slot) &&
	    slot != replaces)
		return fail(-EEXIST, "vm '%s': the host has one of that name already", vm->name);
	return 0;
}

static int mark_used(struct host *host, uint32_t slot, void *arg)
{
	(void)host;
	((bool *)arg)[slot] = true;
	return 0;
}

/* A slot that is neither a VM's nor in the making. */
static int find_free_slot(struct host *host, uint32_t *ret_slot)
{
	_cleanup_free_ bool *used = calloc(ROAM_VM_MAX, sizeof(*used));
	struct roam_vm row;

	if (!used)
		return fail(-ENOMEM, "vm: out of memory");
	vm_each(host, mark_used, used);
	for (uint32_t slot = ROAM_VM_NONE + 1; slot < ROAM_VM_MAX; slot++) {
		if (used[slot] || vm_get(host, slot, &row) || row.life != ROAM_LIFE_FREE)
			continue;
		*ret_slot = slot;
		return 0;
	}
	return fail(-ENOSPC, "vm: the host has %d, the most there can be", ROAM_VM_MAX - 1);
}

/* With the host's lock: from here on the slot is ours, and the journal says so. */
static int reserve(struct draft *draft)
{
	int err = check_name(draft->host, &draft->vm, draft->replaces);

	if (!err)
		err = find_free_slot(draft->host, &draft->slot);
	if (!err)
		err = journal_begin(draft->host, draft->slot, &draft->entry);
	if (err)
		return err;
	err = acl_reject_put(draft->host, draft->slot, draft->vm.reject_paid_ns);
	if (err)
		return err;
	draft->vm.reject_paid_ns = 0;
	draft->vm.next_life = draft->vm.life;
	draft->vm.life = ROAM_LIFE_MAKING;
	return vm_put(draft->host, draft->slot, &draft->vm);
}

static int make_tables(struct draft *draft)
{
	uint32_t quota[] = {
		[ROAM_CT_FLOWS] = draft->vm.quota_flows,
		[ROAM_CT_HALF] = draft->vm.quota_half,
	};

	draft->tables.host = draft->host;
	return tables_make(&draft->tables, draft->slot, quota);
}

static int new_draft(struct host *host, const struct roam_vm *vm, uint32_t replaces,
		     struct draft **ret_draft)
{
	struct draft *draft;
	int err = vm_validate(vm);

	if (err)
		return err;
	draft = calloc(1, sizeof(*draft));
	if (!draft)
		return fail(-ENOMEM, "vm: out of memory");
	*draft = (struct draft){ .host = host, .vm = *vm, .replaces = replaces, .entry = -1 };
	draft->vm.gen = DRAFT_GEN;
	draft->vm.next_rule = 0;
	draft->vm.ct_bank = 0;
	draft->vm.ct_moving = 0;
	draft->vm.staged = ROAM_VM_NONE;
	*ret_draft = draft;
	return 0;
}

int draft_open(struct host *host, const struct roam_vm *vm, uint32_t replaces,
	       struct draft **ret_draft)
{
	_cleanup_draft_ struct draft *draft = NULL;
	int err = new_draft(host, vm, replaces, &draft);

	if (err)
		return err;
	err = host_lock(host);
	if (err)
		return err;
	err = reserve(draft);
	host_unlock(host);
	if (!err)
		err = make_tables(draft);
	if (err)
		return err;
	*ret_draft = TAKE_PTR(draft);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct roam_acl_rec *x = a, *y = b;

	return strcmp(x->rule.name, y->rule.name);
}

int draft_open_policy(struct host *host, const struct roam_vm *vm, uint32_t of,
		      struct draft **ret_draft)
{
	_cleanup_draft_ struct draft *draft = NULL;
	struct roam_vm now;
	int err = new_draft(host, vm, of, &draft);

	if (!err)
		err = vm_get(host, of, &now);
	if (!err)
		err = acl_list(host, of, &draft->names);
	if (err)
		return err;
	if (draft->names.count)
		qsort(draft->names.recs, draft->names.count, sizeof(*draft->names.recs),
		      compare_names);
	draft->policy_only = true;
	draft->vm.next_rule = now.next_rule;
	err = reserve(draft);
	if (!err)
		err = tables_make_policy(host, draft->slot);
	if (err)
		return err;
	*ret_draft = TAKE_PTR(draft);
	return 0;
}

int draft_add_port(struct draft *draft, struct roam_port *port)
{
	uint32_t zones_of = draft->policy_only ? draft->replaces : draft->slot;
	int err = port_validate(port);

	return err ? err : port_store(draft->host, draft->slot, zones_of, port);
}

/* The id that the VM's rule of this name has already. */
static bool find_id(const struct draft *draft, struct roam_acl_rule *rule)
{
	const struct roam_acl_rec key = { .rule = *rule }, *found = NULL;

	if (draft->names.count)
		found = bsearch(&key, draft->names.recs, draft->names.count, sizeof(key),
				compare_names);
	if (found)
		rule->id = found->rule.id;
	return found;
}

int draft_add_rule(struct draft *draft, struct roam_acl_rule *rule,
		   const struct roam_acl_hits *hits)
{
	int err = acl_validate(rule);

	if (err)
		return err;
	draft->has_rules = true;
	if (find_id(draft, rule))
		return acl_store_row(draft->host, draft->slot, rule, hits);
	return acl_store(draft->host, draft->slot, rule, hits);
}

int draft_set_stats(struct draft *draft, const struct roam_stats *stats)
{
	return stats_set(draft->host, draft->slot, stats);
}

int draft_load_flows(struct draft *draft, enum roam_ct_kind kind, const struct roam_flow_rec *rows,
		     uint32_t count)
{
	return ct_load(draft->host, ROAM_CT_TABLE(draft->slot, 0, kind), rows, count);
}

uint32_t draft_slot(const struct draft *draft)
{
	return draft->slot;
}

bool draft_is_policy(const struct draft *draft)
{
	return draft->policy_only;
}

static int check_ports(struct draft *draft)
{
	struct roam_port ports[ROAM_VM_PORTS];
	int count = port_list(draft->host, draft->slot, ports), err = 0;

	for (int i = 0; i < count && !err; i++)
		err = port_check_free(draft->host, draft->replaces, &ports[i]);
	return err;
}

/* Of `count` rows from `first` on. */
static void free_named(struct host *host, const struct roam_vm *rows, uint32_t first,
		       uint32_t count, uint32_t but, const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct roam_vm *row = &rows[i];

		if (first + i != but && row->life != ROAM_LIFE_FREE &&
		    row->life != ROAM_LIFE_MAKING && !strncmp(row->name, name, ROAM_NAME_LEN))
			vm_free_slot(host, first + i);
	}
}

/* The slot of the same name that the published one has replaced; many rows for each call of the
 * kernel, because a VM waits. */
static void free_replaced(struct host *host, uint32_t slot, const char *name)
{
	enum { ROWS = 64 };
	int fd = host_map(host, HOST_MAP_vm_conf);
	uint32_t keys[ROWS], at, *from = NULL, count = ROWS;
	struct roam_vm rows[ROWS];

	/* ENOENT: the last rows, fewer than asked for */
	while (!bpf_map_lookup_batch(fd, from, &at, keys, rows, &count, NULL) ||
	       (errno == ENOENT && count)) {
		if (count)
			free_named(host, rows, keys[0], count, slot, name);
		from = &at;
		count = ROWS;
	}
}

/* A change of a VM that was not new. */
static int mend(struct host *host, uint32_t slot, const struct roam_vm *vm)
{
	int err;

	if (!vm->ct_moving) /* tables for a quota that did not become the VM's, or was left */
		tables_clear_bank(host, slot, !vm->ct_bank);
	if (vm->staged)
		return takeover_finish(host, slot);
	if (vm->life != ROAM_LIFE_GATED)
		move_clear(host, slot);
	err = acl_drop_stray_hits(host, slot);
	if (!err)
		err = ips_mend(host, slot);
	if (!err)
		err = lb_sync_vm(host, slot);
	return err ? err : vm_sync(host, slot);
}

static int make_live(struct host *host, uint32_t slot, struct roam_vm *vm)
{
	int err;

	vm->life = vm->next_life;
	vm->features = vm_features(host, slot);
	monitor_follow(host, vm->name, slot);
	err = vm_put(host, slot, vm);
	if (!err)
		err = limit_sync(host, slot);
	return err ? err : port_bind_all(host, slot);
}

/* All but freeing what it has replaced. */
static int finish_own(struct host *host, uint32_t slot, struct roam_vm *ret_vm)
{
	int err = vm_get(host, slot, ret_vm);

	if (err)
		return err;
	return ret_vm->life == ROAM_LIFE_MAKING ? make_live(host, slot, ret_vm)
						: mend(host, slot, ret_vm);
}

int draft_finish(struct host *host, uint32_t slot)
{
	struct roam_vm vm = {};
	int err = finish_own(host, slot, &vm);

	if (vm.name[0])
		free_replaced(host, slot, vm.name);
	return err;
}

void draft_finish_rest(struct host *host, struct draft_rest *rest)
{
	if (rest->entry < 0 || host_lock(host))
		return;
	free_replaced(host, rest->slot, rest->name);
	journal_end(host, rest->slot, &rest->entry);
	host_unlock(host);
}

/* With the host's lock. */
static int publish_locked(struct draft *draft, struct draft_rest *ret_rest)
{
	struct host *host = draft->host;
	struct roam_vm vm;
	int err = check_name(host, &draft->vm, draft->replaces);

	if (!err)
		err = check_ports(draft);
	if (!err && draft->has_rules) /* the lists are right before anybody can look */
		err = acl_compile_begin(host, draft->slot, &draft->lists);
	if (!err)
		err = host_put(host, HOST_MAP_vm_slot, draft->vm.name, &draft->slot);
	if (err)
		return err;
	draft->published = true;
	if (!ret_rest || draft->replaces == ROAM_VM_NONE) {
		err = draft_finish(host, draft->slot);
		journal_end(host, draft->slot, &draft->entry);
		return err;
	}
	err = finish_own(host, draft->slot, &vm);
	*ret_rest = (struct draft_rest){ .entry = TAKE_FD(draft->entry), .slot = draft->slot };
	memcpy(ret_rest->name, draft->vm.name, sizeof(ret_rest->name));
	return err;
}

/* Once it is committed, what fails is left to whoever opens the host next. */
static int take_over(struct draft *draft)
{
	_cleanup_close_ int entry = -1;
	struct roam_vm vm;
	int err = check_ports(draft);

	if (!err)
		err = journal_begin(draft->host, draft->replaces, &entry);
	if (err)
		return err;
	err = takeover_commit(draft->host, draft->replaces, draft->slot);
	if (err) {
		journal_end(draft->host, draft->replaces, &entry);
		return err;
	}
	draft->published = true;
	err = takeover_finish(draft->host, draft->replaces);
	if (vm_get(draft->host, draft->replaces, &vm) || vm.staged)
		return err;
	journal_end(draft->host, draft->slot, &draft->entry);
	journal_end(draft->host, draft->replaces, &entry);
	return err;
}

int draft_publish(struct draft *draft)
{
	return draft_publish_live(draft, NULL);
}

int draft_publish_live(struct draft *draft, struct draft_rest *ret_rest)
{
	int err = host_lock(draft->host);

	if (err)
		return err;
	err = draft->policy_only ? take_over(draft) : publish_locked(draft, ret_rest);
	host_unlock(draft->host);
	return err;
}

/* The line that says why the draft is dropped is its maker's. */
static void drop(struct draft *draft)
{
	_cleanup_free_ char *why = strdup(fail_line());

	if (host_lock(draft->host))
		return;
	vm_free_slot(draft->host, draft->slot);
	journal_end(draft->host, draft->slot, &draft->entry);
	host_unlock(draft->host);
	if (why)
		fail_set(0, "%s", why);
}

/* Whatever became of them; the line that says why the draft is dropped is its maker's. */
static void finish_tables(struct draft *draft)
{
	_cleanup_free_ char *why = strdup(fail_line());
	int err = places_end(&draft->tables), lists_err = places_end(&draft->lists);

	if ((err || lists_err) && why)
		fail_set(0, "%s", why);
	cleanup_places(&draft->tables);
	cleanup_places(&draft->lists);
}

void draft_close(struct draft *draft)
{
	if (!draft)
		return;
	finish_tables(draft);
	if (!draft->published && draft->entry >= 0)
		drop(draft);
	cleanup_close(&draft->entry);
	cleanup_acl_list(&draft->names);
	free(draft);
}
