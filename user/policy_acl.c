// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rules in a policy file: see policy_keys.h. */
#include <netinet/in.h>
#include "acl.h"
#include "acl_fields.h"
#include "policy.h"
#include "policy_keys.h"
#include "text.h"

static int read_rule_name(void *object, const char *text)
{
	return text_name_parse("acl: name", text, ((struct roam_acl_rule *)object)->name);
}

static bool show_rule_name(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text, ((const struct roam_acl_rule *)object)->name);
}

static int read_dir(void *object, const char *text)
{
	return text_enum_parse(&text_dir, text, &((struct roam_acl_rule *)object)->dir);
}

static bool show_dir(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text,
			  text_enum_name(&text_dir, ((const struct roam_acl_rule *)object)->dir));
}

static int read_prio(void *object, const char *text)
{
	return text_u32_parse("prio", text, &((struct roam_acl_rule *)object)->prio);
}

static bool show_prio(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say_number(text, ((const struct roam_acl_rule *)object)->prio);
}

static int read_action(void *object, const char *text)
{
	return text_enum_parse(&text_action, text, &((struct roam_acl_rule *)object)->action);
}

static bool show_action(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return policy_say(text, text_enum_name(&text_action, rule->action));
}

static int read_proto(void *object, const char *text)
{
	return acl_set_proto(object, text);
}

static bool show_proto(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	char number[ACL_PROTO_LEN];

	(void)i;
	return policy_say(text, acl_say_proto(object, number));
}

static int read_from(void *object, const char *text)
{
	return acl_set_from(object, text);
}

static int read_to(void *object, const char *text)
{
	return acl_set_to(object, text);
}

static int read_sport(void *object, const char *text)
{
	return acl_set_sport(object, text);
}

static int read_dport(void *object, const char *text)
{
	return acl_set_dport(object, text);
}

/* The family where neither prefix nor protocol tells it. */
static bool say_family(char text[POLICY_TEXT_LEN], const struct roam_acl_rule *rule)
{
	if (!rule->family || acl_proto_says_family(rule) || rule->local.bits || rule->remote.bits)
		return false;
	return policy_say(text, rule->family == ROAM_FAMILY_IPV4 ? "any4" : "any6");
}

static bool say_set(char text[POLICY_TEXT_LEN], const char *set)
{
	return set[0] && acl_say_set(set, text);
}

static bool show_from(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;
	const struct roam_prefix *from = rule->dir == ROAM_DIR_OUT ? &rule->local : &rule->remote;
	const char *set = rule->dir == ROAM_DIR_OUT ? rule->local_set : rule->remote_set;

	(void)i;
	if (say_set(text, set))
		return true;
	return from->bits ? text_prefix(from, text) != NULL : say_family(text, rule);
}

static bool show_to(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;
	const struct roam_prefix *to = rule->dir == ROAM_DIR_OUT ? &rule->remote : &rule->local;
	const char *set = rule->dir == ROAM_DIR_OUT ? rule->remote_set : rule->local_set;
	const char *from_set = rule->dir == ROAM_DIR_OUT ? rule->local_set : rule->remote_set;

	(void)i;
	if (say_set(text, set))
		return true;
	if (from_set[0] && !to->bits)
		return say_family(text, rule);
	return to->bits && text_prefix(to, text);
}

static bool say_range(char text[POLICY_TEXT_LEN], struct roam_port_range range)
{
	return (range.first || range.last != UINT16_MAX) && text_range(range, text);
}

static bool show_sport(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return say_set(text, rule->dir == ROAM_DIR_OUT ? rule->lport_set : rule->rport_set) ||
	       say_range(text, rule->dir == ROAM_DIR_OUT ? rule->lport : rule->rport);
}

static bool show_dport(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return say_set(text, rule->dir == ROAM_DIR_OUT ? rule->rport_set : rule->lport_set) ||
	       say_range(text, rule->dir == ROAM_DIR_OUT ? rule->rport : rule->lport);
}

static int read_flags(void *object, const char *text)
{
	return acl_set_flags(object, text);
}

static bool show_flags(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return rule->tcp_mask && text_tcp_flags(rule->tcp_flags, rule->tcp_mask, text);
}

static int read_type(void *object, const char *text)
{
	return acl_set_type(object, text);
}

static bool show_type(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return rule->has_icmp_type && acl_say_type(rule, text);
}

static int read_log(void *object, const char *text)
{
	return acl_set_log(object, text);
}

static bool show_log(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return rule->log && policy_say_number(text, rule->log);
}

static int read_stateless(void *object, const char *text)
{
	return acl_set_stateless(object, text);
}

static bool show_stateless(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return rule->stateless && policy_say(text, "on");
}

static int read_conns(void *object, const char *text)
{
	return acl_set_conns(object, text);
}

static bool show_conns(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return rule->conns && policy_say_number(text, rule->conns);
}

static int read_perremote(void *object, const char *text)
{
	return acl_set_perremote(object, text);
}

static bool show_perremote(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_acl_rule *rule = object;

	(void)i;
	return rule->perremote && policy_say_number(text, rule->perremote);
}

/* `dir` and `proto` before those that they give a meaning to: keys are read in this order. */
static const struct policy_key acl_keys[] = {
	{ "name", POLICY_TEXT, .required = true, .unique = true, .read = read_rule_name,
	  .show = show_rule_name },
	{ "dir", POLICY_TEXT, .required = true, .read = read_dir, .show = show_dir },
	{ "prio", POLICY_VALUE, .read = read_prio, .show = show_prio },
	{ "action", POLICY_TEXT, .required = true, .read = read_action, .show = show_action },
	{ "proto", POLICY_VALUE, .read = read_proto, .show = show_proto },
	{ "from", POLICY_TEXT, .read = read_from, .show = show_from },
	{ "to", POLICY_TEXT, .read = read_to, .show = show_to },
	{ "sport", POLICY_VALUE, .read = read_sport, .show = show_sport },
	{ "dport", POLICY_VALUE, .read = read_dport, .show = show_dport },
	{ "flags", POLICY_TEXT, .read = read_flags, .show = show_flags },
	{ "type", POLICY_VALUE, .read = read_type, .show = show_type },
	{ "log", POLICY_VALUE, .read = read_log, .show = show_log },
	{ "stateless", POLICY_SWITCH, .read = read_stateless, .show = show_stateless },
	{ "conns", POLICY_VALUE, .read = read_conns, .show = show_conns },
	{ "perremote", POLICY_VALUE, .read = read_perremote, .show = show_perremote },
};

static int check_rule(void *object)
{
	return acl_validate(object);
}

const struct policy_map policy_acl = { "a rule", acl_keys, ARRAY_SIZE(acl_keys), check_rule };

void *policy_acl_at(void *object, uint32_t i)
{
	struct policy *policy = object;

	return i < policy->rule_count ? &policy->rules[i] : NULL;
}

int policy_acl_add(void *object, void **ret_object)
{
	struct roam_acl_rule *rule;
	int err = policy_add_rule(object, &rule);

	if (err)
		return err;
	*rule = acl_new_rule();
	rule->any_proto = 1;
	*ret_object = rule;
	return 0;
}
