/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sets by name in an image: the part of state_save.c and state_load.c that knows of them. A set is
 * the host's: an image names those that its rules refer to, each with a digest of what it holds,
 * and never makes one. Where one is missing, or is of the other kind, the image cannot be loaded.
 * One that holds something else is what the rules refer to from then on: flows are matched again.
 */
#ifndef ROAM_STATE_SET_H
#define ROAM_STATE_SET_H

#include "host.h"
#include "image.h"
#include "set.h"

/* ---- saving ---- */

/* Table set, if the rules refer to any. */
int state_set_save(struct host *host, const struct acl_list *rules, struct image_writer *writer);

/* ---- loading ---- */

/* A row of table set. */
int state_set_row(struct sets *image, const struct roam_set *row);

struct state_set_found {
	char other[ROAM_NAME_LEN]; /* one of those */
	uint32_t others;           /* sets that hold something else here */
	uint64_t digest;           /* state_set_digest(), at that look */
};

/* The image's rules, which will be the VM's here, with the host's sets, which are read once. */
int state_set_check(struct host *host, struct sets *image, const struct acl_list *rules,
		    struct state_set_found *ret_found);

/* What the rules' sets hold; 0 if they have none. To be the same when the VM is published. */
int state_set_digest(struct host *host, const struct acl_list *rules, uint64_t *ret_digest);

/* What can be said of a row without a host. */
int state_set_check_row(const struct roam_set *row);

#endif
