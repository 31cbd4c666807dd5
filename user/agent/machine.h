/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One handover at one of its two hosts, as a state machine. Pure: events come in with the time,
 * and what is to be done goes out through the callbacks of struct handover_engine (this host's
 * tables and gate) and struct handover_peer (the other host, the journal, who watches). The rules
 * are in docs/handover.md; source.c and dest.c are the two machines, machine.c what both need.
 *
 * Nothing in here is believed of the other host but what it says of itself: where the VM runs is
 * shown by the VM's own frames, which the gate notes (handover_gate), and by nothing else.
 */
#ifndef ROAM_MACHINE_H
#define ROAM_MACHINE_H

#include <roam/late.h>
#include "message.h"

struct handover;

enum handover_role { HANDOVER_SOURCE, HANDOVER_DEST, HANDOVER_ROLE_COUNT };
extern const struct text_enum text_handover_role;

/* What to do when rounds do not get short in time. */
enum handover_converge {
	HANDOVER_CONVERGE_ABORT,
	HANDOVER_CONVERGE_FREEZE,
	HANDOVER_CONVERGE_COUNT
};
extern const struct text_enum text_handover_converge;

/* What to do when the largest late packets do not fit into their way: say so, or refuse. */
enum handover_mtu { HANDOVER_MTU_WARN, HANDOVER_MTU_REFUSE, HANDOVER_MTU_COUNT };
extern const struct text_enum text_handover_mtu;

/*
 * What this host is to do. Each job is begun by engine->begin() and answered by handover_worked(),
 * once, and in the order in which they were begun; SETTLE, WIPE and SHUT cut short what is still
 * going on before them.
 */
enum handover_job {
	HANDOVER_JOB_NONE,
	HANDOVER_JOB_PREPARE, /* destination: is there room for the VM? makes nothing */
	HANDOVER_JOB_EXPORT,  /* source: the base, or the next deltas, each from BEGIN to END */
	HANDOVER_JOB_LAST,    /* source: the gate freezes; then all that is left */
	HANDOVER_JOB_RESUME,  /* source: on a new connection; the peer has applied h->sequence last
			       */
	HANDOVER_JOB_MOVE,    /* source: the VM is the peer's, whatever the gate was before */
	HANDOVER_JOB_TAKE,    /* destination: what comes by data(); the base makes the VM staged */
	HANDOVER_JOB_READY,   /* destination: all is here; the grace ends, held: `in` opens */
	HANDOVER_JOB_SETTLE,  /* the VM is a usual active one of this host */
	HANDOVER_JOB_WIPE,    /* nothing of the VM is left here; once more is no failure */
	HANDOVER_JOB_SHUT,    /* destination: nothing passes until an operator says so */
};

/* How a job ended. */
struct handover_work {
	enum handover_job job;
	/* NONE: it is done. Of WIPE at a destination, ACTIVE_HERE: the VM has sent a frame here. */
	enum handover_reason reason;
	uint64_t sequence; /* EXPORT, LAST: of the last delta that was sent; TAKE: of this one */
	uint64_t entries;  /* rows that went; of the base, flows */
	uint64_t began_ns; /* EXPORT: when the last delta was begun; 0: with the job */
	char late[TEXT_ADDR_LEN];          /* PREPARE */
	uint32_t late_mtu;                 /* PREPARE: of the way back */
	struct roam_late_count late_count; /* WIPE at a source */
	char text[HANDOVER_TEXT_LEN];      /* why not */
};

/* What the gate says (include/roam/move.h): what the VM's own frames have shown. */
struct handover_gate {
	/* There is none, source: nor such a VM; the host was started anew. */
	bool gone;
	bool open;         /* destination: the VM has sent a frame here */
	bool thawed;       /* source: it has, since it was frozen; or it is a usual one again */
	bool two_senders;  /* source: it has, since it was moved */
	uint64_t sequence; /* destination: of the last delta that was applied */
};

struct handover_engine {
	void (*begin)(struct handover *h, enum handover_job job);
	/* For the last TAKE that was begun; NULL: that was all; -errno: too many wait already. */
	int (*data)(struct handover *h, const void *bytes, size_t size);
	/* What the last TAKE waits for does not come any more. */
	void (*broken)(struct handover *h);
	void (*gate)(struct handover *h, struct handover_gate *ret_gate);
	/* Toward the VM, READY has opened it: it is closed again until the VM sends. */
	void (*close_in)(struct handover *h);
	/* Source: the MTU of the way to h->late; 0: there is none, and fail_line() says why. */
	uint32_t (*late_mtu)(struct handover *h);
};

