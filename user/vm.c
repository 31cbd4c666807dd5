// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam vm`: the VMs of a host. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "cmd.h"
#include "effect.h"
#include "ct.h"
#include "ct_show.h"
#include "draft.h"
#include "memory.h"
#include "text.h"
#include "vm.h"

/* "default in drop out allow", in either order, one alone as well. */
static int parse_default(struct words *words, struct roam_vm *vm)
{
	bool any = false;
	uint8_t dir;

	while (words_peek(words) && !text_enum_parse(&text_dir, words_peek(words), &dir)) {
		const char *text;
		int err;

		words_next(words);
		err = words_value(words, text_enum_name(&text_dir, dir), &text);
		if (!err)
			err = text_enum_parse(&text_action, text, &vm->default_action[dir]);
		if (err)
			return err;
		any = true;
	}
	return any ? 0 : usage("behind 'default' comes 'in' or 'out' with drop or allow");
}

static int parse_enum(struct words *words, const char *keyword, const struct text_enum *table,
		      uint8_t *ret_value)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_enum_parse(table, text, ret_value);
}

static int parse_number(struct words *words, const char *keyword, uint32_t *ret_value)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : text_u32_parse(keyword, text, ret_value);
}

/* "timeout established 3600"; 0: as usual. */
static int parse_timeout(struct words *words, struct roam_vm *vm)
{
	const char *state;
	uint32_t *timeout;
	int err = words_value(words, "timeout", &state);

	if (err)
		return err;
	timeout = ct_timeout_of(&vm->timeouts, state);
	if (!timeout)
		return fail(-EINVAL, "vm: '%.80s' is no state that has a timeout", state);
	return parse_number(words, state, timeout);
}

/* "windows strict", "windows liberal" */
static int parse_windows(struct words *words, struct roam_vm *vm)
{
	const char *text;
	int err = words_value(words, "windows", &text);

	if (err)
		return err;
	vm->liberal = !strcmp(text, "liberal");
	if (!vm->liberal && strcmp(text, "strict") != 0)
		return fail(-EINVAL, "vm: windows '%.80s' is neither strict nor liberal", text);
	return 0;
}

static int parse_setting(struct words *words, struct roam_vm *vm)
{
	if (words_once(words, "default"))
		return parse_default(words, vm);
	if (words_once(words, "midstream"))
		return parse_enum(words, "midstream", &text_midstream, &vm->midstream);
	if (words_once(words, "windows"))
		return parse_windows(words, vm);
	if (words_take(words, "timeout"))
		return parse_timeout(words, vm);
	if (words_once(words, "flows"))
		return parse_number(words, "flows", &vm->quota_flows);
	if (words_once(words, "half"))
		return parse_number(words, "half", &vm->quota_half);
	if (words_once(words, "shut"))
		vm->life = ROAM_LIFE_SHUT;
	else if (words_once(words, "active"))
		vm->life = ROAM_LIFE_ACTIVE;
	else
		return words_end(words);
	if (words_given(words, "shut") && words_given(words, "active"))
		return usage("vm: either 'shut' or 'active'");
	return 0;
}

static int parse_settings(struct words *words, struct roam_vm *vm)
{
	int err = 0;

	while (!err && words_peek(words))
		err = parse_setting(words, vm);
	return err;
}

static int parse_new_vm(struct words *words, struct roam_vm *vm)
{
	const char *text;
	int err = words_value(words, "add", &text);

	if (!err)
		err = text_name_parse("vm", text, vm->name);
	if (!err)
		err = vm_random_uuid(vm->uuid);
	if (!err && words_take(words, "uuid")) {
		err = words_value(words, "uuid", &text);
		if (!err)
			err = text_uuid_parse(text, vm->uuid);
	}
	return err ? err : parse_settings(words, vm);
}

static int vm_add_cmd(struct cmd *cmd)
{
	_cleanup_draft_ struct draft *draft = NULL;
	struct roam_vm vm = {
		.life = ROAM_LIFE_ACTIVE,
		.quota_flows = ROAM_QUOTA_FLOWS_DEFAULT,
		.quota_half = ROAM_QUOTA_HALF_DEFAULT,
	};
	int err = parse_new_vm(&cmd->words, &vm);

	if (!err && getrandom(&vm.incarnation, sizeof(vm.incarnation), 0) < 0)
		err = fail(-EIO, "vm: no random numbers");
	if (!err)
		err = cmd_host(cmd);
	if (!err)
		err = draft_open(cmd->host, &vm, ROAM_VM_NONE, &draft);
	return err ? err : draft_publish(draft);
}

static int vm_del_cmd(struct cmd *cmd)
{
	const char *name;
	int err = words_value(&cmd->words, "del", &name);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_host(cmd);
	return err ? err : vm_del(cmd->host, name);
}

