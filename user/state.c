// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam state`: a VM's policy and state to and from images. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cmd.h"
#include "draft.h"
#include "image.h"
#include "io.h"
#include "state.h"
#include "state_follow.h"
#include "state_show.h"
#include "text.h"
#include "vm.h"

#define DEVS_MAX ROAM_VM_PORTS

static int state_save_cmd(struct cmd *cmd)
{
	struct state_save save = { .write = io_write };
	const char *file;
	bool follow;
	struct io io;
	int err = words_value(&cmd->words, "save", &save.vm);

	if (err)
		return err;
	file = words_next(&cmd->words);
	follow = words_take(&cmd->words, "follow");
	err = words_end(&cmd->words);
	if (!err && follow && strcmp(file, "-") != 0)
		err = usage("follow goes through a pipe: say '-'");
	if (!err)
		err = cmd_host(cmd);
	if (!err && follow)
		return state_follow_save(cmd, save.vm);
	if (!err)
		err = io_create(file ? file : "-", &io);
	if (err)
		return err;
	save.arg = &io;
	err = state_save(cmd->host, &save);
	return io_close(&io, err);
}

/* "MAC=DEV" */
static int parse_dev(const char *text, struct state_dev *ret_dev)
{
	const char *equals = strchr(text, '=');
	char mac[TEXT_MAC_LEN];

	if (!equals || equals - text != TEXT_MAC_LEN - 1 || !equals[1])
		return usage("'%.80s' is not MAC=DEV", text);
	memcpy(mac, text, TEXT_MAC_LEN - 1);
	mac[TEXT_MAC_LEN - 1] = '\0';
	ret_dev->dev = equals + 1;
	return text_mac_parse(mac, ret_dev->mac);
}

static int parse_load(struct words *words, struct state_load *load, struct state_dev *devs,
		      bool *follow)
{
	const char *text;
	int err = 0;

	while (!err && words_peek(words)) {
		if (words_take(words, "dev")) {
			err = words_value(words, "dev", &text);
			if (!err && load->dev_count == DEVS_MAX)
				err = fail(-E2BIG, "state: more than %d devices", DEVS_MAX);
			if (!err)
				err = parse_dev(text, &devs[load->dev_count++]);
		} else if (words_once(words, "vm")) {
			err = words_value(words, "vm", &load->vm);
		} else if (words_once(words, "replace")) {
			load->replace = true;
		} else if (words_once(words, "shut")) {
			load->shut = true;
		} else if (words_once(words, "exact")) {
			load->exact = true;
		} else if (words_once(words, "follow")) {
			*follow = true;
		} else {
			err = words_end(words);
		}
	}
	return err;
}

static int load_follow(struct cmd *cmd, const struct state_load *load, const char *file)
{
	struct move_dest_options options = {
		.vm = load->vm,
		.devs = load->devs,
		.dev_count = load->dev_count,
	};

	if (strcmp(file, "-") != 0)
		return usage("follow comes through a pipe: say '-'");
	if (load->replace || load->shut || load->exact)
		return usage("follow needs neither replace nor shut nor exact");
	return state_follow_load(cmd, &options);
}

static void finish_in_child(const char *dir, struct draft_rest *rest)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct host *host;

	/* Whoever reads what the command prints waits for its end. */
	for (int fd = 0; fd <= 2; fd++) {
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	}
	setsid();
	if (!host_open(dir, &host))
		draft_finish_rest(host, rest);
	_exit(0);
}

/*
 * The VM is live: nobody has to wait until the kernel lets go of the tables of the one before, some
 * 15 ms. With a host of its own, because locks belong to descriptors, which are shared with a
 * child.
 */
static void finish_behind(struct cmd *cmd, struct draft_rest *rest)
{
	pid_t child = rest->entry < 0 ? -1 : fork();

	if (!child)
		finish_in_child(host_dir(cmd->host), rest);
	if (child < 0)
		draft_finish_rest(cmd->host, rest);
	cleanup_close(&rest->entry);
}