struct handover_peer {
	/* Only while h->connected. */
	void (*send)(struct handover *h, const struct message *message);
	/* A connection is needed; until there is one this is asked again now and then. */
	void (*connect)(struct handover *h);
	/* Writes the journal, before what it says is acted upon. Of a check: whether it could be.
	 */
	int (*save)(struct handover *h);
	/* For people and VM managers: h has changed. */
	void (*changed)(struct handover *h);
};

struct handover_options {
	uint8_t converge;     /* enum handover_converge */
	uint8_t mtu;          /* enum handover_mtu */
	uint32_t timeout_s;   /* until rounds are short */
	uint32_t watchdog_ms; /* frozen until ready */
	uint32_t late_s;      /* late packets are carried for that long */
	uint32_t rate_mbps;   /* of what is sent while the VM runs; 0: no limit */
	uint32_t freeze_us;   /* rounds that are as short as this are short */
};

extern const struct handover_options handover_defaults;

/* How the copying goes. */
struct handover_progress {
	uint64_t started_ns;
	uint64_t rounds;
	uint64_t entries;
	uint64_t bytes;
	uint64_t dirty_per_s;
	uint64_t expected_freeze_us;
	uint64_t freeze_us; /* frozen until ready */
	bool converged;
	struct roam_late_count late; /* carried there (source), taken out (destination) */
};

struct handover {
	/* What it is about: written once. */
	enum handover_role role;
	uint8_t id[HANDOVER_ID_LEN];
	struct handover_vm vm;
	char peer[ROAM_NAME_LEN];
	struct handover_options options;
	bool check; /* pre-flight alone */

	/* Where it is: what the journal holds, with the above. */
	enum handover_state state;
	enum handover_reason reason; /* why it is aborting, or was aborted */
	char text[HANDOVER_TEXT_LEN];
	/* Source: of the delta that is being sent. Destination: of the last one that is applied. */
	uint64_t sequence;
	bool held;     /* aborting, but the peer or the VM has to say where the VM runs */
	bool offered;  /* the peer may know of it */
	uint32_t anew; /* how often the VM's policy has changed before it */

	/* While it lasts. */
	bool connected;
	enum handover_reason lost_reason; /* why there is no connection, if that is known */
	bool at_work;    /* a job other than EXPORT and TAKE has been begun and not answered */
	bool settled;    /* source, aborting: this host is as it was */
	bool peer_told;  /* source, aborting: the peer has nothing of it */
	bool exporting;  /* EXPORT, LAST or RESUME has been begun and not answered */
	bool last_begun; /* LAST is the last of them */
	bool any_acked;  /* meanwhile: acked */
	bool last_sent;
	bool moved;         /* source: the gate says so, too */
	bool resuming;      /* source: deltas go on when the peer has said what it has */
	bool resume_known;  /* it has: resume_at */
	bool resume_wanted; /* destination: the same is to be said when nothing is being applied */
	bool freeze_wanted;
	bool claimed;
	bool got_done;
	bool staged;   /* destination: the base is applied */
	bool taking;   /* between BEGIN and END */
	bool skipping; /* the same of a delta that is here already */
	bool any_begun;
	bool got_last;
	bool lacks; /* open: a delta could not be applied */
	bool released;
	uint64_t resume_at;
	uint64_t acked;
	uint32_t links;    /* connections so far: what was begun on another one is not sent */
	uint32_t takes;    /* begun and not answered */
	uint64_t begun;    /* of the last BEGIN */
	uint64_t ended;    /* of the last END */
	uint64_t last;     /* of LAST */
	uint64_t job_ns;   /* when the last job was begun */
	uint64_t round_ns; /* the delta before this one was sent */
	uint64_t frozen_ns;
	uint64_t deadline_ns;     /* of the state; 0: none */
	uint64_t lost_ns;         /* no connection since; 0: there is one */
	uint64_t retry_ns;        /* nothing is tried again before that */
	char late[TEXT_ADDR_LEN]; /* where the destination takes late packets */
	uint32_t late_mtu;   /* of the way there, as the destination knows it; 0: it does not */
	uint32_t late_lacks; /* source: bytes, for the largest of them */
	struct handover_progress progress;

