// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Both machines of a handover in a world of faults: see handover_world.h. */
#include <stdio.h>
#include <string.h>
#include "handover_world.h"

#define MS (NS_PER_S / 1000)

static uint32_t random_below(struct world *world, uint32_t bound)
{
	world->random = world->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (world->random >> 33) % bound;
}

static bool one_in(struct world *world, uint32_t bound)
{
	return !random_below(world, bound);
}

static bool fault(struct world *world, uint32_t which, uint32_t bound)
{
	return !world->calm && (world->faults & which) && one_in(world, bound);
}

static struct host_model *other(struct host_model *host)
{
	struct world *world = host->world;

	return &world->host[host == &world->host[0]];
}

static enum handover_role role_of(const struct host_model *host)
{
	return host == &host->world->host[HANDOVER_SOURCE] ? HANDOVER_SOURCE : HANDOVER_DEST;
}

/* ---- the engine ---- */

static void engine_begin(struct handover *h, enum handover_job job)
{
	struct host_model *host = h->owner;
	const bool cuts = job == HANDOVER_JOB_SETTLE || job == HANDOVER_JOB_WIPE ||
			  job == HANDOVER_JOB_SHUT;

	if (host->jobs == WORLD_JOBS) {
		host->world->wrong = "jobs pile up";
		return;
	}
	if (cuts)
		host->was_cut = true;
	else if (job == HANDOVER_JOB_TAKE)
		host->was_cut = false;
	host->data_end[host->jobs] = false;
	host->job_link[host->jobs] = h->links;
	host->job[host->jobs++] = job;
}

static int engine_data(struct handover *h, const void *bytes, size_t size)
{
	struct host_model *host = h->owner;

	(void)size;
	if (bytes)
		return 0;
	for (uint32_t i = host->jobs; i-- > 0;) {
		if (host->job[i] == HANDOVER_JOB_TAKE) {
			host->data_end[i] = true;
			return 0;
		}
	}
	host->world->wrong = "data for no job";
	return 0;
}

static void engine_broken(struct handover *h)
{
	struct host_model *host = h->owner;

	host->was_cut = true;
}

static void engine_gate(struct handover *h, struct handover_gate *ret_gate)
{
	const struct host_model *host = h->owner;

	ret_gate->gone = host->gate == GATE_NONE;
	if (h->role == HANDOVER_SOURCE && h->state <= HANDOVER_ROUNDS) {
		/* But for that it means nothing yet: may whoever believes it be found. */
		ret_gate->thawed = ret_gate->two_senders = true;
		return;
	}
	ret_gate->sequence = host->sequence;
	ret_gate->open = host->gate == GATE_OPEN;
	ret_gate->thawed = host->thawed;
	ret_gate->two_senders = host->two_senders;
}

static void engine_close_in(struct handover *h)
{
	struct host_model *host = h->owner;

	host->in_open = false;
}

static uint32_t engine_late_mtu(struct handover *h)
{
	const struct host_model *host = h->owner;

	return host->late_mtu ? host->late_mtu : (fail_set(0, "late: no way"), 0);
}

static const struct handover_engine engine = {
	.begin = engine_begin,
	.data = engine_data,
	.broken = engine_broken,
	.gate = engine_gate,
	.close_in = engine_close_in,
	.late_mtu = engine_late_mtu,
};

/* ---- the other host ---- */

static void push(struct host_model *to, const struct message *message)
{
	if (to->queued < WORLD_QUEUE)
		to->queue[to->queued++] = *message;
	else
		to->world->wrong = "messages pile up";
}

static void ops_send(struct handover *h, const struct message *message)
{
	struct host_model *host = h->owner;
	struct world *world = host->world;
	char *body = message_write(message);
	struct message got;

	if (!body || message_read(message->type, body, strlen(body), &got))
		world->wrong = fail_line();
	else if (other(host)->linked && !fault(world, FAULT_LOSE, 60))
		push(other(host), &got);
	free(body);
}

