// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The words of a rule (acl_words.h). They speak of a packet (from, to, sport, dport); the rule of
 * the VM's end and the other one.
 */
#include <string.h>
#include <netinet/in.h>
#include "acl_words.h"
#include "text.h"

static const struct {
	const char *name;
	uint8_t proto;
	uint8_t family;
} protos[] = {
	{ "tcp", IPPROTO_TCP, 0 },
	{ "udp", IPPROTO_UDP, 0 },
	{ "icmp", IPPROTO_ICMP, ROAM_FAMILY_IPV4 },
	{ "icmp6", IPPROTO_ICMPV6, ROAM_FAMILY_IPV6 },
};

static int set_family(struct roam_acl_rule *rule, uint8_t family)
{
	if (rule->family && family && rule->family != family)
		return fail(-EINVAL, "acl '%s': IPv4 and IPv6 in one rule", rule->name);
	if (family)
		rule->family = family;
	return 0;
}

static int parse_proto(struct words *words, struct roam_acl_rule *rule)
{
	const char *text = words_peek(words);
	uint32_t number;
	int err;

	for (size_t i = 0; text && i < ARRAY_SIZE(protos); i++) {
		if (!strcmp(text, protos[i].name)) {
			words_next(words);
			rule->proto = protos[i].proto;
			return set_family(rule, protos[i].family);
		}
	}
	if (words_take(words, "proto")) {
		err = words_value(words, "proto", &text);
		if (!err)
			err = text_u32_parse("proto", text, &number);
		if (!err && number > 255)
			err = fail(-EINVAL, "proto %u is above 255", number);
		if (!err)
			rule->proto = number;
		return err;
	}
	words_take(words, "any");
	rule->any_proto = 1;
	return 0;
}

static int parse_prefix(struct words *words, const char *keyword, struct roam_acl_rule *rule,
			struct roam_prefix *ret_prefix)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	if (err)
		return err;
	if (!strcmp(text, "any"))
		return 0;
	if (!strcmp(text, "any4"))
		return set_family(rule, ROAM_FAMILY_IPV4);
	if (!strcmp(text, "any6"))
		return set_family(rule, ROAM_FAMILY_IPV6);
	err = text_prefix_parse(text, ret_prefix);
	return err ? err : set_family(rule, addr_family(&ret_prefix->addr));
}

static int parse_range(struct words *words, const char *keyword, struct roam_port_range *ret_range)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_range_parse(text, ret_range);
}

/* The words of a match, in the order of enum match_word. */
static const char *const match_words[] = { "from", "to", "sport", "dport" };

enum match_word { FROM, TO, SPORT, DPORT };

static int parse_match_word(struct words *words, enum match_word word, struct roam_acl_rule *rule)
{
	bool out = rule->dir == ROAM_DIR_OUT;

	switch (word) {
	case FROM:
		return parse_prefix(words, "from", rule, out ? &rule->local : &rule->remote);
	case TO:
		return parse_prefix(words, "to", rule, out ? &rule->remote : &rule->local);
	case SPORT:
		return parse_range(words, "sport", out ? &rule->lport : &rule->rport);
	case DPORT:
		return parse_range(words, "dport", out ? &rule->rport : &rule->lport);
	default:
		return words_end(words);
	}
}

/* Twice the same word would leave a rule that is not what either of them says. */
static int parse_match(struct words *words, struct roam_acl_rule *rule)
{
	bool seen[ARRAY_SIZE(match_words)] = {};
	int err = 0;

	while (!err && words_peek(words)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(match_words) && !words_take(words, match_words[i]))
			i++;
		if (i < ARRAY_SIZE(match_words) && seen[i])
			return usage("acl '%s': '%s' is given twice", rule->name, match_words[i]);
		if (i < ARRAY_SIZE(match_words))
			seen[i] = true;
		err = parse_match_word(words, i, rule);
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
		return usage("acl '%s': 'allow' or 'drop' is missing", rule->name);
	if (!err)
		text = words_next(words);
	if (!err && text_enum_parse(&text_action, text, &rule->action))
		return usage("acl '%s': '%.80s' is neither allow nor drop", rule->name, text);
	return err;
}

int acl_words_rule(struct words *words, struct roam_acl_rule *ret_rule)
{
	const struct roam_port_range any = { 0, UINT16_MAX };
	struct roam_acl_rule rule = { .prio = 1000, .lport = any, .rport = any };
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
