// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A migration that is followed: every way in which QEMU, the fence or the time can end it. What
 * QEMU says was recorded from QEMU 7.2; the VM itself moves in tests/vm/migrate.py.
 */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include "fake_qemu.h"
#include "follow.h"
#include "harness.h"

/* ---- hooks that write down what is asked of them ---- */

struct hooked {
	int prepare_err;
	int fence_err;  /* at once */
	int fenced_err; /* later */
	bool later;     /* the fence takes its time: fenced_ms, or for ever if that is 0 */
	int fenced_ms;
	int revoke_err;
	char did[256];
	enum follow_end end;
	int fd;
	pthread_t thread;
};

static void did(struct hooked *hooked, const char *what)
{
	size_t len = strlen(hooked->did);

	snprintf(hooked->did + len, sizeof(hooked->did) - len, "%s%s", len ? " " : "", what);
}

static int prepare(void *arg)
{
	struct hooked *hooked = arg;

	did(hooked, "prepare");
	return hooked->prepare_err ? fail(hooked->prepare_err, "the destination refuses") : 0;
}

static void *fence_later(void *arg)
{
	struct hooked *hooked = arg;

	usleep(1000 * hooked->fenced_ms);
	eventfd_write(hooked->fd, 1);
	return NULL;
}

static int fence(void *arg, int *ret_fd)
{
	struct hooked *hooked = arg;

	did(hooked, "fence");
	if (hooked->fence_err)
		return fail(hooked->fence_err, "no last delta");
	if (!hooked->later) {
		*ret_fd = -1;
		return 0;
	}
	hooked->fd = eventfd(0, EFD_CLOEXEC);
	if (hooked->fenced_ms)
		pthread_create(&hooked->thread, NULL, fence_later, hooked);
	*ret_fd = hooked->fd;
	return 0;
}

static int fenced(void *arg)
{
	struct hooked *hooked = arg;

	did(hooked, "fenced");
	return hooked->fenced_err ? fail(hooked->fenced_err, "not acknowledged") : 0;
}

static int take_back(void *arg)
{
	struct hooked *hooked = arg;

	did(hooked, "revoke");
	return hooked->revoke_err;
}

static void on_end(void *arg, enum follow_end end)
{
	struct hooked *hooked = arg;

	did(hooked, "end");
	hooked->end = end;
}

static void on_step(void *arg, enum follow_step step)
{
	did(arg, follow_step_name(step));
}

static void on_progress(void *arg, const struct follow_progress *progress)
{
	CHECK_EQ(progress->remaining, 25112576);
	CHECK_EQ(progress->transferred, 80540286);
	did(arg, "progress");
}

static const struct follow_hooks hooks = { prepare, fence,   fenced,     take_back,
					   on_end,  on_step, on_progress };

/* ---- QEMU's part ---- */

#define READY_BUT_MIGRATE                                                                          \
	{ .say = FAKE_GREETING }, { .command = "qmp_capabilities", .say = FAKE_DONE },             \
		{ .command = "migrate-set-capabilities",                                           \
		  .has = "{\"capability\":\"return-path\",\"state\":true},{\"capability\":"        \
			 "\"pause-before-switchover\",\"state\":true},{\"capability\":"            \
			 "\"postcopy-ram\",\"state\":false}",                                      \
		  .say = FAKE_DONE },                                                              \
		{ .command = "query-migrate-capabilities",                                         \
		  .say = FAKE_CAPABILITIES("true", "false") },                                     \
	{                                                                                          \
		.command = "query-status", .say = FAKE_STATUS("running", "true")                   \
	}

#define HELD                                                                                       \
	READY_BUT_MIGRATE,                                                                         \
		{ .command = "migrate",                                                            \
		  .has = "\"arguments\":{\"uri\":\"tcp:b:4444\"}",                                 \
		  .say = FAKE_MIGRATION("setup") FAKE_DONE FAKE_PASS },                            \
		{ .say = FAKE_MIGRATION("active") FAKE_PASS FAKE_STOP },                           \
	{                                                                                          \
		.say = FAKE_MIGRATION("pre-switchover")                                            \
	}

#define COMPLETED                                                                                  \
	{ .command = "query-migrate",                                                              \
	  .say = "{\"return\": {\"status\": \"completed\", \"setup-time\": 3, \"downtime\": 73, "  \
		 "\"total-time\": 692, \"ram\": {\"total\": 134750208}}, \"id\": 7}\r\n" }

#define CANCELS                                                                                    \
	{ .command = "migrate_cancel",                                                             \
	  .say = FAKE_MIGRATION("cancelling") FAKE_DONE FAKE_RESUME FAKE_MIGRATION("cancelled") }
