/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What move_dest.c, move_take.c and move_apply.c share of a destination. */
#ifndef ROAM_MOVE_DEST_H
#define ROAM_MOVE_DEST_H

#include <roam/frag.h>
#include <roam/ips.h>
#include <roam/qos.h>
#include "move.h"
#include "move_own.h"
#include "rows.h"
#include "state_lb.h"

/* Rows that a delta holds back until it has turned out to be right; of flows more only in scans. */
#define MOVE_TAKE_ROWS ROAM_CT_XFER_ROWS

/* At most so many that are late. */
#define MOVE_LATE_ROWS 4096

struct move_dest {
	struct host *host;
	char vm[ROAM_NAME_LEN];
	uint32_t slot;
	struct move_maps maps;
	struct roam_gate *gate; /* maps.gates[slot] */
	struct state_refs refs;
	bool has_refs; /* false after a reopen, until a scan */
	bool has_stats;
	struct rows flows; /* room for a delta's, from one to the next */
	bool complete;     /* the last delta was the source's last */
	bool torn;         /* a scan broke off */
	/*
	 * Rows that found no room, or their tuple taken. Neither base nor delta is of one moment:
	 * it may have rows that took the place of others whose end the next delta tells. With the
	 * last there must be none.
	 */
	struct excess late;
};

/* A delta on its way in. */
struct taking {
	struct move_dest *dest;
	struct image_header header;
	struct roam_port ports[ROAM_VM_PORTS]; /* of the VM here */
	int port_count;
	struct roam_vm vm; /* the same */
	struct roam_ips ips;
	bool doubled; /* it has been applied already: read and thrown away */
	bool has_move;
	struct roam_move_rec move;
	/* References of a scan, and what they are made from. */
	struct image_maps maps;
	struct acl_list own_rules; /* by name */
	uint32_t *rule;
	struct state_lb *lb;
	uint32_t zones;
	struct roam_ips image_ips;
	/* What waits. */
	uint64_t reject_paid_ns;
	struct rows flows;
	struct rows gone_flows; /* struct roam_flow_rec, of which the key counts */
	struct rows gone_ips;
	struct rows sources;
	struct rows blocks;
	struct rows trains;
	struct rows hits;
	struct rows qos;
	struct roam_stats stats;
	bool tidied;   /* the tables' clocks are */
	bool scanning; /* rows of it have been applied */
	/* A scan's. */
	bool applied;          /* some of it */
	struct move_keys seen; /* of sources and blocks */
};

/* move_apply.c: with the host's lock. */
int move_apply_flows(struct taking *taking);
int move_apply_all(struct taking *taking);

#endif
