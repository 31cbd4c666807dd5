// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam explain`: what would become of a packet that is described in words, and why. */
#include <net/if.h>
#include "attach.h"
#include "cmd.h"
#include "explain.h"
#include "explain_frame.h"
#include "explain_show.h"
#include "text.h"
#include "vm.h"

static int explain(struct cmd *cmd, const char *name, enum roam_dir dir,
		   const struct explain_ask *ask)
{
	struct explain_at at = { .dir = dir };
	struct roam_explain run;
	struct packet packet;
	int err = cmd_host(cmd);

	if (!err)
		err = vm_find(cmd->host, name, &at.slot);
	if (!err)
		err = explain_frame(cmd->host, &at, ask, &packet);
	if (!err)
		err = explain_port(cmd->host, at.ifindex, dir, &packet, &run);
	if (err)
		return err;
	out_list(cmd->out);
	explain_show(cmd->host, cmd->out, &run);
	return out_list_end(cmd->out, 0);
}

static int explain_vm_cmd(struct cmd *cmd)
{
	struct explain_ask ask;
	const char *name, *text;
	uint8_t dir;
	int err = words_value(&cmd->words, "vm", &name);

	if (!err)
		err = words_value(&cmd->words, name, &text);
	if (!err && text_enum_parse(&text_dir, text, &dir))
		return usage("explain: '%.80s' is neither in nor out", text);
	if (!err)
		err = explain_words_packet(&cmd->words, &ask);
	return err ? err : explain(cmd, name, dir, &ask);
}

static int is_uplink(const struct uplink *uplink, void *arg)
{
	const struct uplink *wanted = arg;

	return uplink->ifindex == wanted->ifindex;
}

static int explain_outside(struct cmd *cmd, const char *dev, const struct explain_ask *ask)
{
	struct uplink wanted = { .ifindex = if_nametoindex(dev) };
	struct roam_explain run;
	struct packet packet;
	int err = cmd_host(cmd);

	if (err)
		return err;
	if (!wanted.ifindex || attach_each_uplink(cmd->host, is_uplink, &wanted) != 1)
		return fail(-ENODEV, "explain: %.80s is no uplink of this host", dev);
	err = explain_frame_outside(cmd->host, ask, &packet);
	if (!err)
		err = explain_uplink(cmd->host, wanted.ifindex, &packet, &run);
	if (err)
		return err;
	out_list(cmd->out);
	explain_show(cmd->host, cmd->out, &run);
	return out_list_end(cmd->out, 0);
}

static int explain_uplink_cmd(struct cmd *cmd)
{
	struct explain_ask ask;
	const char *dev;
	int err = words_value(&cmd->words, "uplink", &dev);

	if (!err)
		err = explain_words_packet(&cmd->words, &ask);
	return err ? err : explain_outside(cmd, dev, &ask);
}

static const struct verb verbs[] = {
	{ "vm", "NAME in|out " EXPLAIN_ENDS_USAGE EXPLAIN_MORE_USAGE,
	  "what each stage would say of the packet; nothing changes", explain_vm_cmd },
	{ "uplink", "DEV " EXPLAIN_ENDS_USAGE "[WORD] ...",
	  "the same of a packet from outside, at an uplink", explain_uplink_cmd },
};

const struct object object_explain = { "explain", "what would become of a packet, and why", verbs,
				       ARRAY_SIZE(verbs) };
