// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * `roam handover follow`: a plain QEMU's migration (lib/follow.h), with a handover of roamd between
 * its hooks. What is copied while QEMU copies memory need not be copied while the VM stands still:
 * the migration begins once rounds are short, and at pre-switchover roamd freezes and sends what is
 * left. No process is started while the VM waits, and there is one wait for QEMU and roamd.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "follow.h"
#include "handover_ask.h"
#include "handover_follow.h"
#include "handover_stop.h"

#define ANSWER_MS   3000
#define WATCHDOG_MS 2000 /* roamd's own default */
#define SLACK_MS    2000 /* roamd tells of its watchdog itself, unless it hangs */
#define SWITCH_MS   5000
#define PROGRESS_MS 500
#define HEARD_NS    (5 * NS_PER_S) /* QEMU announces the VM within one second */

struct following {
	struct cmd *cmd;
	const char *vm;
	json_t *start; /* the request */
	char id[64];   /* of the handover; empty: there is none */
	char state[16];
	bool is_short;
	int fence_fd;
	uint64_t from_ns; /* the fence */
	uint64_t fence_ns;
	uint64_t heard_by_ns;
};

/* ---- roamd ---- */

static json_t *request_of(const struct following *f, const char *what)
{
	return json_pack("{s:s, s:s}", "do", what, "vm", f->vm);
}

/* Of this handover; it has another id when it has begun anew with another policy. */
static int note_item(json_t *item, void *arg)
{
	struct following *f = arg;

	(void)snprintf(f->id, sizeof(f->id), "%s", handover_text_in(item, "id"));
	(void)snprintf(f->state, sizeof(f->state), "%s", handover_text_in(item, "state"));
	f->is_short = json_is_true(json_object_get(item, "short"));
	return 0;
}

/* The same where others of the VM are told of as well. */
static int note_shown(json_t *item, void *arg)
{
	const struct following *f = arg;

	return strcmp(handover_text_in(item, "id"), f->id) != 0 ? 0 : note_item(item, arg);
}

static bool is_state(const struct following *f, const char *state)
{
	return !strcmp(f->state, state);
}

/* fn of `watch`: -EALREADY ends it. */
static int until_short(json_t *item, void *arg)
{
	struct following *f = arg;

	(void)note_item(item, f);
	return f->is_short ? -EALREADY : 0;
}

static int until_heard(json_t *item, void *arg)
{
	struct following *f = arg;

	(void)note_item(item, f);
	if (is_state(f, "moved") || is_state(f, "done"))
		return -EALREADY;
	return now_ns() > f->heard_by_ns ? -ETIMEDOUT : 0;
}

static int watch(struct following *f, handover_item_fn until)
{
	int err = handover_ask(f->cmd->control, request_of(f, "watch"), until, f);

	if (handover_stopped())
		return fail(-EINTR, "handover: told to stop");
	return err == -EALREADY ? 0 : err;
}

/* ---- hooks ---- */

static int prepare(void *arg)
{
	struct following *f = arg;
	int err = handover_ask(f->cmd->control, json_incref(f->start), note_item, f);

	return err ? err : watch(f, until_short);
}

static int fence(void *arg, int *ret_fd)
{
	struct following *f = arg;
	int err;

	f->from_ns = now_ns();
	err = handover_ask_begin(f->cmd->control, request_of(f, "freeze"), &f->fence_fd);
	*ret_fd = f->fence_fd;
	return err;
}

static int fenced(void *arg)
{
	struct following *f = arg;
	const int fd = f->fence_fd;
	int err;

	f->fence_fd = -1;
	err = handover_ask_end(fd, note_item, f);
	f->fence_ns = now_ns() - f->from_ns;
	return err;
}

/* It runs there, as soon as it is heard there. */
static void end_moved(struct following *f)
{
	int err;

	f->heard_by_ns = now_ns() + HEARD_NS;
	err = watch(f, until_heard);
	if (err == -ETIMEDOUT)
		cmd_note("handover: vm '%s' has not been heard at the destination yet", f->vm);
	else if (err)
		cmd_note("%s", fail_line());
}

/*
 * It runs here, or may: then roamd believes QEMU at once. If that is not known, roamd waits for the
 * VM's frames from where somebody may have been told to go on.
 */
