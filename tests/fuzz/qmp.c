// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * QMP's bytes, as a guest's QEMU that has been taken over might send them, in pieces: the first
 * byte says how long. What comes out is a message or an error, and the same however the bytes are
 * cut.
 */
#include <string.h>
#include "qmp_line.h"

/* A number that differs if any of the messages does. */
static uint64_t digest(const struct qmp_message *message, uint64_t from)
{
	const char *name = message->name ? message->name : "";

	for (; *name; name++)
		from = (from + (unsigned char)*name) * 1099511628211U;
	return (from + message->kind + message->id) * 1099511628211U;
}

static uint64_t read_all(const char *bytes, size_t len, size_t piece)
{
	struct qmp_line line = {};
	struct qmp_message message;
	uint64_t found = 1;
	int err = -EAGAIN;

	while (len && err == -EAGAIN) {
		size_t room;
		char *to;

		if (qmp_line_room(&line, &to, &room))
			abort(); /* no input is that long */
		room = room < piece ? room : piece;
		room = room < len ? room : len;
		memcpy(to, bytes, room);
		qmp_line_put(&line, room);
		bytes += room;
		len -= room;
		while (!(err = qmp_line_take(&line, &message))) {
			found = digest(&message, found);
			qmp_message_free(&message);
		}
	}
	qmp_line_free(&line);
	return found + err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;

	if (size > 1 && read_all(bytes, size - 1, 1 + data[0]) != read_all(bytes, size - 1, size))
		abort();
	return 0;
}