#define RUNS   { .command = "query-status", .say = FAKE_STATUS("running", "true") }
#define PAUSED { .command = "query-status", .say = FAKE_STATUS("postmigrate", "false") }
#define GOES_ON                                                                                    \
	{ .command = "migrate-continue",                                                           \
	  .has = "\"arguments\":{\"state\":\"pre-switchover\"}",                                   \
	  .say = FAKE_DONE }

struct run {
	struct hooked hooked;
	struct follow follow;
	struct follow_result result;
	int err;
};

static void play(struct run *run, const struct fake_step *steps, size_t count)
{
	struct fake_qemu fake;

	if (!run->follow.answer_ms)
		run->follow.answer_ms = 5000;
	if (!run->follow.fence_ms)
		run->follow.fence_ms = 5000;
	run->follow.hooks = &hooks;
	run->follow.arg = &run->hooked;
	run->hooked.fd = -1;
	fake_qemu_start(&fake, steps, count);
	run->follow.socket = fake.socket;
	run->err = follow(&run->follow, &run->result);
	run->follow.socket = NULL;
	fake_qemu_end(&fake);
	if (run->hooked.fenced_ms)
		pthread_join(run->hooked.thread, NULL);
	cleanup_close(&run->hooked.fd);
	CHECK_STR(fake.problem, "");
}

#define PLAY(run, ...)                                                                             \
	do {                                                                                       \
		static const struct fake_step steps[] = { __VA_ARGS__ };                           \
		play(run, steps, ARRAY_SIZE(steps));                                               \
	} while (0)

#define START      { .follow = { .migrate = "tcp:b:4444" } }
#define UNTIL_HELD "prepare ready setup active stop pre-switchover fence "

/* ---- it moves ---- */

TEST(moves)
{
	struct run run = START;

	PLAY(&run, HELD, GOES_ON, { .say = FAKE_MIGRATION("device") FAKE_MIGRATION("completed") },
	     COMPLETED);
	CHECK_OK(run.err);
	CHECK_EQ(run.result.end, FOLLOW_MOVED);
	CHECK_EQ(run.hooked.end, FOLLOW_MOVED);
	CHECK_STR(run.hooked.did, UNTIL_HELD "fenced device completed end");
	CHECK_EQ(run.result.downtime_ms, 73);
	CHECK_EQ(run.result.total_ms, 692);
	CHECK_OP(run.result.at_ns[FOLLOW_HELD], <=, run.result.at_ns[FOLLOW_FENCED]);
}

TEST(moves_when_the_fence_is_done_later)
{
	struct run run = START;

	run.hooked.later = true;
	run.hooked.fenced_ms = 50;
	PLAY(&run, HELD, GOES_ON, { .say = FAKE_MIGRATION("device") FAKE_MIGRATION("completed") },
	     COMPLETED);
	CHECK_OK(run.err);
	CHECK_STR(run.hooked.did, UNTIL_HELD "fenced fenced device completed end");
}

/* Somebody else started it, with the capabilities set, and it waits already. */
TEST(joins_one_that_waits)
{
	struct run run = {};

	PLAY(&run, { .say = FAKE_GREETING }, { .command = "qmp_capabilities", .say = FAKE_DONE },
	     { .command = "migrate-set-capabilities",
	       .say = FAKE_ERROR("There's a migration process in progress") },
	     { .command = "query-migrate-capabilities", .say = FAKE_CAPABILITIES("true", "false") },
	     { .command = "query-status", .say = FAKE_STATUS("paused", "false") },
	     { .command = "query-migrate",
	       .say = "{\"return\": {\"status\": \"pre-switchover\"}, \"id\": 7}\r\n" },
	     GOES_ON, { .say = FAKE_MIGRATION("device") FAKE_MIGRATION("completed") }, COMPLETED);
	CHECK_OK(run.err);
	CHECK_STR(run.hooked.did, "prepare ready pre-switchover fence fenced device completed end");
}

/* What became of an earlier migration is nothing to go by. */
TEST(waits_for_one_to_begin)
{
	struct run run = {};

	PLAY(&run, READY_BUT_MIGRATE,
	     { .command = "query-migrate",
	       .say = "{\"return\": {\"status\": \"cancelled\"}, \"id\": 7}\r\n" },
	     { .pause_ms = 50, .say = FAKE_MIGRATION("setup") FAKE_MIGRATION("active") FAKE_STOP },
	     { .say = FAKE_MIGRATION("pre-switchover") }, GOES_ON,
	     { .say = FAKE_MIGRATION("device") FAKE_MIGRATION("completed") }, COMPLETED);
	CHECK_OK(run.err);
	CHECK_EQ(run.result.end, FOLLOW_MOVED);
}

