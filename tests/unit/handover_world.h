/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A world for both machines of a handover: two hosts whose gates outlive their roamd, a network
 * that loses connections, a VM that is somewhere, and its manager. All of it is driven by one
 * stream of random numbers, in steps of a millisecond; faults may happen in any step until `calm`.
 */
#ifndef ROAM_TESTS_HANDOVER_WORLD_H
#define ROAM_TESTS_HANDOVER_WORLD_H

#include "machine.h"

enum gate {
	GATE_NONE,
	GATE_ACTIVE,
	GATE_COPYING,
	GATE_FROZEN,
	GATE_MOVED,
	GATE_STAGED,
	GATE_OPEN,
	GATE_SHUT
};

/* What may go wrong, a bit each. */
enum world_fault {
	FAULT_CUT = 1 << 0,     /* connections end, each side learning of it at another time */
	FAULT_RESTART = 1 << 1, /* either roamd is killed and started again */
	FAULT_HANG = 1 << 2,    /* either stands still for a while */
	FAULT_DOUBLE = 1 << 3,  /* messages come twice */
	FAULT_LOSE = 1 << 4,    /* messages are lost, the connection going on */
	FAULT_JOBS = 1 << 5,    /* jobs fail */
	FAULT_ABORT = 1 << 6,   /* an operator aborts at either host */
	FAULT_JOURNAL = 1 << 7, /* the journal cannot be written */
	FAULT_LIAR = 1 << 8,    /* the VM sends at the source once more after it was moved */
	FAULT_CANCEL = 1 << 9,  /* the manager cancels while the VM is paused */
	FAULT_POLICY = 1 << 10, /* the VM's policy is edited while it is copied */
	FAULT_SLOW = 1 << 11,   /* the peer answers to what a worker sent before that says so */
};

#define WORLD_JOBS  16
#define WORLD_QUEUE 64

struct host_model {
	struct handover h;
	struct handover saved; /* the journal */
	bool has_saved;
	bool exists; /* there is a machine */
	enum gate gate;
	bool in_open;
	uint64_t sequence; /* destination: of the last delta that was applied */
	bool thawed, two_senders;
	uint64_t version;      /* of the VM's state here: frames change it where they are judged */
	uint64_t sent_version; /* source: of the last delta; destination: that is applied */
	bool was_cut;          /* what the last TAKE waits for does not come */
	bool data_end[WORLD_JOBS];
	enum handover_job job[WORLD_JOBS];
	uint32_t job_link[WORLD_JOBS];
	uint32_t jobs;
	uint64_t job_at;
	struct handover_work late_work; /* done, and not told yet */
	uint64_t late_until;            /* 0: there is none */
	uint64_t hung_until;
	struct world *world;
	struct message queue[WORLD_QUEUE]; /* to this host */
	uint32_t queued;
	bool linked;        /* has an end of the connection */
	uint32_t fail_jobs; /* the next of these, a bit each, fails; NONE: none does */
	enum handover_reason fail_reason;
	uint64_t full_until; /* the journal cannot be written */
	uint32_t late_mtu;   /* that it knows of the way late packets take */
};

/* NOWHERE: its host was started anew, and it ended there. */
enum place { AT_SOURCE, PAUSED, AT_DEST, NOWHERE };

struct world {
	struct host_model host[HANDOVER_ROLE_COUNT];
	uint64_t now;
	uint64_t random;
	uint32_t faults;
	uint32_t fence;
	bool begun; /* with the first step: until then the source's handover can be changed */
	bool calm;
	enum place vm;
	uint64_t manager_at;
	uint64_t unplugged_until; /* no connection can be made */
	bool told;                /* the manager knows that the destination is ready */
	bool cancelled;
	bool was_open; /* the VM was heard at the destination */
	bool lied;
	uint32_t anew;                        /* how often a handover has begun anew */
	uint32_t both;                        /* steps in which both hosts judged */
	const char *wrong;                    /* what must never be and was */
	uint32_t states[HANDOVER_ROLE_COUNT]; /* seen, a bit each */
};

void world_make(struct world *world, uint64_t seed, uint32_t fence, uint32_t faults);
void world_step(struct world *world);
/* Until both machines are over, or nothing more can happen; false: they are not. */
bool world_end(struct world *world);
/* The same with whatever hangs still hanging. */
bool world_go_on(struct world *world);
/* One end of the connection is gone; the other one does not know. */
void world_cut(struct host_model *host);
void world_restart(struct host_model *host);
bool world_judges(const struct world *world, enum handover_role role);

#endif
