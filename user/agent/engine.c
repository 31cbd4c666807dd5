// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Workers: see engine.h. The queues between loop and worker, and the thread; what a job does with
 * the host is in engine_jobs.c.
 */
#include <pthread.h>
#include <string.h>
#include "engine.h"
#include "engine_jobs.h"
#include "events.h"

/*
 * What may wait on the way out; what waits on the way in before the network is made to, and beyond
 * what it is refused. Jobs are what a peer begins by a message, so they are bounded as well.
 */
#define OUT_MOST    (2U << 20)
#define IN_ENOUGH   (4U << 20)
#define IN_MOST     (64U << 20)
#define JOBS_ENOUGH (WORKER_JOBS / 2)

static void post_work(struct worker *worker, const struct handover_work *work)
{
	struct agent_event *event = calloc(1, sizeof(*event));

	if (!event)
		abort(); /* nothing of a handover can go on without that, and no packet needs it */
	event->kind = EVENT_WORK;
	event->entry = worker->entry;
	event->work = *work;
	events_post(worker->entry->agent, event);
}

/* ---- the thread ---- */

static bool cuts_short(enum handover_job job)
{
	return job == HANDOVER_JOB_SETTLE || job == HANDOVER_JOB_WIPE || job == HANDOVER_JOB_SHUT;
}

static bool next_job(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	while (!worker->job_count && !worker->ending)
		pthread_cond_wait(&worker->wake, &worker->lock);
	if (!worker->job_count) {
		pthread_mutex_unlock(&worker->lock);
		return false;
	}
	worker->job = worker->jobs[0];
	worker->cut -= cuts_short(worker->job.job);
	worker->job_count--;
	memmove(worker->jobs, worker->jobs + 1, worker->job_count * sizeof(worker->jobs[0]));
	pthread_mutex_unlock(&worker->lock);
	return true;
}

static void *run(void *arg)
{
	struct worker *worker = arg;
	struct agent_event *event;

	while (next_job(worker)) {
		struct handover_work work = { .job = worker->job.job };

		jobs_run(worker, &work);
		post_work(worker, &work);
	}
	jobs_close(worker);
	event = calloc(1, sizeof(*event));
	if (!event)
		abort();
	event->kind = EVENT_GONE;
	event->entry = worker->entry;
	event->number = worker->number;
	events_post(worker->entry->agent, event);
	return NULL;
}

static struct worker *worker_of(struct entry *entry)
{
	struct worker *worker = entry->worker;
	pthread_condattr_t attr;

	if (worker && !worker->ending)
		return worker;
	engine_free(entry); /* there is more to do, after all */
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	worker->entry = entry;
	worker->number = ++entry->workers;
	worker->links = entry->h.links;
	worker->in_last = &worker->in_first;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&worker->thread, NULL, run, worker)) {
		free(worker);
		return NULL;
	}
	entry->worker = worker;
	return worker;
}

/* ---- from the loop ---- */

static void engine_begin(struct handover *h, enum handover_job job)
{
	struct entry *entry = h->owner;
	struct worker *worker = worker_of(entry);
	struct worker_job *to;

	if (!worker || worker->job_count == WORKER_JOBS)
		abort();
	pthread_mutex_lock(&worker->lock);
	to = &worker->jobs[worker->job_count++];
	*to = (struct worker_job){
		.job = job,
		.links = h->links,
		.sequence = h->sequence,
		.first = h->role == HANDOVER_SOURCE ? h->state == HANDOVER_BASE
						    : !h->staged && !h->begun,
		.free = h->vm.fence == HANDOVER_FENCE_FREE,
	};
	worker->cut += cuts_short(job);
	worker->links = entry->link ? h->links : 0;
	pthread_cond_broadcast(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

static int push_in(struct worker *worker, enum chunk_kind kind, const void *bytes, size_t size)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + size);
	int err = 0;

	if (!chunk)
		return fail(-ENOMEM, "out of memory");
	chunk->kind = kind;
	chunk->size = size;
	chunk->at = 0;
	chunk->next = NULL;
	if (bytes)
		memcpy(chunk->bytes, bytes, size);
	pthread_mutex_lock(&worker->lock);
	if (bytes && worker->in_bytes + size > IN_MOST) {
		err = fail(-ENOBUFS, "more than %u MiB wait", IN_MOST >> 20);
		free(chunk);
	} else {
		worker->in_bytes += sizeof(*chunk) + size;
		*worker->in_last = chunk;
		worker->in_last = &chunk->next;
		pthread_cond_broadcast(&worker->wake);
	}
	pthread_mutex_unlock(&worker->lock);
	return err;
}

static int engine_data(struct handover *h, const void *bytes, size_t size)
{
	struct entry *entry = h->owner;

	return push_in(entry->worker, bytes ? CHUNK_BYTES : CHUNK_END, bytes, size);
}

static void engine_broken(struct handover *h)
{
	struct entry *entry = h->owner;

	if (push_in(entry->worker, CHUNK_BROKEN, NULL, 0))
		abort();
}

bool engine_is_full(struct entry *entry, bool waits)
{
	struct worker *worker = entry->worker;
	const uint32_t part = waits ? 2 : 1;
	bool full;

	if (!worker)
		return false;
	pthread_mutex_lock(&worker->lock);
	full = worker->in_bytes >= IN_ENOUGH / part || worker->job_count >= JOBS_ENOUGH / part;
	pthread_mutex_unlock(&worker->lock);
	return full;
}

