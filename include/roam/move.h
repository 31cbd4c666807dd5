/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VM on its way between two hosts: the gate that says what happens to its packets meanwhile, and
 * the log of rows that were written while it is copied. docs/handover.md tells the whole story.
 *
 * Map `move_gate`: ARRAY by slot of struct roam_gate, mmapable. It counts while the VM's life is
 * `gated`. `state` is changed by compare-and-exchange only: the port programs (a frame of the VM
 * opens or thaws) and user space may do so at once.
 *
 * Map `move_log`: ARRAY_OF_MAPS by slot; inner RINGBUF of struct roam_log_rec. Only there while
 * the VM is copied. Map `move_flight`: ARRAY by CPU of struct roam_flight, mmapable.
 */
#ifndef ROAM_MOVE_H
#define ROAM_MOVE_H

#include "acl.h"
#include "ct.h"
#include "types.h"

#define ROAM_GATES(X)                                                                              \
	X(NONE, "none")         /* no handover */                                                  \
	X(COPYING, "copying")   /* source: the VM runs here, what is written is logged */          \
	X(FROZEN, "frozen")     /* source: the VM is paused; a frame of it thaws */                \
	X(MOVED, "moved")       /* source: the VM runs at the destination */                       \
	X(PREPARED, "prepared") /* destination: policy is here */                                  \
	X(STAGED, "staged")     /* destination: state is here; a frame of the VM opens */          \
	X(OPEN, "open")         /* destination: the VM runs here */                                \
	X(SHUT, "shut")         /* a handover failed such that nobody knows where the VM runs */

enum roam_gate_state {
#define X(id, text) ROAM_GATE_##id,
	ROAM_GATES(X)
#undef X
		ROAM_GATE_COUNT
};

/* Unknown flows are refused for no longer than this after the VM's first frame. */
#define ROAM_GRACE_NS 2000000000ULL

/* Programs write what is marked so; all else is user space's. */
struct roam_gate {
	__u32 state;         /* enum roam_gate_state; programs, too */
	__u8 in_open;        /* staged: frames toward the VM are judged already */
	__u8 grace;          /* the last delta is not here yet: see ROAM_GRACE_NS */
	__u16 round;         /* of soft writes; never 0; goes on from handover to handover */
	__u64 opened_ns;     /* programs: when the VM's first frame came here. CLOCK_MONOTONIC */
	__u64 late_until_ns; /* frozen, moved: late packets are carried until then; 0: not at all */
	__u32 thawed;        /* programs: frozen -> copying */
	__u32 two_senders;   /* programs: moved -> copying */
	__u64 lost;          /* programs: records that found no room; user space: unlogged writes */
	__u64 epoch;         /* of this handover */
	__u64 sequence;      /* source: of the last delta that was made; destination: applied */
	__u32 gen;   /* source: of the policy that the base has; destination: that its flows get */
	__u32 scans; /* destination: whole scans that came; marks their rows */
	__u8 id[16]; /* of this handover */
	__u32 own_policy; /* destination: the VM was here before, shut, with a policy of its own */
	__u32 pad;
	__u64 base_ns; /* that all ages are counted from, in the base and in its deltas */
};

ROAM_ASSERT_SIZE(struct roam_gate, 96);

enum roam_log_table {
	ROAM_LOG_FLOW,   /* key.flow, in either of the VM's tables */
	ROAM_LOG_SOURCE, /* key.addr: a remote that opens connections (ips.h) */
	ROAM_LOG_BLOCK,  /* key.addr: a learned block (ips.h) */
};

/*
 * A row was written. Urgent: a row made or gone, or something of it that verdicts depend on; it is
 * written before this is, so who has read this may read the row, and does so once more at the end
 * of the round. Soft: at the first write in each round; whoever reads the row for it ends the round
 * first. At a destination there is no log, but rows are marked with the round all the same: that is
 * how a late delta knows what it must not overwrite.
 */
struct roam_log_rec {
	__u8 table; /* enum roam_log_table */
	__u8 urgent;
	__u16 round; /* the gate's, when the record was made: that of the write or a later one */
	union {
		struct roam_flow_key flow;
		struct roam_addr addr;
	} key;
};

ROAM_ASSERT_SIZE(struct roam_log_rec, 48);

/*
 * Packets of gated VMs that a CPU has begun and ended: when `left` has reached what `entered` was,
 * none is under way that has not seen what was written before that.
 */
#define ROAM_FLIGHT_CPUS 4096 /* a power of two */

struct roam_flight {
	__u64 entered;
	__u64 left;
	__u64 pad[6]; /* a cache line each */
};

ROAM_ASSERT_SIZE(struct roam_flight, 64);

/*
 * Programs move_fetch and move_apply (SEC("syscall")) work on the rows of ct_xfer (ct.h), under the
 * host's lock. The argument is in and out.
 *
 * move_fetch: to each key its row, in whichever table it is; `pad` of the record becomes 1, or 0 if
 * there is none. move_apply: each row is put where its state belongs, over the one that is there,
 * or, with `gone`, deleted. A row that packets have written in `round` stays as it is, but for the
 * larger counters. With ROAM_MOVE_TIDY it only clears the tables' clocks of entries that stand for
 * no row, looking at `count` of each.
 */
#define ROAM_MOVE_TIDY 2

struct roam_move_run {
	__u32 vm;    /* slot */
	__u32 bank;  /* of its flow tables */
	__u32 count; /* rows in ct_xfer */
	__u32 gone;  /* move_apply: 1: the keys are of rows to be deleted; ROAM_MOVE_TIDY */
	__u16 round; /* move_apply: the gate's */
	__u16 mark;  /* move_apply: that rows get (roam_tcp_end.logged of `out`) */
	__u32 done;  /* out: rows */
	__s32 error; /* out: 0, or the negative errno that stopped it at row `done` */
	__u32 kept;  /* out: of those, rows that stayed as they were */
};

ROAM_ASSERT_SIZE(struct roam_move_run, 32);

/* ---- what a delta holds beyond an image's tables (docs/image.md) ---- */

/* What it is; one row. */
struct roam_move_rec {
	__u8 whole ROAM_CARRY("uint", "required"); /* 1: a scan: rows that are not in it are gone */
	__u8 last ROAM_CARRY("uint", "required");  /* 1: the source is frozen, this is all */
	__u8 small ROAM_CARRY("uint", "required"); /* 1: with the tables that travel whole */
	__u8 pad[5];
};

/* Rows that are gone. */
struct roam_gone_flow {
	struct roam_flow_key key;
};

struct roam_gone_ips {
	struct roam_addr addr ROAM_CARRY("addr", "required");
	__u8 block ROAM_CARRY("uint", "required"); /* 1: a block, 0: a source */
	__u8 pad[7];
};

/* Counters of a rule. */
struct roam_hits_rec {
	__u32 rule ROAM_CARRY("rule", "required");
	__u32 pad;
	struct roam_acl_hits hits;
};

ROAM_ASSERT_SIZE(struct roam_move_rec, 8);
ROAM_ASSERT_SIZE(struct roam_gone_flow, 44);
ROAM_ASSERT_SIZE(struct roam_gone_ips, 24);
ROAM_ASSERT_SIZE(struct roam_hits_rec, 48);

#endif
