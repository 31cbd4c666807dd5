// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Asking roamd: see handover_ask.h. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "handover_ask.h"
#include "util.h"

static int open_socket(const char *path, int *ret_fd)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(to.sun_path))
		return fail(-EINVAL, "handover: %s: is too long for a socket", path);
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fail_errno(-errno, "handover: no roamd at %s", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int send_request(int fd, const json_t *request)
{
	_cleanup_free_ char *text = json_dumps(request, JSON_COMPACT);
	size_t at = 0, size;

	if (!text)
		return fail(-ENOMEM, "handover: out of memory");
	size = strlen(text);
	text[size++] = '\n'; /* in place of the NUL */
	while (at < size) {
		ssize_t sent = send(fd, text + at, size - at, MSG_NOSIGNAL);

		if (sent <= 0)
			return fail_errno(-errno, "handover: cannot ask roamd");
		at += sent;
	}
	return 0;
}

/* One line of the answer: 1: there is more. */
static int take_line(const char *line, handover_item_fn fn, void *arg)
{
	json_t *answer = json_loads(line, 0, NULL);
	json_t *item = json_object_get(answer, "item");
	const char *error = json_string_value(json_object_get(answer, "error"));
	int err = 1;

	if (error)
		err = fail(-EREMOTEIO, "handover: %s", error);
	else if (item)
		err = fn(item, arg);
	else if (!json_object_get(answer, "end"))
		err = fail(-EPROTO, "handover: roamd's answer is not understood");
	else
		err = 0;
	if (item && !err)
		err = 1;
	json_decref(answer);
	return err;
}

const char *handover_text_in(const json_t *item, const char *name)
{
	const char *text = json_string_value(json_object_get(item, name));

	return text ? text : "";
}

int handover_ask_begin(const char *control, json_t *request, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	int err = open_socket(control, &fd);

	if (!err)
		err = send_request(fd, request);
	json_decref(request);
	if (!err)
		*ret_fd = TAKE_FD(fd);
	return err;
}

int handover_ask_end(int fd, handover_item_fn fn, void *arg)
{
	_cleanup_free_ char *line = NULL;
	FILE *from = fdopen(fd, "re");
	size_t room = 0;
	int err;

	if (!from) {
		close(fd);
		return fail(-ENOMEM, "handover: out of memory");
	}
	do {
		errno = 0;
		if (getline(&line, &room, from) < 0)
			err = errno == EAGAIN ? fail(-ETIMEDOUT, "handover: roamd does not answer")
					      : fail(-EPIPE, "handover: roamd has ended");
		else
			err = take_line(line, fn, arg);
	} while (err == 1);
	(void)fclose(from);
	return err;
}

int handover_ask(const char *control, json_t *request, handover_item_fn fn, void *arg)
{
	int fd, err = handover_ask_begin(control, request, &fd);

	return err ? err : handover_ask_end(fd, fn, arg);
}
