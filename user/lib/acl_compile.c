// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From rules as they are written, and the sets by name that they refer to, to the lists that the
 * acl stage reads: see acl.h. Each list ends with the VM's default.
 */
#include <string.h>
#include "acl.h"
#include "acl_index.h"
#include "limit.h"
#include "places.h"
#include "set.h"
#include "tables.h"
#include "vm.h"

/* Both lists of a VM. */
struct lists {
	struct roam_acl_match *matches; /* of both, one behind the other */
	struct acl_named *named[ROAM_DIR_COUNT];
	uint32_t named_count[ROAM_DIR_COUNT];
	uint32_t entries[ROAM_DIR_COUNT]; /* of those sets */
	struct acl_source source[ROAM_DIR_COUNT];
};

static void cleanup_lists(struct lists *lists)
{
	free(lists->matches);
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		for (uint32_t i = 0; i < lists->named_count[dir]; i++)
			free((void *)lists->named[dir][i].spans);
		free(lists->named[dir]);
	}
}
#define _cleanup_lists_ __attribute__((cleanup(cleanup_lists)))

/* The sets of a host, as one compilation sees them; `place` is by set: its number in a list. */
struct view {
	struct host *host;
	struct sets sets;
	uint16_t place[ROAM_DIR_COUNT][ROAM_SETS];
};

static void cleanup_view(struct view *view)
{
	sets_free(&view->sets);
}
#define _cleanup_view_ __attribute__((cleanup(cleanup_view)))

static void compile_prefix(const struct roam_prefix *prefix, __be32 value[4], __be32 mask[4])
{
	for (unsigned int bit = 0; bit < prefix->bits; bit++)
		((uint8_t *)mask)[bit / 8] |= 0x80 >> (bit % 8);
	memcpy(value, prefix->addr.words, sizeof(prefix->addr.words));
}

static uint8_t track_of(const struct roam_acl_rule *rule)
{
	if (rule->stateless)
		return ROAM_ACL_STATELESS;
	return rule->conns || rule->perremote ? ROAM_ACL_LIMITED : ROAM_ACL_TRACKED;
}

static void compile_rule(const struct roam_acl_rule *rule, struct roam_acl_match *ret_match)
{
	*ret_match = (struct roam_acl_match){
		.lport = rule->lport,
		.rport = rule->rport,
		.id = rule->id,
		.action = rule->action,
		.family = rule->family,
		.proto = rule->proto,
		.any_proto = rule->any_proto,
		.tcp_flags = rule->tcp_flags,
		.tcp_mask = rule->tcp_mask,
		.icmp_type = rule->icmp_type,
		.icmp_type_mask = rule->has_icmp_type ? UINT8_MAX : 0,
		.icmp_code = rule->icmp_code,
		.icmp_code_mask = rule->has_icmp_code ? UINT8_MAX : 0,
		.log = rule->log,
		.track = track_of(rule),
	};
	compile_prefix(&rule->local, ret_match->local, ret_match->local_mask);
	compile_prefix(&rule->remote, ret_match->remote, ret_match->remote_mask);
}

/* What no rule has decided: the last entry of a list, so that rules and default change as one. */
static struct roam_acl_match compile_default(enum roam_action action)
{
	return (struct roam_acl_match){
		.lport = { 0, UINT16_MAX },
		.rport = { 0, UINT16_MAX },
		.id = ROAM_RULE_NONE,
		.action = action,
		.any_proto = 1,
	};
}

/* The next place of a list gets the set's spans. */
static int add_named(struct view *view, struct lists *lists, uint32_t dir, struct set_value *set)
{
	uint32_t count = lists->named_count[dir];
	struct acl_named *named = reallocarray(lists->named[dir], count + 1, sizeof(*named));
	struct acl_span *spans;
	int err = named ? set_load(view->host, set) : fail(-ENOMEM, "acl: out of memory");

	if (named)
		lists->named[dir] = named;
	if (err)
		return err;
	lists->entries[dir] += set->count;
	if (lists->entries[dir] > ROAM_SET_ENTRIES_VM)
		return fail(-E2BIG,
			    "acl: sets of more than %d entries together in the rules of one VM",
			    ROAM_SET_ENTRIES_VM);
	err = set_spans(set, &spans, &named[count].count);
	if (err)
		return err;
	named[count].spans = spans;
	named[count].ports = set->set.kind == ROAM_SET_PORT;
	lists->named_count[dir]++;
	view->place[dir][set - view->sets.list] = count + 1;
	return 0;
}

static int place_of(struct view *view, struct lists *lists, const struct roam_acl_rule *rule,
		    const char *name, __u16 *ret_place)
{
	struct set_value *set = sets_find(&view->sets, name);
	uint16_t *place;
	int err = 0;

	place = &view->place[rule->dir][set - view->sets.list];
	if (!*place)
		err = add_named(view, lists, rule->dir, set);
	*ret_place = *place;
	return err;
}

