// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* roamd's log: see say.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <jansson.h>
#include "say.h"

static bool as_json;

void say_as_json(bool json)
{
	as_json = json;
}

static void say_json(enum say_level level, const char *line)
{
	const char *name = level == SAY_ERROR ? "error" : level == SAY_WARNING ? "warning" : "info";
	struct timespec now;
	json_t *all;
	char *text;

	clock_gettime(CLOCK_REALTIME, &now);
	all = json_pack("{s:f, s:s, s:s}", "time", now.tv_sec + now.tv_nsec / 1e9, "level", name,
			"message", line);
	text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(16)) : NULL;
	if (text)
		fprintf(stderr, "%s\n", text);
	free(text);
	json_decref(all);
}

void say(enum say_level level, const char *format, ...)
{
	char line[600];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (as_json)
		say_json(level, line);
	else
		fprintf(stderr, "<%d>%s\n", level, line);
}
