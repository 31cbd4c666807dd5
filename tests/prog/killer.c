// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Killing at each change: see killer.h. */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "killer.h"

/* Commands of bpf() that change something. */
static const unsigned int commands[] = {
	BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH,
	BPF_OBJ_PIN,         BPF_PROG_TEST_RUN,   BPF_LINK_CREATE,      BPF_LINK_UPDATE,
};

/* Other system calls that do. */
static const unsigned int calls[] = {
	SYS_mkdirat,    SYS_renameat2, SYS_unlinkat, SYS_sendto, /* netlink */
#ifdef SYS_mkdir
	SYS_mkdir,      SYS_rmdir,     SYS_unlink,   SYS_rename,
#endif
	SYS_exit_group, /* all is done, but its locks are still held */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Two instructions for each number: what is equal to it is told to who follows. */
static unsigned int add_numbers(struct sock_filter *at, const unsigned int *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		at[2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0,
							 1);
		at[2 * i + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	}
	return 2 * count;
}

/*
 * Has the kernel stop this process at these calls, and at no others: an upgrade makes hundreds of
 * thousands that only read.
 */
static int stop_at_changes(void)
{
	struct sock_filter code[2 * (COUNT(commands) + COUNT(calls)) + 8];
	struct sock_fprog filter = { .filter = code };
	unsigned int len = 0;

	code[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, nr));
	len += add_numbers(code + len, calls, COUNT(calls));
	code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 1, 0);
	code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						   offsetof(struct seccomp_data, args));
	len += add_numbers(code + len, commands, COUNT(commands));
	code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter.len = len;
	/* Root needs no PR_SET_NO_NEW_PRIVS. */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static void child(int (*fn)(const void *arg), const void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(99);
	raise(SIGSTOP);
	if (stop_at_changes())
		_exit(98);
	_exit(fn(arg) ? 1 : 0);
}

/* Lets a stopped thread go on, with the signal that stopped it if it was not ours. */
static void go_on(pid_t tid, int status)
{
	int sig = WSTOPSIG(status);
	bool ours = sig == SIGTRAP || sig == SIGSTOP;

	ptrace(PTRACE_CONT, tid, NULL, ours ? NULL : (void *)(long)sig);
}

/* Where it dies. */
struct end {
	unsigned int nth;    /* change; 0: at none */
	unsigned int behind; /* a system call: at the first change behind it; 0: at none */
	bool at_devices;     /* at the first change of what is on a device */
};

/* Whether the process, which has come to a change, is at its end. */
static bool has_ended(pid_t tid, unsigned int changes, struct end *end)
{
	struct __ptrace_syscall_info info = {};

	if (changes == end->nth)
		return true;
	if ((!end->behind && !end->at_devices) ||
	    ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_SECCOMP)
		return false;
	if (end->behind && info.seccomp.nr == end->behind)
		*end = (struct end){ .nth = changes + 1 };
	/* A link, or, where there is no tcx, a filter by netlink. */
	return end->at_devices &&
	       (info.seccomp.nr == SYS_sendto ||
		(info.seccomp.nr == SYS_bpf && info.seccomp.args[0] == BPF_LINK_UPDATE));
}

/* Follows the process and its threads to its end, or to that of all. */
static int follow(pid_t pid, struct end *end, int *ret_result)
{
	unsigned int changes = 0;
	int status;

	for (;;) {
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 || (tid == pid && WIFSIGNALED(status)))
			return -1;
		if (tid == pid && WIFEXITED(status)) {
			*ret_result = WEXITSTATUS(status);
			return 0;
		}
		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8) &&
		    has_ended(tid, ++changes, end))
			return 1;
		go_on(tid, status);
	}
}

static int run(int (*fn)(const void *arg), const void *arg, struct end end, int *ret_result)
{
	long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	pid_t pid = fork();
	int status, killed;

	if (!pid)
		child(fn, arg);
	if (pid < 0 || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, options) || ptrace(PTRACE_CONT, pid, NULL, NULL)) {
		perror("# killer");
		abort();
	}
	killed = follow(pid, &end, ret_result);
	if (killed) {
		kill(pid, SIGKILL);
		while (waitpid(-1, &status, __WALL) > 0)
			;
	}
	return killed;
}

int killer_run(int (*fn)(const void *arg), const void *arg, unsigned int nth, int *ret_result)
{
	return run(fn, arg, (struct end){ .nth = nth }, ret_result);
}

int killer_run_behind(int (*fn)(const void *arg), const void *arg, unsigned int call,
		      int *ret_result)
{
	return run(fn, arg, (struct end){ .behind = call }, ret_result);
}

int killer_run_to_devices(int (*fn)(const void *arg), const void *arg, int *ret_result)
{
	return run(fn, arg, (struct end){ .at_devices = true }, ret_result);
}