static void end_stayed(struct following *f, bool is_known)
{
	json_t *request;

	if (handover_ask(f->cmd->control, request_of(f, "show"), note_shown, f)) {
		cmd_note("%s", fail_line());
		return;
	}
	if (is_state(f, "aborted") || is_state(f, "done"))
		return;
	request = request_of(f, "abort");
	if (is_known)
		json_object_set_new(request, "reason", json_string("vm_manager"));
	if (handover_ask(f->cmd->control, request, note_item, f))
		cmd_note("%s", fail_line());
}

static void end(void *arg, enum follow_end how)
{
	struct following *f = arg;

	if (f->fence_fd >= 0)
		close(f->fence_fd);
	f->fence_fd = -1;
	if (!f->id[0])
		return;
	if (how == FOLLOW_MOVED)
		end_moved(f);
	else
		end_stayed(f, how != FOLLOW_UNKNOWN);
}

static void step(void *arg, enum follow_step which)
{
	struct out *out = ((struct following *)arg)->cmd->out;

	out_item(out);
	out_text(out, "step", follow_step_name(which));
	out_number(out, "at_ns", now_ns());
	out_item_end(out);
	(void)out_flush();
}

static void progress(void *arg, const struct follow_progress *at)
{
	struct out *out = ((struct following *)arg)->cmd->out;

	out_item(out);
	out_text(out, "step", "copied");
	out_number(out, "at_ns", now_ns());
	out_number(out, "bytes", at->transferred);
	out_number(out, "left", at->remaining);
	out_item_end(out);
	(void)out_flush();
}

static const struct follow_hooks hooks = {
	.prepare = prepare,
	.fence = fence,
	.fenced = fenced,
	.end = end,
	.step = step,
	.progress = progress,
};

/* ---- the command ---- */

static int parse(struct following *f, struct follow *ret_follow)
{
	struct words *words = &f->cmd->words;
	const char *to = NULL;
	int err = words_vm(words, &f->vm), took;

	while (!err && words_peek(words)) {
		if (words_take(words, "qmp")) {
			err = words_value(words, "qmp", &ret_follow->socket);
		} else if (words_take(words, "to")) {
			err = words_value(words, "to", &to);
		} else if (words_take(words, "migrate")) {
			err = words_value(words, "migrate", &ret_follow->migrate);
		} else {
			took = handover_take_option(words, f->start);
			err = took == 1 ? 0 : took ? took : words_end(words);
		}
	}
	if (!err && !ret_follow->socket)
		err = usage("'qmp SOCKET' is missing");
	if (!err && !to)
		err = usage("'to HOST' is missing");
	if (err)
		return err;
	json_object_set_new(f->start, "vm", json_string(f->vm));
	json_object_set_new(f->start, "to", json_string(to));
	return 0;
}

static void print_end(const struct following *f, const struct follow_result *result)
{
	struct out *out = f->cmd->out;

	out_item(out);
	out_text(out, "end", follow_end_name(result->end));
	if (f->state[0])
		out_text(out, "state", f->state);
	out_number(out, "total_ms", result->total_ms);
	out_number(out, "downtime_ms", result->downtime_ms);
	out_number(out, "fence_us", f->fence_ns / 1000);
	out_item_end(out);
}

static int run(struct following *f, struct follow *how)
{
	const json_t *watchdog = json_object_get(f->start, "watchdog_ms");
	struct follow_result result;
	int err = handover_stop_catch(&how->stop_fd);

	if (err)
		return err;
	how->fence_ms = (watchdog ? json_integer_value(watchdog) : WATCHDOG_MS) + SLACK_MS;
	out_list(f->cmd->out);
	err = follow(how, &result);
	if (f->id[0]) /* else nothing was begun */
		print_end(f, &result);
	return out_list_end(f->cmd->out, err);
}

int handover_follow(struct cmd *cmd)
{
	struct following f = {
		.cmd = cmd,
		.start = json_pack("{s:s, s:s}", "do", "start", "fence", "held"),
		.fence_fd = -1,
	};
	struct follow how = {
		.answer_ms = ANSWER_MS,
		.switch_ms = SWITCH_MS,
		.progress_ms = PROGRESS_MS,
		.hooks = &hooks,
		.arg = &f,
	};
	int err = parse(&f, &how);

	if (!err)
		err = run(&f, &how);
	json_decref(f.start);
	return err;
}
