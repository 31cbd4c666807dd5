/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What QEMU says by QMP (docs/interop/qmp-spec in its sources), taken apart: bytes come in as they
 * arrive, messages go out one by one. Pure: no file, no clock; qmp.c reads the socket.
 */
#ifndef ROAM_QMP_LINE_H
#define ROAM_QMP_LINE_H

#include <jansson.h>
#include "util.h"

/* Of what is asked here nothing comes near it; a peer that says more is no QEMU. */
#define QMP_LINE_MAX (1024U * 1024)

enum qmp_kind {
	QMP_GREETING, /* {"QMP": {…}} */
	QMP_RETURN,   /* {"return": …, "id": …} */
	QMP_ERROR,    /* {"error": {"class": …, "desc": …}, "id": …} */
	QMP_EVENT,    /* {"event": NAME, "data": {…}, "timestamp": {…}} */
};

struct qmp_message {
	enum qmp_kind kind;
	uint64_t id;      /* of an answer; 0 if it has none */
	const char *name; /* of an event; the class of an error */
	const char *text; /* of an error */
	json_t *value;    /* what is returned, or an event's data; may be NULL */
	json_t *whole;    /* owns all of the above */
};

/* Bytes that are not a whole line yet. Starts zeroed. */
struct qmp_line {
	char *bytes;
	size_t len;     /* of what is there */
	size_t size;    /* of the memory */
	size_t at;      /* where the next message begins */
	size_t scanned; /* no end of a line before here */
};

/* Room for at least one byte more: where the next ones go, and how many of them. */
int qmp_line_room(struct qmp_line *line, char **ret_to, size_t *ret_room);
/* So many were put there. */
void qmp_line_put(struct qmp_line *line, size_t count);
/* The next message; -EAGAIN: not whole yet; -EBADMSG with a line: nothing that QEMU says. */
int qmp_line_take(struct qmp_line *line, struct qmp_message *ret_message);

void qmp_message_free(struct qmp_message *message);
void qmp_line_free(struct qmp_line *line);

#endif