static void ops_connect(struct handover *h)
{
	struct host_model *host = h->owner, *peer = other(host);

	/* A peer that hangs accepts nothing; the old connection gives way to a new one. */
	if (peer->hung_until > host->world->now || !peer->exists ||
	    host->world->unplugged_until > host->world->now)
		return;
	if (peer->linked && peer->h.connected)
		handover_disconnected(&peer->h, host->world->now);
	host->linked = peer->linked = true;
	host->queued = peer->queued = 0;
	handover_connected(h, host->world->now);
	if (peer->exists)
		handover_connected(&peer->h, host->world->now);
}

static int ops_save(struct handover *h)
{
	struct host_model *host = h->owner;

	if (fault(host->world, FAULT_JOURNAL, 5) || host->full_until > host->world->now)
		return fail(-ENOSPC, "no room");
	host->saved = *h;
	host->has_saved = true;
	return 0;
}

/* What is not written down is told to nobody, but for what is so whatever the journal says. */
static bool may_tell(const struct handover *h, const struct host_model *host)
{
	return h->state >= HANDOVER_MOVED || (host->has_saved && host->saved.state == h->state);
}

static void ops_changed(struct handover *h)
{
	struct host_model *host = h->owner;

	if (!may_tell(h, host))
		host->world->wrong = "told of a state that is not in the journal";
	host->world->states[role_of(host)] |= 1u << h->state;
}

static const struct handover_peer ops = {
	.send = ops_send,
	.connect = ops_connect,
	.save = ops_save,
	.changed = ops_changed,
};

/* ---- jobs ---- */

static void send_delta(struct host_model *host, struct handover_work *work, uint64_t sequence)
{
	struct message message = { .type = MESSAGE_BEGIN, .sequence = sequence };

	memcpy(message.id, host->h.id, sizeof(message.id));
	work->sequence = sequence;
	if (!host->h.connected || host->job_link[0] != host->h.links)
		return;
	ops_send(&host->h, &message);
	/* What it carries travels in place of its data. */
	message.type = MESSAGE_DATA;
	message.epoch = host->version;
	if (other(host)->linked)
		push(other(host), &message);
	message.type = MESSAGE_END;
	ops_send(&host->h, &message);
	host->sent_version = host->version;
}

static void run_source(struct host_model *host, struct handover_work *work)
{
	const uint64_t sequence = host->h.sequence;

	switch (work->job) {
	case HANDOVER_JOB_EXPORT:
		if (fault(host->world, FAULT_POLICY, 20)) {
			work->reason = HANDOVER_REASON_POLICY_DIFFERS;
			break;
		}
		if (host->gate == GATE_ACTIVE)
			host->gate = GATE_COPYING;
		send_delta(host, work, host->h.state == HANDOVER_BASE ? 0 : sequence + 1);
		break;
	case HANDOVER_JOB_LAST:
		host->thawed = false;
		host->gate = GATE_FROZEN;
		send_delta(host, work, sequence + 1);
		break;
	case HANDOVER_JOB_MOVE:
		host->two_senders = false;
		if (host->gate != GATE_NONE)
			host->gate = GATE_MOVED;
		break;
	case HANDOVER_JOB_SETTLE:
		if (host->gate == GATE_MOVED)
			work->reason = HANDOVER_REASON_BUSY;
		else if (host->gate != GATE_NONE)
			host->gate = GATE_ACTIVE;
		break;
	case HANDOVER_JOB_WIPE:
		if (host->gate == GATE_MOVED)
			host->gate = GATE_NONE;
		break;
	default:
		break;
	}
}

static void run_dest(struct host_model *host, struct handover_work *work)
{
	switch (work->job) {
	case HANDOVER_JOB_PREPARE:
		(void)snprintf(work->late, sizeof(work->late), "192.0.2.2");
		work->late_mtu = host->late_mtu;
		break;
	case HANDOVER_JOB_TAKE:
		work->sequence = host->h.staged ? host->sequence + 1 : 0;
		if (host->data_end[0])
			host->sequence = work->sequence;
		if (!host->data_end[0])
			work->reason = HANDOVER_REASON_PEER_LOST;
		else if (host->gate == GATE_NONE)
			host->gate = GATE_STAGED;
		break;
	case HANDOVER_JOB_READY:
		if (host->gate == GATE_STAGED)
			host->in_open = host->h.vm.fence == HANDOVER_FENCE_HELD;
		break;
	case HANDOVER_JOB_SETTLE:
		if (host->gate == GATE_OPEN)
			host->gate = GATE_ACTIVE;
		break;
	case HANDOVER_JOB_WIPE:
		if (host->gate == GATE_OPEN || host->gate == GATE_ACTIVE)
			work->reason = HANDOVER_REASON_ACTIVE_HERE;
		else
			host->gate = GATE_NONE;
		break;
	case HANDOVER_JOB_SHUT:
		host->gate = GATE_SHUT;
		break;
	default:
		break;
	}
}

