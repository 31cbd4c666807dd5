/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A plain QEMU's pre-copy migration, followed by QMP on the source, so that the VM's state goes
 * over while the VM stands still: QEMU waits at `pre-switchover` until the fence is complete. How
 * state is carried, the hooks know; nothing here knows of hosts or daemons.
 *
 *   prepare ─► (setup, active) ─► STOP ─► pre-switchover ─► fence … fenced ─► migrate-continue
 *           ─► device ─► completed: end(MOVED)
 *   anything fails, or takes too long: migrate_cancel ─► RESUME: end(STAYED)
 *
 * Post-copy is refused: there the VM runs at the destination seconds before the source's memory is
 * all there, and there is no way back.
 */
#ifndef ROAM_FOLLOW_H
#define ROAM_FOLLOW_H

#include "util.h"

/* What is seen, in the order in which it comes when nothing fails. */
#define FOLLOW_STEPS(X)                                                                            \
	X(READY, "ready") /* capabilities are set, hook prepare is done */                         \
	X(SETUP, "setup")                                                                          \
	X(ACTIVE, "active")                                                                        \
	X(STOP, "stop")           /* the VM stands still */                                        \
	X(HELD, "pre-switchover") /* and stays so until QEMU is told to go on */                   \
	X(FENCED, "fenced")       /* the state is at the destination */                            \
	X(DEVICE, "device")                                                                        \
	X(COMPLETED, "completed")                                                                  \
	X(CANCELLING, "cancelling")                                                                \
	X(CANCELLED, "cancelled")                                                                  \
	X(FAILED, "failed")                                                                        \
	X(RESUME, "resume") /* the VM runs here again */

enum follow_step {
#define X(name, text) FOLLOW_##name,
	FOLLOW_STEPS(X)
#undef X
		FOLLOW_STEP_COUNT
};

enum follow_end {
	FOLLOW_MOVED,   /* it runs at the destination */
	FOLLOW_STAYED,  /* as before, at the source */
	FOLLOW_HALTED,  /* at the source, but QEMU does not let it run */
	FOLLOW_UNKNOWN, /* the source's QEMU is gone, or does not answer: look where the VM sends */
};

/* How far the copy of the VM's memory is. */
struct follow_progress {
	uint64_t transferred; /* bytes, as is what remains */
	uint64_t remaining;
	uint64_t dirty_rate; /* pages a second */
};

struct follow_hooks {
	/* Before the migration begins, if it has not yet: policy goes over, copying starts. On
	 * failure there is no migration. */
	int (*prepare)(void *arg);
	/*
	 * The VM stands still: freeze, send the last delta. Either that is done when it returns
	 * (then *ret_fd is -1), or *ret_fd can be read once it is: then `fenced` tells how it went.
	 * The fd is the hooks'.
	 */
	int (*fence)(void *arg, int *ret_fd);
	int (*fenced)(void *arg);
	/*
	 * QEMU was told to go on and has not completed in time. 0: the destination does not run the
	 * VM and will not open for it; the migration is cancelled. Without this hook, or if it
	 * fails, that is not known, and a VM that runs twice is worse than one that waits: QEMU
	 * decides.
	 */
	int (*revoke)(void *arg);
	/* Always called, once, if `prepare` was. */
	void (*end)(void *arg, enum follow_end end);
	/* May be NULL. */
	void (*step)(void *arg, enum follow_step step);
	void (*progress)(void *arg, const struct follow_progress *progress);
};

struct follow {
	const char *socket;  /* QMP's, of the source */
	const char *migrate; /* the URI to migrate to; NULL: somebody else starts it */
	int answer_ms;       /* within which QEMU answers */
	int fence_ms;  /* how long the VM is held at most: destinations that die are not noticed */
	int switch_ms; /* from migrate-continue to completed, before `revoke` */
	int progress_ms; /* how often hook progress is called; 0: never */
	int stop_fd;     /* readable: to be cancelled, unless QEMU was told to go on; 0: none */
	const struct follow_hooks *hooks;
	void *arg;
};

struct follow_result {
	enum follow_end end;
	uint64_t at_ns[FOLLOW_STEP_COUNT]; /* 0: not seen */
	uint64_t total_ms;                 /* by QEMU's account */
	uint64_t downtime_ms;
};

/* Of a step; for an end the name that `show` prints. */
const char *follow_step_name(enum follow_step step);
const char *follow_end_name(enum follow_end end);

/* 0: the VM moved. Else *ret_result tells, too (unlike elsewhere), where the VM is now. */
int follow(const struct follow *follow, struct follow_result *ret_result);

#endif
