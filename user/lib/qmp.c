// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A client of QEMU's monitor protocol: see qmp.h. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "qmp.h"

#define NS_PER_MS 1000000ULL

struct qmp {
	int fd;
	int timeout_ms;
	int broken; /* -errno once the connection is of no use */
	uint64_t last_id;
	const char *const *wanted;
	struct qmp_line line;
	struct qmp_message events[QMP_EVENTS_MAX]; /* a ring */
	uint32_t event_at;
	uint32_t event_count;
};

/* ---- the socket ---- */

/* Until it can be read (or written), or the time has come. -EAGAIN then. */
static int wait_until(const struct qmp *qmp, short what, uint64_t deadline_ns)
{
	struct pollfd poll_fd = { .fd = qmp->fd, .events = what };

	for (;;) {
		uint64_t now = now_ns();
		int left_ms, got;

		left_ms = now >= deadline_ns ? 0 : (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
		got = poll(&poll_fd, 1, left_ms);
		if (got > 0)
			return 0;
		if (!got && !left_ms)
			return -EAGAIN;
		if (got < 0 && errno != EINTR)
			return fail_errno(-errno, "qmp: poll");
	}
}

/* What has arrived; -EAGAIN: nothing. */
static int fill(struct qmp *qmp)
{
	size_t room;
	ssize_t got;
	char *to;
	int err = qmp_line_room(&qmp->line, &to, &room);

	if (err)
		return err;
	do
		got = recv(qmp->fd, to, room, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		qmp_line_put(&qmp->line, got);
		return 0;
	}
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	return fail(-EPIPE, "qmp: QEMU has closed the connection");
}

static int send_all(const struct qmp *qmp, const char *bytes, size_t len, uint64_t deadline_ns)
{
	while (len) {
		ssize_t put = send(qmp->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		int err;

		if (put >= 0) {
			bytes += put;
			len -= put;
			continue;
		}
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			return fail(-EPIPE, "qmp: QEMU has closed the connection");
		err = wait_until(qmp, POLLOUT, deadline_ns);
		if (err == -EAGAIN)
			return fail(-ETIMEDOUT, "qmp: QEMU takes no command");
		if (err)
			return err;
	}
	return 0;
}

/* ---- messages ---- */

static bool is_wanted(const struct qmp *qmp, const char *name)
{
	for (const char *const *wanted = qmp->wanted; wanted && *wanted; wanted++) {
		if (!strcmp(name, *wanted))
			return true;
	}
	return false;
}

/* The message gives up what it owns, and remains an event. */
static int keep_event(struct qmp *qmp, struct qmp_message *event)
{
	json_t *whole = TAKE_PTR(event->whole);

	if (!is_wanted(qmp, event->name)) {
		json_decref(whole);
		return 0;
	}
	if (qmp->event_count == QMP_EVENTS_MAX) {
		json_decref(whole);
		return fail(-EOVERFLOW, "qmp: more than %d events at once", QMP_EVENTS_MAX);
	}
	event->whole = whole;
	qmp->events[(qmp->event_at + qmp->event_count++) % QMP_EVENTS_MAX] = *event;
	event->whole = NULL;
	return 0;
}

/* The next message, which an event's is not any more: it is kept. -EAGAIN: none by then. */
static int take_one(struct qmp *qmp, uint64_t deadline_ns, struct qmp_message *ret_message)
{
	int err;

	while ((err = qmp_line_take(&qmp->line, ret_message)) == -EAGAIN) {
		err = fill(qmp);
		if (err == -EAGAIN)
			err = wait_until(qmp, POLLIN, deadline_ns);
		if (err)
			return err;
	}
	if (!err && ret_message->kind == QMP_EVENT)
		err = keep_event(qmp, ret_message);
	return err;
}

/* The next one that is no event. */
static int next_answer(struct qmp *qmp, uint64_t deadline_ns, struct qmp_message *ret_message)
{
	int err;

	do
		err = take_one(qmp, deadline_ns, ret_message);
	while (!err && ret_message->kind == QMP_EVENT);
	return err;
}

/* After a command that got none in time no other is sent: the next answer is this one's. */
static int answer_to(struct qmp *qmp, uint64_t id, uint64_t deadline_ns,
		     struct qmp_message *ret_message)
{
	int err = next_answer(qmp, deadline_ns, ret_message);

	if (err == -EAGAIN)
		return fail(-ETIMEDOUT, "qmp: no answer from QEMU within %d ms", qmp->timeout_ms);
	if (err || ret_message->id == id)
		return err;
	qmp_message_free(ret_message);
	return fail(-EBADMSG, "qmp: an answer to nothing that was asked");
}

static uint64_t deadline(int timeout_ms)
{
	return now_ns() + timeout_ms * NS_PER_MS;
}

static int send_command(struct qmp *qmp, const char *command, json_t *args, uint64_t deadline_ns)
{
	_cleanup_free_ char *text = NULL;
	json_t *whole;

	whole = json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)++qmp->last_id);
	if (whole && args && json_object_set(whole, "arguments", args)) {
		json_decref(whole);
		whole = NULL;
	}
	if (whole)
		text = json_dumps(whole, JSON_COMPACT);
	json_decref(whole);
	if (!text)
		return fail(-ENOMEM, "qmp: %s: cannot make this command", command);
	return send_all(qmp, text, strlen(text), deadline_ns);
}

