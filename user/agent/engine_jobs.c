// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What a worker does with its host: see engine_jobs.h. Whatever a process before this one left in
 * the kernel is taken up again where a job needs it.
 */
#include <string.h>
#include <sys/mman.h>
#include "engine.h"
#include "engine_jobs.h"
#include "late.h"
#include "say.h"
#include "vm.h"

#define FRAME_BYTES (64U << 10)
#define PACED_BYTES (8U << 10) /* with a rate, so that a low one does not come in bursts */
#define DRAIN_NS    (5 * (NS_PER_S / 1000))
#define GATES_BYTES (ROAM_VM_MAX * sizeof(struct roam_gate))

static const struct {
	int err;
	enum handover_reason reason;
} reasons[] = {
	{ -EBUSY, HANDOVER_REASON_ACTIVE_HERE },    { -EEXIST, HANDOVER_REASON_UUID_DIFFERS },
	{ -ENOSPC, HANDOVER_REASON_NO_ROOM_FLOWS }, { -ENOMEM, HANDOVER_REASON_NO_MEMORY },
	{ -ENODEV, HANDOVER_REASON_NO_DEVICE },     { -EBADMSG, HANDOVER_REASON_CORRUPT },
	{ -EPROTO, HANDOVER_REASON_SCHEMA },        { -EILSEQ, HANDOVER_REASON_SEQUENCE_GAP },
	{ -ESTALE, HANDOVER_REASON_STALE_EPOCH },   { -ECONNRESET, HANDOVER_REASON_PEER_LOST },
	{ -ECANCELED, HANDOVER_REASON_PEER_LOST },  { -ENODATA, HANDOVER_REASON_CORRUPT },
};

/* Why a job failed, with the line that says it. */
static void failed(struct handover_work *work, int err)
{
	work->reason = HANDOVER_REASON_INTERNAL;
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].err == err)
			work->reason = reasons[i].reason;
	}
	handover_text_set(work->text, fail_line());
}

static int open_host(struct worker *worker)
{
	return worker->host ? 0 : host_open(worker->entry->agent->config.bpffs, &worker->host);
}

static const char *vm_of(const struct worker *worker)
{
	return worker->entry->h.vm.name;
}

/* The VM here, if it is the one of this handover. */
static int find(struct host *host, const struct handover_vm *want, uint32_t *ret_slot,
		struct roam_vm *ret_vm)
{
	struct roam_vm vm;
	uint32_t slot;
	int err = vm_find(host, want->name, &slot);

	if (!err)
		err = vm_get(host, slot, &vm);
	if (!err && (memcmp(vm.uuid, want->uuid, sizeof(vm.uuid)) != 0 ||
		     vm.incarnation != want->incarnation))
		err = -ENOENT;
	if (err)
		return err;
	*ret_slot = slot;
	*ret_vm = vm;
	return 0;
}

/* ---- the source ---- */

static int open_source(struct worker *worker)
{
	struct move_source_options options = {};
	int err;

	if (worker->source)
		return 0;
	err = move_source_reopen(worker->host, vm_of(worker), &worker->source);
	if (err != -ENOENT && err != -EINVAL)
		return err;
	memcpy(options.id, worker->entry->h.id, sizeof(options.id));
	return move_source_open(worker->host, vm_of(worker), &options, &worker->source);
}

/* With a rate, what was sent has taken its time before more is. */
static void pace(struct worker *worker, size_t size)
{
	const uint64_t rate = worker->entry->h.options.rate_mbps;
	uint64_t now = now_ns();

	if (!rate || worker->job.job != HANDOVER_JOB_EXPORT)
		return;
	if (worker->pace_ns < now)
		worker->pace_ns = now;
	worker->pace_ns += (uint64_t)size * 8 * 1000 / rate;
	if (worker->pace_ns > now + DRAIN_NS)
		(void)worker_nap(worker, worker->pace_ns);
}

static int flush_out(struct worker *worker)
{
	size_t size = worker->out_size;
	uint8_t *out = worker->out;

	worker->out = NULL;
	worker->out_size = 0;
	if (!out)
		return 0;
	pace(worker, size);
	return worker_send(worker, out, size);
}

