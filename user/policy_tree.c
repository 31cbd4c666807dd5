// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A policy as a tree of JSON: see policy_tree.h. */
#include <ctype.h>
#include <string.h>
#include "policy_keys.h"
#include "policy_tree.h"
#include "util.h"

static json_t *map_tree(const struct policy_map *map, const void *object);

static bool is_number(const char *text)
{
	return text[strspn(text, "0123456789")] == '\0';
}

static json_t *scalar_tree(const struct policy_key *key, const char *text)
{
	if (key->holds == POLICY_SWITCH)
		return json_boolean(!strcmp(text, "on"));
	if (key->holds == POLICY_VALUE && is_number(text))
		return json_integer(strtoll(text, NULL, 10));
	return json_string(text);
}

static json_t *texts_tree(const struct policy_key *key, const void *object)
{
	json_t *list = json_array();
	char text[POLICY_TEXT_LEN];

	for (uint32_t i = 0; key->show(object, i, text); i++)
		json_array_append_new(list, json_string(text));
	return list;
}

static json_t *maps_tree(const struct policy_key *key, const void *object)
{
	json_t *list = json_array();
	const void *inner;

	for (uint32_t i = 0; (inner = key->at((void *)object, i)); i++)
		json_array_append_new(list, map_tree(key->map, inner));
	return list;
}

/* NULL: there is nothing to show. */
static json_t *value_tree(const struct policy_key *key, const void *object)
{
	char text[POLICY_TEXT_LEN];
	const void *inner;
	json_t *list;

	switch (key->holds) {
	case POLICY_MAP:
		inner = key->at((void *)object, 0);
		return inner ? map_tree(key->map, inner) : NULL;
	case POLICY_TEXTS:
	case POLICY_MAPS:
		list = key->holds == POLICY_MAPS ? maps_tree(key, object) : texts_tree(key, object);
		if (json_array_size(list))
			return list;
		json_decref(list);
		return NULL;
	default:
		return key->show(object, 0, text) ? scalar_tree(key, text) : NULL;
	}
}

static json_t *map_tree(const struct policy_map *map, const void *object)
{
	json_t *tree = json_object();

	for (size_t i = 0; i < map->count; i++) {
		json_t *value = value_tree(&map->keys[i], object);

		if (value)
			json_object_set_new(tree, map->keys[i].name, value);
	}
	return tree;
}

json_t *policy_tree(const struct policy *policy)
{
	return map_tree(&policy_file, policy);
}

json_t *policy_services_tree(const struct lb_policy *services)
{
	json_t *tree = map_tree(&policy_services, services);

	if (!services->count)
		json_object_set_new(tree, policy_services.keys[0].name, json_array());
	return tree;
}

json_t *policy_sets_tree(const struct sets *sets)
{
	json_t *tree = map_tree(&policy_sets, sets);

	if (!sets->count)
		json_object_set_new(tree, policy_sets.keys[0].name, json_array());
	return tree;
}

/* ---- YAML ---- */

/* Whether every reader takes it for text as it stands: no number, no boolean, no time, no null. */
static bool is_plain(const char *text)
{
	static const char *const words[] = { "y",   "n",    "yes",   "no",  "on",
					     "off", "true", "false", "null" };

	if (!isalpha((unsigned char)text[0]) || text[strlen(text) - 1] == ':')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcasecmp(text, words[i]))
			return false;
	}
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && !strchr("._:/-", *text))
			return false;
	}
	return true;
}

static void yaml_scalar(FILE *to, const json_t *value)
{
	if (json_is_integer(value))
		fprintf(to, "%lld", (long long)json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "on" : "off", to);
	else if (is_plain(json_string_value(value)))
		fputs(json_string_value(value), to);
	else /* JSON's strings are YAML's, too */
		json_dumpf(value, to, JSON_ENCODE_ANY);
}

static void yaml_value(FILE *to, const json_t *value, int indent);

static void yaml_map(FILE *to, json_t *map, int indent)
{
	const char *name;
	bool first = true;
	json_t *value;

	json_object_foreach(map, name, value)
	{
		fprintf(to, "%*s%s:", first ? 0 : indent, "", name);
		yaml_value(to, value, indent + 2);
		first = false;
	}
}

static void yaml_value(FILE *to, const json_t *value, int indent)
{
	const json_t *item;
	size_t i;

	if (json_is_object(value) && !json_object_size(value)) {
		fputs(" {}\n", to);
	} else if (json_is_object(value)) {
		fprintf(to, "\n%*s", indent, "");
		yaml_map(to, (json_t *)value, indent);
	} else if (json_is_array(value) && !json_array_size(value)) {
		fputs(" []\n", to);
	} else if (json_is_array(value)) {
		putc('\n', to);
		json_array_foreach(value, i, item)
		{
			fprintf(to, "%*s-", indent, "");
			if (json_is_object(item)) {
				putc(' ', to);
				yaml_map(to, (json_t *)item, indent + 2);
			} else {
				yaml_value(to, item, indent + 2);
			}
		}
	} else {
		putc(' ', to);
		yaml_scalar(to, value);
		putc('\n', to);
	}
}

void policy_yaml(FILE *to, const json_t *tree)
{
	yaml_map(to, (json_t *)tree, 0);
}
