// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam handover`: a VM moves to another host, by the roamd of both. */
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include "cmd.h"
#include "handover_ask.h"
#include "handover_barrier.h"
#include "handover_follow.h"
#include "text.h"

static void set_text(json_t *request, const char *name, const char *value)
{
	json_object_set_new(request, name, json_string(value));
}

/* Takes "NAME NUMBER" into the request; 1: this was it. */
static int take_number(struct words *words, json_t *request, const char *word, const char *name)
{
	const char *text;
	uint32_t number;
	int err;

	if (!words_take(words, word))
		return 0;
	err = words_value(words, word, &text);
	if (!err)
		err = text_u32_parse(word, text, &number);
	if (err)
		return err;
	json_object_set_new(request, name, json_integer(number));
	return 1;
}

/* The same with one of two words. */
static int take_choice(struct words *words, json_t *request, const char *word,
		       const char *const choice[2])
{
	const char *text;
	int err;

	if (!words_take(words, word))
		return 0;
	err = words_value(words, word, &text);
	if (err)
		return err;
	if (strcmp(text, choice[0]) != 0 && strcmp(text, choice[1]) != 0)
		return usage("%s is '%s' or '%s', not '%.80s'", word, choice[0], choice[1], text);
	set_text(request, word, text);
	return 1;
}

static int take_text(struct words *words, json_t *request, const char *word, const char *name)
{
	const char *text;
	int err;

	if (!words_take(words, word))
		return 0;
	err = words_value(words, word, &text);
	if (err)
		return err;
	set_text(request, name, text);
	return 1;
}

/* ---- what is printed ---- */

static int print_item(json_t *item, void *arg)
{
	struct cmd *cmd = arg;
	const char *name;
	json_t *value;

	if (!out_is_text(cmd->out)) {
		out_tree(cmd->out, json_incref(item));
		return out_flush() ? 0 : -EPIPE;
	}
	out_item(cmd->out);
	json_object_foreach(item, name, value)
	{
		if (json_is_string(value))
			out_text(cmd->out, name, json_string_value(value));
		else if (json_is_integer(value))
			out_number(cmd->out, name, json_integer_value(value));
		else if (json_is_boolean(value))
			out_switch(cmd->out, name, json_is_true(value));
	}
	out_item_end(cmd->out);
	return out_flush() ? 0 : -EPIPE; /* nobody reads it any more */
}

static int ask(struct cmd *cmd, json_t *request)
{
	return handover_ask(cmd->control, request, print_item, cmd);
}

static int ask_list(struct cmd *cmd, json_t *request)
{
	out_list(cmd->out);
	return out_list_end(cmd->out, ask(cmd, request));
}

/* ---- the verbs ---- */

static json_t *request_of(const char *what, const char *vm)
{
	json_t *request = json_pack("{s:s}", "do", what);

	if (vm)
		set_text(request, "vm", vm);
	return request;
}

/* "vm NAME", and a host behind `word`. */
static int vm_and_host(struct words *words, const char *word, json_t *request)
{
	const char *vm = NULL, *host = NULL;
	int err = words_vm(words, &vm);

	if (!err && !words_take(words, word))
		err = usage("'%s HOST' is missing", word);
	if (!err)
		err = words_value(words, word, &host);
	if (err)
		return err;
	set_text(request, "vm", vm);
	set_text(request, word, host);
	return 0;
}

static int take_dev(struct words *words, json_t *devs)
{
	const char *text, *equals;
	uint8_t mac[ROAM_MAC_LEN];
	char digits[TEXT_MAC_LEN];
	int err = words_value(words, "dev", &text);

	if (err)
		return err;
	equals = strchr(text, '=');
	if (!equals || equals - text != TEXT_MAC_LEN - 1 || !equals[1])
		return usage("'%.80s' is not MAC=DEV", text);
	memcpy(digits, text, TEXT_MAC_LEN - 1);
	digits[TEXT_MAC_LEN - 1] = '\0';
	err = text_mac_parse(digits, mac);
	if (!err)
		json_array_append_new(devs,
				      json_pack("{s:s, s:s}", "mac", digits, "dev", equals + 1));
	return err;
}

static int parse_expect(struct words *words, json_t *request)
{
	json_t *devs = json_array();
	int err = vm_and_host(words, "from", request), took;

	json_object_set_new(request, "devs", devs);
	while (!err && words_peek(words)) {
		if (words_take(words, "dev")) {
			err = take_dev(words, devs);
			continue;
		}
		took = take_text(words, request, "id", "id");
		if (!took)
			took = take_number(words, request, "for", "for_s");
		err = took == 1 ? 0 : took ? took : words_end(words);
	}
	return err;
}

static int run_parsed(struct cmd *cmd, const char *what,
		      int (*parse)(struct words *words, json_t *request))
{
	json_t *request = request_of(what, NULL);
	int err = parse(&cmd->words, request);

	if (!err)
		return ask(cmd, request);
	json_decref(request);
	return err;
}

static int handover_expect(struct cmd *cmd)
{
	return run_parsed(cmd, "expect", parse_expect);
}

static int take_mtu(struct words *words, json_t *request)
{
	static const char *const choice[] = { "warn", "refuse" };

	return take_choice(words, request, "mtu", choice);
}