TEST(tells_how_far_it_is)
{
	struct run run = START;

	run.follow.progress_ms = 3600000; /* once, at the first step */
	PLAY(&run, READY_BUT_MIGRATE,
	     { .command = "migrate",
	       .say = FAKE_MIGRATION("setup") FAKE_MIGRATION("active") FAKE_DONE },
	     { .command = "query-migrate",
	       .say = "{\"return\": {\"status\": \"active\", \"ram\": {\"remaining\": 25112576, "
		      "\"transferred\": 80540286}}, \"id\": 7}\r\n" FAKE_STOP },
	     { .say = FAKE_MIGRATION("pre-switchover") }, GOES_ON,
	     { .say = FAKE_MIGRATION("device") FAKE_MIGRATION("completed") }, COMPLETED);
	CHECK_OK(run.err);
	CHECK_HAS(run.hooked.did, "active progress stop");
}

/* ---- it does not ---- */

static void check_stayed(const struct run *run, int err, const char *why)
{
	CHECK_EQ(run->err, err);
	CHECK_HAS(fail_line(), why);
	CHECK_EQ(run->result.end, FOLLOW_STAYED);
	CHECK_EQ(run->hooked.end, FOLLOW_STAYED);
}

TEST(fence_fails)
{
	struct run run = START;

	run.hooked.fence_err = -EIO;
	PLAY(&run, HELD, CANCELS, RUNS);
	check_stayed(&run, -EIO, "no last delta");
	CHECK_STR(run.hooked.did, UNTIL_HELD "cancelling resume cancelled end");
}

TEST(fence_fails_later)
{
	struct run run = START;

	run.hooked.later = true;
	run.hooked.fenced_ms = 20;
	run.hooked.fenced_err = -EPROTO;
	PLAY(&run, HELD, CANCELS, RUNS);
	check_stayed(&run, -EPROTO, "not acknowledged");
}

/* The destination is dead: nobody says so, but the VM does not stand still for ever. */
TEST(fence_takes_too_long)
{
	struct run run = START;

	run.hooked.later = true;
	run.follow.fence_ms = 100;
	PLAY(&run, HELD, CANCELS, RUNS);
	check_stayed(&run, -ETIMEDOUT, "the fence took more than 100 ms");
	CHECK_STR(run.hooked.did, UNTIL_HELD "cancelling resume cancelled end");
}

TEST(cancelled_by_somebody_while_held)
{
	struct run run = START;

	run.hooked.later = true;
	PLAY(&run, HELD, { .say = FAKE_MIGRATION("cancelling") FAKE_RESUME },
	     { .say = FAKE_MIGRATION("cancelled") }, RUNS);
	check_stayed(&run, -ECANCELED, "the migration was cancelled");
}

TEST(destination_refuses_the_memory)
{
	struct run run = START;

	PLAY(&run, READY_BUT_MIGRATE,
	     { .command = "migrate", .say = FAKE_MIGRATION("setup") FAKE_DONE FAKE_PASS },
	     { .say = FAKE_MIGRATION("active") FAKE_MIGRATION("failed") },
	     { .command = "query-migrate",
	       .say = "{\"return\": {\"status\": \"failed\", \"error-desc\": \"Unable to write to "
		      "socket: Bad file descriptor\"}, \"id\": 7}\r\n" },
	     RUNS);
	check_stayed(&run, -EREMOTEIO, "the migration failed: Unable to write to socket");
	CHECK_STR(run.hooked.did, "prepare ready setup active failed end");
}

/* Told to go on, QEMU finds nobody there: all of it comes before the answer. */
TEST(destination_died_while_held)
{
	struct run run = START;

	PLAY(&run, HELD,
	     { .command = "migrate-continue",
	       .say = FAKE_MIGRATION("device") FAKE_PASS FAKE_MIGRATION("failed")
		       FAKE_RESUME FAKE_DONE },
	     { .command = "query-migrate",
	       .say = "{\"return\": {\"status\": \"failed\"}, \"id\": 7}\r\n" },
	     RUNS);
	check_stayed(&run, -EREMOTEIO, "the migration failed");
}

TEST(destination_refuses_the_vm)
{
	struct run run = START;

	run.hooked.prepare_err = -EPERM;
	PLAY(&run, READY_BUT_MIGRATE, { .command = "migrate_cancel", .say = FAKE_DONE }, RUNS);
	check_stayed(&run, -EPERM, "the destination refuses");
	CHECK_STR(run.hooked.did, "prepare end");
}