/* image_write_fn: into frames, behind a BEGIN of the number that the delta will have. */
static int write_out(const void *bytes, size_t size, void *arg)
{
	struct worker *worker = arg;
	const size_t most = worker->entry->h.options.rate_mbps ? PACED_BYTES : FRAME_BYTES;
	const uint8_t *from = bytes;
	int err = 0;

	if (!worker->out_begun)
		worker_say(worker, MESSAGE_BEGIN, worker->out_sequence);
	worker->out_begun = true;
	while (size && !err) {
		size_t part = most - worker->out_size;

		if (!worker->out)
			worker->out = malloc(most);
		if (!worker->out)
			return fail(-ENOMEM, "out of memory");
		if (part > size)
			part = size;
		memcpy(worker->out + worker->out_size, from, part);
		worker->out_size += part;
		from += part;
		size -= part;
		if (worker->out_size == most)
			err = flush_out(worker);
	}
	return err;
}

static void drop_out(struct worker *worker)
{
	free(worker->out);
	worker->out = NULL;
	worker->out_size = 0;
	worker->out_begun = false;
}

/* A base or a delta, from BEGIN to END; *ret_stats.sequence 0: there was nothing. */
static int send_one(struct worker *worker, struct move_stats *ret_stats)
{
	struct move_stats stats = {};
	int err;

	drop_out(worker);
	worker->out_sequence = worker->job.first ? 0 : worker->sequence + 1;
	if (worker->job.first)
		err = move_source_base(worker->source, write_out, worker);
	else if (worker->job.job == HANDOVER_JOB_LAST)
		err = move_source_last(worker->source, write_out, worker, &stats);
	else
		err = move_source_delta(worker->source, write_out, worker, &stats);
	if (!err && worker->out_begun)
		err = flush_out(worker);
	if (!err && worker->out_begun && !worker->job.first &&
	    stats.sequence != worker->out_sequence)
		err = fail(-EINVAL, "delta %llu, where %llu should be",
			   (unsigned long long)stats.sequence,
			   (unsigned long long)worker->out_sequence);
	if (!err && worker->out_begun) {
		worker_say(worker, MESSAGE_END, worker->out_sequence);
		worker->sequence = worker->out_sequence;
	}
	drop_out(worker);
	*ret_stats = stats;
	return err;
}

static void note(struct handover_work *work, const struct worker *worker,
		 const struct move_stats *stats)
{
	work->sequence = worker->sequence;
	work->entries += stats->rows;
}

/* Deltas are sent as soon as there is one, but not more often than every few milliseconds. */
static int run_export(struct worker *worker, struct handover_work *work)
{
	struct move_stats stats = {};
	int err = open_source(worker);

	work->sequence = worker->sequence;
	if (!err && worker->job.first) {
		err = send_one(worker, &stats);
		stats.rows = err ? 0 : move_source_flows(worker->source);
		note(work, worker, &stats);
		return err;
	}
	while (!err) {
		if (worker_nap(worker, worker->delta_ns + DRAIN_NS))
			return 0; /* something else is to be done: at the latest the next freeze */
		work->began_ns = now_ns();
		err = send_one(worker, &stats);
		worker->delta_ns = now_ns();
		if (!err)
			note(work, worker, &stats);
		if (stats.sequence && !stats.more)
			break;
	}
	return err;
}

/* The two ends of the way that late packets take; false: there is none. */
static bool late_way_of(const struct handover *h, const char *to, struct late_way *ret_way)
{
	struct late_way way = { .epoch = h->vm.epoch };

	if (!h->vm.late_from[0] || !to[0] || text_addr_parse(h->vm.late_from, &way.from) ||
	    text_addr_parse(to, &way.to))
		return false;
	memcpy(way.id, h->id, sizeof(way.id));
	*ret_way = way;
	return true;
}

/*
 * Before the freeze, so that nothing that comes behind it is dropped. A handover does as well
 * without: then late packets are. What ACCEPT said of the way came before this job was begun.
 */
