// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam ips`: intrusion prevention of VMs. */
#include <string.h>
#include "cmd.h"
#include "ips.h"
#include "ips_show.h"
#include "text.h"
#include "text_units.h"
#include "vm.h"

static int parse_number(struct words *words, const char *keyword, uint32_t *ret_value)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_u32_parse(keyword, text, ret_value);
}

static int parse_time(struct words *words, const char *keyword, uint32_t *ret_s)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_duration_parse(keyword, text, ret_s);
}

static int parse_bits(struct words *words, const char *keyword, uint8_t *ret_bits)
{
	uint32_t bits;
	int err = parse_number(words, keyword, &bits);

	if (!err && bits > 128)
		err = fail(-ERANGE, "ips: %s %u is not from 1 to 128", keyword, bits);
	if (!err)
		*ret_bits = bits;
	return err;
}

static int parse_setting(struct words *words, struct roam_ips *conf)
{
	int err;

	if (words_once(words, "rate")) {
		err = parse_number(words, "rate", &conf->rate);
		conf->burst = conf->rate; /* unless one follows */
		return err;
	}
	if (words_once(words, "burst"))
		return parse_number(words, "burst", &conf->burst);
	if (words_once(words, "block"))
		return parse_time(words, "block", &conf->block_s);
	if (words_once(words, "max"))
		return parse_time(words, "max", &conf->block_max_s);
	if (words_once(words, "prefix4"))
		return parse_bits(words, "prefix4", &conf->prefix4);
	if (words_once(words, "prefix6"))
		return parse_bits(words, "prefix6", &conf->prefix6);
	if (words_once(words, "sources"))
		return parse_number(words, "sources", &conf->sources);
	if (words_once(words, "blocks"))
		return parse_number(words, "blocks", &conf->blocks);
	return words_end(words);
}

static int parse_settings(struct words *words, struct roam_ips *conf)
{
	int err = 0;

	if (!words_peek(words))
		return usage("what to set is missing: 'rate N'");
	while (!err && words_peek(words))
		err = parse_setting(words, conf);
	return err ? err : ips_validate("ips", conf);
}

static int ips_set_cmd(struct cmd *cmd)
{
	struct roam_ips conf = ips_defaults(), now;
	struct words words;
	const char *vm;
	uint32_t slot;
	int err = words_vm(&cmd->words, &vm);

	/* Once to refuse what is not understood before anything is opened, once for the row. */
	words = cmd->words;
	if (!err)
		err = parse_settings(&words, &conf);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	if (!err)
		err = ips_get(cmd->host, slot, &now);
	if (!err && now.is_set) {
		conf = now;
		err = parse_settings(&cmd->words, &conf);
	}
	return err ? err : ips_set(cmd->host, slot, &conf);
}

static int ips_del_cmd(struct cmd *cmd)
{
	const char *vm;
	uint32_t slot;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	return err ? err : ips_del(cmd->host, slot);
}

/* "vm NAME from ADDR" */
static int parse_source(struct words *words, const char **ret_vm, struct roam_addr *ret_addr)
{
	const char *text;
	int err = words_vm(words, ret_vm);

	if (err)
		return err;
	if (!words_take(words, "from"))
		return usage("'from ADDR' is missing");
	err = words_value(words, "from", &text);
	return err ? err : text_addr_parse(text, ret_addr);
}

static int ips_block_cmd(struct cmd *cmd)
{
	uint32_t slot, seconds = 0;
	struct roam_addr addr;
	const char *vm;
	int err = parse_source(&cmd->words, &vm, &addr);

	if (!err && words_take(&cmd->words, "for")) {
		err = parse_time(&cmd->words, "for", &seconds);
		if (!err && (!seconds || seconds > ROAM_IPS_TIME_MAX))
			err = fail(-ERANGE, "ips: for %u s is not a time to block for", seconds);
	}
	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	return err ? err : ips_block_add(cmd->host, slot, &addr, seconds);
}

static int ips_release_cmd(struct cmd *cmd)
{
	struct roam_addr addr;
	const char *vm;
	uint32_t slot;
	int err = parse_source(&cmd->words, &vm, &addr);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	return err ? err : ips_block_del(cmd->host, slot, &addr);
}

static int count_block(const struct roam_ips_block_rec *rec, void *arg)
{
	(void)rec;
	++*(uint64_t *)arg;
	return 0;
}

static int count_source(const struct roam_ips_source_rec *rec, void *arg)
{
	(void)rec;
	++*(uint64_t *)arg;
	return 0;
}

static int show_profile(struct host *host, uint32_t slot, void *arg)
{
	uint64_t blocks = 0, sources = 0;
	struct out *out = arg;
	struct roam_ips conf;
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = ips_get(host, slot, &conf);
	if (err || !conf.is_set)
		return err;
	ips_each_block(host, slot, count_block, &blocks);
	ips_each_source(host, slot, count_source, &sources);
	out_item(out);
	out_text(out, "vm", vm.name);
	ips_show_profile(out, &conf);
	out_number(out, "sources_used", sources);
	out_number(out, "blocks_used", blocks);
	out_item_end(out);
	return 0;
}

struct showing {
	struct out *out;
	const char *vm;
};

static int show_block(const struct roam_ips_block_rec *rec, void *arg)
{
	struct showing *showing = arg;

	out_item(showing->out);
	out_text(showing->out, "vm", showing->vm);
	ips_show_block(showing->out, rec, now_ns());
	out_item_end(showing->out);
	return 0;
}

static int show_blocks(struct host *host, uint32_t slot, void *arg)
{
	struct showing showing = { .out = arg };
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	showing.vm = vm.name;
	return err ? err : ips_each_block(host, slot, show_block, &showing);
}

static int show(struct cmd *cmd, int (*fn)(struct host *, uint32_t, void *))
{
	const char *vm;
	int err = words_vm_maybe(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	if (err)
		return err;
	out_list(cmd->out);
	err = cmd_each_vm(cmd, vm, fn, cmd->out);
	return out_list_end(cmd->out, err);
}

static int ips_show_cmd(struct cmd *cmd)
{
	return show(cmd, show_profile);
}

static int ips_blocks_cmd(struct cmd *cmd)
{
	return show(cmd, show_blocks);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]", "profiles, and what is used of their tables", ips_show_cmd },
	{ "set",
	  "vm NAME [rate N [burst N]] [block TIME] [max TIME] [prefix4 BITS] [prefix6 BITS]\n"
	  "               [sources N] [blocks N]",
	  "limits new connections a second from each source; who exceeds it is blocked",
	  ips_set_cmd },
	{ "del", "vm NAME", "removes the profile with all blocks", ips_del_cmd },
	{ "blocks", "[vm NAME]", "who is blocked, and who was", ips_blocks_cmd },
	{ "block", "vm NAME from ADDR [for TIME]",
	  "blocks a source, until released if without a time", ips_block_cmd },
	{ "release", "vm NAME from ADDR", "removes a block and forgets its strikes",
	  ips_release_cmd },
};

const struct object object_ips = { "ips", "intrusion prevention", verbs, ARRAY_SIZE(verbs) };
