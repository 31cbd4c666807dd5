// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * From a document, as libyaml has composed it, to a policy, by the tables of policy_keys.h: see
 * policy_read.h. Only known keys are followed, so no alias can lead deeper than the tables do.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include <yaml.h>
#include "policy_keys.h"
#include "policy_near.h"
#include "policy_read.h"
#include "util.h"

#define FILE_MAX (64U << 20)

struct reader {
	const char *file;
	yaml_document_t *document;
};

/* Where in the file. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct reader *reader,
							const yaml_node_t *node, const char *format,
							...)
{
	char line[400];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	return fail(-EINVAL, "%s:%zu:%zu: %s", reader->file, node->start_mark.line + 1,
		    node->start_mark.column + 1, line);
}

/* What a parser said, with its place. */
static int refuse_again(const struct reader *reader, const yaml_node_t *node)
{
	_cleanup_free_ char *why = strdup(fail_line());

	return refuse(reader, node, "%s", why ? why : "out of memory");
}

static yaml_node_t *get(const struct reader *reader, int id)
{
	return yaml_document_get_node(reader->document, id);
}

static const char *type_name(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_MAPPING_NODE:
		return "a mapping";
	case YAML_SEQUENCE_NODE:
		return "a list";
	default:
		return "a plain value";
	}
}

/* A tag of somebody's own would say that the text is not what it looks like. */
static int check_node(const struct reader *reader, const yaml_node_t *node, const char *what,
		      yaml_node_type_t type)
{
	static const char standard[] = "tag:yaml.org,2002:";
	const char *tag = node->tag ? (const char *)node->tag : standard;
	const yaml_node_t wanted = { .type = type };

	if (strncmp(tag, standard, strlen(standard)) != 0)
		return refuse(reader, node, "%s: the tag '%.40s' is not understood", what, tag);
	if (node->type != type)
		return refuse(reader, node, "%s: %s is expected, not %s", what, type_name(&wanted),
			      type_name(node));
	return 0;
}

static int get_text(const struct reader *reader, const yaml_node_t *node, const char *what,
		    const char **ret_text)
{
	int err = check_node(reader, node, what, YAML_SCALAR_NODE);
	const char *text;

	if (err)
		return err;
	text = (const char *)node->data.scalar.value;
	if (strlen(text) != node->data.scalar.length)
		return refuse(reader, node, "%s: a NUL in a value", what);
	if (!text[0])
		return refuse(reader, node, "%s: has no value", what);
	*ret_text = text;
	return 0;
}

/* What else YAML and JSON call a switch's positions. */
static const char *switch_text(const char *text)
{
	if (!strcmp(text, "true"))
		return "on";
	return strcmp(text, "false") ? text : "off";
}

static int read_scalar(const struct reader *reader, const struct policy_key *key,
		       const yaml_node_t *node, void *object)
{
	const char *text = "";
	int err = get_text(reader, node, key->name, &text);

	if (err)
		return err;
	if (key->holds == POLICY_SWITCH)
		text = switch_text(text);
	return key->read(object, text) ? refuse_again(reader, node) : 0;
}

static int read_texts(const struct reader *reader, const struct policy_key *key,
		      const yaml_node_t *node, void *object)
{
	int err = check_node(reader, node, key->name, YAML_SEQUENCE_NODE);

	for (yaml_node_item_t *item = node->data.sequence.items.start;
	     !err && item < node->data.sequence.items.top; item++)
		err = read_scalar(reader, key, get(reader, *item), object);
	return err;
}

static int read_map(const struct reader *reader, const struct policy_map *map,
		    const yaml_node_t *node, void *object);

static int read_inner_map(const struct reader *reader, const struct policy_key *key,
			  const yaml_node_t *node, void *object)
{
	void *inner = object;

	if (key->add && key->add(object, &inner))
		return refuse_again(reader, node);
	return read_map(reader, key->map, node, inner);
}

/* No two mappings of a list may be the same by a key that tells them apart. */
static int check_unique(const struct reader *reader, const struct policy_map *map,
			const yaml_node_t *node, const void *object, json_t *seen)
{
	char text[POLICY_TEXT_LEN], name[2 * POLICY_TEXT_LEN];

	for (size_t i = 0; i < map->count; i++) {
		const struct policy_key *key = &map->keys[i];
		const json_t *line;

		if (!key->unique || !key->show(object, 0, text))
			continue;
		snprintf(name, sizeof(name), "%s %s", key->name, text);
		line = json_object_get(seen, name);
		if (line)
			return refuse(reader, node, "%s with %s, as in line %lld", map->what, name,
				      (long long)json_integer_value(line));
		json_object_set_new(seen, name, json_integer(node->start_mark.line + 1));
	}
	return 0;
}

