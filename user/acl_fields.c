// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A rule's fields from text: see acl_fields.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <roam/limit.h>
#include "acl_fields.h"
#include "text.h"

#define SET_WORD "set:"

static const struct proto {
	const char *name;
	uint8_t proto;
	uint8_t family;
	uint8_t any;
} protos[] = {
	{ "tcp", IPPROTO_TCP, 0, 0 },
	{ "udp", IPPROTO_UDP, 0, 0 },
	{ "icmp", IPPROTO_ICMP, ROAM_FAMILY_IPV4, 0 },
	{ "icmp6", IPPROTO_ICMPV6, ROAM_FAMILY_IPV6, 0 },
	{ "sctp", IPPROTO_SCTP, 0, 0 },
	{ "gre", IPPROTO_GRE, 0, 0 },
	{ "esp", IPPROTO_ESP, 0, 0 },
	{ "ah", IPPROTO_AH, 0, 0 },
	{ "any", 0, 0, 1 },
};

struct roam_acl_rule acl_new_rule(void)
{
	const struct roam_port_range any = { 0, UINT16_MAX };

	return (struct roam_acl_rule){ .prio = ACL_PRIO_DEFAULT, .lport = any, .rport = any };
}

static const struct proto *find_proto(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		if (!strcmp(text, protos[i].name))
			return &protos[i];
	}
	return NULL;
}

bool acl_is_proto(const char *text)
{
	return find_proto(text);
}

static int set_family(struct roam_acl_rule *rule, uint8_t family)
{
	if (rule->family && family && rule->family != family)
		return fail(-EINVAL, "acl '%s': IPv4 and IPv6 in one rule", rule->name);
	if (family)
		rule->family = family;
	return 0;
}

int acl_set_proto_number(struct roam_acl_rule *rule, const char *text)
{
	uint32_t number;
	int err = text_u32_parse("proto", text, &number);

	if (!err && number > UINT8_MAX)
		err = fail(-EINVAL, "proto %u is above 255", number);
	if (err)
		return err;
	rule->proto = number;
	rule->any_proto = 0;
	return 0;
}

int acl_set_proto(struct roam_acl_rule *rule, const char *text)
{
	const struct proto *proto = find_proto(text);

	if (!proto && isdigit((unsigned char)text[0]))
		return acl_set_proto_number(rule, text);
	if (!proto)
		return fail(-EINVAL,
			    "proto '%.80s' is neither tcp, udp, sctp, icmp, icmp6, gre, esp, ah "
			    "nor any, nor a number",
			    text);
	rule->proto = proto->proto;
	rule->any_proto = proto->any;
	return set_family(rule, proto->family);
}

bool acl_proto_says_family(const struct roam_acl_rule *rule)
{
	return !rule->any_proto &&
	       ((rule->proto == IPPROTO_ICMP && rule->family == ROAM_FAMILY_IPV4) ||
		(rule->proto == IPPROTO_ICMPV6 && rule->family == ROAM_FAMILY_IPV6));
}

const char *acl_say_proto(const struct roam_acl_rule *rule, char buf[ACL_PROTO_LEN])
{
	if (rule->any_proto)
		return "any";
	if ((rule->proto == IPPROTO_ICMP || rule->proto == IPPROTO_ICMPV6) &&
	    !acl_proto_says_family(rule)) {
		snprintf(buf, ACL_PROTO_LEN, "%u", rule->proto);
		return buf;
	}
	return text_proto(rule->proto, buf);
}

/* "set:NAME" in place of what it holds. */
static bool is_set(const char *text)
{
	return !strncmp(text, SET_WORD, strlen(SET_WORD));
}

static int set_set(const char *text, char ret_set[ROAM_NAME_LEN])
{
	return text_name_parse("set", text + strlen(SET_WORD), ret_set);
}

static int set_prefix(struct roam_acl_rule *rule, const char *text, struct roam_prefix *ret_prefix,
		      char *ret_set)
{
	int err;

	if (is_set(text))
		return set_set(text, ret_set);
	if (!strcmp(text, "any"))
		return 0;
	if (!strcmp(text, "any4"))
		return set_family(rule, ROAM_FAMILY_IPV4);
	if (!strcmp(text, "any6"))
		return set_family(rule, ROAM_FAMILY_IPV6);
	err = text_prefix_parse(text, ret_prefix);
	return err ? err : set_family(rule, addr_family(&ret_prefix->addr));
}

