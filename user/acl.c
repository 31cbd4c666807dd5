// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam acl`: the rules of VMs. */
#include <string.h>
#include "acl.h"
#include "acl_show.h"
#include "acl_words.h"
#include "cmd.h"
#include "effect.h"
#include "text.h"
#include "vm.h"

static int acl_add_cmd(struct cmd *cmd)
{
	struct roam_acl_rule rule;
	const char *vm;
	uint32_t slot;
	int err = acl_words_add(&cmd->words, &vm, &rule);

	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	if (!err)
		err = acl_add(cmd->host, slot, &rule);
	if (!err)
		effect_show(cmd, slot);
	return err;
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
	const char *vm, *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = parse_name(&cmd->words, &name);
	if (!err && !name)
		return usage("'name RULE' is missing");
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	if (!err)
		err = acl_del(cmd->host, slot, name);
	if (!err)
		effect_show(cmd, slot);
	return err;
}

struct show {
	struct cmd *cmd;
	const char *name; /* NULL: all */
	uint32_t shown;
};

static int show_vm(struct host *host, uint32_t slot, void *arg)
{
	_cleanup_acl_list_ struct acl_list list = {};
	_cleanup_limit_list_ struct limit_list counts = {};
	struct show *show = arg;
	struct out *out = show->cmd->out;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = acl_list(host, slot, &list);
	if (!err)
		err = limit_list(host, slot, &counts);
	for (uint32_t i = 0; i < list.count && !err; i++) {
		const struct roam_acl_rec *rec = &list.recs[i];

		if (show->name && strcmp(show->name, rec->rule.name) != 0)
			continue;
		out_item(out);
		out_text(out, "vm", vm.name);
		acl_show_rule(out, &rec->rule);
		acl_show_used(out, &rec->rule, &counts);
		acl_show_hits(out, &rec->hits, now_ns());
		out_item_end(out);
		show->shown++;
	}
	return err;
}

static int acl_show_cmd(struct cmd *cmd)
{
	struct show show = { .cmd = cmd };
	const char *vm;
	int err = words_vm_maybe(&cmd->words, &vm);

	if (!err)
		err = parse_name(&cmd->words, &show.name);
	if (err)
		return err;
	out_list(cmd->out);
	err = cmd_each_vm(cmd, vm, show_vm, &show);
	if (!err && show.name && !show.shown)
		err = fail(-ENOENT, "acl '%s': there is no rule of that name", show.name);
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME] [name RULE]",
	  "rules in the order in which they are matched, and what they have decided",
	  acl_show_cmd },
	{ "add",
	  "vm NAME name RULE in|out [prio N] allow|drop|reject|audit\n"
	  "               [tcp|udp|sctp|icmp|icmp6|gre|esp|ah|proto N|any]\n"
	  "               [from PREFIX|set:SET|any|any4|any6] [to PREFIX|set:SET|any|any4|any6]\n"
	  "               [sport PORT[-PORT]|set:SET] [dport PORT[-PORT]|set:SET]\n"
	  "               [flags FLAGS[/MASK]] [type TYPE[/CODE]] [log N] [stateless]\n"
	  "               [conns N] [perremote N]",
	  "adds a rule; lower priorities first (1000 if not given), then by name", acl_add_cmd },
	{ "del", "vm NAME name RULE", "removes a rule; flows that it admitted are matched again",
	  acl_del_cmd },
};

const struct object object_acl = { "acl", "access-control lists", verbs, ARRAY_SIZE(verbs) };
