/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What move_source.c and move_delta.c share of a source. */
#ifndef ROAM_MOVE_SOURCE_H
#define ROAM_MOVE_SOURCE_H

#include "move.h"
#include "move_own.h"

/* Rows of flows that one delta has at most: as many as the programs fetch at once. */
#define MOVE_DELTA_ROWS ROAM_CT_XFER_ROWS

struct move_source {
	struct host *host;
	char vm[ROAM_NAME_LEN];
	uint32_t slot;
	struct move_maps maps;
	struct roam_gate *gate; /* maps.gates[slot] */
	struct move_log *log;
	struct state_refs refs;
	uint64_t now_ns;   /* move_source_at() */
	uint64_t round_ns; /* from the end of one to that of the next */
	bool round_fixed;
	uint64_t round_cost_ns; /* of the end that is being sent */
	uint64_t round_ended_ns;
	struct move_logged logged; /* urgent: to be sent at once; soft: at the end of the round */
	struct move_keys work;     /* being sent, from `work_at` on */
	uint32_t work_at;
	bool work_ends_round; /* the small tables go with its last piece */
	uint64_t lost;        /* as gate->lost was when all was read last */
	bool scan;            /* all is to be read again */
	bool froze;
	/* Of one delta. */
	struct roam_flow_rec *rows;
	uint32_t row_count;
	struct move_keys gone;
	image_write_fn write;
	void *write_arg;
	uint64_t bytes;
};

/* The log is read while an image is written, so that it does not run over. */
int move_source_write(const void *bytes, size_t size, void *arg);
/* What was logged is in the sets; with `end_round` all that was written before this. */
int move_source_collect(struct move_source *source, bool end_round);
/* All of the round that has just ended is taken care of: only the next one's rows wait. */
void move_source_next_round(struct move_source *source);

/* One delta: a piece of `work`, or all there is. */
int move_delta_piece(struct move_source *source, bool last, struct move_stats *stats);
int move_delta_scan(struct move_source *source, bool last, struct move_stats *stats);

#endif