static void carry_late(struct worker *worker)
{
	const struct handover *h = &worker->entry->h;
	const uint64_t frozen_ns = h->options.watchdog_ms * (NS_PER_S / 1000);
	struct late_way way;

	if (!h->options.late_s || !late_way_of(h, h->late, &way))
		return;
	if (late_to_put(worker->host, move_source_slot(worker->source), &way)) {
		say(SAY_WARNING, "vm %s: late packets are dropped: %s", h->vm.name, fail_line());
		return;
	}
	move_source_carry(worker->source, now_ns() + frozen_ns + h->options.late_s * NS_PER_S);
}

static int run_last(struct worker *worker, struct handover_work *work)
{
	struct move_stats stats = { .more = true };
	int err = open_source(worker);

	work->sequence = worker->sequence;
	if (!err)
		carry_late(worker);
	if (!err)
		err = move_source_freeze(worker->source);
	while (!err && stats.more) {
		err = send_one(worker, &stats);
		if (!err)
			note(work, worker, &stats);
	}
	if (err == -ESTALE && move_source_thawed(worker->source))
		work->reason = HANDOVER_REASON_THAWED;
	return err;
}

/* The peer may be a process that knows nothing of the base: it is sent all of it once more. */
static int run_resume(struct worker *worker)
{
	int err = open_source(worker);

	if (!err)
		err = move_source_resume(worker->source, worker->job.sequence);
	worker->sequence = worker->job.sequence;
	if (!err)
		move_unlogged(worker->host, move_source_slot(worker->source));
	return err;
}

/* Given up, and yet it runs there: the gate is made again, for its frames to tell. */
static int run_move(struct worker *worker)
{
	const struct entry *entry = worker->entry;
	struct roam_gate gate;
	struct roam_vm vm;
	uint32_t slot;
	int err = find(worker->host, &entry->h.vm, &slot, &vm);

	if (err)
		return err == -ENOENT ? 0 : err; /* it is not here */
	if (vm.epoch >= entry->h.vm.epoch)
		return 0; /* it has come back since */
	err = open_source(worker);
	if (!err)
		err = move_gate_get(worker->host, slot, &gate);
	if (!err && gate.state == ROAM_GATE_MOVED)
		return 0; /* before roamd was started anew */
	if (!err)
		err = move_source_freeze(worker->source);
	if (err == -ESTALE) /* heard before it was claimed; from now on that counts */
		err = move_source_freeze(worker->source);
	if (err)
		return err;
	return move_source_moved(
		worker->source,
		entry->h.options.late_s ? now_ns() + entry->h.options.late_s * NS_PER_S : 0);
}

static int settle_source(struct worker *worker)
{
	struct move_source *source = worker->source;
	int err;

	if (!source) {
		err = move_source_reopen(worker->host, vm_of(worker), &worker->source);
		source = worker->source;
		if (err)
			return err == -ENOENT ? 0 : err; /* nothing was begun */
	}
	err = move_source_abort(source);
	if (!err) {
		move_source_close(source);
		worker->source = NULL;
	}
	return err;
}

static int wipe_source(struct worker *worker, struct handover_work *work)
{
	const struct handover *h = &worker->entry->h;
	int err;

	move_source_close(worker->source);
	worker->source = NULL;
	(void)late_sent(worker->host, h->vm.name, h->id, &work->late_count);
	err = move_release(worker->host, h->vm.name, h->id, h->vm.epoch);
	return err == -ESTALE ? 0 : err; /* it is not this handover's any more */
}

static int run_source(struct worker *worker, struct handover_work *work)
{
	switch (work->job) {
	case HANDOVER_JOB_EXPORT:
		return run_export(worker, work);
	case HANDOVER_JOB_LAST:
		return run_last(worker, work);
	case HANDOVER_JOB_RESUME:
		return run_resume(worker);
	case HANDOVER_JOB_MOVE:
		return run_move(worker);
	case HANDOVER_JOB_SETTLE:
		return settle_source(worker);
	case HANDOVER_JOB_WIPE:
		return wipe_source(worker, work);
	default:
		return fail(-EINVAL, "no job of a source");
	}
}

