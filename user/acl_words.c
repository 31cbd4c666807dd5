// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The words of a rule: see acl_words.h. */
#include <string.h>
#include "acl_fields.h"
#include "acl_words.h"
#include "text.h"

static int parse_proto(struct words *words, struct roam_acl_rule *rule)
{
	const char *text = words_peek(words);
	int err;

	if (text && acl_is_proto(text))
		return acl_set_proto(rule, words_next(words));
	if (!words_take(words, "proto"))
		return acl_set_proto(rule, "any");
	err = words_value(words, "proto", &text);
	return err ? err : acl_set_proto_number(rule, text);
}

static int parse_field(struct words *words, const char *keyword,
		       int (*set)(struct roam_acl_rule *rule, const char *text),
		       struct roam_acl_rule *rule)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : set(rule, text);
}

/* The words of a match. */
static const struct {
	const char *keyword;
	int (*set)(struct roam_acl_rule *rule, const char *text);
	bool is_switch; /* stands alone, and means "on" */
} matches[] = {
	{ "from", acl_set_from, false },   { "to", acl_set_to, false },
	{ "sport", acl_set_sport, false }, { "dport", acl_set_dport, false },
	{ "flags", acl_set_flags, false }, { "type", acl_set_type, false },
	{ "log", acl_set_log, false },     { "stateless", acl_set_stateless, true },
	{ "conns", acl_set_conns, false }, { "perremote", acl_set_perremote, false },
};

/* Twice the same word would leave a rule that is not what either of them says. */
static int parse_match(struct words *words, struct roam_acl_rule *rule)
{
	bool seen[ARRAY_SIZE(matches)] = {};
	int err = 0;

	while (!err && words_peek(words)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(matches) && !words_take(words, matches[i].keyword))
			i++;
		if (i == ARRAY_SIZE(matches))
			return words_end(words);
		if (seen[i])
			return usage("acl '%s': '%s' is given twice", rule->name,
				     matches[i].keyword);
		seen[i] = true;
		err = matches[i].is_switch
			      ? matches[i].set(rule, "on")
			      : parse_field(words, matches[i].keyword, matches[i].set, rule);
	}
	return err;
}

static int parse_head(struct words *words, struct roam_acl_rule *rule)
{
	const char *text;
	int err;

	if (!words_take(words, "name"))
		return usage("'name RULE' is missing");
	err = words_value(words, "name", &text);
	if (!err)
		err = text_name_parse("acl: name", text, rule->name);
	if (!err)
		err = words_value(words, rule->name, &text);
	if (!err && text_enum_parse(&text_dir, text, &rule->dir))
		return usage("acl '%s': '%.80s' is neither in nor out", rule->name, text);
	if (!err && words_take(words, "prio")) {
		err = words_value(words, "prio", &text);
		if (!err)
			err = text_u32_parse("prio", text, &rule->prio);
	}
	if (!err && !words_peek(words))
		return usage("acl '%s': 'allow' or 'drop', or another action, is missing",
			     rule->name);
	if (!err)
		text = words_next(words);
	if (!err && text_enum_parse(&text_action, text, &rule->action))
		return usage("acl '%s': '%.80s' is none of allow, drop, reject, audit", rule->name,
			     text);
	return err;
}

int acl_words_rule(struct words *words, struct roam_acl_rule *ret_rule)
{
	struct roam_acl_rule rule = acl_new_rule();
	int err = parse_head(words, &rule);

	if (!err)
		err = parse_proto(words, &rule);
	if (!err)
		err = parse_match(words, &rule);
	if (!err)
		*ret_rule = rule;
	return err;
}

int acl_words_add(struct words *words, const char **ret_vm, struct roam_acl_rule *ret_rule)
{
	int err = words_vm(words, ret_vm);

	return err ? err : acl_words_rule(words, ret_rule);
}
