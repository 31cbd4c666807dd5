/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The part of state_save.c and state_load.c that belongs to features beyond port, acl and ct: their
 * tables of an image, one file a feature (state_qos.c, state_ips.c). Where the host has a policy of
 * its own for the VM, that stays, and the image's state goes on under it.
 */
#ifndef ROAM_STATE_FEATURES_H
#define ROAM_STATE_FEATURES_H

#include <xxhash.h>
#include <roam/ips.h>
#include <roam/qos.h>
#include "draft.h"
#include "image.h"
#include "state_excess.h"

/*
 * A load, as far as features are concerned. Their rows wait, checked but for what only a host can
 * say, until there is a draft for them (state_place.h).
 */
struct state_features {
	/* Rows and ends of tables in the order in which they came: a table's id, then the row. */
	uint8_t *waiting;
	size_t waiting_bytes;
	size_t waiting_room;
	uint32_t waiting_rows;
	/* Once there is a draft. */
	struct host *host;
	uint32_t slot;     /* the draft's; ROAM_VM_NONE before */
	uint32_t own_slot; /* of the VM whose policy stays, or ROAM_VM_NONE */
	bool seen_qos[ROAM_DIR_COUNT];
	struct roam_ips image_ips;         /* what the image's rows of sources and blocks are by */
	struct roam_ips ips;               /* what the draft has */
	uint32_t ips_rows[ROAM_IPS_KINDS]; /* of the image so far */
	struct excess *late;               /* rows that find no place */
	bool keeps_late;                   /* for the deltas of a handover */
};

/* What a feature does; functions that it does not need are NULL. */
struct state_feature {
	/* Its policy is part of the image's digest. */
	void (*digest)(struct host *host, uint32_t slot, XXH3_state_t *hash);
	/* Its tables, in order, if the VM has it. */
	int (*save)(struct host *host, uint32_t slot, struct image_writer *writer);
	/* What can be said of a row without a host; rows of other tables are none of its business.
	 */
	int (*check)(enum schema_table_id table, const void *row);
	/* A row that has been checked, and the end of a table. */
	int (*row)(struct state_features *features, enum schema_table_id table, const void *row);
	int (*end)(struct state_features *features, enum schema_table_id table);
};

extern const struct state_feature state_qos;
extern const struct state_feature state_ips;
extern const struct state_feature state_frag;

/* All features in turn. */
void state_features_digest(struct host *host, uint32_t slot, XXH3_state_t *hash);
int state_features_save(struct host *host, uint32_t slot, struct image_writer *writer);
int state_features_check(enum schema_table_id table, const void *row);
int state_features_row(struct state_features *features, enum schema_table_id table,
		       const void *row);
int state_features_end(struct state_features *features, enum schema_table_id table);
/* There is a draft now: what waits goes into it, and what comes goes there directly. */
int state_features_place(struct state_features *features, struct host *host, uint32_t slot,
			 uint32_t own_slot);
void state_features_close(struct state_features *features);

#endif
