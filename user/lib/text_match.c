// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What rules match on beyond addresses and ports, from and to text: see text.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <roam/pkt.h>
#include "text.h"

static const struct {
	const char *name;
	uint8_t bit;
} tcp_flags[] = {
	{ "fin", ROAM_TCP_FIN }, { "syn", ROAM_TCP_SYN }, { "rst", ROAM_TCP_RST },
	{ "psh", ROAM_TCP_PSH }, { "ack", ROAM_TCP_ACK }, { "urg", ROAM_TCP_URG },
};

static int parse_flag(const char *text, uint8_t *flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(tcp_flags); i++) {
		if (strcmp(text, tcp_flags[i].name) != 0)
			continue;
		if (*flags & tcp_flags[i].bit)
			return fail(-EINVAL, "flags: '%s' is given twice", text);
		*flags |= tcp_flags[i].bit;
		return 0;
	}
	return fail(-EINVAL, "flags: '%.40s' is none of fin, syn, rst, psh, ack, urg", text);
}

/* "syn,ack" or "none"; `list` is cut to pieces. */
static int parse_flags(char *list, uint8_t *ret_flags)
{
	uint8_t flags = 0;
	char *part;
	int err = 0;

	if (strcmp(list, "none") != 0) {
		while (!err && (part = strsep(&list, ",")))
			err = parse_flag(part, &flags);
	}
	if (!err)
		*ret_flags = flags;
	return err;
}

int text_tcp_flags_parse(const char *text, uint8_t *ret_flags, uint8_t *ret_mask)
{
	char list[TEXT_FLAGS_LEN + 1], *mask_list;
	uint8_t flags = 0, mask;
	int err;

	if (strlen(text) >= sizeof(list))
		return fail(-EINVAL, "flags '%.80s' are too many", text);
	snprintf(list, sizeof(list), "%s", text);
	mask_list = strchr(list, '/');
	if (mask_list)
		*mask_list++ = '\0';
	err = parse_flags(list, &flags);
	mask = flags;
	if (!err && mask_list)
		err = parse_flags(mask_list, &mask);
	if (err)
		return err;
	if (!mask)
		return fail(-EINVAL, "flags '%s': a mask of none matches anything", text);
	if (flags & ~mask)
		return fail(-EINVAL, "flags '%s': more than in the mask can never match", text);
	*ret_flags = flags;
	*ret_mask = mask;
	return 0;
}

static size_t say_flags(uint8_t flags, char *buf, size_t room)
{
	size_t len = flags ? 0 : (size_t)snprintf(buf, room, "none");

	for (size_t i = 0; i < ARRAY_SIZE(tcp_flags); i++) {
		if (flags & tcp_flags[i].bit)
			len += snprintf(buf + len, room - len, "%s%s", len ? "," : "",
					tcp_flags[i].name);
	}
	return len;
}

const char *text_tcp_flags(uint8_t flags, uint8_t mask, char buf[TEXT_FLAGS_LEN])
{
	size_t len = say_flags(flags, buf, TEXT_FLAGS_LEN);

	if (flags != mask) {
		buf[len++] = '/';
		say_flags(mask, buf + len, TEXT_FLAGS_LEN - len);
	}
	return buf;
}

