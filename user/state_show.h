/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Looking into an image without a host. */
#ifndef ROAM_STATE_SHOW_H
#define ROAM_STATE_SHOW_H

#include "image.h"
#include "out.h"

/* Prints everything that is in it, row by row. */
int state_show(struct out *out, image_read_fn read, void *arg);

/* Checks all that can be checked without a host; prints what it is of and how many rows it has. */
int state_verify(struct out *out, image_read_fn read, void *arg);

#endif
