// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Work in a thread (user/lib/behind.h): its result and its line are its caller's once waited for,
 * a failure stops what would come after it, and only one piece of work runs at a time.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>
#include "behind.h"
#include "harness.h"
#include "util.h"

struct task {
	int result;
	atomic_int runs;
	atomic_int at_once;
	bool overlapped;
};

static int work(void *arg)
{
	struct task *task = arg;

	if (atomic_fetch_add(&task->at_once, 1))
		task->overlapped = true;
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	atomic_fetch_add(&task->runs, 1);
	atomic_fetch_sub(&task->at_once, 1);
	return task->result ? fail(task->result, "the work failed") : 0;
}

TEST(nothing_begun)
{
	struct behind behind = {};

	CHECK_OK(behind_wait(&behind));
	behind_end(&behind);
}

TEST(one_after_the_other)
{
	struct behind behind = {};
	struct task task = {};

	for (int i = 0; i < 20; i++)
		CHECK_OK(behind_begin(&behind, work, &task));
	CHECK_OK(behind_wait(&behind));
	CHECK_EQ(task.runs, 20);
	CHECK(!task.overlapped);
}

TEST(the_line_is_the_callers_after_the_wait)
{
	struct behind behind = {};
	struct task task = { .result = -EBADMSG };

	fail_set(0, "%s", "before");
	CHECK_OK(behind_begin(&behind, work, &task));
	CHECK_EQ(behind_wait(&behind), -EBADMSG);
	CHECK_STR(fail_line(), "the work failed");
	CHECK_OK(behind_wait(&behind)); /* said once */
}

TEST(a_failure_stops_what_comes_next)
{
	struct behind behind = {};
	struct task bad = { .result = -ENOSPC }, next = {};

	CHECK_OK(behind_begin(&behind, work, &bad));
	CHECK_EQ(behind_begin(&behind, work, &next), -ENOSPC);
	CHECK_EQ(next.runs, 0);
	behind_end(&behind);
}

TEST(who_has_failed_keeps_its_line)
{
	struct behind behind = {};
	struct task task = { .result = -EIO };

	CHECK_OK(behind_begin(&behind, work, &task));
	fail_set(0, "%s", "mine");
	behind_end(&behind);
	CHECK_STR(fail_line(), "mine");
	CHECK_EQ(task.runs, 1);
}
