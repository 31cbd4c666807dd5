// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A host's sets by name in a policy file: see policy_keys.h. */
#include <string.h>
#include "policy_keys.h"
#include "set_value.h"
#include "text.h"

static int read_name(void *object, const char *text)
{
	return text_name_parse("set", text, ((struct set_value *)object)->set.name);
}

static bool show_name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text, ((const struct set_value *)object)->set.name);
}

static int read_kind(void *object, const char *text)
{
	uint8_t kind = 0;
	int err = text_enum_parse(&text_set_kind, text, &kind);

	return err ? err : set_of_kind(object, kind);
}

/* What it holds says as much. */
static bool show_kind(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct set_value *set = object;

	(void)i;
	return !set->count && policy_say(text, text_enum_name(&text_set_kind, set->set.kind));
}

static int read_entry(void *object, enum roam_set_kind kind, const char *text)
{
	struct roam_set_entry entry;
	int err = set_entry_parse(kind, text, &entry);

	return err ? err : set_add_entry(object, kind, &entry);
}

static bool show_entry(const struct set_value *set, enum roam_set_kind kind, uint32_t i, char *text)
{
	return set->set.kind == kind && i < set->count &&
	       set_entry_text(kind, &set->entries[i], text);
}

static int read_addr(void *object, const char *text)
{
	return read_entry(object, ROAM_SET_ADDR, text);
}

static bool show_addr(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	return show_entry(object, ROAM_SET_ADDR, i, text);
}

static int read_port(void *object, const char *text)
{
	return read_entry(object, ROAM_SET_PORT, text);
}

static bool show_port(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	return show_entry(object, ROAM_SET_PORT, i, text);
}

static const struct policy_key set_keys[] = {
	{ "name", POLICY_TEXT, .required = true, .unique = true, .read = read_name,
	  .show = show_name },
	{ "kind", POLICY_TEXT, .read = read_kind, .show = show_kind },
	{ "addrs", POLICY_TEXTS, .read = read_addr, .show = show_addr },
	{ "ports", POLICY_TEXTS, .read = read_port, .show = show_port },
};

static int check_set(void *object)
{
	return set_finish(object);
}

static const struct policy_map set_map = { "a set", set_keys, ARRAY_SIZE(set_keys), check_set };

static void *set_at(void *object, uint32_t i)
{
	struct sets *sets = object;

	return i < sets->count ? &sets->list[i] : NULL;
}

static int set_add(void *object, void **ret_object)
{
	struct set_value *set;
	int err = sets_add(object, &set);

	if (!err)
		*ret_object = set;
	return err;
}

static const struct policy_key sets_keys[] = {
	{ "sets", POLICY_MAPS, .required = true, .map = &set_map, .at = set_at, .add = set_add },
};

const struct policy_map policy_sets = { "sets of the host", sets_keys, ARRAY_SIZE(sets_keys),
					NULL };
