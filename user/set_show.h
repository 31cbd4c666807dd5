/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A set's fields, for the commands that show one. */
#ifndef ROAM_SET_SHOW_H
#define ROAM_SET_SHOW_H

#include "out.h"
#include "set_value.h"

/* With all that it holds, which is loaded. */
void set_show(struct out *out, const struct set_value *set);
/* As an image knows it; `keyword` is for the name. */
void set_show_row(struct out *out, const char *keyword, const struct roam_set *set);

#endif