static int state_load_cmd(struct cmd *cmd)
{
	struct state_dev devs[DEVS_MAX];
	struct draft_rest rest = { .entry = -1 };
	struct state_load load = { .devs = devs, .read = io_read, .rest = &rest };
	struct state_loaded loaded;
	bool follow = false;
	const char *file;
	struct io io;
	int err = words_value(&cmd->words, "load", &file);

	if (!err)
		err = parse_load(&cmd->words, &load, devs, &follow);
	if (!err)
		err = cmd_host(cmd);
	if (!err && follow)
		return load_follow(cmd, &load, file);
	if (!err)
		err = io_open(file, &io);
	if (err)
		return err;
	load.arg = &io;
	err = io_close(&io, state_load(cmd->host, &load, &loaded));
	finish_behind(cmd, &rest);
	if (err)
		return err;
	out_item(cmd->out);
	out_text(cmd->out, "loaded", loaded.vm);
	out_number(cmd->out, "flows", loaded.flows);
	if (loaded.sessions_left)
		out_number(cmd->out, "sessions_left", loaded.sessions_left);
	if (loaded.sets_other)
		out_number(cmd->out, "sets_other", loaded.sets_other);
	out_switch(cmd->out, "own_policy", loaded.own_policy);
	out_number(cmd->out, "skipped", loaded.skipped);
	out_item_end(cmd->out);
	if (loaded.sets_other)
		cmd_note("state: set '%s'%s of vm '%s' holds something else here: its flows are "
			 "matched again",
			 loaded.set_other, loaded.sets_other > 1 ? " and others" : "", loaded.vm);
	return 0;
}

static int show_file(struct cmd *cmd, bool quiet)
{
	const char *file;
	struct io io;
	int err = words_value(&cmd->words, quiet ? "verify" : "show", &file);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = io_open(file, &io);
	if (err)
		return err;
	return io_close(&io, quiet ? state_verify(cmd->out, io_read, &io)
				   : state_show(cmd->out, io_read, &io));
}

static int state_show_cmd(struct cmd *cmd)
{
	return show_file(cmd, false);
}

static int state_verify_cmd(struct cmd *cmd)
{
	return show_file(cmd, true);
}

/* The one argument of a verb that needs no more than the VM's name. */
static int take_vm(struct cmd *cmd, const char *verb, const char **ret_vm)
{
	int err = words_value(&cmd->words, verb, ret_vm);

	if (!err)
		err = words_end(&cmd->words);
	return err ? err : cmd_host(cmd);
}

static int state_freeze_cmd(struct cmd *cmd)
{
	const char *vm;
	int err = take_vm(cmd, "freeze", &vm);

	return err ? err : move_freeze(cmd->host, vm);
}

static int state_settle_cmd(struct cmd *cmd)
{
	const char *vm;
	uint32_t slot;
	int err = take_vm(cmd, "settle", &vm);

	if (!err)
		err = vm_find(cmd->host, vm, &slot);
	return err ? err : move_settle(cmd->host, slot);
}

static int state_abort_cmd(struct cmd *cmd)
{
	const char *vm;
	int err = take_vm(cmd, "abort", &vm);

	return err ? err : state_follow_abort(cmd, vm);
}

static const struct verb verbs[] = {
	{ "show", "FILE|-", "what is in an image; needs no host", state_show_cmd },
	{ "verify", "FILE|-", "whether an image is whole and makes sense; needs no host",
	  state_verify_cmd },
	{ "save", "VM [FILE|- [follow]]",
	  "writes a VM's policy and state, and goes on with what changes", state_save_cmd },
	{ "load", "FILE|- [vm NAME] [dev MAC=DEV]... [replace] [shut] [exact] [follow]",
	  "makes the VM of an image here, all of it or nothing", state_load_cmd },
	{ "freeze", "VM", "ends what `save follow` sends: the VM is paused", state_freeze_cmd },
	{ "settle", "VM", "ends a handover to here, once the VM has been heard", state_settle_cmd },
	{ "abort", "VM", "undoes a handover, at either end", state_abort_cmd },
};

const struct object object_state = { "state", "images: policy and state of one VM", verbs,
				     ARRAY_SIZE(verbs) };
