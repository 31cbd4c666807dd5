/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The part of state_save.c and state_load.c that belongs to features beyond port, acl and ct: their
 * tables of an image. A row is policy and state at once; where the host has a policy of its own,
 * that stays, and the state goes on under it.
 */
#ifndef ROAM_STATE_FEATURES_H
#define ROAM_STATE_FEATURES_H

#include <xxhash.h>
#include <roam/qos.h>
#include "draft.h"
#include "image.h"

/* ---- saving ---- */

/* Their policy is part of the image's digest. */
void state_digest_features(struct host *host, uint32_t slot, XXH3_state_t *hash);
/* Their tables, in order. */
int state_write_features(struct host *host, uint32_t slot, struct image_writer *writer);

/* ---- loading ---- */

struct state_features {
	struct host *host;
	struct draft *draft; /* once there is one */
	uint32_t own_slot;   /* of the VM whose policy stays, or ROAM_VM_NONE */
	bool seen_qos[ROAM_DIR_COUNT];
};

/* A row that is not theirs is none of their business: 0. */
int state_features_row(struct state_features *features, enum schema_table_id table,
		       const void *row);
int state_features_end(struct state_features *features, enum schema_table_id table);

/* What can be said of a row without a host. */
int state_features_check(enum schema_table_id table, const void *row);

#endif
