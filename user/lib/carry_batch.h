/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Flows on their way to another layout, many at once: for carry_flows.c, which knows the order. A
 * batch is rows of several tables: copied into the new tables; when no old program runs any more
 * that had not found them there, what it has written since is merged (program elder_merge), and the
 * old rows go.
 */
#ifndef ROAM_LIB_CARRY_BATCH_H
#define ROAM_LIB_CARRY_BATCH_H

#include <roam/ct.h>
#include "carry_own.h"

#define BATCH (ROAM_CT_XFER_ROWS / 2) /* pairs */
#define SPANS 512

/* Of the batch: rows of one table. */
struct span {
	uint32_t table;
	uint32_t first;
	uint32_t count;
	int rows; /* the old inner map */
};

struct flows {
	const struct carry *carry;
	struct carry_plans plans;
	int from; /* the old ct_table */
	uint64_t blocks_due_ns;
	int xfer_fd;
	int load;
	int merge;
	uint8_t *keys; /* of the old layout, BATCH of each */
	uint8_t *values;
	struct roam_flow_rec *recs; /* the same as they are now */
	struct roam_flow_rec *xfer; /* mapped */
	struct span span[SPANS];
	uint32_t spans;
	uint32_t count; /* rows of all of them */
	uint32_t moved;
	bool decided; /* there is no way back: rows that cannot be carried are left out */
};

/* Where a table is read on; zero is its beginning. */
struct reading {
	uint32_t at;
	bool begun;
	bool ended; /* there are no more rows */
};

/* To read them; and to move them, once the new programs are there. */
int flows_open(const struct carry *carry, struct flows *flows);
int flows_open_programs(struct flows *flows);
void flows_close(struct flows *flows);
#define _cleanup_flows_ __attribute__((cleanup(flows_close)))

/*
 * Rows of a table, from `first` of keys, values and recs on: as many as there is room for. None of
 * a table that has some: for what stands together there, there is no room any more.
 */
int flows_read(struct flows *flows, int rows, struct reading *reading, uint32_t first,
	       uint32_t *ret_count);

/* Adds to the batch what of the table there is room for; says whether the table has more. */
int flows_add_table(struct flows *flows, uint32_t table, bool *ret_more);
/* The batch goes over, and is empty. */
int flows_move_batch(struct flows *flows);

#endif
