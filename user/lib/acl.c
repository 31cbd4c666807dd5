// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rules of VMs: see acl.h. */
#include <string.h>
#include <bpf/bpf.h>
#include "acl.h"
#include "journal.h"
#include "set.h"
#include "text.h"
#include "vm.h"

int acl_compare_rules(const void *a, const void *b)
{
	const struct roam_acl_rule *x = a, *y = b;

	if (x->dir != y->dir)
		return x->dir < y->dir ? -1 : 1;
	if (x->prio != y->prio)
		return x->prio < y->prio ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int compare_recs(const void *a, const void *b)
{
	return acl_compare_rules(&((const struct roam_acl_rec *)a)->rule,
				 &((const struct roam_acl_rec *)b)->rule);
}

static int append_rec(struct acl_list *list, uint32_t *room, const struct roam_acl_rec *rec)
{
	if (list->count == *room) {
		uint32_t more = *room ? *room * 2 : 64;
		void *recs = reallocarray(list->recs, more, sizeof(*list->recs));

		if (!recs)
			return fail(-ENOMEM, "acl: out of memory");
		list->recs = recs;
		*room = more;
	}
	list->recs[list->count++] = *rec;
	return 0;
}

/*
 * A walk through a hash begins anew when the row at which it stands is deleted (kernel/bpf/
 * hashtab.c, htab_map_get_next_key), and who only shows rules has no lock. Sorted, the rows that
 * were seen twice are neighbours.
 */
static void drop_seen_twice(struct acl_list *list)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		if (kept && !compare_recs(&list->recs[kept - 1], &list->recs[i]))
			continue;
		list->recs[kept++] = list->recs[i];
	}
	list->count = kept;
}

int acl_list(struct host *host, uint32_t slot, struct acl_list *ret_list)
{
	_cleanup_close_ int rules = host_inner(host, HOST_MAP_acl_policy, slot);
	_cleanup_close_ int hits = host_inner(host, HOST_MAP_acl_hits, slot);
	_cleanup_acl_list_ struct acl_list list = {};
	uint32_t id, room = 0, *at = NULL;
	int err = 0;

	if (rules < 0 || hits < 0)
		return rules < 0 ? rules : hits;
	while (!err && !bpf_map_get_next_key(rules, at, &id)) {
		struct roam_acl_rec rec = {};

		at = &id;
		if (bpf_map_lookup_elem(rules, &id, &rec.rule))
			continue;
		bpf_map_lookup_elem(hits, &id, &rec.hits);
		err = append_rec(&list, &room, &rec);
	}
	if (err)
		return err;
	if (list.count)
		qsort(list.recs, list.count, sizeof(*list.recs), compare_recs);
	drop_seen_twice(&list);
	*ret_list = list;
	list.recs = NULL;
	return 0;
}

bool acl_has_stateless(struct host *host, uint32_t slot)
{
	enum { ROWS = 128 };
	_cleanup_close_ int fd = host_inner(host, HOST_MAP_acl_policy, slot);
	uint32_t keys[ROWS], at, *from = NULL, count = ROWS;
	struct roam_acl_rule rules[ROWS];

	/* ENOENT: the last rows, fewer than asked for */
	while (fd >= 0 && (!bpf_map_lookup_batch(fd, from, &at, keys, rules, &count, NULL) ||
			   (errno == ENOENT && count))) {
		for (uint32_t i = 0; i < count; i++) {
			if (rules[i].stateless)
				return true;
		}
		from = &at;
		count = ROWS;
	}
	return false;
}

static int find_rule(const struct acl_list *list, const char *name, uint32_t *ret_index)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (!strcmp(list->recs[i].rule.name, name)) {
			*ret_index = i;
			return 0;
		}
	}
	return -ENOENT;
}

int acl_store_row(struct host *host, uint32_t slot, const struct roam_acl_rule *rule,
		  const struct roam_acl_hits *hits)
{
	_cleanup_close_ int rules = host_inner(host, HOST_MAP_acl_policy, slot);
	_cleanup_close_ int rows = host_inner(host, HOST_MAP_acl_hits, slot);
	struct roam_acl_hits none = {};

	if (rules < 0 || rows < 0)
		return rules < 0 ? rules : rows;
	if (bpf_map_update_elem(rows, &rule->id, hits ? hits : &none, BPF_ANY))
		return fail_errno(-errno, "acl '%s': cannot make its counters", rule->name);
	if (bpf_map_update_elem(rules, &rule->id, rule, BPF_NOEXIST)) {
		int reason = -errno;

		bpf_map_delete_elem(rows, &rule->id);
		if (reason == -E2BIG)
			return fail(reason, "acl '%s': the VM has %d rules, the most there can be",
				    rule->name, ROAM_ACL_RULES);
		return fail_errno(reason, "acl '%s': cannot store it", rule->name);
	}
	return 0;
}

int acl_store(struct host *host, uint32_t slot, struct roam_acl_rule *rule,
	      const struct roam_acl_hits *hits)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (err)
		return err;
	rule->id = ++vm.next_rule;
	err = vm_put(host, slot, &vm); /* first: an id that is lost is no harm, one used twice is */
	return err ? err : acl_store_row(host, slot, rule, hits);
}