void engine_sent(struct entry *entry, void *bytes, size_t size)
{
	struct worker *worker = entry->worker;

	free(bytes);
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	/* Those of a worker before this one are not its own. */
	worker->out_bytes -= size < worker->out_bytes ? size : worker->out_bytes;
	pthread_cond_broadcast(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

void engine_link_changed(struct entry *entry)
{
	struct worker *worker = entry->worker;

	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->links = entry->link ? entry->h.links : 0;
	pthread_cond_broadcast(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

uint32_t engine_number(const struct entry *entry)
{
	return entry->worker ? entry->worker->number : 0;
}

void engine_end(struct entry *entry)
{
	struct worker *worker = entry->worker;

	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->ending = true;
	pthread_cond_broadcast(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

void engine_free(struct entry *entry)
{
	struct worker *worker = entry->worker;

	if (!worker)
		return;
	pthread_join(worker->thread, NULL);
	for (struct chunk *chunk = worker->in_first, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	pthread_cond_destroy(&worker->wake);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
	entry->worker = NULL;
}

/* ---- from the worker ---- */

bool worker_is_cut(struct worker *worker)
{
	bool cut;

	pthread_mutex_lock(&worker->lock);
	cut = worker->cut || worker->ending;
	pthread_mutex_unlock(&worker->lock);
	return cut;
}

bool worker_nap(struct worker *worker, uint64_t until)
{
	struct timespec at = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };
	bool more;

	pthread_mutex_lock(&worker->lock);
	while (!worker->job_count && !worker->ending && worker->links == worker->job.links &&
	       !pthread_cond_timedwait(&worker->wake, &worker->lock, &at))
		;
	more = worker->job_count || worker->ending || worker->links != worker->job.links;
	pthread_mutex_unlock(&worker->lock);
	return more;
}

void worker_say(struct worker *worker, enum message_type type, uint64_t sequence)
{
	struct agent_event *event = calloc(1, sizeof(*event));

	if (!event)
		abort();
	event->kind = EVENT_MESSAGE;
	event->entry = worker->entry;
	event->links = worker->job.links;
	event->message.type = type;
	event->message.sequence = sequence;
	memcpy(event->message.id, worker->entry->h.id, sizeof(event->message.id));
	events_post(worker->entry->agent, event);
}

int worker_send(struct worker *worker, void *bytes, size_t size)
{
	struct agent_event *event = calloc(1, sizeof(*event));
	int err = 0;

	if (!event)
		abort();
	pthread_mutex_lock(&worker->lock);
	while (worker->out_bytes > OUT_MOST && !worker->cut && !worker->ending &&
	       worker->links == worker->job.links)
		pthread_cond_wait(&worker->wake, &worker->lock);
	if (worker->cut || worker->ending)
		err = fail(-ECANCELED, "the handover is over");
	else if (worker->links != worker->job.links)
		err = fail(-ECONNRESET, "the connection is gone");
	else
		worker->out_bytes += size;
	pthread_mutex_unlock(&worker->lock);
	if (err) {
		free(event);
		free(bytes);
		return err;
	}
	event->kind = EVENT_DATA;
	event->entry = worker->entry;
	event->links = worker->job.links;
	event->bytes = bytes;
	event->size = size;
	events_post(worker->entry->agent, event);
	return 0;
}

int worker_read(struct worker *worker, void *bytes, size_t size)
{
	uint8_t *to = bytes;
	int err = 0;

	pthread_mutex_lock(&worker->lock);
	while (size && !err) {
		struct chunk *chunk = worker->in_first;
		size_t part;

		if (worker->cut || worker->ending) {
			err = fail(-ECANCELED, "the handover is over");
		} else if (!chunk) {
			pthread_cond_wait(&worker->wake, &worker->lock);
		} else if (chunk->kind != CHUNK_BYTES) {
			err = chunk->kind == CHUNK_END
				      ? -ENODATA
				      : fail(-ECONNRESET, "the connection is gone");
		} else {
			part = chunk->size - chunk->at < size ? chunk->size - chunk->at : size;
			memcpy(to, chunk->bytes + chunk->at, part);
			chunk->at += part;
			to += part;
			size -= part;
			if (chunk->at == chunk->size)
				worker_pop(worker);
		}
	}
	pthread_mutex_unlock(&worker->lock);
	return err;
}

void worker_pop(struct worker *worker)
{
	struct chunk *chunk = worker->in_first;

	worker->in_first = chunk->next;
	if (!worker->in_first)
		worker->in_last = &worker->in_first;
	worker->in_bytes -= sizeof(*chunk) + chunk->size;
	free(chunk);
}

int worker_read_end(struct worker *worker)
{
	bool more = false, over = false;
	int err = 0;

	pthread_mutex_lock(&worker->lock);
	while (!over) {
		struct chunk *chunk = worker->in_first;

		if (!chunk && (worker->cut || worker->ending)) {
			err = -ECANCELED;
			over = true;
		} else if (!chunk) {
			pthread_cond_wait(&worker->wake, &worker->lock);
		} else {
			over = chunk->kind != CHUNK_BYTES;
			more |= chunk->kind == CHUNK_BYTES;
			if (chunk->kind == CHUNK_BROKEN)
				err = -ECONNRESET;
			worker_pop(worker);
		}
	}
	pthread_mutex_unlock(&worker->lock);
	if (err == -ECONNRESET)
		return fail(err, "the connection is gone");
	return err ? err : more ? fail(-EBADMSG, "bytes behind the end of an image") : 0;
}

const struct handover_engine engine_ops = {
	.begin = engine_begin,
	.data = engine_data,
	.broken = engine_broken,
	.gate = jobs_gate,
	.close_in = jobs_close_in,
	.late_mtu = jobs_late_mtu,
};
