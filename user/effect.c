// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What a change of policy has done to live flows: see effect.h. */
#include "ask.h"
#include "effect.h"
#include "vm.h"

void effect_show(struct cmd *cmd, uint32_t slot)
{
	struct ask_answer answer;
	struct roam_vm vm;

	if (vm_get(cmd->host, slot, &vm) || ask_flows(cmd->host, slot, &answer)) {
		cmd_note("what it did to live flows is not known: %s", fail_line());
		return;
	}
	if (!answer.live)
		return;
	out_item(cmd->out);
	out_text(cmd->out, "vm", vm.name);
	out_number(cmd->out, "live", answer.live);
	out_number(cmd->out, "stay", answer.stay);
	out_number(cmd->out, "end", answer.end);
	out_item_end(cmd->out);
}

void effect_show_many(struct cmd *cmd, const uint32_t *slots, uint32_t count)
{
	out_list(cmd->out);
	for (uint32_t i = 0; i < count; i++)
		effect_show(cmd, slots[i]);
	out_list_end(cmd->out, 0);
}
