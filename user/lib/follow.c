// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A plain QEMU's migration, followed: see follow.h. One loop waits for QEMU's events, for the fence
 * and for whatever takes too long; everything else is a reaction to one of them. follow_qemu.c asks
 * QEMU and tells it.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include "follow.h"
#include "follow_qemu.h"

#define NS_PER_MS 1000000ULL

/* What is waited for, and so what a time limit means. */
enum phase {
	PHASE_COPYING,   /* or not begun yet; no limit */
	PHASE_HOLDING,   /* the fence */
	PHASE_SWITCHING, /* QEMU was told to go on */
	PHASE_GIVING_UP, /* QEMU was told to cancel, or has failed by itself */
	PHASE_OVER,
};

struct following {
	const struct follow *follow;
	struct qmp *qmp;
	struct follow_result *result;
	enum phase phase;
	uint64_t deadline_ns; /* 0: none */
	uint64_t progress_ns; /* when the next one is due; 0: never */
	int fence_fd;         /* the hooks'; -1: none to wait for */
	int stop_fd;          /* the caller's; -1: none, or it has been heard */
	bool was_running;     /* before all this */
	int err;              /* the first thing that went wrong, and what was said of it */
	char why[512];
};

static const char *const step_name[] = {
#define X(name, text) [FOLLOW_##name] = text,
	FOLLOW_STEPS(X)
#undef X
};
_Static_assert(ARRAY_SIZE(step_name) == FOLLOW_STEP_COUNT, "every step has a name");

const char *follow_step_name(enum follow_step step)
{
	return step_name[step];
}

const char *follow_end_name(enum follow_end end)
{
	static const char *const name[] = {
		[FOLLOW_MOVED] = "moved",
		[FOLLOW_STAYED] = "stayed",
		[FOLLOW_HALTED] = "halted",
		[FOLLOW_UNKNOWN] = "unknown",
	};

	return name[end];
}

/* ---- small steps ---- */

static void saw(struct following *f, enum follow_step step)
{
	if (!f->result->at_ns[step])
		f->result->at_ns[step] = now_ns();
	if (f->follow->hooks->step)
		f->follow->hooks->step(f->follow->arg, step);
}

static void enter(struct following *f, enum phase phase, int limit_ms)
{
	f->phase = phase;
	f->deadline_ns = limit_ms ? now_ns() + limit_ms * NS_PER_MS : 0;
}

/* What went wrong first is what will be told. */
static void remember(struct following *f, int err)
{
	if (f->err)
		return;
	f->err = err;
	snprintf(f->why, sizeof(f->why), "%s", fail_line());
}

static int end(struct following *f, enum follow_end end)
{
	f->result->end = end;
	f->fence_fd = -1;
	f->progress_ns = 0;
	enter(f, PHASE_OVER, 0);
	return 0;
}

/* Back to where it was: QEMU is told, and says `cancelled` once it has done so. */
static int give_up(struct following *f, int err)
{
	remember(f, err);
	f->fence_fd = -1;
	enter(f, PHASE_GIVING_UP, f->follow->answer_ms);
	return follow_qemu_cancel(f->qmp);
}

/* ---- what QEMU and the hooks say ---- */

static int on_fenced(struct following *f, int err)
{
	f->fence_fd = -1;
	if (err)
		return give_up(f, err);
	saw(f, FOLLOW_FENCED);
	enter(f, PHASE_SWITCHING, f->follow->switch_ms);
	return follow_qemu_continue(f->qmp);
}

static int on_held(struct following *f)
{
	int fd = -1, err;

	if (f->phase != PHASE_COPYING)
		return 0;
	enter(f, PHASE_HOLDING, f->follow->fence_ms);
	err = f->follow->hooks->fence(f->follow->arg, &fd);
	if (err || fd < 0)
		return on_fenced(f, err);
	f->fence_fd = fd;
	return 0;
}

/* The migration is over, and the VM is to be here: is it? */
static int on_failure(struct following *f)
{
	bool running;
	int err = follow_qemu_comes_back(f->qmp, f->was_running, f->follow->answer_ms, &running);

	if (err)
		return err;
	if (running && f->result->at_ns[FOLLOW_STOP] && !f->result->at_ns[FOLLOW_RESUME])
		saw(f, FOLLOW_RESUME);
	return end(f, running == f->was_running ? FOLLOW_STAYED : FOLLOW_HALTED);
}

static int on_step(struct following *f, enum follow_step step)
{
	if (f->result->at_ns[step] && step != FOLLOW_STOP && step != FOLLOW_RESUME)
		return 0; /* seen by a query already */
	saw(f, step);
	switch (step) {
	case FOLLOW_HELD:
		return on_held(f);
	case FOLLOW_DEVICE:
		if (f->phase != PHASE_COPYING)
			return 0;
		return give_up(f, fail(-EPROTO, "follow: QEMU did not wait at pre-switchover"));
	case FOLLOW_COMPLETED:
		if (f->phase != PHASE_SWITCHING)
			remember(f, fail(-EPROTO, "follow: QEMU did not wait for the fence"));
		return end(f, FOLLOW_MOVED);
	case FOLLOW_FAILED:
		remember(f, follow_qemu_why(f->qmp));
		return on_failure(f);
	case FOLLOW_CANCELLED:
		remember(f, fail(-ECANCELED, "follow: the migration was cancelled"));
		return on_failure(f);
	default:
		return 0;
	}
}

/* Post-copy cannot be asked for any more, and is not undone. */
static int on_event(struct following *f, const struct follow_said *said)
{
	if (said->postcopy) {
		remember(f, fail(-EPROTO, "follow: the migration went to post-copy"));
		return end(f, FOLLOW_UNKNOWN);
	}
	return said->step == FOLLOW_STEP_COUNT ? 0 : on_step(f, said->step);
}