/* ---- after the word to go on ---- */

TEST(taken_back_if_the_destination_is_shut)
{
	struct run run = START;

	run.follow.switch_ms = 100;
	PLAY(&run, HELD, GOES_ON, { .say = FAKE_MIGRATION("device") }, CANCELS, RUNS);
	check_stayed(&run, -ETIMEDOUT, "QEMU did not complete within 100 ms");
	CHECK_HAS(run.hooked.did, "fenced device revoke cancelling resume cancelled end");
}

/* It may run there: only QEMU knows. */
TEST(not_taken_back_otherwise)
{
	struct run run = START;

	run.follow.switch_ms = 50;
	run.hooked.revoke_err = -EBUSY;
	PLAY(&run, HELD, GOES_ON, { .say = FAKE_MIGRATION("device") },
	     { .pause_ms = 200, .say = FAKE_MIGRATION("completed") }, COMPLETED);
	CHECK_OK(run.err);
	CHECK_HAS(run.hooked.did, "device revoke completed end");
}

/* ---- what is worse ---- */

TEST(qemu_dies_while_held)
{
	struct run run = START;

	run.hooked.later = true;
	PLAY(&run, HELD, { .pause_ms = 50, .close = true });
	CHECK_EQ(run.err, -EPIPE);
	CHECK_EQ(run.hooked.end, FOLLOW_UNKNOWN);
}

TEST(qemu_says_nothing_any_more)
{
	struct run run = START;

	run.hooked.later = true;
	run.follow.fence_ms = 50;
	run.follow.answer_ms = 800;
	PLAY(&run, HELD, { .command = "migrate_cancel" });
	CHECK_EQ(run.err, -ETIMEDOUT);
	CHECK_HAS(fail_line(), "the fence took more than 50 ms");
	CHECK_EQ(run.hooked.end, FOLLOW_UNKNOWN);
}

TEST(does_not_come_back)
{
	struct run run = START;

	run.hooked.fence_err = -EIO;
	run.follow.answer_ms = 800;
	PLAY(&run, HELD,
	     { .command = "migrate_cancel",
	       .say = FAKE_MIGRATION("cancelling") FAKE_DONE FAKE_MIGRATION("cancelled") },
	     PAUSED);
	CHECK_EQ(run.err, -EIO);
	CHECK_EQ(run.hooked.end, FOLLOW_HALTED);
}

TEST(does_not_wait)
{
	struct run run = START;

	PLAY(&run, READY_BUT_MIGRATE,
	     { .command = "migrate", .say = FAKE_DONE FAKE_MIGRATION("active") },
	     { .say = FAKE_STOP FAKE_MIGRATION("device") },
	     { .command = "migrate_cancel", .say = FAKE_DONE FAKE_MIGRATION("completed") },
	     COMPLETED);
	CHECK_EQ(run.err, -EPROTO);
	CHECK_HAS(fail_line(), "QEMU did not wait at pre-switchover");
	CHECK_EQ(run.hooked.end, FOLLOW_MOVED); /* what is so, however it came */
}

TEST(post_copy_is_refused)
{
	struct run run = START;

	PLAY(&run, READY_BUT_MIGRATE,
	     { .command = "migrate",
	       .say = FAKE_DONE FAKE_MIGRATION("active") FAKE_MIGRATION("postcopy-active") });
	CHECK_EQ(run.err, -EPROTO);
	CHECK_EQ(run.hooked.end, FOLLOW_UNKNOWN);
}

static const struct capability_row {
	const char *name;
	const char *answer;
	const char *says;
} capability_rows[] = {
	{ "no_return_path", FAKE_CAPABILITIES("false", "false"), "return-path is not on" },
	{ "post_copy", FAKE_CAPABILITIES("true", "true"), "postcopy-ram is not off" },
	{ "none", "{\"return\": [], \"id\": 7}\r\n", "events is not on" },
};

/* Nothing has begun, so that nothing has to end. */
TEST_EACH(capabilities_that_are_not_as_set, capability_rows)
{
	struct run run = START;
	const struct fake_step steps[] = {
		{ .say = FAKE_GREETING },
		{ .command = "qmp_capabilities", .say = FAKE_DONE },
		{ .command = "migrate-set-capabilities",
		  .say = FAKE_ERROR("There's a migration process in progress") },
		{ .command = "query-migrate-capabilities", .say = row->answer },
	};

	play(&run, steps, ARRAY_SIZE(steps));
	CHECK_EQ(run.err, -ENOTSUP);
	CHECK_HAS(fail_line(), row->says);
	CHECK_STR(run.hooked.did, "");
}
