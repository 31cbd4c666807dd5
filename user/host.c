// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam host`: making, showing and taking down a host. */
#include <stdio.h>
#include <bpf/bpf.h>
#include "attach.h"
#include "cmd.h"
#include "host_init.h"
#include "host_upgrade.h"
#include "memory.h"
#include "vm.h"

#define UPLINKS_MAX 16

static int host_init_cmd(struct cmd *cmd)
{
	char *uplinks[UPLINKS_MAX];
	int count = 0, err;

	while (words_take(&cmd->words, "uplink")) {
		const char *dev;

		err = words_value(&cmd->words, "uplink", &dev);
		if (err)
			return err;
		if (count == UPLINKS_MAX)
			return fail(-E2BIG, "host: more than %d uplinks", UPLINKS_MAX);
		uplinks[count++] = (char *)dev;
	}
	err = words_end(&cmd->words);
	return err ? err : host_init(cmd->bpffs, uplinks, count);
}

static int show_uplink(const struct uplink *uplink, void *arg)
{
	char text[64];

	snprintf(text, sizeof(text), "%s(%s)", uplink->dev, uplink->mode);
	out_array_text(arg, text);
	return 0;
}

struct totals {
	uint64_t vms;
	uint64_t bytes;
};

static int add_vm(struct host *host, uint32_t slot, void *arg)
{
	struct totals *totals = arg;
	uint64_t bytes;
	int err = memory_of_vm(host, slot, &bytes);

	if (err)
		return err;
	totals->vms++;
	totals->bytes += bytes;
	return 0;
}

static int host_show(struct cmd *cmd)
{
	struct totals totals = {};
	int err = words_end(&cmd->words);

	if (!err)
		err = cmd_host(cmd);
	if (!err)
		err = vm_each(cmd->host, add_vm, &totals);
	if (err)
		return err;
	out_item(cmd->out);
	out_text(cmd->out, "bpffs", host_dir(cmd->host));
	out_text(cmd->out, "ports", attach_kind(cmd->host));
	out_array(cmd->out, "uplink");
	err = attach_each_uplink(cmd->host, show_uplink, cmd->out);
	out_array_end(cmd->out);
	out_number(cmd->out, "vms", totals.vms);
	out_number(cmd->out, "vm_bytes", totals.bytes);
	out_item_end(cmd->out);
	return err;
}

static int host_upgrade_cmd(struct cmd *cmd)
{
	struct host_upgraded upgraded;
	int err = words_end(&cmd->words);

	if (!err)
		err = host_upgrade(cmd->bpffs, &upgraded);
	if (err)
		return err;
	out_item(cmd->out);
	out_text(cmd->out, "bpffs", cmd->bpffs);
	out_number(cmd->out, "links", upgraded.links);
	out_item_end(cmd->out);
	return 0;
}

static int host_teardown_cmd(struct cmd *cmd)
{
	int err = words_end(&cmd->words);

	return err ? err : host_teardown(cmd->bpffs);
}

static const struct verb verbs[] = {
	{ "show", "", "folder, uplinks, how ports are attached, VMs and the memory of their maps",
	  host_show },
	{ "init", "[uplink DEV]...", "loads the programs and pins everything under --bpffs",
	  host_init_cmd },
	{ "upgrade", "",
	  "puts this build's programs in the place of the host's, over its maps and links",
	  host_upgrade_cmd },
	{ "teardown", "",
	  "removes programs, links, maps and the folder: nothing is enforced any more",
	  host_teardown_cmd },
};

const struct object object_host = { "host", "the host itself", verbs, ARRAY_SIZE(verbs) };