/* ---- the destination ---- */

static int reason(struct handover_work *work, enum handover_reason why, const char *text)
{
	work->reason = why;
	return fail(-EPERM, "%s", text);
}

static int count_vm(struct host *host, uint32_t slot, void *arg)
{
	(void)host;
	(void)slot;
	++*(uint32_t *)arg;
	return 0;
}

/* What this end knows of the way that late packets would come; 0: nothing. */
static uint32_t late_mtu_back(const struct handover *h, const char *late)
{
	struct late_way way, back;

	if (!late_way_of(h, late, &way))
		return 0;
	back = (struct late_way){ .from = way.to, .to = way.from };
	return late_mtu(&back);
}

/* Is there room for it, and is it no VM that runs here or was newer here? */
static int run_prepare(struct worker *worker, struct handover_work *work)
{
	const struct handover_vm *want = &worker->entry->h.vm;
	struct roam_vm vm;
	uint32_t slot, count = 0;
	int err = vm_find(worker->host, want->name, &slot);

	memcpy(work->late, worker->entry->agent->config.late, sizeof(work->late));
	work->late_mtu = late_mtu_back(&worker->entry->h, work->late);
	if (want->flows > ROAM_QUOTA_MAX || want->half > ROAM_QUOTA_MAX)
		return reason(work, HANDOVER_REASON_NO_ROOM_FLOWS, "quotas are too large");
	if (want->rules > ROAM_ACL_RULES)
		return reason(work, HANDOVER_REASON_NO_MEMORY, "too many rules");
	if (err == -ENOENT) {
		err = vm_each(worker->host, count_vm, &count);
		if (!err && count >= ROAM_VM_MAX - 1)
			return reason(work, HANDOVER_REASON_NO_ROOM_VMS, "the host is full");
		return err;
	}
	if (!err)
		err = vm_get(worker->host, slot, &vm);
	if (err)
		return err;
	if (memcmp(vm.uuid, want->uuid, sizeof(vm.uuid)) != 0)
		return reason(work, HANDOVER_REASON_UUID_DIFFERS,
			      "a VM of that name is another one");
	if (vm.incarnation == want->incarnation && vm.epoch >= want->epoch)
		return reason(work, HANDOVER_REASON_STALE_EPOCH, "the VM is newer here");
	if (vm.life == ROAM_LIFE_ACTIVE)
		return reason(work, HANDOVER_REASON_ACTIVE_HERE, "the VM is active here");
	if (vm.life != ROAM_LIFE_SHUT)
		return reason(work, HANDOVER_REASON_BUSY,
			      "another handover of the VM is under way");
	return 0;
}

static int image_bytes(void *bytes, size_t size, void *arg)
{
	struct worker *worker = arg;

	return worker_read(worker, bytes, size);
}

static int take_base(struct worker *worker)
{
	const struct entry *entry = worker->entry;
	const struct move_dest_options options = {
		.vm = vm_of(worker),
		.devs = entry->devs,
		.dev_count = entry->dev_count,
	};

	return move_dest_base(worker->host, &options, image_bytes, worker, &worker->dest);
}

/* The VM is here, shut: from now on the source may send what comes late for it. */
static void take_late(struct worker *worker)
{
	const struct handover *h = &worker->entry->h;
	struct late_way way;

	if (late_way_of(h, worker->entry->agent->config.late, &way) &&
	    late_from_put(worker->host, move_dest_slot(worker->dest), &way))
		say(SAY_WARNING, "vm %s: late packets are not taken: %s", h->vm.name, fail_line());
}

static int open_dest(struct worker *worker)
{
	return worker->dest ? 0 : move_dest_reopen(worker->host, vm_of(worker), &worker->dest);
}

