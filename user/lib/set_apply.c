// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Changing the sets of a host (set.h). What is new is written into places of its own; the write of
 * `set_all` is the change. Then the lists that refer to what changed are compiled anew, and places
 * that nobody refers to are emptied: whoever finds the journal's entry after a kill does these two.
 */
#include <string.h>
#include <bpf/bpf.h>
#include "journal.h"
#include "places.h"
#include "set.h"
#include "text.h"
#include "vm.h"

struct change {
	struct host *host;
	struct sets was;
	struct sets is;                            /* rows of set_all to be, without entries */
	const struct set_value *wanted[ROAM_SETS]; /* of each: its entries; NULL: it stays */
	bool used[ROAM_SET_ROWS];                  /* places of what was or will be */
	struct sets_users users;                   /* whose rules refer to one that is wanted */
};

static void change_free(struct change *change)
{
	if (!change)
		return;
	sets_free(&change->was);
	sets_free(&change->is);
	free(change);
}

static void cleanup_change(struct change **change)
{
	change_free(*change);
}
#define _cleanup_change_ __attribute__((cleanup(cleanup_change)))

static int make_rows(const void *rows, size_t size, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	_cleanup_free_ uint32_t *keys = calloc(count + 1, sizeof(*keys));
	_cleanup_close_ int fd = -1;

	if (!keys)
		return fail(-ENOMEM, "set: out of memory");
	for (uint32_t i = 0; i < count; i++)
		keys[i] = i;
	/* of none, too, there is a row */
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "roam", sizeof(uint32_t), size, count ? count : 1,
			    &opts);
	if (fd < 0 || (count && bpf_map_update_batch(fd, keys, rows, &count, NULL)))
		return fail_errno(-errno, "set: cannot make a table");
	return TAKE_FD(fd);
}

/* What a rule of some VM refers to, and who refers to what will be another. */
static int look_at_vm(struct host *host, uint32_t slot, void *arg)
{
	_cleanup_acl_list_ struct acl_list rules = {};
	struct change *change = arg;
	struct set_ref refs[SET_REFS];
	bool uses = false;
	int err = acl_list(host, slot, &rules);

	for (uint32_t i = 0; i < rules.count && !err; i++) {
		const struct roam_acl_rule *rule = &rules.recs[i].rule;
		uint32_t count = set_refs(rule, refs);
		struct roam_vm vm;

		for (uint32_t j = 0; j < count && !err; j++) {
			const struct set_value *set = sets_find(&change->is, refs[j].name);

			if (set && set->set.kind == refs[j].kind)
				uses |= change->wanted[set - change->is.list] != NULL;
			else if (!(err = vm_get(host, slot, &vm)))
				err = fail(-EBUSY,
					   set ? "set '%s': rule '%s' of vm '%s' uses it, as "
						 "another kind"
					       : "set '%s': rule '%s' of vm '%s' uses it",
					   refs[j].name, rule->name, vm.name);
		}
	}
	if (!err && uses)
		change->users.slots[change->users.count++] = slot;
	return err;
}

static int choose_no(struct change *change, uint32_t *ret_no)
{
	uint32_t no = 0;

	while (no < ROAM_SET_ROWS && change->used[no])
		no++;
	if (no == ROAM_SET_ROWS)
		return fail(-ENOSPC, "set: more than %d sets, with those that would go",
			    ROAM_SET_ROWS);
	change->used[no] = true;
	*ret_no = no;
	return 0;
}

/* A set that is as it was keeps its place; the others get new ones. */
static int plan_set(struct change *change, const struct set_value *was,
		    const struct set_value *wanted)
{
	const struct set_value *from = wanted ? wanted : was;
	struct set_value *is;
	int err;

	if (!from)
		return 0; /* in neither: nothing to plan */
	err = sets_add(&change->is, &is);
	if (err)
		return err;
	is->set = from->set;
	is->loaded = false;
	if (was && was->set.digest == from->set.digest && was->set.kind == from->set.kind &&
	    was->set.count == from->set.count) {
		is->set.no = was->set.no;
		return 0;
	}
	change->wanted[is - change->is.list] = wanted;
	return choose_no(change, &is->set.no);
}

/* Both by name, so that what comes of it is. */
static int plan_all(struct change *change, const struct sets *wanted, bool keep_others)
{
	const struct set_value *was = change->was.list, *was_end = was + change->was.count;
	const struct set_value *is = wanted->list, *is_end = is + wanted->count;
	int err = 0;

	while ((was < was_end || is < is_end) && !err) {
		int order = was == was_end ? 1
			    : is == is_end ? -1
					   : strcmp(was->set.name, is->set.name);

		if (order >= 0 || keep_others)
			err = plan_set(change, order <= 0 ? was : NULL, order >= 0 ? is : NULL);
		was += order <= 0;
		is += order >= 0;
	}
	return err;
}

static int plan(struct change *change, const struct sets *wanted, bool keep_others)
{
	int err = sets_get(change->host, &change->was);

	for (uint32_t i = 0; i < change->was.count && !err; i++)
		change->used[change->was.list[i].set.no] = true;
	if (!err)
		err = plan_all(change, wanted, keep_others);
	return err ? err : vm_each(change->host, look_at_vm, change);
}