static void tell_work(struct host_model *host, const struct handover_work *work)
{
	host->late_until = 0;
	host->jobs--;
	memmove(host->job, host->job + 1, host->jobs * sizeof(host->job[0]));
	memmove(host->job_link, host->job_link + 1, host->jobs * sizeof(host->job_link[0]));
	memmove(host->data_end, host->data_end + 1, host->jobs * sizeof(host->data_end[0]));
	handover_worked(&host->h, work, host->world->now);
}

/* What is to fail by order of the test: nothing of it is done. */
static bool fails_once(struct host_model *host, enum handover_job job)
{
	return host->fail_reason && (host->fail_jobs & 1u << job);
}

static enum handover_reason taken(enum handover_reason *reason)
{
	const enum handover_reason was = *reason;

	*reason = HANDOVER_REASON_NONE;
	return was;
}

static void run_job(struct host_model *host)
{
	struct handover_work work = { .job = host->job[0], .sequence = host->h.sequence };

	if (host->late_until) {
		if (host->world->now >= host->late_until)
			tell_work(host, &host->late_work);
		return;
	}
	if (work.job == HANDOVER_JOB_TAKE && !host->data_end[0] && !host->was_cut)
		return;
	if (work.job != HANDOVER_JOB_TAKE && fault(host->world, FAULT_JOBS, 10))
		work.reason = HANDOVER_REASON_NO_MEMORY;
	else if (fails_once(host, work.job))
		work.reason = taken(&host->fail_reason);
	else if (role_of(host) == HANDOVER_SOURCE)
		run_source(host, &work);
	else
		run_dest(host, &work);
	if (fault(host->world, FAULT_SLOW, 2)) {
		host->late_work = work;
		host->late_until = host->world->now + random_below(host->world, 100) * MS;
		return;
	}
	tell_work(host, &work);
}

/* ---- one host, one step ---- */

void world_cut(struct host_model *host)
{
	if (!host->linked)
		return;
	host->linked = false;
	host->queued = 0;
	if (host->h.connected)
		handover_disconnected(&host->h, host->world->now);
}

/* Who knows nothing of a handover says so. */
static void tell_stale(struct host_model *host, const struct message *about)
{
	struct message stale = { .type = MESSAGE_STALE };

	memcpy(stale.id, about->id, sizeof(stale.id));
	if (other(host)->linked && about->type != MESSAGE_STALE && about->type != MESSAGE_DONE)
		push(other(host), &stale);
}

static void receive(struct host_model *host)
{
	struct message message = host->queue[0];

	host->queued--;
	memmove(host->queue, host->queue + 1, host->queued * sizeof(message));
	if (message.type == MESSAGE_DATA) {
		(void)handover_data(&host->h, &message.epoch, sizeof(message.epoch),
				    host->world->now);
		return;
	}
	if (message.type == MESSAGE_OFFER && !host->has_saved && role_of(host) == HANDOVER_DEST) {
		host->h.check = message.check;
		dest_start(&host->h, host->world->now);
		return;
	}
	if (!host->has_saved) {
		tell_stale(host, &message);
		return;
	}
	if (handover_message(&host->h, &message, host->world->now) ||
	    (fault(host->world, FAULT_DOUBLE, 20) &&
	     handover_message(&host->h, &message, host->world->now)))
		world_cut(host);
}

/* One handover of the VM, not begun. */
static void make_handover(struct host_model *host, uint32_t anew)
{
	host->has_saved = false;
	host->h = (struct handover){
		.role = role_of(host),
		.vm = { .name = "web", .epoch = 1, .fence = host->world->fence },
		.options = handover_defaults,
		.anew = anew,
		.engine = &engine,
		.ops = &ops,
		.owner = host,
	};
	memset(host->h.id, 7 + (int)anew, sizeof(host->h.id));
}