static int read_items(const struct reader *reader, const struct policy_key *key,
		      const yaml_node_t *node, void *object, json_t *seen)
{
	int err = check_node(reader, node, key->name, YAML_SEQUENCE_NODE);

	for (yaml_node_item_t *at = node->data.sequence.items.start;
	     !err && at < node->data.sequence.items.top; at++) {
		const yaml_node_t *item = get(reader, *at);
		void *inner;

		if (key->add(object, &inner))
			return refuse_again(reader, item);
		err = read_map(reader, key->map, item, inner);
		if (!err)
			err = check_unique(reader, key->map, item, inner, seen);
	}
	return err;
}

static int read_value(const struct reader *reader, const struct policy_key *key,
		      const yaml_node_t *node, void *object)
{
	json_t *seen;
	int err;

	switch (key->holds) {
	case POLICY_TEXTS:
		return read_texts(reader, key, node, object);
	case POLICY_MAP:
		return read_inner_map(reader, key, node, object);
	case POLICY_MAPS:
		seen = json_object();
		err = read_items(reader, key, node, object, seen);
		json_decref(seen);
		return err;
	default:
		return read_scalar(reader, key, node, object);
	}
}

static const struct policy_key *find_key(const struct policy_map *map, const char *name)
{
	for (size_t i = 0; i < map->count; i++) {
		if (!strcmp(map->keys[i].name, name))
			return &map->keys[i];
	}
	return NULL;
}

/* Every key is known, and there once; values[i] is the value of the map's key number i. */
static int find_values(const struct reader *reader, const struct policy_map *map,
		       const yaml_node_t *node, const yaml_node_t **values)
{
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name_node = get(reader, pair->key);
		const struct policy_key *key;
		char hint[POLICY_HINT_LEN];
		const char *name = "";
		int err = get_text(reader, name_node, map->what, &name);

		if (err)
			return err;
		key = find_key(map, name);
		if (!key)
			return refuse(reader, name_node, "%s: unknown key '%.60s'%s", map->what,
				      name, policy_hint(map, name, hint));
		if (values[key - map->keys])
			return refuse(reader, name_node, "%s: '%s' is there already, in line %zu",
				      map->what, name,
				      values[key - map->keys]->start_mark.line + 1);
		values[key - map->keys] = get(reader, pair->value);
	}
	return 0;
}

static int read_map(const struct reader *reader, const struct policy_map *map,
		    const yaml_node_t *node, void *object)
{
	_cleanup_free_ const yaml_node_t **values = calloc(map->count, sizeof(*values));
	int err = check_node(reader, node, map->what, YAML_MAPPING_NODE);

	if (!values)
		return fail(-ENOMEM, "policy: out of memory");
	if (!err)
		err = find_values(reader, map, node, values);
	for (size_t i = 0; i < map->count && !err; i++) {
		if (values[i])
			err = read_value(reader, &map->keys[i], values[i], object);
		else if (map->keys[i].required)
			err = refuse(reader, node, "%s: '%s' is missing", map->what,
				     map->keys[i].name);
	}
	if (!err && map->check && map->check(object))
		return refuse_again(reader, node);
	return err;
}

/* ---- files of several ---- */

void policies_free(struct policies *policies)
{
	for (uint32_t i = 0; i < policies->count; i++)
		policy_free(&policies->all[i]);
	free(policies->all);
	if (policies->services)
		lb_policy_free(policies->services);
	free(policies->services);
	if (policies->sets)
		sets_free(policies->sets);
	free(policies->sets);
	*policies = (struct policies){};
}

static int check_vm_new(const struct reader *reader, const yaml_node_t *node,
			const struct policies *policies, const struct policy *policy)
{
	for (uint32_t i = 0; i < policies->count; i++) {
		if (!strcmp(policies->all[i].vm.name, policy->vm.name))
			return refuse(reader, node, "vm '%s' is there already", policy->vm.name);
	}
	return 0;
}

static int read_policy(const struct reader *reader, const yaml_node_t *node,
		       struct policies *policies)
{
	struct policy *all = reallocarray(policies->all, policies->count + 1, sizeof(*all));
	struct policy policy;
	int err;

	if (!all)
		return fail(-ENOMEM, "policy: out of memory");
	policies->all = all;
	policy_init(&policy);
	err = read_map(reader, &policy_file, node, &policy);
	if (!err)
		err = check_vm_new(reader, node, policies, &policy);
	if (err) {
		policy_free(&policy);
		return err;
	}
	policy_sort(&policy);
	all[policies->count++] = policy;
	return 0;
}

static int read_services(const struct reader *reader, const yaml_node_t *node,
			 struct policies *policies)
{
	struct lb_policy *services;
	int err;

	if (policies->services)
		return refuse(reader, node, "the host's services are there already");
	services = calloc(1, sizeof(*services));
	if (!services)
		return fail(-ENOMEM, "policy: out of memory");
	err = read_map(reader, &policy_services, node, services);
	if (err) {
		lb_policy_free(services);
		free(services);
		return err;
	}
	lb_policy_sort(services);
	policies->services = services;
	return 0;
}

