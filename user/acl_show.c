// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A rule's fields: see acl_show.h. */
#include <stdbool.h>
#include "acl_fields.h"
#include "acl_show.h"
#include "text.h"

/* What a rule says of one end. */
struct end {
	const struct roam_prefix *prefix;
	const char *addr_set;
	struct roam_port_range range;
	const char *port_set;
};

static struct end end_of(const struct roam_acl_rule *rule, bool local)
{
	if (local)
		return (struct end){ &rule->local, rule->local_set, rule->lport, rule->lport_set };
	return (struct end){ &rule->remote, rule->remote_set, rule->rport, rule->rport_set };
}

static void show_prefix(struct out *out, const char *keyword, const struct end *end, uint8_t family)
{
	const struct roam_prefix *prefix = end->prefix;
	char text[TEXT_PREFIX_LEN], set[ACL_SET_LEN];

	if (end->addr_set[0])
		out_text(out, keyword, acl_say_set(end->addr_set, set));
	else if (prefix->bits || !family)
		out_text(out, keyword, text_prefix(prefix, text));
	else
		out_text(out, keyword, family == ROAM_FAMILY_IPV4 ? "any4" : "any6");
}

static void show_range(struct out *out, const char *keyword, const struct end *end)
{
	char text[TEXT_RANGE_LEN], set[ACL_SET_LEN];
	struct roam_port_range range = end->range;

	if (end->port_set[0])
		out_text(out, keyword, acl_say_set(end->port_set, set));
	else if (range.first || range.last != UINT16_MAX)
		out_text(out, keyword, text_range(range, text));
}

void acl_show_rule(struct out *out, const struct roam_acl_rule *rule)
{
	bool is_out = rule->dir == ROAM_DIR_OUT;
	struct end from = end_of(rule, is_out), to = end_of(rule, !is_out);
	char text[ACL_PROTO_LEN], flags[TEXT_FLAGS_LEN], type[TEXT_ICMP_LEN];
	const char *proto = acl_say_proto(rule, text);

	out_text(out, "name", rule->name);
	out_bare(out, "dir", text_enum_name(&text_dir, rule->dir));
	out_number(out, "prio", rule->prio);
	out_bare(out, "action", text_enum_name(&text_action, rule->action));
	if (proto == text)
		out_text(out, "proto", proto);
	else
		out_bare(out, "proto", proto);
	show_prefix(out, "from", &from, rule->family);
	show_prefix(out, "to", &to, rule->family);
	show_range(out, "sport", &from);
	show_range(out, "dport", &to);
	if (rule->tcp_mask)
		out_text(out, "flags", text_tcp_flags(rule->tcp_flags, rule->tcp_mask, flags));
	if (rule->has_icmp_type)
		out_text(out, "type", acl_say_type(rule, type));
	if (rule->log)
		out_number(out, "log", rule->log);
	if (rule->stateless)
		out_switch(out, "stateless", true);
	if (rule->conns)
		out_number(out, "conns", rule->conns);
	if (rule->perremote)
		out_number(out, "perremote", rule->perremote);
}

void acl_show_used(struct out *out, const struct roam_acl_rule *rule,
		   const struct limit_list *counts)
{
	struct limit_used used = limit_find(counts, rule->id);

	if (rule->conns || rule->perremote)
		out_number(out, "conns_now", used.conns);
	if (rule->perremote)
		out_number(out, "remotes_now", used.remotes);
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
