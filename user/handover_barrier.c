// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * `roam handover barrier`: stands beside a QEMU, on the D-Bus of its dbus-vmstate object
 * (lib/vmstate.h), until it is told to stop. At the source QEMU calls Save when the VM stands
 * still: roamd freezes, if nobody had it do so before, and once the destination is ready what goes
 * into QEMU's stream says which handover that was (lib/barrier.h). At the destination QEMU calls
 * Load before the VM goes on: only if the roamd there has all of the same. Everything else is
 * refused, and QEMU takes the VM back to the source.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "barrier.h"
#include "handover_ask.h"
#include "handover_barrier.h"
#include "handover_stop.h"
#include "text.h"
#include "vmstate.h"

#define TIMEOUT_S      5
#define TIMEOUT_MOST_S 20 /* QEMU waits 25 s */

struct standing {
	struct cmd *cmd;
	const char *vm;
	const char *address;
	uint32_t timeout_s;
	uint64_t until_ns; /* of what QEMU waits for now */
	struct barrier barrier;
	struct barrier_here here; /* roamd's newest handover of the VM */
};

/* ---- roamd ---- */

static int note_item(json_t *item, struct standing *standing)
{
	struct barrier_here here = {
		.at.epoch = json_integer_value(json_object_get(item, "epoch")),
		.at.sequence = json_integer_value(json_object_get(item, "sequence")),
		.is_dest = json_object_get(item, "from") != NULL,
	};
	int err = text_name_parse("vm", handover_text_in(item, "vm"), here.at.vm);

	if (!err)
		err = handover_id_parse(handover_text_in(item, "id"), here.at.id);
	if (err)
		return fail(-EPROTO, "handover: roamd's answer is not understood");
	(void)snprintf(here.state, sizeof(here.state), "%s", handover_text_in(item, "state"));
	(void)snprintf(here.reason, sizeof(here.reason), "%s", handover_text_in(item, "reason"));
	standing->here = here;
	return 0;
}

static int note(json_t *item, void *arg)
{
	return note_item(item, arg);
}

/* fn of `show`: the newest comes first, behind what is expected. -EALREADY ends it. */
static int until_newest(json_t *item, void *arg)
{
	if (!strcmp(handover_text_in(item, "state"), "expected"))
		return 0;
	return note_item(item, arg) ? -EPROTO : -EALREADY;
}

/* fn of `watch`: -EALREADY: it may go on; -EAGAIN: not by then. */
static int until_judged(json_t *item, void *arg)
{
	struct standing *standing = arg;
	int err = note_item(item, standing);

	if (!err)
		err = barrier_judge(&standing->barrier, &standing->here);
	if (err == -EAGAIN)
		return now_ns() < standing->until_ns ? 0 : -EAGAIN;
	return err ? err : -EALREADY;
}

/* Until it has answered, or QEMU has waited for long enough. */
static int ask(struct standing *standing, const char *what, handover_item_fn fn)
{
	const struct timeval limit = { .tv_sec = standing->timeout_s };
	int fd, err;

	err = handover_ask_begin(standing->cmd->control,
				 json_pack("{s:s, s:s}", "do", what, "vm", standing->vm), &fd);
	if (err)
		return err;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		err = fail_errno(-errno, "handover: no time limit");
	if (err)
		close(fd);
	else
		err = handover_ask_end(fd, fn, standing);
	return err == -EALREADY ? 0 : err;
}

static void begin(struct standing *standing)
{
	standing->until_ns = now_ns() + standing->timeout_s * NS_PER_S;
	memset(&standing->here, 0, sizeof(standing->here));
}

/* ---- at the source ---- */

static bool is_state(const struct standing *standing, const char *state)
{
	return !strcmp(standing->here.state, state);
}

/* Who freezes a VM that is still being copied has it stand still for all of that. */
static int freeze(struct standing *standing)
{
	int err = ask(standing, "show", until_newest);

	if (err)
		return err;
	if (!standing->here.state[0])
		return fail(-ENOENT, "handover: vm '%s' has no handover here", standing->vm);
	if (is_state(standing, "offered") || is_state(standing, "base"))
		return fail(-EBUSY, "handover: not_converging: vm '%s': its image is being copied",
			    standing->vm);
	return ask(standing, "freeze", note);
}

static int make_barrier(struct standing *standing)
{
	int err = freeze(standing);

	if (!err && !is_state(standing, "ready"))
		err = fail(-ESTALE, "handover: stale: vm '%s': its handover is %s here",
			   standing->vm, standing->here.state);
	if (!err)
		standing->barrier = standing->here.at;
	return err;
}

/* ---- at the destination ---- */