static int compile_sets(struct view *view, struct lists *lists, const struct roam_acl_rule *rule,
			struct roam_acl_match *match)
{
	struct set_ref all[SET_REFS];
	const struct {
		const char *name;
		__u16 *place;
	} refs[] = {
		{ rule->local_set, &match->local_named },
		{ rule->remote_set, &match->remote_named },
		{ rule->lport_set, &match->lport_named },
		{ rule->rport_set, &match->rport_named },
	};
	int err = 0;

	if (!set_refs(rule, all))
		return 0;
	if (!view->sets.count)
		err = sets_get(view->host, &view->sets);
	if (!err) /* what nobody has checked yet: rules of an image */
		err = sets_check_rule(&view->sets, rule);
	for (size_t i = 0; i < ARRAY_SIZE(refs) && !err; i++) {
		if (refs[i].name[0])
			err = place_of(view, lists, rule, refs[i].name, refs[i].place);
	}
	return err;
}

static int make_lists(struct view *view, const struct acl_list *rules,
		      const uint8_t defaults[ROAM_DIR_COUNT], struct lists *lists)
{
	struct roam_acl_match *matches = calloc(rules->count + ROAM_DIR_COUNT, sizeof(*matches));
	uint32_t next = 0;
	int err = 0;

	lists->matches = matches;
	if (!matches)
		return fail(-ENOMEM, "acl: out of memory");
	memset(view->place, 0, sizeof(view->place));
	for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		struct acl_source *source = &lists->source[dir];

		source->rules = matches;
		for (; next < rules->count && rules->recs[next].rule.dir == dir && !err; next++) {
			compile_rule(&rules->recs[next].rule, matches);
			err = compile_sets(view, lists, &rules->recs[next].rule, matches++);
		}
		if (err)
			return err;
		*matches++ = compile_default(defaults[dir]);
		source->count = matches - source->rules;
		source->named = lists->named[dir];
		source->named_count = lists->named_count[dir];
	}
	return 0;
}

static int add_vm(struct places *places, struct view *view, uint32_t slot,
		  const uint8_t defaults[ROAM_DIR_COUNT])
{
	_cleanup_acl_list_ struct acl_list rules = {};
	_cleanup_lists_ struct lists lists = {};
	int err = acl_list(view->host, slot, &rules);

	if (!err)
		err = make_lists(view, &rules, defaults, &lists);
	if (!err)
		err = limit_add_tables(places, slot, &rules);
	return err ? err : tables_add_matches(places, slot, lists.source);
}

int acl_check_take(struct host *host, uint32_t slot, uint32_t from)
{
	const uint8_t defaults[ROAM_DIR_COUNT] = {};
	_cleanup_view_ struct view view = { .host = host };
	_cleanup_acl_list_ struct acl_list rules = {};
	_cleanup_lists_ struct lists lists = {};
	int err = acl_list(host, from, &rules);

	(void)slot;
	return err ? err : make_lists(&view, &rules, defaults, &lists);
}

int acl_compile_with(struct host *host, uint32_t slot, const uint8_t defaults[ROAM_DIR_COUNT])
{
	_cleanup_places_ struct places places = { .host = host };
	_cleanup_view_ struct view view = { .host = host };
	int err = add_vm(&places, &view, slot, defaults);

	return err ? err : places_apply(&places);
}

int acl_compile(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	return err ? err : acl_compile_with(host, slot, vm.default_action);
}

int acl_compile_begin(struct host *host, uint32_t slot, struct places *places)
{
	_cleanup_view_ struct view view = { .host = host };
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	places->host = host;
	if (!err)
		err = add_vm(places, &view, slot, vm.default_action);
	return err ? err : places_begin(places);
}

/* As many VMs as fit in one wait of the kernel; how many those are is added to `done`. */
static int compile_some(struct view *view, const uint32_t *slots, uint32_t count, uint32_t *done)
{
	_cleanup_places_ struct places places = { .host = view->host };
	struct roam_vm vm;
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		if (places.count + ROAM_DIR_COUNT + LIMIT_PLACES > PLACES_MAX)
			break;
		err = vm_get(view->host, slots[i], &vm);
		if (!err)
			err = add_vm(&places, view, slots[i], vm.default_action);
		++*done;
	}
	return err ? err : places_apply(&places);
}

int acl_compile_many(struct host *host, const uint32_t *slots, uint32_t count)
{
	_cleanup_view_ struct view view = { .host = host };
	uint32_t done = 0;
	int err = 0;

	while (done < count && !err)
		err = compile_some(&view, slots + done, count - done, &done);
	return err;
}