static int read_sets(const struct reader *reader, const yaml_node_t *node,
		     struct policies *policies)
{
	struct sets *sets;
	int err;

	if (policies->sets)
		return refuse(reader, node, "the host's sets are there already");
	sets = calloc(1, sizeof(*sets));
	if (!sets)
		return fail(-ENOMEM, "policy: out of memory");
	err = read_map(reader, &policy_sets, node, sets);
	if (err) {
		sets_free(sets);
		free(sets);
		return err;
	}
	sets_sort(sets);
	policies->sets = sets;
	return 0;
}

/* Whether it is what this table is about, not a VM: by its first key, that one's spelling forgiven.
 */
static bool is_about(const struct reader *reader, const struct policy_map *map,
		     const yaml_node_t *node)
{
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	const yaml_node_t *name;
	char hint[POLICY_HINT_LEN];
	const char *text;

	if (node->type != YAML_MAPPING_NODE || pair >= node->data.mapping.pairs.top)
		return false;
	name = get(reader, pair->key);
	if (name->type != YAML_SCALAR_NODE)
		return false;
	text = (const char *)name->data.scalar.value;
	if (find_key(&policy_file, text))
		return false;
	return find_key(map, text) || (policy_hint(map, text, hint)[0] == ',' &&
				       policy_hint(&policy_file, text, hint)[0] != ',');
}

static int read_any(const struct reader *reader, const yaml_node_t *node, struct policies *policies)
{
	if (is_about(reader, &policy_services, node))
		return read_services(reader, node, policies);
	if (is_about(reader, &policy_sets, node))
		return read_sets(reader, node, policies);
	return read_policy(reader, node, policies);
}

static int read_document(const struct reader *reader, struct policies *policies)
{
	const yaml_node_t *root = yaml_document_get_root_node(reader->document);
	int err = 0;

	if (root->type != YAML_SEQUENCE_NODE)
		return read_any(reader, root, policies);
	for (yaml_node_item_t *item = root->data.sequence.items.start;
	     !err && item < root->data.sequence.items.top; item++)
		err = read_any(reader, get(reader, *item), policies);
	return err;
}

/* What libyaml did not understand. */
static int refuse_syntax(const char *file, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return fail(-ENOMEM, "%s: out of memory", file);
	if (parser->error == YAML_READER_ERROR)
		return fail(-EINVAL, "%s:%zu:%zu: byte %zu: %s", file, parser->mark.line + 1,
			    parser->mark.column + 1, parser->problem_offset, parser->problem);
	return fail(-EINVAL, "%s:%zu:%zu: %s%s%s", file, parser->problem_mark.line + 1,
		    parser->problem_mark.column + 1, parser->problem, parser->context ? " " : "",
		    parser->context ? parser->context : "");
}

static uint32_t count_all(const struct policies *policies)
{
	return policies->count + !!policies->services + !!policies->sets;
}

static int read_stream(const char *file, yaml_parser_t *parser, struct policies *policies)
{
	uint32_t before = count_all(policies);
	bool more = true;
	int err = 0;

	while (more && !err) {
		yaml_document_t document;
		struct reader reader = { file, &document };

		if (!yaml_parser_load(parser, &document))
			return refuse_syntax(file, parser);
		more = yaml_document_get_root_node(&document) != NULL;
		if (more)
			err = read_document(&reader, policies);
		yaml_document_delete(&document);
	}
	if (!err && count_all(policies) == before)
		return fail(-EINVAL, "%s:1:1: there is no policy in it", file);
	return err;
}

int policy_read(const char *file, const char *text, size_t len, struct policies *policies)
{
	yaml_parser_t parser;
	int err;

	if (!yaml_parser_initialize(&parser))
		return fail(-ENOMEM, "policy: out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	err = read_stream(file, &parser, policies);
	yaml_parser_delete(&parser);
	return err;
}

static int read_all(FILE *stream, const char *file, struct policies *policies)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 0, got;

	do {
		if (len == room) {
			char *more = len < FILE_MAX ? realloc(text, room += 65536) : NULL;

			if (!more)
				return fail(-E2BIG, "%s: too long for a policy", file);
			text = more;
		}
		got = fread(text + len, 1, room - len, stream);
		len += got;
	} while (got && !feof(stream) && !ferror(stream));
	if (ferror(stream))
		return fail_errno(-errno, "%s: cannot read", file);
	return policy_read(file, text, len, policies);
}

int policy_read_file(const char *file, struct policies *policies)
{
	FILE *stream;
	int err;

	if (!strcmp(file, "-"))
		return read_all(stdin, "stdin", policies);
	stream = fopen(file, "re");
	if (!stream)
		return fail_errno(-errno, "%s", file);
	err = read_all(stream, file, policies);
	fclose(stream);
	return err;
}
