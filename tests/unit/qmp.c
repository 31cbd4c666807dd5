// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* QMP: what is understood of the bytes, and a client that waits no longer than it says. */
#include <stdio.h>
#include <string.h>
#include "fake_qemu.h"
#include "harness.h"
#include "qmp.h"

static const char *const wanted[] = { "STOP", "MIGRATION", NULL };

/* ---- bytes ---- */

static void feed(struct qmp_line *line, const char *bytes, size_t len)
{
	while (len) {
		size_t room = 0;
		char *to = NULL;

		if (!CHECK_OK(qmp_line_room(line, &to, &room)) || !to)
			return;
		room = room < len ? room : len;
		memcpy(to, bytes, room);
		qmp_line_put(line, room);
		bytes += room;
		len -= room;
	}
}

static const char talk[] = FAKE_GREETING FAKE_DONE
	"\r\n" FAKE_STOP
	"{\"id\": 9, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\r\n";

static void check_talk(struct qmp_line *line, struct qmp_message *message, int number)
{
	static const enum qmp_kind kinds[] = { QMP_GREETING, QMP_RETURN, QMP_EVENT, QMP_ERROR };

	(void)line;
	CHECK_EQ(message->kind, kinds[number % 4]);
	if (number == 1)
		CHECK_EQ(message->id, 7);
	if (number == 2)
		CHECK_STR(message->name, "STOP");
	if (number == 3) {
		CHECK_EQ(message->id, 9);
		CHECK_STR(message->name, "CommandNotFound");
		CHECK_STR(message->text, "no");
	}
	qmp_message_free(message);
}

/* The same messages, wherever the bytes are cut. */
TEST(messages_come_out_whole)
{
	for (size_t cut = 0; cut < sizeof(talk); cut++) {
		struct qmp_line line = {};
		struct qmp_message message;
		int number = 0;

		feed(&line, talk, cut);
		while (!qmp_line_take(&line, &message))
			check_talk(&line, &message, number++);
		feed(&line, talk + cut, sizeof(talk) - 1 - cut);
		while (!qmp_line_take(&line, &message))
			check_talk(&line, &message, number++);
		CHECK_EQ(number, 4);
		CHECK_EQ(qmp_line_take(&line, &message), -EAGAIN);
		qmp_line_free(&line);
	}
}

static const struct nonsense {
	const char *name;
	const char *text;
	const char *says;
} nonsenses[] = {
	{ "not_json", "hello\n", "not JSON at column" },
	{ "no_object", "[1, 2]\n", "a message of no known kind" },
	{ "no_kind", "{\"id\": 1}\n", "a message of no known kind" },
	{ "bare_error", "{\"error\": {\"class\": \"X\"}}\n", "an error without class or desc" },
	{ "twice", "{\"return\": 1, \"return\": 2}\n", "not JSON" },
	{ "number_as_event", "{\"event\": 5}\n", "a message of no known kind" },
};

TEST_EACH(nonsense, nonsenses)
{
	struct qmp_line line = {};
	struct qmp_message message;

	feed(&line, row->text, strlen(row->text));
	CHECK_EQ(qmp_line_take(&line, &message), -EBADMSG);
	CHECK_HAS(fail_line(), row->says);
	qmp_line_free(&line);
}

TEST(a_line_has_a_bound)
{
	struct qmp_line line = {};
	size_t room, all = 0;
	char *to;
	int err;

	while (!(err = qmp_line_room(&line, &to, &room)) && all < 2 * QMP_LINE_MAX) {
		memset(to, 'x', room);
		qmp_line_put(&line, room);
		all += room;
	}
	CHECK_EQ(err, -EBADMSG);
	CHECK_OP(all, <=, QMP_LINE_MAX + 4096);
	qmp_line_free(&line);
}

/* ---- a client ---- */

static int open_within(const struct fake_qemu *fake, int timeout_ms, struct qmp **ret_qmp)
{
	const struct qmp_open open = {
		.socket = fake->socket,
		.events = wanted,
		.timeout_ms = timeout_ms,
	};

	return qmp_open(&open, ret_qmp);
}

static int open_fake(const struct fake_qemu *fake, struct qmp **ret_qmp)
{
	return open_within(fake, 5000, ret_qmp);
}

#define START(...)                                                                                 \
	const struct fake_step steps[] = { __VA_ARGS__ };                                          \
	struct fake_qemu fake;                                                                     \
	struct qmp *qmp = NULL;                                                                    \
	fake_qemu_start(&fake, steps, ARRAY_SIZE(steps))

static void finish(struct fake_qemu *fake, struct qmp *qmp)
{
	qmp_close(qmp);
	fake_qemu_end(fake);
	CHECK_STR(fake->problem, "");
}

#define GREETS                                                                                     \
	{ .say = FAKE_GREETING },                                                                  \
	{                                                                                          \
		.command = "qmp_capabilities", .say = FAKE_DONE                                    \
	}

