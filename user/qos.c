// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam qos`: rates and marks of VMs. */
#include <string.h>
#include "cmd.h"
#include "qos.h"
#include "qos_show.h"
#include "text.h"
#include "text_units.h"
#include "vm.h"

static int parse_dir(struct words *words, uint8_t *ret_dir)
{
	const char *text = words_next(words);

	if (!text)
		return usage("'in' or 'out' is missing");
	if (text_enum_parse(&text_dir, text, ret_dir))
		return usage("qos: '%.80s' is neither in nor out", text);
	return 0;
}

static int parse_setting(struct words *words, struct roam_qos *conf)
{
	const char *text;
	int err;

	if (words_once(words, "rate")) {
		err = words_value(words, "rate", &text);
		return err ? err : text_rate_parse(text, (uint64_t *)&conf->rate_Bps);
	}
	if (words_once(words, "burst")) {
		err = words_value(words, "burst", &text);
		return err ? err : text_size_parse("burst", text, &conf->burst);
	}
	if (words_once(words, "dscp")) {
		err = words_value(words, "dscp", &text);
		conf->has_dscp = 1;
		return err ? err : text_dscp_parse(text, &conf->dscp);
	}
	return words_end(words);
}

static int parse_profile(struct words *words, struct roam_qos *ret_conf)
{
	struct roam_qos conf = { .is_set = 1 };
	int err = 0;

	if (!words_peek(words))
		return usage("what to set is missing: 'rate RATE', 'dscp DSCP'");
	while (!err && words_peek(words))
		err = parse_setting(words, &conf);
	if (err)
		return err;
	qos_fill_burst(&conf);
	*ret_conf = conf;
	return qos_validate("qos", &conf);
}

static int qos_set_cmd(struct cmd *cmd)
{
	struct roam_qos conf;
	const char *vm;
	uint32_t slot;
	uint8_t dir = 0;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = parse_dir(&cmd->words, &dir);
	if (!err)
		err = parse_profile(&cmd->words, &conf);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	return err ? err : qos_set(cmd->host, slot, dir, &conf);
}

static int qos_del_cmd(struct cmd *cmd)
{
	struct roam_qos_rec rec;
	const char *vm;
	uint32_t slot;
	uint8_t dir = 0;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = parse_dir(&cmd->words, &dir);
	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	if (!err)
		err = qos_get(cmd->host, slot, dir, &rec);
	if (!err && !rec.conf.is_set)
		err = fail(-ENOENT, "qos: vm '%s' has no profile for %s", vm,
			   text_enum_name(&text_dir, dir));
	return err ? err : qos_set(cmd->host, slot, dir, &(struct roam_qos){});
}

static int show_vm(struct host *host, uint32_t slot, void *arg)
{
	struct out *out = arg;
	struct roam_qos_rec rec;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		err = qos_get(host, slot, dir, &rec);
		if (err || !rec.conf.is_set)
			continue;
		out_item(out);
		out_text(out, "vm", vm.name);
		qos_show(out, &rec, now_ns());
		out_item_end(out);
	}
	return err;
}

static int qos_show_cmd(struct cmd *cmd)
{
	const char *vm;
	int err = words_vm_maybe(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	if (err)
		return err;
	out_list(cmd->out);
	err = cmd_each_vm(cmd, vm, show_vm, cmd->out);
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]", "profiles, how full their buckets are, what passed and was dropped",
	  qos_show_cmd },
	{ "set", "vm NAME in|out [rate RATE [burst SIZE]] [dscp DSCP]",
	  "sets a direction's rate (10mbit) and mark; bucket and counters go on", qos_set_cmd },
	{ "del", "vm NAME in|out", "removes a direction's profile with its counters", qos_del_cmd },
};

const struct object object_qos = { "qos", "rates and marks of VMs", verbs, ARRAY_SIZE(verbs) };