/* Types (of any code), and codes that have a name of their own: RFC 792, RFC 4443. */
static const struct icmp_name {
	const char *name;
	uint8_t proto;
	struct text_icmp icmp;
} icmp_names[] = {
	{ "echo-reply", IPPROTO_ICMP, { 0, 0, 0 } },
	{ "unreachable", IPPROTO_ICMP, { 3, 0, 0 } },
	{ "redirect", IPPROTO_ICMP, { 5, 0, 0 } },
	{ "echo-request", IPPROTO_ICMP, { 8, 0, 0 } },
	{ "router-advertisement", IPPROTO_ICMP, { 9, 0, 0 } },
	{ "router-solicitation", IPPROTO_ICMP, { 10, 0, 0 } },
	{ "time-exceeded", IPPROTO_ICMP, { 11, 0, 0 } },
	{ "parameter-problem", IPPROTO_ICMP, { 12, 0, 0 } },
	{ "timestamp-request", IPPROTO_ICMP, { 13, 0, 0 } },
	{ "timestamp-reply", IPPROTO_ICMP, { 14, 0, 0 } },
	{ "net-unreachable", IPPROTO_ICMP, { 3, 1, 0 } },
	{ "host-unreachable", IPPROTO_ICMP, { 3, 1, 1 } },
	{ "protocol-unreachable", IPPROTO_ICMP, { 3, 1, 2 } },
	{ "port-unreachable", IPPROTO_ICMP, { 3, 1, 3 } },
	{ "fragmentation-needed", IPPROTO_ICMP, { 3, 1, 4 } },
	{ "admin-prohibited", IPPROTO_ICMP, { 3, 1, 13 } },
	{ "unreachable", IPPROTO_ICMPV6, { 1, 0, 0 } },
	{ "packet-too-big", IPPROTO_ICMPV6, { 2, 0, 0 } },
	{ "time-exceeded", IPPROTO_ICMPV6, { 3, 0, 0 } },
	{ "parameter-problem", IPPROTO_ICMPV6, { 4, 0, 0 } },
	{ "echo-request", IPPROTO_ICMPV6, { 128, 0, 0 } },
	{ "echo-reply", IPPROTO_ICMPV6, { 129, 0, 0 } },
	{ "no-route", IPPROTO_ICMPV6, { 1, 1, 0 } },
	{ "admin-prohibited", IPPROTO_ICMPV6, { 1, 1, 1 } },
	{ "address-unreachable", IPPROTO_ICMPV6, { 1, 1, 3 } },
	{ "port-unreachable", IPPROTO_ICMPV6, { 1, 1, 4 } },
};

static int parse_u8(const char *what, const char *text, uint8_t *ret_value)
{
	uint32_t value;
	int err = text_u32_parse(what, text, &value);

	if (!err && value > UINT8_MAX)
		err = fail(-EINVAL, "%s %u is above 255", what, value);
	if (!err)
		*ret_value = value;
	return err;
}

static int parse_icmp_type(uint8_t proto, const char *text, struct text_icmp *ret_icmp)
{
	*ret_icmp = (struct text_icmp){};
	if (isdigit((unsigned char)text[0]))
		return parse_u8("type", text, &ret_icmp->type);
	for (size_t i = 0; i < ARRAY_SIZE(icmp_names); i++) {
		if (icmp_names[i].proto != proto || strcmp(text, icmp_names[i].name) != 0)
			continue;
		*ret_icmp = icmp_names[i].icmp;
		return 0;
	}
	return fail(-EINVAL, "type '%.40s' is neither a number nor a name of %s's", text,
		    proto == IPPROTO_ICMP ? "icmp" : "icmp6");
}

int text_icmp_parse(uint8_t proto, const char *text, struct text_icmp *ret_icmp)
{
	char type[TEXT_ICMP_LEN], *code;
	struct text_icmp icmp;
	int err;

	if (strlen(text) >= sizeof(type))
		return fail(-EINVAL, "type '%.80s' is none", text);
	snprintf(type, sizeof(type), "%s", text);
	code = strchr(type, '/');
	if (code)
		*code++ = '\0';
	err = parse_icmp_type(proto, type, &icmp);
	if (!err && code && icmp.has_code)
		err = fail(-EINVAL, "type '%s': '%s' is of one code already", text, type);
	if (!err && code) {
		icmp.has_code = 1;
		err = parse_u8("code", code, &icmp.code);
	}
	if (!err)
		*ret_icmp = icmp;
	return err;
}

static const char *icmp_name(uint8_t proto, const struct text_icmp *icmp)
{
	for (size_t i = 0; i < ARRAY_SIZE(icmp_names); i++) {
		const struct icmp_name *name = &icmp_names[i];

		if (name->proto == proto && name->icmp.type == icmp->type &&
		    name->icmp.has_code == icmp->has_code && name->icmp.code == icmp->code)
			return name->name;
	}
	return NULL;
}

const char *text_icmp(uint8_t proto, const struct text_icmp *icmp, char buf[TEXT_ICMP_LEN])
{
	const struct text_icmp of_any_code = { .type = icmp->type };
	const char *name = icmp_name(proto, icmp);
	size_t len;

	if (name) {
		snprintf(buf, TEXT_ICMP_LEN, "%s", name);
		return buf;
	}
	name = icmp_name(proto, &of_any_code);
	len = name ? snprintf(buf, TEXT_ICMP_LEN, "%s", name)
		   : snprintf(buf, TEXT_ICMP_LEN, "%u", icmp->type);
	if (icmp->has_code)
		snprintf(buf + len, TEXT_ICMP_LEN - len, "/%u", icmp->code);
	return buf;
}
