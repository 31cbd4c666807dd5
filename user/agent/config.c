// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* roamd's configuration: see config.h. One table says which keys there are. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include "config.h"
#include "host.h"
#include "text.h"

enum kind { KIND_PATH, KIND_ADDR, KIND_NAME, KIND_IP, KIND_NUMBER, KIND_LOG };

struct key {
	const char *name;
	size_t at;
	enum kind kind;
	uint32_t most; /* KIND_NUMBER */
};

#define AT(member) offsetof(struct config, member)

static const struct key keys[] = {
	{ "listen", AT(listen), KIND_ADDR, 0 },   { "metrics", AT(metrics), KIND_ADDR, 0 },
	{ "name", AT(name), KIND_NAME, 0 },       { "certificate", AT(certificate), KIND_PATH, 0 },
	{ "key", AT(key), KIND_PATH, 0 },         { "ca", AT(ca), KIND_PATH, 0 },
	{ "control", AT(control), KIND_PATH, 0 }, { "state", AT(state), KIND_PATH, 0 },
	{ "bpffs", AT(bpffs), KIND_PATH, 0 },     { "late", AT(late), KIND_IP, 0 },
	{ "log", AT(log_json), KIND_LOG, 0 },
};

static const struct key limit_keys[] = {
	{ "rate_mbps", AT(rate_mbps), KIND_NUMBER, 1000000 },
	{ "handovers", AT(handovers), KIND_NUMBER, 1000 },
	{ "handshakes", AT(handshakes), KIND_NUMBER, 1000 },
};

/* What is being read, for error lines. */
struct reading {
	const char *file;
	yaml_document_t *doc;
	struct config *config;
};

static int refuse(const struct reading *reading, const yaml_node_t *node, const char *why)
{
	return fail(-EINVAL, "%s:%zu:%zu: %s", reading->file, node->start_mark.line + 1,
		    node->start_mark.column + 1, why);
}