int acl_set_from(struct roam_acl_rule *rule, const char *text)
{
	bool out = rule->dir == ROAM_DIR_OUT;

	return set_prefix(rule, text, out ? &rule->local : &rule->remote,
			  out ? rule->local_set : rule->remote_set);
}

int acl_set_to(struct roam_acl_rule *rule, const char *text)
{
	bool out = rule->dir == ROAM_DIR_OUT;

	return set_prefix(rule, text, out ? &rule->remote : &rule->local,
			  out ? rule->remote_set : rule->local_set);
}

int acl_set_sport(struct roam_acl_rule *rule, const char *text)
{
	bool out = rule->dir == ROAM_DIR_OUT;

	if (is_set(text))
		return set_set(text, out ? rule->lport_set : rule->rport_set);
	return text_range_parse(text, out ? &rule->lport : &rule->rport);
}

int acl_set_dport(struct roam_acl_rule *rule, const char *text)
{
	bool out = rule->dir == ROAM_DIR_OUT;

	if (is_set(text))
		return set_set(text, out ? rule->rport_set : rule->lport_set);
	return text_range_parse(text, out ? &rule->rport : &rule->lport);
}

int acl_set_flags(struct roam_acl_rule *rule, const char *text)
{
	return text_tcp_flags_parse(text, &rule->tcp_flags, &rule->tcp_mask);
}

int acl_set_type(struct roam_acl_rule *rule, const char *text)
{
	struct text_icmp icmp;
	int err;

	if (rule->any_proto || (rule->proto != IPPROTO_ICMP && rule->proto != IPPROTO_ICMPV6))
		return fail(-EINVAL, "acl '%s': a type without icmp or icmp6", rule->name);
	err = text_icmp_parse(rule->proto, text, &icmp);
	if (err)
		return err;
	rule->has_icmp_type = 1;
	rule->icmp_type = icmp.type;
	rule->has_icmp_code = icmp.has_code;
	rule->icmp_code = icmp.code;
	return 0;
}

const char *acl_say_set(const char *set, char buf[ACL_SET_LEN])
{
	snprintf(buf, ACL_SET_LEN, "%s%s", SET_WORD, set);
	return buf;
}

const char *acl_say_type(const struct roam_acl_rule *rule, char buf[TEXT_ICMP_LEN])
{
	const struct text_icmp icmp = {
		.type = rule->icmp_type,
		.has_code = rule->has_icmp_code,
		.code = rule->icmp_code,
	};

	return text_icmp(rule->proto, &icmp, buf);
}

int acl_set_log(struct roam_acl_rule *rule, const char *text)
{
	uint32_t rate;
	int err = text_u32_parse("log", text, &rate);

	if (!err && (rate < 1 || rate > UINT8_MAX))
		err = fail(-ERANGE, "log %u is not from 1 to %u", rate, UINT8_MAX);
	if (!err)
		rule->log = rate;
	return err;
}

int acl_set_stateless(struct roam_acl_rule *rule, const char *text)
{
	bool on = !strcmp(text, "on");

	if (!on && strcmp(text, "off") != 0)
		return fail(-EINVAL, "stateless '%.80s' is neither on nor off", text);
	rule->stateless = on;
	return 0;
}

static int set_limit(const char *keyword, const char *text, __u32 *ret_limit)
{
	uint32_t limit;
	int err = text_u32_parse(keyword, text, &limit);

	if (!err && (limit < 1 || limit > ROAM_LIMIT_MAX))
		err = fail(-ERANGE, "%s %u is not from 1 to %u", keyword, limit, ROAM_LIMIT_MAX);
	if (!err)
		*ret_limit = limit;
	return err;
}

int acl_set_conns(struct roam_acl_rule *rule, const char *text)
{
	return set_limit("conns", text, &rule->conns);
}

int acl_set_perremote(struct roam_acl_rule *rule, const char *text)
{
	return set_limit("perremote", text, &rule->perremote);
}
