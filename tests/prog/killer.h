/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Killing a process at each point where it changes something: its system calls that write to maps,
 * pins, links or folders are followed by ptrace (a seccomp filter stops at no others), and counted.
 * Between two of them it does not matter when it dies.
 */
#ifndef ROAM_TESTS_KILLER_H
#define ROAM_TESTS_KILLER_H

/*
 * Runs fn in a process of its own, killed right before its nth change (from 1). Returns 1 if it was
 * killed, 0 if it had ended before that, with fn's own result in *ret_result.
 */
int killer_run(int (*fn)(const void *arg), const void *arg, unsigned int nth, int *ret_result);

/* The same, killed right before the first change behind that system call, which is a change, too.
 */
int killer_run_behind(int (*fn)(const void *arg), const void *arg, unsigned int call,
		      int *ret_result);

/* The same, killed right before it first changes what a device has. */
int killer_run_to_devices(int (*fn)(const void *arg), const void *arg, int *ret_result);

#endif