	const struct handover_engine *engine;
	const struct handover_peer *ops;
	void *owner;
};

/* How long is waited for what; ns. */
#define HANDOVER_OFFER_NS  (10 * NS_PER_S)   /* the answer to OFFER */
#define HANDOVER_BASE_NS   (30 * NS_PER_S)   /* prepared and nothing comes, or no connection */
#define HANDOVER_LOST_NS   (10 * NS_PER_S)   /* the source, copying, has no connection */
#define HANDOVER_READY_NS  (600 * NS_PER_S)  /* ready, no connection, and no VM */
#define HANDOVER_FORGET_NS (3600 * NS_PER_S) /* a peer that cannot be told */
#define HANDOVER_RETRY_NS  NS_PER_S

/* ---- events ---- */

/* The source: h is zero but for what it is about. */
void source_start(struct handover *h, uint64_t now);
/* The destination: somebody expects this OFFER. */
void dest_start(struct handover *h, uint64_t now);
/* What the journal has of it: the state is the one that was saved. */
void handover_restart(struct handover *h, uint64_t now);

void handover_connected(struct handover *h, uint64_t now);
void handover_disconnected(struct handover *h, uint64_t now);
/* All types but HELLO, PING and DATA; the id is this one's. Negative: the connection is to end. */
int handover_message(struct handover *h, const struct message *message, uint64_t now);
int handover_data(struct handover *h, const void *bytes, size_t size, uint64_t now);
void handover_worked(struct handover *h, const struct handover_work *work, uint64_t now);
/* Often: looks at the gate and at what has taken too long. */
void handover_tick(struct handover *h, uint64_t now);

/* ---- what an operator or VM manager says ---- */

int handover_freeze(struct handover *h, uint64_t now);
int handover_abort(struct handover *h, enum handover_reason reason, uint64_t now);
/* The source lets go of the VM, for a peer that cannot say CLAIM. */
int handover_release(struct handover *h, uint64_t epoch, uint64_t now);
/* Another handover of the VM is to begin, or it comes back. -EBUSY: this one must end first. */
int handover_give_way(struct handover *h, uint64_t now);

bool handover_over(const struct handover *h);
/*
 * The VM's policy has changed while it was copied: once this one is over another one of the same is
 * to be started, with its `anew` one higher. Not of one that was frozen: a VM manager waits for it;
 * and not for ever.
 */
bool handover_begins_anew(const struct handover *h);
#define HANDOVER_ANEW_MOST 8
/* ---- for the two machines ---- */

/*
 * Enters a state, and writes it down before anything is done; nobody hears of one that is not:
 * then fail_line() says why, and this the reason. NONE: it is written.
 */
enum handover_reason handover_enter(struct handover *h, enum handover_state state, uint64_t now);
/* One that is so whatever the journal says: the VM or the peer has made it. */
void handover_enter_anyway(struct handover *h, enum handover_state state, uint64_t now);
void handover_why(struct handover *h, enum handover_reason reason, const char *text);
void handover_send(struct handover *h, enum message_type type);
void handover_begin(struct handover *h, enum handover_job job, uint64_t now);
/* Asks for a connection if there is none, not too often. */
void handover_want_peer(struct handover *h, uint64_t now);

void source_connected(struct handover *h, uint64_t now);
void source_disconnected(struct handover *h, uint64_t now);
int source_message(struct handover *h, const struct message *message, uint64_t now);
void source_worked(struct handover *h, const struct handover_work *work, uint64_t now);
void source_tick(struct handover *h, uint64_t now);
void source_restart(struct handover *h, uint64_t now);
int source_abort(struct handover *h, enum handover_reason reason, const char *text, uint64_t now);
void source_move(struct handover *h, uint64_t now);
int source_freeze(struct handover *h, uint64_t now);

void dest_connected(struct handover *h, uint64_t now);
void dest_disconnected(struct handover *h, uint64_t now);
int dest_message(struct handover *h, const struct message *message, uint64_t now);
void dest_worked(struct handover *h, const struct handover_work *work, uint64_t now);
void dest_tick(struct handover *h, uint64_t now);
void dest_restart(struct handover *h, uint64_t now);
int dest_give_up(struct handover *h, enum handover_reason reason, const char *text, uint64_t now);

#endif
