/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What roamd tells its log: lines on stderr, plain with the level in front as the journal wants it,
 * or JSON. */
#ifndef ROAM_AGENT_SAY_H
#define ROAM_AGENT_SAY_H

#include <stdbool.h>

enum say_level { SAY_ERROR = 3, SAY_WARNING = 4, SAY_INFO = 6 };

void say_as_json(bool json);
void say(enum say_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
