/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What follow.c asks QEMU and tells it: the commands and events of QMP that concern migration. */
#ifndef ROAM_FOLLOW_QEMU_H
#define ROAM_FOLLOW_QEMU_H

#include "follow.h"
#include "qmp.h"

/* One event, or the status that was asked for. */
struct follow_said {
	enum follow_step step; /* FOLLOW_STEP_COUNT: nothing that matters */
	bool postcopy;
};

int follow_qemu_open(const char *socket, int answer_ms, struct qmp **ret_qmp);
/*
 * Sets the capabilities that make a migration one that can be held and taken back, and looks
 * whether they are: while a migration runs QEMU changes none. *ret_running: whether the VM runs.
 */
int follow_qemu_prepare(struct qmp *qmp, bool *ret_running);
int follow_qemu_migrate(struct qmp *qmp, const char *uri);
int follow_qemu_continue(struct qmp *qmp);
/* Does nothing where there is no migration. */
int follow_qemu_cancel(struct qmp *qmp);

/* What QEMU has said meanwhile; -EAGAIN: nothing. */
int follow_qemu_said(struct qmp *qmp, struct follow_said *ret_said);
/* How far a migration is that runs already. */
int follow_qemu_status(struct qmp *qmp, struct follow_said *ret_said);
int follow_qemu_progress(struct qmp *qmp, struct follow_progress *ret_progress);
/* After a failure: waits until the VM runs, if it is to, but not longer than that. */
int follow_qemu_comes_back(struct qmp *qmp, bool wanted, int timeout_ms, bool *ret_running);
/* QEMU's own account, where it has one. */
void follow_qemu_times(struct qmp *qmp, struct follow_result *result);
/* -EREMOTEIO with a line: why it failed. */
int follow_qemu_why(struct qmp *qmp);

#endif