int config_addr_parse(const char *text, uint16_t port, struct config_addr *ret_addr)
{
	struct config_addr got = {};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&got.addr;
	struct sockaddr_in *in4 = (struct sockaddr_in *)&got.addr;
	char host[64];
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[';
	bool has_port = colon && (brackets ? colon[-1] == ']' : strchr(text, ':') == colon);
	size_t len = has_port ? (size_t)(colon - text) : strlen(text);
	uint32_t number = port;

	if (has_port && (text_u32_parse("port", colon + 1, &number) || !number || number > 65535))
		return fail(-EINVAL, "'%.80s' has no port from 1 to 65535", text);
	if (brackets && (len < 2 || text[len - 1] != ']'))
		return fail(-EINVAL, "'%.80s' is no numeric address", text);
	if (brackets) {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return fail(-EINVAL, "'%.80s' is no numeric address", text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(number);
		got.len = sizeof(*in6);
	} else if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons(number);
		got.len = sizeof(*in4);
	} else {
		return fail(-EINVAL, "'%.80s' is no numeric address", text);
	}
	*ret_addr = got;
	return 0;
}

static int path_in(const char *text, char *to)
{
	if (text[0] != '/' || strlen(text) >= CONFIG_PATH_LEN)
		return fail(-EINVAL, "'%.80s' is no absolute path of at most %d bytes", text,
			    CONFIG_PATH_LEN - 1);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static int number_in(const struct key *key, const char *text, uint32_t *to)
{
	uint32_t number;
	int err = text_u32_parse(key->name, text, &number);

	if (!err && (!number || number > key->most))
		err = fail(-EINVAL, "%s is not from 1 to %u", key->name, key->most);
	if (!err)
		*to = number;
	return err;
}

static int value_in(const struct key *key, const char *text, struct config *config)
{
	void *at = (char *)config + key->at;
	struct roam_addr addr;

	switch (key->kind) {
	case KIND_PATH:
		return path_in(text, at);
	case KIND_ADDR:
		return config_addr_parse(text, CONFIG_PORT, at);
	case KIND_NAME:
		return text_name_parse("name", text, at);
	case KIND_IP:
		if (text_addr_parse(text, &addr))
			return -EINVAL;
		memcpy(at, text, strlen(text) + 1);
		return 0;
	case KIND_NUMBER:
		return number_in(key, text, at);
	case KIND_LOG:
		*(bool *)at = !strcmp(text, "json");
		if (strcmp(text, "json") != 0 && strcmp(text, "plain") != 0)
			return fail(-EINVAL, "log is 'plain' or 'json'");
		return 0;
	}
	return 0;
}

static const char *scalar(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return node->type == YAML_SCALAR_NODE && strlen(text) == node->data.scalar.length ? text
											  : NULL;
}

/* ---- the parts of the file ---- */

static int refuse_line(const struct reading *reading, const yaml_node_t *node)
{
	char why[300];

	(void)snprintf(why, sizeof(why), "%s", fail_line());
	return refuse(reading, node, why);
}

static int key_in(const struct reading *reading, const struct key *table, size_t count,
		  const yaml_node_pair_t *pair)
{
	const yaml_node_t *name = yaml_document_get_node(reading->doc, pair->key);
	const yaml_node_t *value = yaml_document_get_node(reading->doc, pair->value);
	const char *text = scalar(name);
	char why[160];

	for (size_t i = 0; text && i < count; i++) {
		if (strcmp(table[i].name, text) != 0)
			continue;
		if (!scalar(value))
			return refuse(reading, value, "a value is one text here");
		return value_in(&table[i], scalar(value), reading->config)
			       ? refuse_line(reading, value)
			       : 0;
	}
	(void)snprintf(why, sizeof(why), "'%.80s' is no key here", text ? text : "?");
	return refuse(reading, name, why);
}

static bool is_key(const struct reading *reading, const yaml_node_pair_t *pair, const char *name)
{
	const char *text = scalar(yaml_document_get_node(reading->doc, pair->key));

	return text && !strcmp(text, name);
}

static int limits_in(const struct reading *reading, const yaml_node_t *node)
{
	int err = 0;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(reading, node, "limits have keys");
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top && !err; pair++)
		err = key_in(reading, limit_keys, ARRAY_SIZE(limit_keys), pair);
	return err;
}

static int peer_in(const struct reading *reading, const yaml_node_t *node)
{
	struct config *config = reading->config;
	struct config_peer peer = {};
	int err = 0;

	if (node->type != YAML_MAPPING_NODE)
		return refuse(reading, node, "a peer has a name and an address");
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	     pair < node->data.mapping.pairs.top && !err; pair++) {
		const yaml_node_t *value = yaml_document_get_node(reading->doc, pair->value);
		const char *text = scalar(value);

		if (text && is_key(reading, pair, "name"))
			err = text_name_parse("peer", text, peer.name);
		else if (text && is_key(reading, pair, "address"))
			err = config_addr_parse(text, CONFIG_PORT, &peer.address);
		else
			return refuse(reading, yaml_document_get_node(reading->doc, pair->key),
				      "a peer has a name and an address");
		if (err)
			return refuse_line(reading, value);
	}
	if (!peer.name[0] || !peer.address.len)
		return refuse(reading, node, "a peer has a name and an address");
	if (config_peer(config, peer.name))
		return refuse(reading, node, "this peer is there twice");
	config->peers[config->peer_count++] = peer;
	return 0;
}

static int peers_in(const struct reading *reading, const yaml_node_t *node)
{
	const yaml_node_item_t *item;
	ptrdiff_t count;
	int err = 0;

	if (node->type != YAML_SEQUENCE_NODE)
		return refuse(reading, node, "peers are a list");
	count = node->data.sequence.items.top - node->data.sequence.items.start;
	if (count > CONFIG_PEERS_MAX || reading->config->peers)
		return refuse(reading, node, "too many peers");
	reading->config->peers = calloc(count + 1, sizeof(*reading->config->peers));
	if (!reading->config->peers)
		return fail(-ENOMEM, "%s: out of memory", reading->file);
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top && !err;
	     item++)
		err = peer_in(reading, yaml_document_get_node(reading->doc, *item));
	return err;
}