static int check_barrier(struct standing *standing, const void *bytes, size_t size)
{
	int err = barrier_read(bytes, size, &standing->barrier);

	if (err)
		return err;
	if (strcmp(standing->barrier.vm, standing->vm) != 0)
		return fail(-ESTALE, "handover: stale: QEMU's stream is of vm '%s', not of '%s'",
			    standing->barrier.vm, standing->vm);
	err = ask(standing, "watch", until_judged);
	if (err == -EAGAIN)
		return fail(-ETIMEDOUT,
			    "handover: fence_timeout: vm '%s': it is %s here, with delta %llu of "
			    "%llu",
			    standing->vm, standing->here.state,
			    (unsigned long long)standing->here.at.sequence,
			    (unsigned long long)standing->barrier.sequence);
	return err;
}

/* ---- what is told ---- */

static void print(const struct standing *standing, const char *what)
{
	struct out *out = standing->cmd->out;
	char id[HANDOVER_ID_TEXT];

	out_item(out);
	out_text(out, "barrier", what);
	out_text(out, "vm", standing->vm);
	out_text(out, "id", handover_id_text(standing->barrier.id, id));
	out_number(out, "epoch", standing->barrier.epoch);
	out_number(out, "sequence", standing->barrier.sequence);
	out_item_end(out);
	(void)out_flush();
}

static void print_text(const struct standing *standing, const char *what, const char *name,
		       const char *text)
{
	struct out *out = standing->cmd->out;

	out_item(out);
	out_text(out, "barrier", what);
	out_text(out, "vm", standing->vm);
	out_text(out, name, text);
	out_item_end(out);
	(void)out_flush();
}

/* The line stays what it is: QEMU is told it. */
static int refused(const struct standing *standing, int err)
{
	print_text(standing, "refused", "why", fail_line());
	return err;
}

static int save(void *arg, void *bytes, size_t room, size_t *ret_size)
{
	struct standing *standing = arg;
	int err;

	begin(standing);
	err = room < BARRIER_MOST ? fail(-ENOSPC, "handover: no room for a barrier")
				  : make_barrier(standing);
	if (err)
		return refused(standing, err);
	*ret_size = barrier_write(&standing->barrier, bytes);
	print(standing, "saved");
	return 0;
}

static int load(void *arg, const void *bytes, size_t size)
{
	struct standing *standing = arg;
	int err;

	begin(standing);
	err = check_barrier(standing, bytes, size);
	if (err)
		return refused(standing, err);
	print(standing, "loaded");
	return 0;
}

static const struct vmstate_hooks hooks = { .save = save, .load = load };

/* ---- the command ---- */

static int parse_timeout(struct standing *standing)
{
	const char *text;
	int err = words_value(&standing->cmd->words, "timeout", &text);

	if (!err)
		err = text_u32_parse("timeout", text, &standing->timeout_s);
	if (!err && (!standing->timeout_s || standing->timeout_s > TIMEOUT_MOST_S))
		err = fail(-EINVAL, "handover: timeout %u is not from 1 to %d seconds",
			   standing->timeout_s, TIMEOUT_MOST_S);
	return err;
}

static int parse(struct standing *standing)
{
	struct words *words = &standing->cmd->words;
	char name[ROAM_NAME_LEN];
	int err = words_vm(words, &standing->vm);

	if (!err)
		err = text_name_parse("vm", standing->vm, name);
	while (!err && words_peek(words)) {
		if (words_once(words, "dbus"))
			err = words_value(words, "dbus", &standing->address);
		else if (words_once(words, "timeout"))
			err = parse_timeout(standing);
		else
			err = words_end(words);
	}
	if (!err && !standing->address)
		err = usage("'dbus ADDRESS' is missing");
	return err;
}

static int run(struct standing *standing)
{
	_cleanup_vmstate_ struct vmstate *vmstate = NULL;
	char id[sizeof("roam-") + ROAM_NAME_LEN];
	const struct vmstate_open open = {
		.address = standing->address,
		.id = id,
		.hooks = &hooks,
		.arg = standing,
	};
	int stop_fd, err = handover_stop_catch(&stop_fd);

	(void)snprintf(id, sizeof(id), "roam-%s", standing->vm);
	if (!err)
		err = vmstate_open(&open, &vmstate);
	if (err)
		return err;
	out_list(standing->cmd->out);
	print_text(standing, "ready", "id_list", id);
	return out_list_end(standing->cmd->out, vmstate_serve(vmstate, stop_fd));
}

int handover_barrier(struct cmd *cmd)
{
	struct standing standing = { .cmd = cmd, .timeout_s = TIMEOUT_S };
	int err = parse(&standing);

	return err ? err : run(&standing);
}
