// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A rule's fields: see acl_show.h. */
#include <stdbool.h>
#include "acl_fields.h"
#include "acl_show.h"
#include "text.h"

static void show_prefix(struct out *out, const char *keyword, const struct roam_prefix *prefix,
			uint8_t family)
{
	char text[TEXT_PREFIX_LEN];

	if (prefix->bits || !family)
		out_text(out, keyword, text_prefix(prefix, text));
	else
		out_text(out, keyword, family == ROAM_FAMILY_IPV4 ? "any4" : "any6");
}

static void show_range(struct out *out, const char *keyword, struct roam_port_range range)
{
	char text[TEXT_RANGE_LEN];

	if (range.first || range.last != UINT16_MAX)
		out_text(out, keyword, text_range(range, text));
}

void acl_show_rule(struct out *out, const struct roam_acl_rule *rule)
{
	bool is_out = rule->dir == ROAM_DIR_OUT;
	char text[4], flags[TEXT_FLAGS_LEN], type[TEXT_ICMP_LEN];
	const char *proto = text_proto(rule->proto, text);

	out_text(out, "name", rule->name);
	out_bare(out, "dir", text_enum_name(&text_dir, rule->dir));
	out_number(out, "prio", rule->prio);
	out_bare(out, "action", text_enum_name(&text_action, rule->action));
	if (rule->any_proto)
		out_bare(out, "proto", "any");
	else if (proto == text)
		out_text(out, "proto", proto);
	else
		out_bare(out, "proto", proto);
	show_prefix(out, "from", is_out ? &rule->local : &rule->remote, rule->family);
	show_prefix(out, "to", is_out ? &rule->remote : &rule->local, rule->family);
	show_range(out, "sport", is_out ? rule->lport : rule->rport);
	show_range(out, "dport", is_out ? rule->rport : rule->lport);
	if (rule->tcp_mask)
		out_text(out, "flags", text_tcp_flags(rule->tcp_flags, rule->tcp_mask, flags));
	if (rule->has_icmp_type)
		out_text(out, "type", acl_say_type(rule, type));
	if (rule->log)
		out_number(out, "log", rule->log);
	if (rule->stateless)
		out_switch(out, "stateless", true);
}

void acl_show_hits(struct out *out, const struct roam_acl_hits *hits, uint64_t now_ns)
{
	out_number(out, "packets", hits->packets);
	out_number(out, "bytes", hits->bytes);
	if (hits->last_ns)
		out_signed(out, "last_s", (int64_t)(now_ns - hits->last_ns) / (int64_t)NS_PER_S);
	if (hits->log_lost)
		out_number(out, "log_lost", hits->log_lost);
}
