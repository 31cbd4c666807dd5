// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Comparing policies: see policy_diff.h. Mappings of a list are the same by their first key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policy_diff.h"
#include "util.h"

struct diff {
	policy_change_fn *fn;
	void *arg;
	unsigned int count;
};

static void diff_map(struct diff *diff, const struct policy_map *map, const char *where,
		     const json_t *was, const json_t *is);

/* A value in words: as a command would have it. */
static void print_value(FILE *to, const json_t *value)
{
	const char *name;
	json_t *item;
	size_t i;

	if (json_is_object(value)) {
		const char *between = "";

		json_object_foreach((json_t *)value, name, item)
		{
			fprintf(to, "%s%s ", between, name);
			print_value(to, item);
			between = " ";
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			fputs(i ? "," : "", to);
			print_value(to, item);
		}
	} else if (json_is_integer(value)) {
		fprintf(to, "%lld", (long long)json_integer_value(value));
	} else if (json_is_boolean(value)) {
		fputs(json_is_true(value) ? "on" : "off", to);
	} else {
		fputs(json_string_value(value), to);
	}
}

static char *in_words(const json_t *value)
{
	char *text = NULL;
	size_t size;
	FILE *to = value ? open_memstream(&text, &size) : NULL;

	if (!to)
		return NULL;
	print_value(to, value);
	fclose(to);
	return text;
}

static void say(struct diff *diff, const char *where, const json_t *was, const json_t *is)
{
	_cleanup_free_ char *was_text = in_words(was), *is_text = in_words(is);

	diff->fn(&(struct policy_change){ where, was_text, is_text }, diff->arg);
	diff->count++;
}

static const char *name_of(const struct policy_map *map, const json_t *item)
{
	return json_string_value(json_object_get(item, map->keys[0].name));
}

/* The list's mappings by their names. */
static json_t *by_name(const struct policy_map *map, const json_t *list)
{
	json_t *names = json_object(), *item;
	size_t i;

	json_array_foreach(list, i, item) json_object_set(names, name_of(map, item), item);
	return names;
}

static void diff_maps(struct diff *diff, const struct policy_map *map, const char *where,
		      const json_t *was, const json_t *is)
{
	json_t *old = by_name(map, was), *new = by_name(map, is), *item, *other;
	char path[POLICY_WHERE_LEN];
	const char *name;

	json_object_foreach(old, name, item)
	{
		snprintf(path, sizeof(path), "%.120s %.63s", where, name);
		if (!json_object_get(new, name))
			say(diff, path, item, NULL);
	}
	json_object_foreach(new, name, item)
	{
		snprintf(path, sizeof(path), "%.120s %.63s", where, name);
		other = json_object_get(old, name);
		if (other)
			diff_map(diff, map, path, other, item);
		else
			say(diff, path, NULL, item);
	}
	json_decref(old);
	json_decref(new);
}

static void diff_key(struct diff *diff, const struct policy_key *key, const char *where,
		     const json_t *was, const json_t *is)
{
	if (was ? is && json_equal(was, is) : !is)
		return;
	if (key->holds == POLICY_MAPS)
		diff_maps(diff, key->map, where, was, is);
	else if (key->holds == POLICY_MAP)
		diff_map(diff, key->map, where, was, is);
	else
		say(diff, where, was, is);
}

static void diff_map(struct diff *diff, const struct policy_map *map, const char *where,
		     const json_t *was, const json_t *is)
{
	char path[POLICY_WHERE_LEN];

	for (size_t i = 0; i < map->count; i++) {
		const char *name = map->keys[i].name;

		snprintf(path, sizeof(path), "%.150s%s%.31s", where, where[0] ? " " : "", name);
		diff_key(diff, &map->keys[i], path, json_object_get(was, name),
			 json_object_get(is, name));
	}
}

unsigned int policy_diff(const json_t *was, const json_t *is, policy_change_fn *fn, void *arg)
{
	struct diff diff = { .fn = fn, .arg = arg };

	diff_map(&diff, &policy_file, "", was, is);
	return diff.count;
}

unsigned int policy_services_diff(const json_t *was, const json_t *is, policy_change_fn *fn,
				  void *arg)
{
	struct diff diff = { .fn = fn, .arg = arg };

	diff_map(&diff, &policy_services, "", was, is);
	return diff.count;
}

unsigned int policy_sets_diff(const json_t *was, const json_t *is, policy_change_fn *fn, void *arg)
{
	struct diff diff = { .fn = fn, .arg = arg };

	diff_map(&diff, &policy_sets, "", was, is);
	return diff.count;
}
