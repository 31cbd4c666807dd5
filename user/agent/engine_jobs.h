/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* A worker, as its thread sees it (engine.c), and what its jobs do (engine_jobs.c). */
#ifndef ROAM_AGENT_ENGINE_JOBS_H
#define ROAM_AGENT_ENGINE_JOBS_H

#include <pthread.h>
#include "agent.h"
#include "move.h"

#define WORKER_JOBS 32

struct worker_job {
	enum handover_job job;
	uint32_t links;    /* of the connection when it was begun */
	uint64_t sequence; /* h->sequence then */
	bool first;        /* EXPORT, TAKE: the base */
	bool free;         /* READY: the fence is free */
};

enum chunk_kind { CHUNK_BYTES, CHUNK_END, CHUNK_BROKEN };

struct chunk {
	struct chunk *next;
	enum chunk_kind kind;
	size_t size;
	size_t at;
	uint8_t bytes[];
};

struct worker {
	struct entry *entry; /* of it, only what never changes is read here */
	uint32_t number;     /* workers of this entry, counted */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under the lock. */
	struct worker_job jobs[WORKER_JOBS];
	uint32_t job_count;
	uint32_t cut; /* jobs wait that cut short what is before them */
	bool ending;
	uint32_t links; /* of the connection that there is */
	struct chunk *in_first;
	struct chunk **in_last;
	size_t in_bytes;
	size_t out_bytes;
	/* The thread's own. */
	struct worker_job job;
	struct host *host;
	struct move_source *source;
	struct move_dest *dest;
	uint8_t *out; /* what is gathered for a frame */
	size_t out_size;
	bool out_begun;
	uint64_t out_sequence;
	uint64_t sequence; /* of the last delta that was sent */
	uint64_t pace_ns;  /* with a rate: when the next bytes may go */
	uint64_t delta_ns; /* when the last delta was made */
};

void jobs_run(struct worker *worker, struct handover_work *work);
void jobs_close(struct worker *worker);
/* From the loop. */
void jobs_gate(struct handover *h, struct handover_gate *ret_gate);
void jobs_close_in(struct handover *h);
uint32_t jobs_late_mtu(struct handover *h);

/* Whether a job waits that cuts this one short. */
bool worker_is_cut(struct worker *worker);
/* Until then, or until there is something to do: true. */
bool worker_nap(struct worker *worker, uint64_t until);
void worker_say(struct worker *worker, enum message_type type, uint64_t sequence);
/* Takes the bytes, which were allocated. Waits while too many are on their way. */
int worker_send(struct worker *worker, void *bytes, size_t size);
/* image_read_fn's: what came of the delta that is being taken. */
int worker_read(struct worker *worker, void *bytes, size_t size);
/* The rest of it, of which there should be none. */
int worker_read_end(struct worker *worker);
/* With the lock. */
void worker_pop(struct worker *worker);

#endif
