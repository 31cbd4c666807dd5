// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam acl`: the rules of VMs. */
#include <string.h>
#include "acl.h"
#include "acl_words.h"
#include "cmd.h"
#include "text.h"
#include "vm.h"

static int acl_add_cmd(struct cmd *cmd)
{
	struct roam_acl_rule rule;
	uint32_t slot;
	int err = acl_words_add(cmd, &slot, &rule);

	return err ? err : acl_add(cmd->host, slot, &rule);
}

/* "[name RULE]" at the end of the words. */
static int parse_name(struct words *words, const char **ret_name)
{
	int err = 0;

	*ret_name = NULL;
	if (words_take(words, "name"))
		err = words_value(words, "name", ret_name);
	return err ? err : words_end(words);
}

static int acl_del_cmd(struct cmd *cmd)
{
	const char *name;
	uint32_t slot;
	int err = words_vm(cmd, &slot);

	if (!err)
		err = parse_name(&cmd->words, &name);
	if (!err && !name)
		return usage("'name RULE' is missing");
	return err ? err : acl_del(cmd->host, slot, name);
}

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

/* In the words of acl_words.c, so that what is shown can be given back. */
static void show_rule(struct out *out, const struct roam_acl_rule *rule)
{
	bool is_out = rule->dir == ROAM_DIR_OUT;
	char text[4];
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
}

struct show {
	struct cmd *cmd;
	const char *name; /* NULL: all */
	uint32_t shown;
};

static int show_vm(struct host *host, uint32_t slot, void *arg)
{
	_cleanup_acl_list_ struct acl_list list = {};
	struct show *show = arg;
	struct out *out = show->cmd->out;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = acl_list(host, slot, &list);
	for (uint32_t i = 0; i < list.count && !err; i++) {
		const struct roam_acl_rec *rec = &list.recs[i];

		if (show->name && strcmp(show->name, rec->rule.name) != 0)
			continue;
		out_item(out);
		out_text(out, "vm", vm.name);
		show_rule(out, &rec->rule);
		out_number(out, "packets", rec->hits.packets);
		out_number(out, "bytes", rec->hits.bytes);
		if (rec->hits.last_ns)
			out_number(out, "last_s", (now_ns() - rec->hits.last_ns) / NS_PER_S);
		out_item_end(out);
		show->shown++;
	}
	return err;
}

static int acl_show_cmd(struct cmd *cmd)
{
	struct show show = { .cmd = cmd };
	uint32_t slot;
	int err = words_vm_maybe(cmd, &slot);

	if (!err)
		err = parse_name(&cmd->words, &show.name);
	if (err)
		return err;
	out_list(cmd->out);
	err = slot ? show_vm(cmd->host, slot, &show) : vm_each(cmd->host, show_vm, &show);
	out_list_end(cmd->out);
	if (!err && show.name && !show.shown)
		return fail(-ENOENT, "acl '%s': there is no rule of that name", show.name);
	return err;
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME] [name RULE]",
	  "rules in the order in which they are matched, and what they have decided",
	  acl_show_cmd },
	{ "add",
	  "vm NAME name RULE in|out [prio N] allow|drop [tcp|udp|icmp|icmp6|proto N|any]\n"
	  "               [from PREFIX|any|any4|any6] [to PREFIX|any|any4|any6]\n"
	  "               [sport PORT[-PORT]] [dport PORT[-PORT]]",
	  "adds a rule; lower priorities first (1000 if not given), then by name", acl_add_cmd },
	{ "del", "vm NAME name RULE", "removes a rule; flows that it admitted are matched again",
	  acl_del_cmd },
};

const struct object object_acl = { "acl", "access-control lists", verbs, ARRAY_SIZE(verbs) };
