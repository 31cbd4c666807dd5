/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The gate and the transfer rows of a handover, for libroam's own files. See move.h. */
#ifndef ROAM_MOVE_OWN_H
#define ROAM_MOVE_OWN_H

#include <roam/ct.h>
#include <roam/move.h>
#include <roam/stats.h>
#include "host.h"

/* ---- a VM's gate (move_gate.c) ---- */

/* Of a slot that no program sees. The round goes on from what the slot had. */
int move_gate_put(struct host *host, uint32_t slot, const struct roam_gate *gate);
/* Gate and log of a VM that has no handover. */
void move_clear(struct host *host, uint32_t slot);
/* The policy of a VM is another: a source that has sent the former has to send it again. */
void move_policy_changed(struct host *host, uint32_t slot);
/* Whether frames of a gated VM come from it here, and not from outside. */
bool move_runs_here(struct host *host, uint32_t slot);
/* Whether an image may take the place of a gated VM: only of one that is `prepared`. */
int move_may_load(struct host *host, uint32_t slot);
/*
 * -EBUSY where a change of a VM's policy, or of its state by hand, would be lost without a word: at
 * a source that has frozen it or where it has moved from, and at a destination that has nothing of
 * it but what the source sends. With the host's lock, which a freeze takes as well: what was begun
 * before is done and in the last delta, or makes that fail.
 */
int move_may_change(struct host *host, uint32_t slot);
/* Waits until no program runs that began before: slow, for when nothing waits. */
int move_wait_rcu(struct host *host);

/* What a process has mapped of a host while it moves a VM. */
struct move_maps {
	struct host *host;
	struct roam_gate *gates;     /* by slot */
	struct roam_flight *flights; /* by CPU */
	struct roam_flow_rec *xfer;  /* ct_xfer; with the host's lock */
};

int move_maps_open(struct move_maps *maps, struct host *host);
void move_maps_close(struct move_maps *maps);

/* From one state to another, by whoever is first: false if it is not in `from`. */
bool move_gate_go(struct roam_gate *gate, enum roam_gate_state from, enum roam_gate_state to);
enum roam_gate_state move_gate_state(const struct roam_gate *gate);
/* The next round, from here on; 0 is none. */
void move_round(struct roam_gate *gate);
/* Waits until no packet of a gated VM is under way that has not seen what was written before. */
int move_wait_packets(const struct move_maps *maps);

/* move_fetch or move_apply, over the rows that are in xfer; with the host's lock. */
int move_run(struct host *host, enum host_prog prog, struct roam_move_run *run);

/* ---- keys that were logged (move_keys.c) ---- */

/* A set of records; memory grows with it. */
struct move_keys {
	struct roam_log_rec *recs; /* in order of arrival; `urgent` is 0 */
	uint32_t count;
	uint32_t room;
	uint32_t *index; /* hash of places in recs, from 1 */
	uint32_t index_size;
};

int move_keys_add(struct move_keys *keys, const struct roam_log_rec *rec);
bool move_keys_has(const struct move_keys *keys, const struct roam_log_rec *rec);
void move_keys_clear(struct move_keys *keys);
void move_keys_free(struct move_keys *keys);

/* ---- the log (move_log.c) ---- */

struct move_log;

/* Makes the VM's log and listens to it; or listens to the one that is there. */
int move_log_make(struct host *host, uint32_t slot, uint32_t bytes, struct move_log **ret_log);
int move_log_open(struct host *host, uint32_t slot, struct move_log **ret_log);
/* What was logged, by what it was. */
struct move_logged {
	struct move_keys urgent;
	struct move_keys soft;
	/*
	 * Of either, those of `fresh_round`: a round that has begun, whose rows are not logged
	 * again in it, and so are to be read at its end whatever is read of them before.
	 */
	struct move_keys fresh;
	uint16_t fresh_round; /* 0: none is told apart */
};

int move_log_drain(struct move_log *log, struct move_logged *logged);
void move_log_close(struct move_log *log);

#endif