void world_restart(struct host_model *host)
{
	struct host_model *peer = other(host);
	struct handover *h = &host->h;

	host->linked = false;
	host->queued = host->jobs = 0;
	host->late_until = 0;
	if (peer->linked && one_in(host->world, 2)) {
		peer->linked = false;
		handover_disconnected(&peer->h, host->world->now);
	}
	if (!host->has_saved) { /* nothing is known of it, and nothing was begun */
		make_handover(host, h->anew);
		return;
	}
	memset(h, 0, sizeof(*h));
	h->role = host->saved.role;
	h->vm = host->saved.vm;
	h->options = host->saved.options;
	h->state = host->saved.state;
	h->reason = host->saved.reason;
	h->sequence = host->saved.sequence;
	h->held = host->saved.held;
	h->offered = host->saved.offered;
	memcpy(h->id, host->saved.id, sizeof(h->id));
	memcpy(h->text, host->saved.text, sizeof(h->text));
	h->engine = &engine;
	h->ops = &ops;
	h->owner = host;
	handover_restart(h, host->world->now);
}

static void step_host(struct host_model *host)
{
	struct world *world = host->world;

	if (fault(world, FAULT_HANG, 2000))
		host->hung_until = world->now + random_below(world, 60000) * MS;
	if (fault(world, FAULT_RESTART, 400))
		world_restart(host);
	if (!host->exists || host->hung_until > world->now)
		return;
	if (fault(world, FAULT_ABORT, 1000))
		(void)handover_abort(&host->h, HANDOVER_REASON_OPERATOR, world->now);
	if (host->linked && !host->h.connected)
		host->linked = false;
	/* One side has gone: the other notices sooner or later. */
	if (host->h.connected && !other(host)->h.connected && one_in(world, 1000)) {
		host->linked = false;
		handover_disconnected(&host->h, world->now);
	}
	if (host->queued && host->linked && !one_in(world, 3))
		receive(host);
	if (host->jobs && one_in(world, 3))
		run_job(host);
	if (host->h.state != HANDOVER_NONE)
		handover_tick(&host->h, world->now);
}

static void cut(struct world *world)
{
	struct host_model *first = &world->host[random_below(world, 2)];

	world_cut(first);
	if (one_in(world, 2))
		world_cut(other(first));
}

/* ---- the VM and its manager ---- */

static void frame_at(struct host_model *host)
{
	switch (host->gate) {
	case GATE_FROZEN:
		host->gate = GATE_COPYING;
		host->thawed = true;
		break;
	case GATE_MOVED:
		host->gate = GATE_COPYING;
		host->two_senders = true;
		break;
	case GATE_STAGED:
		host->gate = GATE_OPEN;
		host->world->was_open = true;
		break;
	default:
		break;
	}
	host->version++;
}

static void step_held(struct world *world)
{
	const struct host_model *source = &world->host[HANDOVER_SOURCE];
	struct handover *h = &world->host[HANDOVER_SOURCE].h;

	if (world->vm == AT_SOURCE && h->state == HANDOVER_ROUNDS && !world->cancelled &&
	    one_in(world, 100)) {
		world->vm = PAUSED;
		world->manager_at = world->now + 3000 * MS;
		if (source->hung_until <= world->now)
			(void)handover_freeze(h, world->now);
	}
	if (world->vm != PAUSED)
		return;
	if (!world->told && h->state == HANDOVER_READY && source->hung_until <= world->now) {
		if (fault(world, FAULT_CANCEL, 3)) {
			world->cancelled = true;
			world->vm = AT_SOURCE;
			return;
		}
		world->told = true;
		world->manager_at = world->now + random_below(world, 5000) * MS;
	} else if (world->told && world->now >= world->manager_at) {
		world->vm = AT_DEST;
	} else if (!world->told && world->now >= world->manager_at) {
		world->cancelled = true;
		world->vm = AT_SOURCE;
	}
}