int qmp_call(struct qmp *qmp, const char *command, json_t *args, json_t **ret_value)
{
	uint64_t until = deadline(qmp->timeout_ms);
	struct qmp_message answer;
	int err = qmp->broken;

	if (err)
		err = fail(err, "qmp: %s: QEMU is not there any more", command);
	if (!err)
		err = qmp->broken = send_command(qmp, command, args, until);
	json_decref(args);
	if (!err)
		err = qmp->broken = answer_to(qmp, qmp->last_id, until, &answer);
	if (err)
		return err;
	if (answer.kind == QMP_ERROR)
		err = fail(strcmp(answer.name, "CommandNotFound") ? -EREMOTEIO : -ENOTSUP,
			   "qmp: %s: %s", command, answer.text);
	else if (ret_value)
		*ret_value = json_incref(answer.value);
	qmp_message_free(&answer);
	return err;
}

int qmp_event(struct qmp *qmp, int timeout_ms, struct qmp_message *ret_event)
{
	uint64_t until = deadline(timeout_ms);

	while (!qmp->event_count) {
		struct qmp_message message;
		int err = qmp->broken;

		if (err)
			return fail(err, "qmp: QEMU is not there any more");
		err = take_one(qmp, until, &message);
		if (err == -EAGAIN)
			return err;
		if (!err && message.kind != QMP_EVENT) {
			qmp_message_free(&message);
			err = fail(-EBADMSG, "qmp: an answer to nothing that was asked");
		}
		qmp->broken = err;
		if (err)
			return err;
	}
	*ret_event = qmp->events[qmp->event_at];
	qmp->event_at = (qmp->event_at + 1) % QMP_EVENTS_MAX;
	qmp->event_count--;
	return 0;
}

/* ---- its life ---- */

static int connect_to(const char *path, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return fail(-ENAMETOOLONG, "qmp: %s: longer than a socket's path can be", path);
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* QEMU's monitor serves one client; a second one would wait here until the first has gone.
	 */
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) ||
	    connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return fail_errno(-errno, "qmp: %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int greet(struct qmp *qmp, const char *path)
{
	struct qmp_message greeting;
	int err = next_answer(qmp, deadline(qmp->timeout_ms), &greeting);

	if (err == -EAGAIN)
		return fail(-ETIMEDOUT,
			    "qmp: %s: no greeting within %d ms (is another client connected?)",
			    path, qmp->timeout_ms);
	if (err)
		return err;
	if (greeting.kind != QMP_GREETING)
		err = fail(-EBADMSG, "qmp: %s: no QEMU: it does not greet", path);
	qmp_message_free(&greeting);
	return err ? err : qmp_call(qmp, "qmp_capabilities", NULL, NULL);
}

int qmp_open(const struct qmp_open *open, struct qmp **ret_qmp)
{
	_cleanup_qmp_ struct qmp *qmp = calloc(1, sizeof(*qmp));
	int err;

	if (!qmp)
		return fail(-ENOMEM, "qmp: out of memory");
	qmp->fd = -1;
	qmp->timeout_ms = open->timeout_ms;
	qmp->wanted = open->events;
	err = connect_to(open->socket, &qmp->fd);
	if (!err)
		err = greet(qmp, open->socket);
	if (err)
		return err;
	*ret_qmp = TAKE_PTR(qmp);
	return 0;
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	for (uint32_t i = 0; i < qmp->event_count; i++)
		qmp_message_free(&qmp->events[(qmp->event_at + i) % QMP_EVENTS_MAX]);
	qmp_line_free(&qmp->line);
	cleanup_close(&qmp->fd);
	free(qmp);
}

int qmp_fd(const struct qmp *qmp)
{
	return qmp->fd;
}