int acl_drop_stray_hits(struct host *host, uint32_t slot)
{
	_cleanup_close_ int rules = host_inner(host, HOST_MAP_acl_policy, slot);
	_cleanup_close_ int rows = host_inner(host, HOST_MAP_acl_hits, slot);
	struct roam_acl_rule rule;
	uint32_t id, *at = NULL;

	if (rules < 0 || rows < 0)
		return rules < 0 ? rules : rows;
	while (!bpf_map_get_next_key(rows, at, &id)) {
		at = &id;
		if (bpf_map_lookup_elem(rules, &id, &rule)) {
			bpf_map_delete_elem(rows, &id);
			at = NULL; /* there is no going on from a key that is gone */
		}
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* No name may be there twice, among the new rules or with those of the VM. */
static int check_names(const struct acl_list *list, const struct roam_acl_rule *rules,
		       uint32_t count)
{
	_cleanup_free_ const char **names = calloc(list->count + count, sizeof(*names));

	if (!names)
		return fail(-ENOMEM, "acl: out of memory");
	if (list->count + count > ROAM_ACL_RULES)
		return fail(-E2BIG, "acl: more than %d rules for one VM", ROAM_ACL_RULES);
	for (uint32_t i = 0; i < list->count; i++)
		names[i] = list->recs[i].rule.name;
	for (uint32_t i = 0; i < count; i++)
		names[list->count + i] = rules[i].name;
	qsort(names, list->count + count, sizeof(*names), compare_names);
	for (uint32_t i = 1; i < list->count + count; i++) {
		if (!strcmp(names[i - 1], names[i]))
			return fail(-EEXIST, "acl '%s': the VM has a rule of that name already",
				    names[i]);
	}
	return 0;
}

static void unstore(struct host *host, uint32_t slot, const struct roam_acl_rule *rules,
		    uint32_t count)
{
	_cleanup_close_ int policy = host_inner(host, HOST_MAP_acl_policy, slot);
	_cleanup_close_ int hits = host_inner(host, HOST_MAP_acl_hits, slot);

	for (uint32_t i = 0; i < count; i++) {
		bpf_map_delete_elem(policy, &rules[i].id);
		bpf_map_delete_elem(hits, &rules[i].id);
	}
}

static int add_locked(struct host *host, uint32_t slot, struct roam_acl_rule *rules, uint32_t count)
{
	_cleanup_acl_list_ struct acl_list list = {};
	uint32_t stored = 0;
	int err = acl_list(host, slot, &list), entry;

	if (!err)
		err = check_names(&list, rules, count);
	if (!err)
		err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	while (stored < count && !err) {
		err = acl_store(host, slot, &rules[stored], NULL);
		stored += !err;
	}
	if (!err)
		err = vm_sync(host, slot);
	if (err) {
		unstore(host, slot, rules, stored);
		acl_compile(host, slot);
	}
	journal_end(host, slot, &entry);
	return err;
}

/* With the host's lock: a set that is there will not be gone before a rule refers to it. */
static int check_sets(struct host *host, const struct roam_acl_rule *rules, uint32_t count)
{
	_cleanup_sets_ struct sets sets = {};
	int err = sets_get(host, &sets);

	for (uint32_t i = 0; i < count && !err; i++)
		err = sets_check_rule(&sets, &rules[i]);
	return err;
}

int acl_add_many(struct host *host, uint32_t slot, struct roam_acl_rule *rules, uint32_t count)
{
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++)
		err = acl_validate(&rules[i]);
	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = check_sets(locked, rules, count);
	return err ? err : add_locked(locked, slot, rules, count);
}

int acl_add(struct host *host, uint32_t slot, struct roam_acl_rule *rule)
{
	return acl_add_many(host, slot, rule, 1);
}

static int delete_rule(struct host *host, uint32_t slot, uint32_t id)
{
	_cleanup_close_ int rules = host_inner(host, HOST_MAP_acl_policy, slot);
	_cleanup_close_ int rows = host_inner(host, HOST_MAP_acl_hits, slot);
	int err;

	if (rules < 0 || rows < 0)
		return rules < 0 ? rules : rows;
	if (bpf_map_delete_elem(rules, &id))
		return fail_errno(-errno, "acl: cannot delete the rule");
	err = vm_sync(host, slot);
	bpf_map_delete_elem(rows, &id);
	return err;
}

int acl_del(struct host *host, uint32_t slot, const char *name)
{
	_cleanup_acl_list_ struct acl_list list = {};
	uint32_t index;
	int err, entry;

	err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = acl_list(locked, slot, &list);
	if (err)
		return err;
	if (find_rule(&list, name, &index))
		return fail(-ENOENT, "acl '%s': the VM has no rule of that name", name);
	err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	err = delete_rule(host, slot, list.recs[index].rule.id);
	journal_end(host, slot, &entry);
	return err;
}

/* Every rule has its row of counters before a packet can match it. */
static int add_hits(int rules, int rows)
{
	struct roam_acl_hits none = {};
	uint32_t id, *at = NULL;

	while (!bpf_map_get_next_key(rules, at, &id)) {
		at = &id;
		if (bpf_map_update_elem(rows, &id, &none, BPF_NOEXIST) && errno != EEXIST)
			return fail_errno(-errno, "acl: cannot make counters");
	}
	return 0;
}

int acl_take(struct host *host, uint32_t slot, uint32_t from,
	     const uint8_t defaults[ROAM_DIR_COUNT])
{
	_cleanup_close_ int rules = host_inner(host, HOST_MAP_acl_policy, from);
	_cleanup_close_ int rows = host_inner(host, HOST_MAP_acl_hits, slot);
	int err;

	if (rules < 0 || rows < 0)
		return rules < 0 ? rules : rows;
	err = host_set_inner(host, HOST_MAP_acl_policy, slot, rules);
	if (!err)
		err = acl_drop_stray_hits(
			host, slot); /* first: both may be more than there is room for */
	if (!err)
		err = add_hits(rules, rows);
	return err ? err : acl_compile_with(host, slot, defaults);
}
