/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The engine of a handover, on one host: no network, no clock of its own but for rounds. What it
 * writes on the source, whoever drives it brings to the destination. docs/handover.md tells why.
 *
 *   source: open, base, delta…, freeze, last, moved, release      or abort at any time before moved
 *   destination: base, delta…, ready, (the VM's first frame), settle             or wipe before
 * that
 *
 * What matters is in the kernel: a handover whose process died is gone on with by reopen. Nothing
 * here needs to run for packets to be judged, or for the gate to open or thaw.
 *
 * All return 0 or -errno with fail_line() set; what means something to who drives it is named.
 */
#ifndef ROAM_LIB_MOVE_H
#define ROAM_LIB_MOVE_H

#include <roam/move.h>
#include "host.h"
#include "image.h"
#include "state.h"

/* ---- the gate of a VM, for everybody ---- */

/* A copy of it; state ROAM_GATE_NONE if the VM is not gated. */
int move_gate_get(struct host *host, uint32_t slot, struct roam_gate *ret_gate);

/*
 * Turns what is over into an ordinary VM: `open` without grace into an active one, the gate
 * cleared. -EAGAIN if it is not over. Anybody may do that at any time, and never has to.
 */
int move_settle(struct host *host, uint32_t slot);

/*
 * The VM is expected: one that is shut becomes `prepared`. -EBUSY if it is anything else. Without
 * that, or for a VM that is not here, a base does as well.
 */
int move_prepare(struct host *host, const char *vm, const uint8_t id[16]);

/* For who drives a source in another process: from `copying` to `frozen`. */
int move_freeze(struct host *host, const char *vm);

/* A write that the log has not seen, in a VM's tables: if it is being copied, all is read again. */
void move_unlogged(struct host *host, uint32_t slot);

/* ---- source ---- */

struct move_source;

struct move_source_options {
	uint8_t id[16];      /* of the handover; not zero */
	uint32_t ring_bytes; /* of the log, a power of two; 0: 4 MiB */
	uint32_t round_ms;   /* soft writes are sent as often; 0: as is cheap, at least 1000 */
};

/* What a delta had. */
struct move_stats {
	uint64_t sequence; /* its number; 0: there was nothing to send, and nothing was written */
	uint64_t rows;     /* and deletions */
	uint64_t bytes;
	uint64_t dirty; /* rows that wait for the end of the round */
	bool whole;     /* a scan, because records were lost or a process died */
	bool ends_round;
	bool more; /* there is more to send at once: call again */
};

/* The VM is copied from here on: -EBUSY if it is gated already, -EPERM if it is not active. */
int move_source_open(struct host *host, const char *vm, const struct move_source_options *options,
		     struct move_source **ret_source);
/* One that a dead process has left in `copying`, `frozen` or `moved`: -ENOENT if it has not. The
 * next delta is a scan. */
int move_source_reopen(struct host *host, const char *vm, struct move_source **ret_source);

/* The base image: sequence 0. */
int move_source_base(struct move_source *source, image_write_fn write, void *arg);
/*
 * The next delta: what is urgent, and at the end of a round all that was written in it. -ESTALE:
 * the policy has changed since the base: wipe there, and begin with a base.
 */
int move_source_delta(struct move_source *source, image_write_fn write, void *arg,
		      struct move_stats *ret_stats);
/* After a connection was made anew, the destination having applied this one last. */
int move_source_resume(struct move_source *source, uint64_t applied);

/* From here on nothing is judged, and so nothing written. -ESTALE: it has been heard meanwhile. */
int move_source_freeze(struct move_source *source);
/* What is left, once frozen; until stats.more is false. */
int move_source_last(struct move_source *source, image_write_fn write, void *arg,
		     struct move_stats *ret_stats);
/* The VM has been heard since the freeze: it runs here, in `copying` again. */
bool move_source_thawed(struct move_source *source);
/* Back to `copying` without having heard it: the fence says that it stays. */
int move_source_thaw(struct move_source *source);
/* It runs there. Late packets are carried until then (CLOCK_MONOTONIC; 0: dropped). */
int move_source_moved(struct move_source *source, uint64_t late_until_ns);
/* The same from the freeze on, before it. Without a way (late.h) they are dropped all the same. */
void move_source_carry(struct move_source *source, uint64_t late_until_ns);
/* For tests: the time that ages are counted from is not now. Before the base. */
void move_source_at(struct move_source *source, uint64_t now_ns);
/* It has been heard here after it was said to run there. */
bool move_source_two_senders(struct move_source *source);

/* Back to an active VM with nothing lost; the handle stays to be closed. -EBUSY once `moved`. */
int move_source_abort(struct move_source *source);
/*
 * The VM goes from this host with all it has. Done again, or for a VM that has come back since, it
 * changes nothing: -ESTALE if incarnation or epoch are not those of the handover.
 */
int move_release(struct host *host, const char *vm, const uint8_t id[16], uint64_t epoch);

uint32_t move_source_slot(const struct move_source *source);
/* Flows of the base. */
uint64_t move_source_flows(const struct move_source *source);
/* Leaves the handover as it is. */
void move_source_close(struct move_source *source);

static inline void cleanup_move_source(struct move_source **source)
{
	move_source_close(*source);
}
#define _cleanup_move_source_ __attribute__((cleanup(cleanup_move_source)))

/* ---- destination ---- */

struct move_dest;

struct move_dest_options {
	const char *vm;               /* the image must name this VM; NULL: any */
	const struct state_dev *devs; /* as for state_load() */
	uint32_t dev_count;
	uint64_t now_ns; /* as for state_load() */
};

/*
 * A base becomes a VM that is `staged`: all or nothing. -EBUSY if a VM of that name is active or
 * gated here; one that is shut, or `prepared`, is taken with the policy that it has.
 */
int move_dest_base(struct host *host, const struct move_dest_options *options, image_read_fn read,
		   void *arg, struct move_dest **ret_dest);
/* One that a dead process has left `staged` or `open`. It needs a scan next. */
int move_dest_reopen(struct host *host, const char *vm, struct move_dest **ret_dest);

/*
 * A delta, all or nothing but for scans: a doubled one is read and changes nothing, -EILSEQ for a
 * gap, -ESTALE for another handover's; -ENOTRECOVERABLE: a scan broke off, wipe.
 */
int move_dest_delta(struct move_dest *dest, image_read_fn read, void *arg);
/* The last delta that was applied; whether it was the last one there is. */
uint64_t move_dest_sequence(const struct move_dest *dest);
bool move_dest_is_complete(const struct move_dest *dest);
/* It has all that there is: no grace; with a fence that is held, `in` opens. */
int move_dest_ready(struct move_dest *dest, bool held);
/* The gate as it is now. */
int move_dest_poll(struct move_dest *dest, struct roam_gate *ret_gate);
/* move_settle() */
int move_dest_settle(struct move_dest *dest);
/* As if it had never been here; -EBUSY once it is `open`. */
int move_dest_wipe(struct move_dest *dest);
/* Nobody knows where the VM runs: dropped both ways until an operator says. */
int move_dest_shut(struct move_dest *dest);

uint32_t move_dest_slot(const struct move_dest *dest);
const char *move_dest_vm(const struct move_dest *dest);
void move_dest_close(struct move_dest *dest);

static inline void cleanup_move_dest(struct move_dest **dest)
{
	move_dest_close(*dest);
}
#define _cleanup_move_dest_ __attribute__((cleanup(cleanup_move_dest)))

#endif