/* Whether anything is: as many, and none that would be written. */
static bool changes(const struct change *change)
{
	bool any = change->is.count != change->was.count;

	for (uint32_t i = 0; i < change->is.count; i++)
		any |= change->wanted[i] != NULL;
	return any;
}

/* Waits of the kernel are shared by as many places as there is room for. */
static int write_places(struct change *change)
{
	uint32_t count = change->is.count;
	int err = 0;

	for (uint32_t i = 0; i < count && !err;) {
		_cleanup_places_ struct places places = { .host = change->host };

		for (; i < count && places.count < PLACES_MAX && !err; i++) {
			const struct set_value *set = change->wanted[i];

			if (set)
				err = places_add(
					&places, HOST_MAP_set_rows, change->is.list[i].set.no,
					make_rows(set->entries, sizeof(*set->entries), set->count));
		}
		if (!err)
			err = places_apply(&places);
	}
	return err;
}

/* The change itself. */
static int write_all(struct host *host, const struct sets *sets)
{
	_cleanup_free_ struct roam_set *rows = calloc(sets->count + 1, sizeof(*rows));
	_cleanup_close_ int fd = -1;

	if (!rows)
		return fail(-ENOMEM, "set: out of memory");
	if (!sets->count) {
		host_clear_inner(host, HOST_MAP_set_all, 0);
		return 0;
	}
	for (uint32_t i = 0; i < sets->count; i++)
		rows[i] = sets->list[i].set;
	fd = make_rows(rows, sizeof(*rows), sets->count);
	return fd < 0 ? fd : host_set_inner(host, HOST_MAP_set_all, 0, fd);
}

/* Empties the places that no set of the host has. */
static int clear_places(struct host *host)
{
	_cleanup_free_ bool *used = calloc(ROAM_SET_ROWS, sizeof(*used));
	_cleanup_sets_ struct sets sets = {};
	int err = used ? sets_get(host, &sets) : fail(-ENOMEM, "set: out of memory");
	uint32_t no = 0;

	for (uint32_t i = 0; i < sets.count && !err; i++)
		used[sets.list[i].set.no] = true;
	while (no < ROAM_SET_ROWS && !err) {
		_cleanup_places_ struct places places = { .host = host };

		for (; no < ROAM_SET_ROWS && places.count < PLACES_MAX; no++) {
			if (!used[no] && host_has_inner(host, HOST_MAP_set_rows, no))
				places_clear(&places, HOST_MAP_set_rows, no);
		}
		err = places_apply(&places);
	}
	return err;
}

/* Every packet of theirs meets the new sets, and flows are matched again. */
static int sync_users(struct host *host, const struct sets_users *users)
{
	int err = acl_compile_many(host, users->slots, users->count);

	for (uint32_t i = 0; i < users->count && !err; i++)
		err = vm_sync_ports(host, users->slots[i]);
	return err;
}

/* The change is made, or what there was is put back. */
static int commit(struct change *change)
{
	struct host *host = change->host;
	int err = write_places(change);

	if (!err)
		err = write_all(host, &change->is);
	if (!err)
		err = sync_users(host, &change->users);
	if (err) {
		_cleanup_free_ char *why = strdup(fail_line());

		if (!write_all(host, &change->was))
			sync_users(host, &change->users);
		clear_places(host);
		return fail(err, "%s", why ? why : "set: out of memory");
	}
	return clear_places(host);
}

int sets_apply(struct host *host, const struct sets *wanted, bool keep_others,
	       struct sets_users *ret_users)
{
	_cleanup_change_ struct change *change = calloc(1, sizeof(*change));
	int err, entry;

	if (!change)
		return fail(-ENOMEM, "set: out of memory");
	change->host = host;
	err = plan(change, wanted, keep_others);
	if (!err && !changes(change)) {
		*ret_users = (struct sets_users){};
		return 0;
	}
	if (!err)
		err = journal_begin(host, JOURNAL_SETS, &entry);
	if (err)
		return err;
	err = commit(change);
	journal_end(host, JOURNAL_SETS, &entry);
	if (!err)
		*ret_users = change->users;
	return err;
}

static int add_user(struct host *host, uint32_t slot, void *arg)
{
	_cleanup_acl_list_ struct acl_list rules = {};
	struct change *change = arg;
	struct set_ref refs[SET_REFS];
	int err = acl_list(host, slot, &rules);

	for (uint32_t i = 0; i < rules.count && !err; i++) {
		if (!set_refs(&rules.recs[i].rule, refs))
			continue;
		change->users.slots[change->users.count++] = slot;
		break;
	}
	return err;
}

int sets_recover(struct host *host)
{
	_cleanup_change_ struct change *change = calloc(1, sizeof(*change));
	int err = change ? vm_each(host, add_user, change) : fail(-ENOMEM, "set: out of memory");

	if (!err)
		err = sync_users(host, &change->users);
	return err ? err : clear_places(host);
}
