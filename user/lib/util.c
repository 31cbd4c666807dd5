// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The line that says what went wrong, and the clock: see util.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "util.h"

static _Thread_local char line[512];

void fail_set(int err, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (!err)
		return;
	len = strlen(line);
	snprintf(line + len, sizeof(line) - len, ": %s", strerror(-err));
}

const char *fail_line(void)
{
	return line;
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}