static int vm_set_cmd(struct cmd *cmd)
{
	struct words words;
	struct roam_vm vm = {}, before;
	const char *name;
	uint32_t slot;
	int err = words_value(&cmd->words, "set", &name);

	if (!err && !words_peek(&cmd->words))
		return usage("what to set is missing");
	/* Once to refuse what is not understood before anything is opened, once for the row. */
	words = cmd->words;
	if (!err)
		err = parse_settings(&words, &vm);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	if (!err)
		err = vm_get(cmd->host, slot, &vm);
	before = vm;
	if (!err)
		err = parse_settings(&cmd->words, &vm);
	if (!err)
		err = vm_set(cmd->host, slot, &vm);
	if (!err &&
	    memcmp(before.default_action, vm.default_action, sizeof(vm.default_action)) != 0)
		effect_show(cmd, slot);
	return err;
}

/* Says nothing while timeouts are what they are set to. */
static void show_shrunk(struct out *out, const char *name, uint32_t used, uint32_t quota)
{
	if (ct_patience_percent(used, quota) < 100)
		out_number(out, name, ct_patience_percent(used, quota));
}

static void show_gauges(struct out *out, const struct roam_vm *vm, const uint32_t *used,
			uint64_t bytes)
{
	out_number(out, "flows", vm->quota_flows);
	out_number(out, "half", vm->quota_half);
	out_number(out, "flows_used", used[ROAM_CT_FLOWS]);
	out_number(out, "half_used", used[ROAM_CT_HALF]);
	show_shrunk(out, "flows_timeouts_percent", used[ROAM_CT_FLOWS], vm->quota_flows);
	show_shrunk(out, "half_timeouts_percent", used[ROAM_CT_HALF], vm->quota_half);
	out_number(out, "bytes", bytes);
	out_number(out, "gen", vm->gen);
	out_number(out, "epoch", vm->epoch);
	if (vm->learn_until_ns && (int64_t)(vm->learn_until_ns - now_ns()) > 0)
		out_number(out, "learn_s", (vm->learn_until_ns - now_ns()) / NS_PER_S);
}

static int show_vm(struct host *host, uint32_t slot, void *arg)
{
	struct out *out = arg;
	char uuid[TEXT_UUID_LEN], incarnation[20];
	uint32_t used[ROAM_CT_KINDS];
	struct roam_vm vm;
	uint64_t bytes;
	int err = vm_get(host, slot, &vm);

	if (!err)
		err = ct_used(host, slot, used);
	if (!err)
		err = memory_of_vm(host, slot, &bytes);
	if (err)
		return err;
	snprintf(incarnation, sizeof(incarnation), "%016" PRIx64, (uint64_t)vm.incarnation);
	out_item(out);
	out_bare(out, "name", vm.name);
	out_text(out, "uuid", text_uuid(vm.uuid, uuid));
	out_bare(out, "life", text_enum_name(&text_life, vm.life));
	out_group(out, "default");
	out_text(out, "in", text_enum_name(&text_action, vm.default_action[ROAM_DIR_IN]));
	out_text(out, "out", text_enum_name(&text_action, vm.default_action[ROAM_DIR_OUT]));
	out_group_end(out);
	out_text(out, "midstream", text_enum_name(&text_midstream, vm.midstream));
	ct_show_settings(out, &vm);
	show_gauges(out, &vm, used, bytes);
	out_text(out, "incarnation", incarnation);
	out_item_end(out);
	return 0;
}

static int vm_show_cmd(struct cmd *cmd)
{
	const char *name = words_next(&cmd->words);
	int err = words_end(&cmd->words);

	if (err)
		return err;
	out_list(cmd->out);
	err = cmd_each_vm(cmd, name, show_vm, cmd->out);
	return out_list_end(cmd->out, err);
}

#define SETTINGS                                                                                   \
	"[default in ACTION out ACTION] [midstream strict|pickup]\n"                               \
	"              [windows strict|liberal] [timeout STATE SECONDS]...\n"                      \
	"              [flows N] [half N] [shut|active]"

static const struct verb verbs[] = {
	{ "show", "[NAME]", "settings, quotas and what is used of them", vm_show_cmd },
	{ "add", "NAME [uuid UUID] " SETTINGS,
	  "makes a VM; ACTION is drop, allow, reject or audit; drop if not given", vm_add_cmd },
	{ "set", "NAME " SETTINGS, "changes settings; a quota changes without losing a flow",
	  vm_set_cmd },
	{ "del", "NAME", "removes a VM with its ports, rules and flows", vm_del_cmd },
};

const struct object object_vm = { "vm", "virtual machines", verbs, ARRAY_SIZE(verbs) };
