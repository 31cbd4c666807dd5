/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One piece of work at a time behind its caller's back, in a thread: a load reads and checks rows
 * while the ones before go into the kernel's tables, and its first wait for RCU costs nothing.
 */
#ifndef ROAM_BEHIND_H
#define ROAM_BEHIND_H

#include <pthread.h>
#include <stdbool.h>

struct behind {
	pthread_t thread;
	bool running;
	int (*work)(void *arg);
	void *arg;
	int err;
	char *why; /* the line of an error (util.h), which is the thread's own until it is waited
		      for */
};

/* Waits for the work before; if that failed, returns its error and begins nothing. */
int behind_begin(struct behind *behind, int (*work)(void *arg), void *arg);

/* The error of the work that was begun, with its line; 0 if there is none. */
int behind_wait(struct behind *behind);

/* For who has failed already, and keeps that line. */
void behind_end(struct behind *behind);

#endif
