// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam stats`: what became of packets, and why. */
#include "cmd.h"
#include "stats.h"
#include "text.h"
#include "vm.h"

static const uint8_t reason_verdict[] = {
#define X(id, name, verdict, text) [ROAM_REASON_##id] = ROAM_##verdict,
	ROAM_REASONS(X)
#undef X
};

static const char *verdict_text(uint32_t reason)
{
	return reason_verdict[reason] == ROAM_PASS ? "pass" : "drop";
}

static int show_slot(struct host *host, uint32_t slot, void *arg)
{
	struct out *out = arg;
	struct roam_stats stats;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = stats_fold(host, slot, &stats);
	if (err)
		return err;
	for (uint32_t reason = 0; reason < ROAM_REASON_COUNT; reason++) {
		for (uint32_t dir = 0; dir < ROAM_DIR_COUNT; dir++) {
			const struct roam_counter *counter = &stats.by_reason[reason][dir];

			if (!counter->packets)
				continue;
			out_item(out);
			out_text(out, "vm", slot ? vm.name : "-");
			out_bare(out, "dir", text_enum_name(&text_dir, dir));
			out_bare(out, "verdict", verdict_text(reason));
			out_bare(out, "reason", text_enum_name(&text_reason, reason));
			out_number(out, "packets", counter->packets);
			out_number(out, "bytes", counter->bytes);
			out_item_end(out);
		}
	}
	return 0;
}

static int stats_show_cmd(struct cmd *cmd)
{
	const char *name;
	int err = words_vm_maybe(&cmd->words, &name);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_host(cmd);
	if (err)
		return err;
	out_list(cmd->out);
	if (!name)
		err = show_slot(cmd->host, ROAM_VM_NONE, cmd->out);
	if (!err)
		err = cmd_each_vm(cmd, name, show_slot, cmd->out);
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]",
	  "packets and bytes by direction, verdict and reason; vm - is what belongs to none",
	  stats_show_cmd },
};

const struct object object_stats = { "stats", "counters by reason", verbs, ARRAY_SIZE(verbs) };
