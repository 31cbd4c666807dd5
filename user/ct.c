// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam ct`: the tracked flows of VMs. */
#include <arpa/inet.h>
#include <stdio.h>
#include "acl.h"
#include "cmd.h"
#include "ct.h"
#include "ct_import.h"
#include "ct_show.h"
#include "ct_top.h"
#include "text.h"
#include "vm.h"

struct show {
	struct out *out;
	struct host *host;
	const struct roam_vm *vm;
	const struct acl_list *rules;
	uint64_t now_ns;
};

static const char *rule_name(const struct acl_list *rules, uint32_t id)
{
	for (uint32_t i = 0; i < rules->count; i++) {
		if (rules->recs[i].rule.id == id)
			return rules->recs[i].rule.name;
	}
	return "?"; /* deleted since */
}

static int show_rows(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	const struct show *show = arg;

	for (uint32_t i = 0; i < count; i++) {
		const struct roam_flow *flow = &rows[i].flow;

		out_item(show->out);
		out_text(show->out, "vm", show->vm->name);
		ct_show_flow(show->out, &rows[i], &show->vm->timeouts, show->now_ns);
		if (flow->rule != ROAM_RULE_NONE)
			out_text(show->out, "rule", rule_name(show->rules, flow->rule));
		out_switch(show->out, "stale", flow->gen != show->vm->gen);
		out_item_end(show->out);
	}
	return 0;
}

static int show_vm(struct host *host, uint32_t slot, void *arg)
{
	_cleanup_acl_list_ struct acl_list rules = {};
	struct roam_vm vm;
	struct show show = {
		.out = arg,
		.host = host,
		.vm = &vm,
		.rules = &rules,
		.now_ns = now_ns(),
	};
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = acl_list(host, slot, &rules);
	return err ? err : ct_dump(host, slot, show_rows, &show);
}

static int ct_show_cmd(struct cmd *cmd)
{
	const char *name;
	int err = words_vm_maybe(&cmd->words, &name);

	if (!err)
		err = words_end(&cmd->words);
	if (err)
		return err;
	out_list(cmd->out);
	err = cmd_each_vm(cmd, name, show_vm, cmd->out);
	return out_list_end(cmd->out, err);
}

static int ct_flush_cmd(struct cmd *cmd)
{
	uint64_t count;
	const char *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &name);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	if (!err)
		err = ct_flush(cmd->host, slot, &count);
	if (err)
		return err;
	out_item(cmd->out);
	out_number(cmd->out, "flushed", count);
	out_item_end(cmd->out);
	return 0;
}

static int ct_import_cmd(struct cmd *cmd)
{
	struct ct_imported imported;
	const char *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &name);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	if (!err)
		err = ct_import(cmd->host, slot, &imported);
	if (err)
		return err;
	ct_show_imported(cmd->out, &imported);
	return 0;
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]", "flows, both ends as the VM's application sees them", ct_show_cmd },
	{ "top", "vm NAME [count N]", "the remote ends with most flows", ct_top_cmd },
	{ "flush", "vm NAME", "forgets all flows of a VM", ct_flush_cmd },
	{ "import", "vm NAME", "takes in what nf_conntrack knows of the VM's addresses",
	  ct_import_cmd },
};

const struct object object_ct = { "ct", "connection tracking", verbs, ARRAY_SIZE(verbs) };