static void step_free(struct world *world)
{
	struct handover *h = &world->host[HANDOVER_SOURCE].h;

	if (world->vm == AT_SOURCE && h->state == HANDOVER_ROUNDS && !world->cancelled &&
	    one_in(world, 100)) {
		world->vm = PAUSED;
		world->manager_at = world->now + random_below(world, 100) * MS;
		if (one_in(world, 2) && world->host[HANDOVER_SOURCE].hung_until <= world->now)
			(void)handover_freeze(h, world->now);
	} else if (world->vm == PAUSED && world->now >= world->manager_at) {
		world->cancelled = fault(world, FAULT_CANCEL, 3);
		world->vm = world->cancelled ? AT_SOURCE : AT_DEST;
	}
}

/* Whoever aborts by hand lets the manager know: it does not go on then. */
static void step_vm(struct world *world)
{
	if (world->fence == HANDOVER_FENCE_HELD)
		step_held(world);
	else
		step_free(world);
	if (world->cancelled && world->host[HANDOVER_SOURCE].exists &&
	    world->host[HANDOVER_SOURCE].hung_until <= world->now)
		(void)handover_abort(&world->host[HANDOVER_SOURCE].h, HANDOVER_REASON_VM_MANAGER,
				     world->now);
	if (world->vm != PAUSED && world->vm != NOWHERE && one_in(world, 20))
		frame_at(&world->host[world->vm == AT_DEST]);
	if (!world->lied && world->host[HANDOVER_SOURCE].gate == GATE_MOVED &&
	    fault(world, FAULT_LIAR, 50)) {
		world->lied = true;
		world->vm = AT_SOURCE;
	}
}

bool world_judges(const struct world *world, enum handover_role role)
{
	const enum gate gate = world->host[role].gate;

	return role == HANDOVER_SOURCE ? gate == GATE_ACTIVE || gate == GATE_COPYING
				       : gate == GATE_OPEN || gate == GATE_ACTIVE;
}

/* What roamd does with a handover whose policy has changed, once there is nothing left of it. */
static void begin_anew(struct world *world)
{
	struct host_model *source = &world->host[HANDOVER_SOURCE];
	struct host_model *dest = &world->host[HANDOVER_DEST];
	const uint32_t anew = source->h.anew + 1;

	if (!handover_begins_anew(&source->h) || !handover_over(&source->h) || source->jobs ||
	    dest->jobs || (dest->h.state != HANDOVER_NONE && !handover_over(&dest->h)) ||
	    source->hung_until > world->now)
		return;
	world_cut(source);
	world_cut(dest);
	make_handover(source, anew);
	make_handover(dest, anew);
	world->anew++;
	source_start(&source->h, world->now);
}

void world_step(struct world *world)
{
	if (!world->begun)
		source_start(&world->host[HANDOVER_SOURCE].h, world->now);
	world->begun = true;
	world->now += MS;
	if (fault(world, FAULT_CUT, 300))
		cut(world);
	step_host(&world->host[HANDOVER_SOURCE]);
	step_host(&world->host[HANDOVER_DEST]);
	step_vm(world);
	begin_anew(world);
	world->both += world_judges(world, HANDOVER_SOURCE) && world_judges(world, HANDOVER_DEST);
}

void world_make(struct world *world, uint64_t seed, uint32_t fence, uint32_t faults)
{
	memset(world, 0, sizeof(*world));
	world->random = seed;
	world->fence = fence;
	world->faults = faults;
	world->now = 1000 * NS_PER_S;
	for (int role = 0; role < HANDOVER_ROLE_COUNT; role++) {
		struct host_model *host = &world->host[role];

		host->world = world;
		host->exists = true;
		make_handover(host, 0);
	}
	world->host[HANDOVER_SOURCE].gate = GATE_ACTIVE;
}

static bool over(const struct host_model *host)
{
	return !host->exists || host->h.state == HANDOVER_NONE || handover_over(&host->h);
}

bool world_end(struct world *world)
{
	for (int i = 0; i < 2; i++)
		world->host[i].hung_until = 0;
	return world_go_on(world);
}

bool world_go_on(struct world *world)
{
	world->calm = true;
	for (int i = 0; i < 4000 * 1000 && !world->wrong; i++) {
		world_step(world);
		if (over(&world->host[HANDOVER_SOURCE]) && over(&world->host[HANDOVER_DEST]) &&
		    world->vm != PAUSED)
			return true;
	}
	return false;
}
