// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Killing at each change: see killer.h. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "killer.h"

static bool is_bpf_change(unsigned long command)
{
	switch (command) {
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_DELETE_ELEM:
	case BPF_MAP_UPDATE_BATCH:
	case BPF_MAP_DELETE_BATCH:
	case BPF_OBJ_PIN:
	case BPF_PROG_TEST_RUN:
	case BPF_LINK_CREATE:
	case BPF_LINK_UPDATE:
		return true;
	default:
		return false;
	}
}

static bool is_change(const struct __ptrace_syscall_info *info)
{
	if (info->op != PTRACE_SYSCALL_INFO_ENTRY)
		return false;
	switch (info->entry.nr) {
	case SYS_bpf:
		return is_bpf_change(info->entry.args[0]);
	case SYS_mkdirat:
	case SYS_renameat2:
	case SYS_unlinkat:
	case SYS_sendto: /* netlink */
#ifdef SYS_mkdir
	case SYS_mkdir:
	case SYS_rmdir:
	case SYS_unlink:
	case SYS_rename:
#endif
	case SYS_exit_group: /* all is done, but its locks are still held */
		return true;
	default:
		return false;
	}
}

static void child(int (*fn)(const void *arg), const void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(99);
	raise(SIGSTOP);
	_exit(fn(arg) ? 1 : 0);
}

/* Lets a stopped thread go on, with the signal that stopped it if it was not ours. */
static void go_on(pid_t tid, int status)
{
	int sig = WSTOPSIG(status);
	bool ours = sig == (SIGTRAP | 0x80) || sig == SIGTRAP || sig == SIGSTOP;

	ptrace(PTRACE_SYSCALL, tid, NULL, ours ? NULL : (void *)(long)sig);
}

/* Follows the process and its threads to the nth change or to the end. */
static int follow(pid_t pid, unsigned int nth, int *ret_result)
{
	unsigned int changes = 0;
	int status;

	for (;;) {
		struct __ptrace_syscall_info info = {};
		pid_t tid = waitpid(-1, &status, __WALL);

		if (tid < 0 || (tid == pid && WIFSIGNALED(status)))
			return -1;
		if (tid == pid && WIFEXITED(status)) {
			*ret_result = WEXITSTATUS(status);
			return 0;
		}
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) &&
		    ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) > 0 &&
		    is_change(&info) && ++changes == nth)
			return 1;
		go_on(tid, status);
	}
}

int killer_run(int (*fn)(const void *arg), const void *arg, unsigned int nth, int *ret_result)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
	pid_t pid = fork();
	int status, killed;

	if (!pid)
		child(fn, arg);
	if (pid < 0 || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, options) ||
	    ptrace(PTRACE_SYSCALL, pid, NULL, NULL)) {
		perror("# killer");
		abort();
	}
	killed = follow(pid, nth, ret_result);
	if (killed) {
		kill(pid, SIGKILL);
		while (waitpid(-1, &status, __WALL) > 0)
			;
	}
	return killed;
}