static int root_in(const struct reading *reading, const yaml_node_t *root)
{
	int err = 0;

	if (root->type != YAML_MAPPING_NODE)
		return refuse(reading, root, "the file has keys");
	for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
	     pair < root->data.mapping.pairs.top && !err; pair++) {
		const yaml_node_t *value = yaml_document_get_node(reading->doc, pair->value);

		for (yaml_node_pair_t *before = root->data.mapping.pairs.start; before < pair;
		     before++) {
			const char *text =
				scalar(yaml_document_get_node(reading->doc, before->key));

			if (text && is_key(reading, pair, text))
				return refuse(reading,
					      yaml_document_get_node(reading->doc, pair->key),
					      "this key is there twice");
		}
		if (is_key(reading, pair, "peers"))
			err = peers_in(reading, value);
		else if (is_key(reading, pair, "limits"))
			err = limits_in(reading, value);
		else
			err = key_in(reading, keys, ARRAY_SIZE(keys), pair);
	}
	return err;
}

static int need(const char *file, const char *value, const char *name)
{
	return value[0] ? 0 : fail(-EINVAL, "%s: '%s' is missing", file, name);
}

static void defaults(struct config *config)
{
	*config = (struct config){
		.control = "/run/roam/roamd.sock",
		.state = "/var/lib/roam",
		.bpffs = HOST_DIR_DEFAULT,
		.handovers = 8,
		.handshakes = 16,
	};
	(void)config_addr_parse("::", CONFIG_PORT, &config->listen);
}

static int document_in(const char *file, yaml_parser_t *parser, struct config *config)
{
	struct reading reading = { .file = file, .config = config };
	yaml_document_t doc;
	yaml_node_t *root;
	int err;

	if (!yaml_parser_load(parser, &doc))
		return fail(-EINVAL, "%s:%zu:%zu: %s", file, parser->problem_mark.line + 1,
			    parser->problem_mark.column + 1,
			    parser->problem ? parser->problem : "this is no YAML");
	reading.doc = &doc;
	root = yaml_document_get_root_node(&doc);
	err = root ? root_in(&reading, root) : fail(-EINVAL, "%s: is empty", file);
	yaml_document_delete(&doc);
	if (!err)
		err = need(file, config->name, "name");
	if (!err)
		err = need(file, config->certificate, "certificate");
	if (!err)
		err = need(file, config->key, "key");
	return err ? err : need(file, config->ca, "ca");
}

int config_read_text(const char *file, const char *text, size_t size, struct config *ret_config)
{
	struct config config;
	yaml_parser_t parser;
	int err;

	defaults(&config);
	if (!yaml_parser_initialize(&parser))
		return fail(-ENOMEM, "%s: out of memory", file);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	err = document_in(file, &parser, &config);
	yaml_parser_delete(&parser);
	if (err) {
		config_free(&config);
		return err;
	}
	*ret_config = config;
	return 0;
}

int config_read(const char *file, struct config *ret_config)
{
	char text[256 * 1024];
	FILE *from = fopen(file, "re");
	size_t size;

	if (!from)
		return fail_errno(-errno, "%s", file);
	size = fread(text, 1, sizeof(text), from);
	(void)fclose(from);
	if (size == sizeof(text))
		return fail(-E2BIG, "%s: is too large", file);
	return config_read_text(file, text, size, ret_config);
}

void config_free(struct config *config)
{
	free(config->peers);
	config->peers = NULL;
	config->peer_count = 0;
}

const struct config_peer *config_peer(const struct config *config, const char *name)
{
	for (uint32_t i = 0; i < config->peer_count; i++) {
		if (!strcmp(config->peers[i].name, name))
			return &config->peers[i];
	}
	return NULL;
}
