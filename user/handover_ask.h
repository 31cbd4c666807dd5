/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Asking roamd by its control socket: a request, and the items of its answer. */
#ifndef ROAM_HANDOVER_ASK_H
#define ROAM_HANDOVER_ASK_H

#include <stdbool.h>
#include <jansson.h>

#define HANDOVER_CONTROL "/run/roam/roamd.sock"

/* Of each item; other than 0 ends the asking with it. Does not take the reference. */
typedef int (*handover_item_fn)(json_t *item, void *arg);

/* A text of an item; "" if it has none by that name. */
const char *handover_text_in(const json_t *item, const char *name);

/*
 * Sends the request, whose reference is taken, and calls fn for each item until the answer ends: 0,
 * or -errno with the line that roamd said, "handover: " in front of it.
 */
int handover_ask(const char *control, json_t *request, handover_item_fn fn, void *arg);

/*
 * The same in two halves, for who waits for other things as well: once *ret_fd can be read, there
 * is something of the answer. Both take what they are given, the reference and the fd, whose
 * SO_RCVTIMEO is kept: -ETIMEDOUT.
 */
int handover_ask_begin(const char *control, json_t *request, int *ret_fd);
int handover_ask_end(int fd, handover_item_fn fn, void *arg);

#endif