static int on_deadline(struct following *f)
{
	int err;

	switch (f->phase) {
	case PHASE_HOLDING:
		return give_up(f, fail(-ETIMEDOUT, "follow: the fence took more than %d ms",
				       f->follow->fence_ms));
	case PHASE_SWITCHING:
		f->deadline_ns = 0;
		if (!f->follow->hooks->revoke || f->follow->hooks->revoke(f->follow->arg))
			return 0;
		err = fail(-ETIMEDOUT, "follow: QEMU did not complete within %d ms",
			   f->follow->switch_ms);
		return give_up(f, err);
	default:
		return fail(-ETIMEDOUT, "follow: QEMU does not end the migration");
	}
}

static int on_progress(struct following *f)
{
	struct follow_progress progress;
	int err;

	f->progress_ns = now_ns() + f->follow->progress_ms * NS_PER_MS;
	if (f->phase != PHASE_COPYING || !f->result->at_ns[FOLLOW_ACTIVE])
		return 0;
	err = follow_qemu_progress(f->qmp, &progress);
	if (!err)
		f->follow->hooks->progress(f->follow->arg, &progress);
	return err;
}

/* Between `continue` and `completed` nobody knows where the VM runs: QEMU ends what it does. */
static int on_stop(struct following *f)
{
	f->stop_fd = -1;
	if (f->phase != PHASE_COPYING && f->phase != PHASE_HOLDING)
		return 0;
	return give_up(f, fail(-EINTR, "follow: told to stop"));
}

/* ---- the loop ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

static int wait_ms(const struct following *f)
{
	uint64_t until = earlier(f->deadline_ns, f->progress_ns), now = now_ns();

	if (!until)
		return -1;
	return until <= now ? 0 : (until - now + NS_PER_MS - 1) / NS_PER_MS;
}

/* All that QEMU has said by now. */
static int take_events(struct following *f)
{
	struct follow_said said;
	int err = 0;

	while (!err && f->phase != PHASE_OVER) {
		err = follow_qemu_said(f->qmp, &said);
		if (err == -EAGAIN)
			return 0;
		if (!err)
			err = on_event(f, &said);
	}
	return err;
}

static int loop(struct following *f)
{
	int err = take_events(f);

	while (!err && f->phase != PHASE_OVER) {
		struct pollfd fds[] = {
			{ .fd = qmp_fd(f->qmp), .events = POLLIN },
			{ .fd = f->fence_fd, .events = POLLIN }, /* ignored if it is -1 */
			{ .fd = f->stop_fd, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), wait_ms(f)) < 0 && errno != EINTR)
			return fail_errno(-errno, "follow: poll");
		/* What QEMU says comes first: a migration that has failed needs no fence. */
		err = take_events(f);
		if (!err && fds[1].revents && f->fence_fd >= 0)
			err = on_fenced(f, f->follow->hooks->fenced(f->follow->arg));
		if (!err && fds[2].revents && f->stop_fd >= 0)
			err = on_stop(f);
		if (!err && f->progress_ns && now_ns() >= f->progress_ns)
			err = on_progress(f);
		if (!err && f->deadline_ns && now_ns() >= f->deadline_ns)
			err = on_deadline(f);
		/* What came with the answer to a command: no poll would tell of it. */
		if (!err)
			err = take_events(f);
	}
	return err;
}

/* From where QEMU is ready on: capabilities, what is under way already, or a migration of ours. */
static int start(struct following *f)
{
	const struct follow *follow = f->follow;
	struct follow_said said;
	int err = follow->hooks->prepare(follow->arg);

	if (err)
		return err;
	saw(f, FOLLOW_READY);
	if (follow->progress_ms && follow->hooks->progress)
		f->progress_ns = now_ns();
	if (follow->migrate)
		return follow_qemu_migrate(f->qmp, follow->migrate);
	err = follow_qemu_status(f->qmp, &said);
	return err ? err : on_event(f, &said);
}

/* Nothing more can be learnt of QEMU, or it refused: the VM is where QEMU says, if it says so. */
static void stop_following(struct following *f, int err)
{
	bool running;

	remember(f, err);
	if (!follow_qemu_cancel(f->qmp) &&
	    !follow_qemu_comes_back(f->qmp, f->was_running, f->follow->answer_ms, &running))
		end(f, running == f->was_running ? FOLLOW_STAYED : FOLLOW_HALTED);
	else
		end(f, FOLLOW_UNKNOWN);
}

int follow(const struct follow *follow, struct follow_result *ret_result)
{
	_cleanup_qmp_ struct qmp *qmp = NULL;
	struct following f = {
		.follow = follow,
		.result = ret_result,
		.fence_fd = -1,
		.stop_fd = follow->stop_fd ? follow->stop_fd : -1,
	};
	int err;

	*ret_result = (struct follow_result){ .end = FOLLOW_UNKNOWN };
	err = follow_qemu_open(follow->socket, follow->answer_ms, &qmp);
	f.qmp = qmp;
	if (!err)
		err = follow_qemu_prepare(qmp, &f.was_running);
	if (err)
		return err;
	err = start(&f);
	if (!err)
		err = loop(&f);
	if (err)
		stop_following(&f, err);
	if (ret_result->end == FOLLOW_MOVED)
		follow_qemu_times(qmp, ret_result);
	follow->hooks->end(follow->arg, ret_result->end);
	return f.err ? fail(f.err, "%s", f.why) : 0;
}
