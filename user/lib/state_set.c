// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sets by name in an image: see state_set.h. */
#include <string.h>
#include "state_set.h"
#include "text.h"

static bool refer(const struct acl_list *rules)
{
	struct set_ref refs[SET_REFS];

	for (uint32_t i = 0; i < rules->count; i++) {
		if (set_refs(&rules->recs[i].rule, refs))
			return true;
	}
	return false;
}

/* Which of the sets a rule refers to, by their order. */
static void mark_used(const struct sets *sets, const struct acl_list *rules, bool *used)
{
	struct set_ref refs[SET_REFS];

	for (uint32_t i = 0; i < rules->count; i++) {
		uint32_t count = set_refs(&rules->recs[i].rule, refs);

		for (uint32_t j = 0; j < count; j++) {
			const struct set_value *set = sets_find(sets, refs[j].name);

			if (set)
				used[set - sets->list] = true;
		}
	}
}

int state_set_save(struct host *host, const struct acl_list *rules, struct image_writer *writer)
{
	_cleanup_sets_ struct sets sets = {};
	bool used[ROAM_SETS] = {};
	int err = refer(rules) ? sets_get(host, &sets) : 0;

	if (err || !sets.count)
		return err;
	mark_used(&sets, rules, used);
	err = image_write_table(writer, TABLE_SET);
	for (uint32_t i = 0; i < sets.count && !err; i++) {
		if (used[i])
			err = image_write_rows(writer, &sets.list[i].set, 1);
	}
	return err;
}

int state_set_check_row(const struct roam_set *row)
{
	if (!text_name_valid(row->name))
		return fail(-EBADMSG, "image: a set whose name is not one");
	if (row->count > ROAM_SET_ENTRIES)
		return fail(-EBADMSG, "image: set '%s' is absurd", row->name);
	return 0;
}

int state_set_row(struct sets *image, const struct roam_set *row)
{
	struct set_value *set;
	int err = state_set_check_row(row);

	if (!err && image->count == ROAM_SETS)
		err = fail(-EBADMSG, "image: more than %d sets", ROAM_SETS);
	if (!err)
		err = sets_add(image, &set);
	if (!err)
		set->set = *row;
	return err;
}

/* What is missing in the image itself is no host's fault. */
static int check_image(struct sets *image, const struct acl_list *rules)
{
	struct set_ref refs[SET_REFS];

	sets_sort(image);
	for (uint32_t i = 1; i < image->count; i++) {
		if (!strcmp(image->list[i - 1].set.name, image->list[i].set.name))
			return fail(-EBADMSG, "image: set '%s' twice", image->list[i].set.name);
	}
	for (uint32_t i = 0; i < rules->count; i++) {
		uint32_t count = set_refs(&rules->recs[i].rule, refs);

		for (uint32_t j = 0; j < count; j++) {
			if (!sets_find(image, refs[j].name))
				return fail(-EBADMSG,
					    "image: rule '%s' names set '%s', which is not in it",
					    rules->recs[i].rule.name, refs[j].name);
		}
	}
	return 0;
}

static int check_rule(const struct sets *here, const struct roam_acl_rule *rule)
{
	struct set_ref refs[SET_REFS];
	uint32_t count = set_refs(rule, refs);

	for (uint32_t i = 0; i < count; i++) {
		if (!sets_find(here, refs[i].name))
			return fail(-ENOENT, "state: set '%s' of rule '%s' is missing here",
				    refs[i].name, rule->name);
	}
	return sets_check_rule(here, rule);
}

int state_set_check(struct host *host, struct sets *image, const struct acl_list *rules,
		    struct state_set_found *ret_found)
{
	struct state_set_found found = {};
	_cleanup_sets_ struct sets here = {};
	bool used[ROAM_SETS] = {};
	int err = check_image(image, rules);

	if (!err)
		err = sets_get(host, &here);
	for (uint32_t i = 0; i < rules->count && !err; i++)
		err = check_rule(&here, &rules->recs[i].rule);
	if (err)
		return err;
	mark_used(image, rules, used);
	for (uint32_t i = 0; i < image->count; i++) {
		const struct roam_set *set = &image->list[i].set;

		if (!used[i] || sets_find(&here, set->name)->set.digest == set->digest)
			continue;
		memcpy(found.other, set->name, sizeof(set->name));
		found.others++;
	}
	found.digest = refer(rules) ? sets_digest(&here, rules) : 0;
	*ret_found = found;
	return 0;
}

int state_set_digest(struct host *host, const struct acl_list *rules, uint64_t *ret_digest)
{
	_cleanup_sets_ struct sets sets = {};
	int err = refer(rules) ? sets_get(host, &sets) : 0;

	if (!err)
		*ret_digest = refer(rules) ? sets_digest(&sets, rules) : 0;
	return err;
}
