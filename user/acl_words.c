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

static int parse_match(struct words *words, struct roam_acl_rule *rule)
{
	int err = 0;

	while (!err && words_peek(words)) {
		if (words_take(words, "from"))
			err = parse_field(words, "from", acl_set_from, rule);
		else if (words_take(words, "to"))
			err = parse_field(words, "to", acl_set_to, rule);
		else if (words_take(words, "sport"))
			err = parse_field(words, "sport", acl_set_sport, rule);
		else if (words_take(words, "dport"))
			err = parse_field(words, "dport", acl_set_dport, rule);
		else
			err = words_end(words);
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
	if (!err)
		err = words_value(words, "prio", &text);
	if (!err && text_enum_parse(&text_action, text, &rule->action))
		return usage("acl '%s': '%.80s' is neither allow nor drop", rule->name, text);
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
