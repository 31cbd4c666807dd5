// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* QMP's messages, taken apart: see qmp_line.h. */
#include <string.h>
#include "qmp_line.h"

#define STEP 4096U

/* What has been taken makes room first. */
static void close_up(struct qmp_line *line)
{
	if (!line->at)
		return;
	memmove(line->bytes, line->bytes + line->at, line->len - line->at);
	line->len -= line->at;
	line->scanned -= line->at;
	line->at = 0;
}

int qmp_line_room(struct qmp_line *line, char **ret_to, size_t *ret_room)
{
	close_up(line);
	if (line->len >= QMP_LINE_MAX)
		return fail(-EBADMSG, "qmp: a line of more than %u bytes", QMP_LINE_MAX);
	if (line->size - line->len < STEP) {
		size_t size = line->size ? 2 * line->size : 2 * STEP;
		char *bytes = realloc(line->bytes, size);

		if (!bytes)
			return fail(-ENOMEM, "qmp: out of memory");
		line->bytes = bytes;
		line->size = size;
	}
	*ret_to = line->bytes + line->len;
	*ret_room = STEP;
	return 0;
}

void qmp_line_put(struct qmp_line *line, size_t count)
{
	line->len += count;
}

/* Ours count from 1; others' answers, which have another id or none, are 0. */
static uint64_t answer_id(const json_t *whole)
{
	const json_t *id = json_object_get(whole, "id");

	return json_is_integer(id) && json_integer_value(id) > 0 ? json_integer_value(id) : 0;
}

static int classify(struct qmp_message *message)
{
	const json_t *whole = message->whole, *error = json_object_get(whole, "error");
	json_t *value = json_object_get(whole, "return");

	message->id = answer_id(whole);
	message->name = json_string_value(json_object_get(whole, "event"));
	if (json_object_get(whole, "QMP")) {
		message->kind = QMP_GREETING;
	} else if (message->name) {
		message->kind = QMP_EVENT;
		message->value = json_object_get(whole, "data");
	} else if (value) {
		message->kind = QMP_RETURN;
		message->value = value;
	} else if (json_is_object(error)) {
		message->kind = QMP_ERROR;
		message->name = json_string_value(json_object_get(error, "class"));
		message->text = json_string_value(json_object_get(error, "desc"));
		if (!message->name || !message->text)
			return fail(-EBADMSG, "qmp: an error without class or desc");
	} else {
		return fail(-EBADMSG, "qmp: a message of no known kind");
	}
	return 0;
}

static int parse(const char *bytes, size_t len, struct qmp_message *ret_message)
{
	struct qmp_message message = {};
	json_error_t error;
	int err;

	message.whole = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &error);
	if (!message.whole)
		return fail(-EBADMSG, "qmp: not JSON at column %d: %s", error.column, error.text);
	err = classify(&message);
	if (err)
		json_decref(message.whole);
	else
		*ret_message = message;
	return err;
}

static bool is_blank(const char *bytes, size_t len)
{
	while (len && (bytes[len - 1] == '\r' || bytes[len - 1] == ' '))
		len--;
	return !len;
}

int qmp_line_take(struct qmp_line *line, struct qmp_message *ret_message)
{
	while (line->scanned < line->len) {
		const char *from = line->bytes + line->at, *end;
		size_t len;

		end = memchr(line->bytes + line->scanned, '\n', line->len - line->scanned);
		if (!end) {
			line->scanned = line->len;
			break;
		}
		len = end - from;
		line->at = line->scanned = line->at + len + 1;
		if (!is_blank(from, len))
			return parse(from, len, ret_message);
	}
	return -EAGAIN;
}

void qmp_message_free(struct qmp_message *message)
{
	json_decref(message->whole);
	*message = (struct qmp_message){};
}

void qmp_line_free(struct qmp_line *line)
{
	free(line->bytes);
	*line = (struct qmp_line){};
}
