/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A client of QEMU's monitor protocol on a Unix socket, for follow.c: one command at a time, events
 * kept until they are asked for. It waits by poll(2) and never longer than its limits, whatever the
 * other end does.
 */
#ifndef ROAM_QMP_H
#define ROAM_QMP_H

#include "qmp_line.h"

/* Events that nobody has asked for yet; more than that is no migration. */
#define QMP_EVENTS_MAX 256

struct qmp;

struct qmp_open {
	const char *socket;
	/* Names of the events that are kept, ending with NULL: a guest can cause many of other
	 * kinds. */
	const char *const *events;
	int timeout_ms; /* for the greeting, and for the answer to a command */
};

/* Connects, greets, leaves negotiation mode. */
int qmp_open(const struct qmp_open *open, struct qmp **ret_qmp);
void qmp_close(struct qmp *qmp);
/* Readable when there may be an event; the caller polls it beside others of its own. */
int qmp_fd(const struct qmp *qmp);

/*
 * Runs a command. Its arguments (json_pack's, or NULL) are taken. *ret_value, if wanted, is the
 * caller's. -ENOTSUP: this QEMU has no such command; -EREMOTEIO: it refused; -ETIMEDOUT, -EPIPE: it
 * does not answer, it is gone: then the client is of no use any more.
 */
int qmp_call(struct qmp *qmp, const char *command, json_t *args, json_t **ret_value);

/* The next event, the caller's; -EAGAIN: none within that time (0: none is here already). */
int qmp_event(struct qmp *qmp, int timeout_ms, struct qmp_message *ret_event);

static inline void cleanup_qmp(struct qmp **qmp)
{
	qmp_close(*qmp);
}
#define _cleanup_qmp_ __attribute__((cleanup(cleanup_qmp)))

#endif