static int run_take(struct worker *worker, struct handover_work *work)
{
	const bool first = worker->job.first;
	int err = first ? 0 : open_dest(worker), rest;

	if (!err)
		err = first ? take_base(worker)
			    : move_dest_delta(worker->dest, image_bytes, worker);
	if (err)
		failed(work, err); /* its line, before the rest has another one */
	else if (first)
		take_late(worker);
	rest = worker_read_end(worker);
	if (rest == -ECONNRESET || rest == -ECANCELED)
		work->reason = HANDOVER_REASON_PEER_LOST;
	else if (rest && !err)
		failed(work, rest);
	if (err == -ENOTRECOVERABLE)
		work->reason = HANDOVER_REASON_CORRUPT; /* half of it is there: to be wiped */
	work->sequence = worker->dest ? move_dest_sequence(worker->dest) : 0;
	return 0;
}

/* Whether this VM is this handover's, and has been heard: then it is not to be wiped. */
static int wipe_dest(struct worker *worker, struct handover_work *work)
{
	const struct handover_vm *want = &worker->entry->h.vm;
	struct roam_vm vm;
	uint32_t slot;
	int err = find(worker->host, want, &slot, &vm);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (vm.epoch != want->epoch)
		return 0; /* it was here before, with a policy of its own */
	if (vm.life == ROAM_LIFE_ACTIVE) {
		work->reason = HANDOVER_REASON_ACTIVE_HERE;
		return -EBUSY;
	}
	err = open_dest(worker);
	if (!err)
		err = move_dest_wipe(worker->dest);
	if (err == -EBUSY)
		work->reason = HANDOVER_REASON_ACTIVE_HERE;
	return err == -ENOENT ? 0 : err;
}

/* Settled by whoever looked at the VM meanwhile, it is an active one. */
static int settle_dest(struct worker *worker)
{
	struct roam_vm vm;
	uint32_t slot;
	int err = find(worker->host, &worker->entry->h.vm, &slot, &vm);

	return err ? (err == -ENOENT ? 0 : err) : move_settle(worker->host, slot);
}

static int shut_dest(struct worker *worker)
{
	const struct handover_vm *want = &worker->entry->h.vm;
	struct roam_vm vm;
	uint32_t slot;
	int err = find(worker->host, want, &slot, &vm);

	if (err || vm.epoch != want->epoch)
		return err == -ENOENT ? 0 : err;
	if (vm.life == ROAM_LIFE_GATED) {
		err = open_dest(worker);
		return err ? err : move_dest_shut(worker->dest);
	}
	err = host_lock(worker->host);
	if (err)
		return err;
	vm.life = ROAM_LIFE_SHUT;
	err = vm_set(worker->host, slot, &vm);
	host_unlock(worker->host);
	return err;
}

static int run_dest(struct worker *worker, struct handover_work *work)
{
	int err;

	switch (work->job) {
	case HANDOVER_JOB_PREPARE:
		return run_prepare(worker, work);
	case HANDOVER_JOB_TAKE:
		return run_take(worker, work);
	case HANDOVER_JOB_READY:
		err = open_dest(worker);
		return err ? err : move_dest_ready(worker->dest, !worker->job.free);
	case HANDOVER_JOB_SETTLE:
		return settle_dest(worker);
	case HANDOVER_JOB_WIPE:
		return wipe_dest(worker, work);
	case HANDOVER_JOB_SHUT:
		return shut_dest(worker);
	default:
		return fail(-EINVAL, "no job of a destination");
	}
}

/* ---- both ---- */

void jobs_run(struct worker *worker, struct handover_work *work)
{
	int err = open_host(worker);

	if (!err)
		err = worker->entry->h.role == HANDOVER_SOURCE ? run_source(worker, work)
							       : run_dest(worker, work);
	if (!err)
		return;
	if (work->reason)
		handover_text_set(work->text, fail_line());
	else if (err == -ESTALE &&
		 (work->job == HANDOVER_JOB_EXPORT || work->job == HANDOVER_JOB_LAST)) {
		work->reason = HANDOVER_REASON_POLICY_DIFFERS;
		handover_text_set(work->text, fail_line());
	} else {
		failed(work, err);
	}
}