int handover_take_option(struct words *words, json_t *request)
{
	static const char *const midstreams[] = { "strict", "pickup" };
	static const char *const converges[] = { "abort", "freeze" };
	int took = take_choice(words, request, "midstream", midstreams);

	if (!took)
		took = take_choice(words, request, "converge", converges);
	if (!took)
		took = take_mtu(words, request);
	if (!took)
		took = take_number(words, request, "rate", "rate_mbps");
	if (!took)
		took = take_number(words, request, "timeout", "timeout_s");
	if (!took)
		took = take_number(words, request, "watchdog", "watchdog_ms");
	if (!took)
		took = take_number(words, request, "late", "late_s");
	return took;
}

static int take_option(struct words *words, json_t *request)
{
	static const char *const fences[] = { "held", "free" };
	int took = take_choice(words, request, "fence", fences);

	if (!took)
		took = handover_take_option(words, request);
	if (!took && words_take(words, "wait")) {
		json_object_set_new(request, "wait", json_true());
		took = 1;
	}
	return took == 1 ? 0 : took ? took : words_end(words);
}

static int parse_start(struct words *words, json_t *request)
{
	int err = vm_and_host(words, "to", request);

	while (!err && words_peek(words))
		err = take_option(words, request);
	return err;
}

static int handover_start(struct cmd *cmd)
{
	return run_parsed(cmd, "start", parse_start);
}

static int parse_check(struct words *words, json_t *request)
{
	int err = vm_and_host(words, "to", request), took = err ? err : take_mtu(words, request);

	json_object_set_new(request, "check", json_true());
	return took == 0 || took == 1 ? words_end(words) : took;
}

static int handover_check(struct cmd *cmd)
{
	return run_parsed(cmd, "start", parse_check);
}

static int one_vm(struct cmd *cmd, const char *what)
{
	const char *vm;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	return err ? err : ask(cmd, request_of(what, vm));
}

static int handover_freeze(struct cmd *cmd)
{
	return one_vm(cmd, "freeze");
}

static int handover_show(struct cmd *cmd)
{
	const char *vm;
	int err = words_vm_maybe(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	return err ? err : ask_list(cmd, request_of("show", vm));
}

static int handover_watch(struct cmd *cmd)
{
	const char *vm;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	return err ? err : ask_list(cmd, request_of("watch", vm));
}

static int parse_abort(struct words *words, json_t *request)
{
	const char *vm;
	int err = words_vm(words, &vm), took = 0;

	if (err)
		return err;
	set_text(request, "vm", vm);
	if (words_peek(words))
		took = take_text(words, request, "reason", "reason");
	return took > 1 || took < 0 ? took : words_end(words);
}

static int handover_abort(struct cmd *cmd)
{
	return run_parsed(cmd, "abort", parse_abort);
}

static int parse_release(struct words *words, json_t *request)
{
	const char *vm;
	int err = words_vm(words, &vm), took;

	if (err)
		return err;
	set_text(request, "vm", vm);
	took = take_text(words, request, "id", "id");
	if (took != 1)
		return took ? took : usage("'id ID' is missing");
	took = take_number(words, request, "epoch", "epoch");
	if (took != 1)
		return took ? took : usage("'epoch N' is missing");
	return words_end(words);
}

static int handover_release(struct cmd *cmd)
{
	return run_parsed(cmd, "release", parse_release);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]", "handovers of this host, and VMs that are expected", handover_show },
	{ "expect", "vm NAME from HOST [dev MAC=DEV]... [id ID] [for SECONDS]",
	  "the VM may come from there", handover_expect },
	{ "start",
	  "vm NAME to HOST [fence held|free] [midstream strict|pickup] [converge abort|freeze]\n"
	  "       [rate MBPS] [timeout SECONDS] [watchdog MS] [late SECONDS]\n"
	  "       [mtu warn|refuse] [wait]",
	  "copies the VM's image; wait: until it can be frozen", handover_start },
	{ "check", "vm NAME to HOST [mtu warn|refuse]", "asks whether the VM could go there",
	  handover_check },
	{ "freeze", "vm NAME", "the VM is paused: sends the rest, waits until it may run there",
	  handover_freeze },
	{ "follow",
	  "vm NAME qmp SOCKET to HOST [migrate URI] [midstream strict|pickup]\n"
	  "       [converge abort|freeze] [rate MBPS] [timeout SECONDS] [watchdog MS] [late SECONDS]\n"
	  "       [mtu warn|refuse]",
	  "goes with a migration of a plain QEMU: start, freeze, and QEMU goes on",
	  handover_follow },
	{ "barrier", "vm NAME dbus ADDRESS [timeout SECONDS]",
	  "stands by QEMU's dbus-vmstate: the VM goes on there only with all of it",
	  handover_barrier },
	{ "watch", "vm NAME", "tells of each change until it is over", handover_watch },
	{ "abort", "vm NAME [reason vm_manager]", "the VM stays where it is", handover_abort },
	{ "release", "vm NAME id ID epoch N", "the VM runs there, whatever its host says",
	  handover_release },
};

const struct object object_handover = {
	"handover",
	"VMs that move between hosts",
	verbs,
	ARRAY_SIZE(verbs),
};
