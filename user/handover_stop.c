// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Being told to stop: see handover_stop.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include "handover_stop.h"
#include "util.h"

static int stop_pipe[2] = { -1, -1 };
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	const int err = errno;

	(void)number;
	stopped = 1;
	(void)!write(stop_pipe[1], "", 1);
	errno = err;
}

/* Without SA_RESTART: waiting for roamd ends as well. */
int handover_stop_catch(int *ret_fd)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK))
		return fail_errno(-errno, "handover: no pipe");
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaction(ending[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	*ret_fd = stop_pipe[0];
	return 0;
}

bool handover_stopped(void)
{
	return stopped;
}
