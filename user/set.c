// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam set`: sets by name of the host, to which rules of its VMs refer. */
#include <string.h>
#include "cmd.h"
#include "effect.h"
#include "set.h"
#include "set_show.h"
#include "text.h"

/* The words of a change. */
struct set_words {
	char name[ROAM_NAME_LEN];
	struct set_value entries; /* that are named */
};

static void cleanup_words(struct set_words *words)
{
	free(words->entries.entries);
}
#define _cleanup_words_ __attribute__((cleanup(cleanup_words)))

static int parse_entry(struct words *words, struct set_value *set)
{
	struct roam_set_entry entry;
	enum roam_set_kind kind = 0;
	const char *text;
	int err;

	while (kind < ROAM_SET_KIND_COUNT && !words_take(words, text_set_kind.text[kind]))
		kind++;
	if (kind == ROAM_SET_KIND_COUNT)
		return words_end(words);
	err = words_value(words, text_set_kind.text[kind], &text);
	if (!err)
		err = set_entry_parse(kind, text, &entry);
	return err ? err : set_add_entry(set, kind, &entry);
}

/* "NAME addr PREFIX..." or "NAME port PORT[-PORT]..." */
static int parse_words(struct words *words, const char *verb, struct set_words *ret)
{
	const char *text;
	int err = words_value(words, verb, &text);

	if (!err)
		err = text_name_parse("set", text, ret->name);
	if (err)
		return err;
	memcpy(ret->entries.set.name, ret->name, sizeof(ret->name));
	while (!err && words_peek(words))
		err = parse_entry(words, &ret->entries);
	return !err && ret->entries.count ? set_finish(&ret->entries) : err;
}

/* All sets of the host with the one of that name, which may be new. */
static int get_set(struct cmd *cmd, const char *name, bool make, struct sets *sets,
		   struct set_value **ret_set)
{
	struct set_value *set;
	int err = cmd_lock(cmd);

	if (!err)
		err = sets_get(cmd->host, sets);
	if (err)
		return err;
	set = sets_find(sets, name);
	if (!set && !make)
		return fail(-ENOENT, "set '%s': the host has none of that name", name);
	if (!set) {
		err = sets_add(sets, &set);
		if (err)
			return err;
		memcpy(set->set.name, name, sizeof(set->set.name));
		sets_sort(sets);
		set = sets_find(sets, name);
	}
	*ret_set = set;
	return set_load(cmd->host, set);
}

typedef int change_fn(struct set_value *set, enum roam_set_kind kind,
		      const struct roam_set_entry *entry);

static int change_entries(struct set_value *set, const struct set_value *by, change_fn *fn)
{
	int err = 0;

	for (uint32_t i = 0; i < by->count && !err; i++)
		err = fn(set, by->set.kind, &by->entries[i]);
	return err ? err : set_finish(set);
}

static int apply(struct cmd *cmd, const struct sets *sets)
{
	static struct sets_users users;
	int err = sets_apply(cmd->host, sets, false, &users);

	if (!err)
		effect_show_many(cmd, users.slots, users.count);
	return err;
}

static int set_add_cmd(struct cmd *cmd)
{
	_cleanup_words_ struct set_words words = {};
	_cleanup_sets_ struct sets sets = {};
	struct set_value *set;
	int err = parse_words(&cmd->words, "add", &words);

	if (!err && !words.entries.count)
		return usage("'addr PREFIX' or 'port PORT' is missing");
	if (!err)
		err = get_set(cmd, words.name, true, &sets, &set);
	if (!err)
		err = change_entries(set, &words.entries, set_add_entry);
	return err ? err : apply(cmd, &sets);
}

static int set_replace_cmd(struct cmd *cmd)
{
	_cleanup_words_ struct set_words words = {};
	_cleanup_sets_ struct sets sets = {};
	struct set_value *set;
	int err = parse_words(&cmd->words, "replace", &words);

	if (!err)
		err = get_set(cmd, words.name, true, &sets, &set);
	if (err)
		return err;
	set->count = 0;
	/* What nobody's rules refer to may become a set of the other kind. */
	set->has_kind = set->has_kind && !words.entries.count;
	if (!set->has_kind && !words.entries.count)
		return usage("'addr PREFIX' or 'port PORT' is missing");
	err = change_entries(set, &words.entries, set_add_entry);
	return err ? err : apply(cmd, &sets);
}

/* The set is gone. */
static void remove_set(struct sets *sets, struct set_value *set)
{
	struct set_value *end = sets->list + sets->count;

	free(set->entries);
	memmove(set, set + 1, (end - set - 1) * sizeof(*set));
	sets->count--;
}

static int set_del_cmd(struct cmd *cmd)
{
	_cleanup_words_ struct set_words words = {};
	_cleanup_sets_ struct sets sets = {};
	struct set_value *set;
	int err = parse_words(&cmd->words, "del", &words);

	if (!err)
		err = get_set(cmd, words.name, false, &sets, &set);
	if (err)
		return err;
	if (words.entries.count)
		err = change_entries(set, &words.entries, set_del_entry);
	else
		remove_set(&sets, set);
	return err ? err : apply(cmd, &sets);
}

static int set_show_cmd(struct cmd *cmd)
{
	_cleanup_sets_ struct sets sets = {};
	const char *name = words_next(&cmd->words);
	uint32_t shown = 0;
	int err = words_end(&cmd->words);

	if (!err)
		err = cmd_host(cmd);
	if (!err)
		err = sets_get(cmd->host, &sets);
	if (err)
		return err;
	out_list(cmd->out);
	for (uint32_t i = 0; i < sets.count && !err; i++) {
		struct set_value *set = &sets.list[i];

		if (name && strcmp(set->set.name, name) != 0)
			continue;
		err = set_load(cmd->host, set);
		if (err)
			break;
		out_item(cmd->out);
		set_show(cmd->out, set);
		out_item_end(cmd->out);
		shown++;
	}
	if (!err && name && !shown)
		err = fail(-ENOENT, "set '%s': the host has none of that name", name);
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[NAME]", "sets and what they hold", set_show_cmd },
	{ "add", "NAME addr PREFIX...|port PORT[-PORT]...",
	  "adds to a set, or makes it; 'addr' or 'port' stands before each", set_add_cmd },
	{ "del", "NAME [addr PREFIX...|port PORT[-PORT]...]",
	  "takes out of a set; of nothing named, removes a set that no rule uses", set_del_cmd },
	{ "replace", "NAME [addr PREFIX...|port PORT[-PORT]...]",
	  "a set holds this and nothing else, from one packet to the next", set_replace_cmd },
};

const struct object object_set = { "set", "sets of addresses or ports that rules share", verbs,
				   ARRAY_SIZE(verbs) };
