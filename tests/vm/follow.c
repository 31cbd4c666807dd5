// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A QEMU's migration as it is held and let go by user/lib/follow.c, with nothing carried while it
 * is: for the contrast in tests/vm/migrate.py and tools/demo-qemu.
 *
 *   follow QMP migrate URI
 *
 * Prints what `roam handover follow` prints.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "follow.h"

static int prepare(void *arg)
{
	(void)arg;
	return 0;
}

static int fence(void *arg, int *ret_fd)
{
	(void)arg;
	*ret_fd = -1;
	return 0;
}

static void end(void *arg, enum follow_end how)
{
	(void)arg;
	(void)how;
}

static void step(void *arg, enum follow_step step)
{
	(void)arg;
	printf("step %s at_ns %" PRIu64 "\n", follow_step_name(step), now_ns());
	(void)fflush(stdout);
}

static const struct follow_hooks hooks = {
	.prepare = prepare,
	.fence = fence,
	.fenced = prepare,
	.end = end,
	.step = step,
};

int main(int argc, char **argv)
{
	struct follow follow_it = {
		.answer_ms = 3000,
		.fence_ms = 2000,
		.switch_ms = 5000,
		.hooks = &hooks,
	};
	struct follow_result result;
	int err;

	if (argc != 4 || strcmp(argv[2], "migrate") != 0) {
		(void)fprintf(stderr, "usage: follow QMP migrate URI\n");
		return 2;
	}
	follow_it.socket = argv[1];
	follow_it.migrate = argv[3];
	err = follow(&follow_it, &result);
	if (err)
		(void)fprintf(stderr, "%s\n", fail_line());
	printf("end %s total_ms %" PRIu64 " downtime_ms %" PRIu64 "\n", follow_end_name(result.end),
	       result.total_ms, result.downtime_ms);
	return err ? 1 : 0;
}
