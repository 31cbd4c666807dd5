// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Work in a thread: see behind.h. */
#include <stdlib.h>
#include <string.h>
#include "behind.h"
#include "util.h"

static void *run(void *arg)
{
	struct behind *behind = arg;

	behind->err = behind->work(behind->arg);
	if (behind->err)
		behind->why = strdup(fail_line());
	return NULL;
}

int behind_begin(struct behind *behind, int (*work)(void *arg), void *arg)
{
	int err = behind_wait(behind);

	if (err)
		return err;
	behind->work = work;
	behind->arg = arg;
	behind->running = !pthread_create(&behind->thread, NULL, run, behind);
	return behind->running ? 0 : work(arg);
}

int behind_wait(struct behind *behind)
{
	int err;

	if (behind->running)
		pthread_join(behind->thread, NULL);
	behind->running = false;
	err = behind->err;
	if (err)
		fail_set(0, "%s", behind->why ? behind->why : "out of memory");
	free(behind->why);
	behind->why = NULL;
	behind->err = 0;
	return err;
}

void behind_end(struct behind *behind)
{
	if (behind->running)
		pthread_join(behind->thread, NULL);
	behind->running = false;
	free(behind->why);
	behind->why = NULL;
}