TEST(a_command_and_events_around_it)
{
	START(GREETS, { .command = "query-status", .say = FAKE_STOP FAKE_PASS },
	      { .say = FAKE_STATUS("running", "true") FAKE_MIGRATION("setup") });
	struct qmp_message event;
	json_t *status;

	if (CHECK_OK(open_fake(&fake, &qmp)) &&
	    CHECK_OK(qmp_call(qmp, "query-status", NULL, &status))) {
		CHECK(json_is_true(json_object_get(status, "running")));
		json_decref(status);
		if (CHECK_OK(qmp_event(qmp, 5000, &event))) {
			CHECK_STR(event.name, "STOP");
			qmp_message_free(&event);
		}
		/* MIGRATION_PASS is nobody's wish. */
		if (CHECK_OK(qmp_event(qmp, 5000, &event))) {
			CHECK_STR(event.name, "MIGRATION");
			CHECK_STR(json_string_value(json_object_get(event.value, "status")),
				  "setup");
			qmp_message_free(&event);
		}
		CHECK_EQ(qmp_event(qmp, 10, &event), -EAGAIN);
	}
	finish(&fake, qmp);
}

TEST(errors_have_their_text)
{
	START(GREETS, { .command = "migrate", .say = FAKE_ERROR("no such thing") },
	      { .command = "nonsense",
		.say = "{\"id\": 7, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The "
		       "command nonsense has not been found\"}}\r\n" });

	if (CHECK_OK(open_fake(&fake, &qmp))) {
		CHECK_EQ(qmp_call(qmp, "migrate", json_pack("{s:s}", "uri", "x"), NULL),
			 -EREMOTEIO);
		CHECK_STR(fail_line(), "qmp: migrate: no such thing");
		CHECK_EQ(qmp_call(qmp, "nonsense", NULL, NULL), -ENOTSUP);
	}
	finish(&fake, qmp);
}

TEST(no_answer_is_not_waited_for)
{
	START(GREETS, { .command = "query-status" });

	if (CHECK_OK(open_within(&fake, 800, &qmp))) {
		CHECK_EQ(qmp_call(qmp, "query-status", NULL, NULL), -ETIMEDOUT);
		CHECK_HAS(fail_line(), "no answer from QEMU within 800 ms");
		/* A late answer must not be taken for that of another command. */
		CHECK_EQ(qmp_call(qmp, "query-migrate", NULL, NULL), -ETIMEDOUT);
	}
	finish(&fake, qmp);
}

TEST(another_answer_is_refused)
{
	START(GREETS, { .command = "query-status", .say = "{\"return\": {}, \"id\": 1}\r\n" });

	if (CHECK_OK(open_fake(&fake, &qmp)))
		CHECK_EQ(qmp_call(qmp, "query-status", NULL, NULL), -EBADMSG);
	finish(&fake, qmp);
}

TEST(who_does_not_greet)
{
	START({ .say = FAKE_DONE });

	CHECK_EQ(open_fake(&fake, &qmp), -EBADMSG);
	finish(&fake, qmp);
}

TEST(a_monitor_that_is_taken)
{
	START({ .say = NULL });

	CHECK_EQ(open_within(&fake, 100, &qmp), -ETIMEDOUT);
	CHECK_HAS(fail_line(), "is another client connected?");
	finish(&fake, qmp);
}

TEST(qemu_goes)
{
	START(GREETS, { .say = FAKE_STOP, .close = true });
	struct qmp_message event;

	if (CHECK_OK(open_fake(&fake, &qmp))) {
		if (CHECK_OK(qmp_event(qmp, 5000, &event)))
			qmp_message_free(&event);
		CHECK_EQ(qmp_event(qmp, 5000, &event), -EPIPE);
		CHECK_EQ(qmp_call(qmp, "query-status", NULL, NULL), -EPIPE);
	}
	finish(&fake, qmp);
}

/* A guest can make QEMU say things, but not fill our memory. */
TEST(too_many_events)
{
	struct fake_step steps[QMP_EVENTS_MAX + 3] = { GREETS };
	struct fake_qemu fake;
	struct qmp *qmp = NULL;

	for (size_t i = 2; i < ARRAY_SIZE(steps) - 1; i++)
		steps[i].say = FAKE_STOP;
	steps[ARRAY_SIZE(steps) - 1] = (struct fake_step){ .command = "query-status",
							   .say = FAKE_STOP };
	fake_qemu_start(&fake, steps, ARRAY_SIZE(steps));
	if (CHECK_OK(open_fake(&fake, &qmp)))
		CHECK_EQ(qmp_call(qmp, "query-status", NULL, NULL), -EOVERFLOW);
	finish(&fake, qmp);
}

TEST(no_socket)
{
	const struct qmp_open none = { .socket = "/tmp/there/is/none", .timeout_ms = 100 };
	struct qmp *qmp;

	CHECK_EQ(qmp_open(&none, &qmp), -ENOENT);
	CHECK_HAS(fail_line(), "qmp: /tmp/there/is/none");
}