void jobs_close(struct worker *worker)
{
	drop_out(worker);
	move_source_close(worker->source);
	move_dest_close(worker->dest);
	host_close(worker->host);
	worker->source = NULL;
	worker->dest = NULL;
	worker->host = NULL;
}

/* ---- from the loop: one word in a map ---- */

void jobs_gate(struct handover *h, struct handover_gate *ret_gate)
{
	struct entry *entry = h->owner;
	const struct roam_gate *gates = entry->agent->gates;
	struct roam_vm vm;
	uint32_t slot, state;

	if (find(entry->agent->host, &h->vm, &slot, &vm)) {
		ret_gate->gone = true;
		return;
	}
	if (vm.life != ROAM_LIFE_GATED || memcmp(gates[slot].id, h->id, sizeof(h->id)) != 0) {
		/* Settled by somebody, or what was here before. */
		ret_gate->open = vm.life == ROAM_LIFE_ACTIVE && vm.epoch == h->vm.epoch;
		ret_gate->gone = h->role == HANDOVER_DEST && !ret_gate->open;
		ret_gate->thawed = vm.life == ROAM_LIFE_ACTIVE && vm.epoch < h->vm.epoch;
		return;
	}
	state = __atomic_load_n(&gates[slot].state, __ATOMIC_SEQ_CST);
	ret_gate->sequence = gates[slot].sequence;
	ret_gate->open = state == ROAM_GATE_OPEN;
	ret_gate->thawed = state == ROAM_GATE_COPYING && gates[slot].thawed;
	ret_gate->two_senders = state == ROAM_GATE_COPYING && gates[slot].two_senders;
}

void jobs_close_in(struct handover *h)
{
	struct entry *entry = h->owner;
	struct roam_gate *gates = entry->agent->gates;
	struct roam_vm vm;
	uint32_t slot;

	if (!find(entry->agent->host, &h->vm, &slot, &vm) && vm.life == ROAM_LIFE_GATED &&
	    !memcmp(gates[slot].id, h->id, sizeof(h->id)))
		__atomic_store_n(&gates[slot].in_open, 0, __ATOMIC_SEQ_CST);
}

uint32_t jobs_late_mtu(struct handover *h)
{
	struct late_way way;

	return late_way_of(h, h->late, &way) ? late_mtu(&way) : 0;
}

int engine_open(struct agent *agent)
{
	int err = host_open(agent->config.bpffs, &agent->host);

	if (err)
		return err;
	agent->gates = mmap(NULL, GATES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			    host_map(agent->host, HOST_MAP_move_gate), 0);
	if (agent->gates != MAP_FAILED)
		return 0;
	agent->gates = NULL;
	return fail_errno(-errno, "roamd: cannot map the host's gates");
}

void engine_close(struct agent *agent)
{
	if (agent->gates)
		munmap(agent->gates, GATES_BYTES);
	agent->gates = NULL;
	host_close(agent->host);
	agent->host = NULL;
}

int engine_describe(struct agent *agent, const char *name, struct handover_vm *ret_vm)
{
	struct handover_vm got = {};
	struct state_refs refs = {};
	struct roam_addr from;
	int err = state_refs_read(agent->host, name, &refs);

	if (err)
		return err;
	memcpy(got.name, refs.vm.name, sizeof(got.name));
	memcpy(got.uuid, refs.vm.uuid, sizeof(got.uuid));
	got.incarnation = refs.vm.incarnation;
	got.epoch = refs.vm.epoch + 1;
	got.digest = refs.digest;
	got.flows = refs.vm.quota_flows;
	got.half = refs.vm.quota_half;
	got.rules = refs.rules.count;
	got.midstream = refs.vm.midstream;
	memcpy(got.late_from, agent->config.late, sizeof(got.late_from));
	if (got.late_from[0] && !text_addr_parse(got.late_from, &from))
		got.mtu = late_need(agent->host, name, &from);
	if (refs.vm.life != ROAM_LIFE_ACTIVE)
		err = fail(-EBUSY, "vm '%s' is %s", name, text_enum_name(&text_life, refs.vm.life));
	state_refs_close(&refs);
	if (!err)
		*ret_vm = got;
	return err;
}
