// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The source's end of a handover: see move.h. What a delta holds is gathered here, and written in
 * move_delta.c.
 *
 * A soft write is logged once a round, so what is read of its row counts only once the round is
 * over and every packet that saw the old one has left (move_wait_packets). What was urgent is read
 * at once, and again at the end of the round, since soft writes may follow within it.
 *
 * What has been written since the last round is what a freeze has to bring, so rounds are as short
 * as they are cheap: the next one ends when this one's end is a twentieth of the time since, within
 * bounds. A VM whose flows all change has few rounds, one that changes little has many.
 */
#include <string.h>
#include <bpf/bpf.h>
#include "journal.h"
#include "late.h"
#include "monitor.h"
#include "move_source.h"
#include "port.h"
#include "text.h"
#include "vm.h"

#define RING_BYTES (4U << 20)

#define ROUND_MOST_NS  NS_PER_S
#define ROUND_LEAST_NS (NS_PER_S / 20)
#define ROUND_SHARE    20

static int new_source(struct host *host, const char *vm, struct move_source **ret_source)
{
	struct move_source *source = calloc(1, sizeof(*source));
	int err;

	if (!source)
		return fail(-ENOMEM, "move: out of memory");
	source->host = host;
	source->round_ns = ROUND_MOST_NS;
	source->round_ended_ns = now_ns();
	source->rows = calloc(MOVE_DELTA_ROWS, sizeof(*source->rows));
	err = source->rows ? text_name_parse("vm", vm, source->vm)
			   : fail(-ENOMEM, "move: out of memory");
	if (!err)
		err = move_maps_open(&source->maps, host);
	if (err) {
		move_source_close(source);
		return err;
	}
	*ret_source = source;
	return 0;
}

void move_source_close(struct move_source *source)
{
	if (!source)
		return;
	move_log_close(source->log);
	move_maps_close(&source->maps);
	state_refs_close(&source->refs);
	move_keys_free(&source->logged.urgent);
	move_keys_free(&source->logged.soft);
	move_keys_free(&source->logged.fresh);
	move_keys_free(&source->work);
	move_keys_free(&source->gone);
	free(source->rows);
	free(source);
}

uint32_t move_source_slot(const struct move_source *source)
{
	return source->slot;
}

uint64_t move_source_flows(const struct move_source *source)
{
	return source->refs.flows;
}

void move_source_at(struct move_source *source, uint64_t now_ns)
{
	source->now_ns = now_ns;
}

/* From an active VM to one that is copied: from here on every packet asks the gate. */
static int begin(struct move_source *source, const struct move_source_options *options,
		 struct roam_vm *vm)
{
	struct roam_gate gate = { .state = ROAM_GATE_COPYING, .epoch = vm->epoch + 1 };
	struct host *host = source->host;
	int err;

	memcpy(gate.id, options->id, sizeof(gate.id));
	late_from_del(host, source->slot); /* nothing is carried here any more for it to leave */
	err = move_log_make(host, source->slot,
			    options->ring_bytes ? options->ring_bytes : RING_BYTES, &source->log);
	if (!err)
		err = move_gate_put(host, source->slot, &gate);
	vm->life = ROAM_LIFE_GATED;
	if (!err)
		err = vm_put(host, source->slot, vm);
	if (!err)
		err = move_wait_rcu(host);
	if (!err)
		return 0;
	vm->life = ROAM_LIFE_ACTIVE;
	vm_put(host, source->slot, vm);
	move_clear(host, source->slot);
	return err;
}

static int check_begin(const struct move_source_options *options, const struct roam_vm *vm)
{
	static const uint8_t none[16];

	if (!memcmp(options->id, none, sizeof(none)))
		return fail(-EINVAL, "move: a handover's id is not zero");
	if (vm->life == ROAM_LIFE_GATED)
		return fail(-EBUSY, "move: a handover of vm '%s' is under way already", vm->name);
	if (vm->life != ROAM_LIFE_ACTIVE)
		return fail(-EPERM, "move: vm '%s' is not active here", vm->name);
	if (vm->ct_moving)
		return fail(-EBUSY, "move: the quota of vm '%s' is being changed", vm->name);
	return 0;
}

int move_source_open(struct host *host, const char *vm, const struct move_source_options *options,
		     struct move_source **ret_source)
{
	_cleanup_move_source_ struct move_source *source = NULL;
	struct roam_vm row;
	int err = new_source(host, vm, &source), entry;

	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = vm_find(locked, vm, &source->slot);
	if (!err)
		err = vm_get(host, source->slot, &row);
	if (!err)
		err = check_begin(options, &row);
	if (!err)
		err = journal_begin_any(host, source->slot, &entry);
	if (err)
		return err;
	source->gate = &source->maps.gates[source->slot];
	source->round_fixed = options->round_ms != 0;
	if (source->round_fixed)
		source->round_ns = options->round_ms * (NS_PER_S / 1000);
	err = begin(source, options, &row);
	journal_end(host, source->slot, &entry);
	if (!err)
		*ret_source = TAKE_PTR(source);
	return err;
}

int move_source_reopen(struct host *host, const char *vm, struct move_source **ret_source)
{
	_cleanup_move_source_ struct move_source *source = NULL;
	struct roam_gate gate;
	int err = new_source(host, vm, &source);

	if (!err)
		err = vm_find(host, vm, &source->slot);
	if (!err)
		err = move_gate_get(host, source->slot, &gate);
	if (err)
		return err;
	if (gate.state != ROAM_GATE_COPYING && gate.state != ROAM_GATE_FROZEN &&
	    gate.state != ROAM_GATE_MOVED)
		return fail(-ENOENT, "move: no handover of vm '%s' from here", vm);
	err = move_log_open(host, source->slot, &source->log);
	if (!err)
		err = state_refs_read(host, vm, &source->refs);
	if (err)
		return err;
	source->gate = &source->maps.gates[source->slot];
	source->refs.maps.now_ns = gate.base_ns;
	source->froze = gate.state != ROAM_GATE_COPYING;
	source->scan = true;
	*ret_source = TAKE_PTR(source);
	return 0;
}

int move_source_collect(struct move_source *source, bool end_round)
{
	int err = 0;

	if (end_round) {
		move_round(source->gate);
		source->logged.fresh_round = source->gate->round;
		err = move_wait_packets(&source->maps);
		source->round_ended_ns = now_ns();
	}
	if (!err)
		err = move_log_drain(source->log, &source->logged);
	source->logged.fresh_round = 0;
	return err;
}

void move_source_next_round(struct move_source *source)
{
	struct move_keys ended = source->logged.soft;

	source->logged.soft = source->logged.fresh;
	move_keys_clear(&ended);
	source->logged.fresh = ended;
}

int move_source_write(const void *bytes, size_t size, void *arg)
{
	struct move_source *source = arg;
	int err = move_log_drain(source->log, &source->logged);

	source->bytes += size;
	return err ? err : source->write(bytes, size, source->write_arg);
}

int move_source_base(struct move_source *source, image_write_fn write, void *arg)
{
	struct state_save save = {
		.vm = source->vm,
		.handover = source->gate->id,
		.refs = &source->refs,
		.now_ns = source->now_ns,
		.write = move_source_write,
		.arg = source,
	};
	struct roam_vm vm;
	int err;

	source->write = write;
	source->write_arg = arg;
	state_refs_close(&source->refs);
	source->lost = __atomic_load_n(&source->gate->lost, __ATOMIC_SEQ_CST);
	/* Before the policy is read: what is edited from here on makes it another one, 0. */
	err = vm_get(source->host, source->slot, &vm);
	if (err)
		return err;
	__atomic_store_n(&source->gate->gen, vm.gen, __ATOMIC_SEQ_CST);
	/* What a packet wrote in the old round, and logged before, is not logged in it again. */
	err = move_source_collect(source, true);
	move_keys_clear(&source->logged.urgent);
	move_source_next_round(source);
	move_keys_clear(&source->work);
	source->work_at = 0;
	if (!err)
		err = state_save(source->host, &save);
	if (err)
		return err;
	source->scan = false;
	source->gate->sequence = 0;
	source->gate->base_ns = source->refs.maps.now_ns;
	return 0;
}

/* What the deltas refer to is what the base has. `staged`: a change that could not be finished. */
static int check_policy(struct move_source *source)
{
	struct roam_vm vm;
	int err = vm_get(source->host, source->slot, &vm);

	if (err)
		return err;
	if (vm.gen != source->refs.vm.gen || vm.staged != ROAM_VM_NONE ||
	    __atomic_load_n(&source->gate->gen, __ATOMIC_SEQ_CST) != vm.gen)
		return fail(-ESTALE, "move: the policy of vm '%s' has changed since its base",
			    source->vm);
	return 0;
}

static int move_all(struct move_keys *from, struct move_keys *to)
{
	int err = 0;

	for (uint32_t i = 0; i < from->count && !err; i++)
		err = move_keys_add(to, &from->recs[i]);
	if (!err)
		move_keys_clear(from);
	return err;
}

/* What the next piece is taken from, once what was there has been sent. */
static int fill_work(struct move_source *source, bool end_round)
{
	int err = move_source_collect(source, end_round);

	move_keys_clear(&source->work);
	source->work_at = 0;
	source->work_ends_round = end_round;
	if (end_round) { /* most of it: not key by key */
		struct move_keys empty = source->work;

		source->work = source->logged.soft;
		source->logged.soft = empty;
	}
	if (!err)
		err = move_all(&source->logged.urgent, &source->work);
	if (!err && end_round)
		move_source_next_round(source);
	return err;
}

static bool has_lost(const struct move_source *source)
{
	return source->scan ||
	       __atomic_load_n(&source->gate->lost, __ATOMIC_SEQ_CST) != source->lost;
}

/* A round in which nothing was written need not end as soon. */
static bool round_is_due(const struct move_source *source)
{
	uint64_t age_ns = now_ns() - source->round_ended_ns;
	bool wrote = source->logged.soft.count || source->logged.urgent.count;

	if (source->round_fixed)
		return age_ns >= source->round_ns;
	return age_ns >= (wrote ? source->round_ns : ROUND_MOST_NS);
}

static int next_delta(struct move_source *source, bool last, struct move_stats *stats)
{
	int err = check_policy(source);
	bool due;

	if (!err && !last)
		err = move_source_collect(source, false);
	due = last || round_is_due(source);

	/* A scan ends the round itself, once. */
	if (!err && source->work_at == source->work.count && !has_lost(source))
		err = fill_work(source, due);
	if (err)
		return err;
	if (has_lost(source)) /* perhaps only now, by what was drained */
		return move_delta_scan(source, last, stats);
	if (source->work_at == source->work.count && !source->work_ends_round)
		return 0;
	stats->ends_round = source->work_ends_round;
	err = move_delta_piece(source, last, stats);
	stats->more = source->work_at < source->work.count;
	if (!stats->more)
		source->work_ends_round = false;
	return err;
}

/* By what the end of a round, all its pieces, has cost this host. */
static void pace_rounds(struct move_source *source, uint64_t took_ns, bool more)
{
	uint64_t next_ns;

	source->round_cost_ns += took_ns;
	if (more)
		return;
	next_ns = ROUND_SHARE * source->round_cost_ns;
	source->round_cost_ns = 0;
	if (source->round_fixed)
		return;
	source->round_ns = next_ns < ROUND_LEAST_NS  ? ROUND_LEAST_NS
			   : next_ns > ROUND_MOST_NS ? ROUND_MOST_NS
						     : next_ns;
}

int move_source_delta(struct move_source *source, image_write_fn write, void *arg,
		      struct move_stats *ret_stats)
{
	uint64_t began_ns = now_ns();
	struct move_stats stats = {};
	int err;

	source->write = write;
	source->write_arg = arg;
	source->bytes = 0;
	err = next_delta(source, false, &stats);
	if (err)
		return err;
	if (stats.ends_round || stats.whole)
		pace_rounds(source, now_ns() - began_ns, stats.more);
	stats.bytes = source->bytes;
	stats.dirty = source->logged.soft.count;
	*ret_stats = stats;
	return 0;
}

int move_source_resume(struct move_source *source, uint64_t applied)
{
	if (applied > source->gate->sequence)
		return fail(-EINVAL, "move: the destination has applied what was never sent");
	if (applied == source->gate->sequence)
		return 0;
	source->scan = true;
	source->gate->sequence = applied;
	return 0;
}

/*
 * With the host's lock, so that no writer of policy is half-way: what it has done is found by the
 * last delta (check_policy()), and who comes later finds the VM frozen (move_may_change()).
 */
static int freeze_locked(struct move_source *source)
{
	enum roam_gate_state state = move_gate_state(source->gate);

	if (state == ROAM_GATE_COPYING && source->froze) {
		source->froze = false;
		return fail(-ESTALE, "move: vm '%s' has been heard since it was frozen",
			    source->vm);
	}
	if (state != ROAM_GATE_FROZEN &&
	    !move_gate_go(source->gate, ROAM_GATE_COPYING, ROAM_GATE_FROZEN))
		return fail(-EINVAL, "move: vm '%s' is %s", source->vm,
			    text_enum_name(&text_gate, state));
	source->froze = true;
	return 0;
}

int move_source_freeze(struct move_source *source)
{
	int err = host_lock(source->host);

	if (err)
		return err;
	err = freeze_locked(source);
	host_unlock(source->host);
	if (err)
		return err;
	/* What was begun of a delta would not be all. */
	if (source->work_at < source->work.count) {
		int err = move_all(&source->work, &source->logged.soft);

		source->work_at = source->work.count;
		if (err)
			return err;
	}
	return 0;
}

int move_source_last(struct move_source *source, image_write_fn write, void *arg,
		     struct move_stats *ret_stats)
{
	struct move_stats stats = {};
	int err;

	if (move_gate_state(source->gate) == ROAM_GATE_COPYING)
		return fail(-ESTALE, "move: vm '%s' is not frozen", source->vm);
	source->write = write;
	source->write_arg = arg;
	source->bytes = 0;
	err = next_delta(source, true, &stats);
	if (err)
		return err;
	stats.bytes = source->bytes;
	*ret_stats = stats;
	return 0;
}

bool move_source_thawed(struct move_source *source)
{
	return source->froze && move_gate_state(source->gate) == ROAM_GATE_COPYING;
}

int move_source_thaw(struct move_source *source)
{
	source->froze = false;
	if (move_gate_go(source->gate, ROAM_GATE_FROZEN, ROAM_GATE_COPYING) ||
	    move_gate_state(source->gate) == ROAM_GATE_COPYING)
		return 0;
	return fail(-EBUSY, "move: vm '%s' has moved", source->vm);
}

bool move_source_two_senders(struct move_source *source)
{
	return __atomic_load_n(&source->gate->two_senders, __ATOMIC_SEQ_CST);
}

void move_source_carry(struct move_source *source, uint64_t late_until_ns)
{
	__atomic_store_n(&source->gate->late_until_ns, late_until_ns, __ATOMIC_SEQ_CST);
}

/* Its frames come from outside now. */
int move_source_moved(struct move_source *source, uint64_t late_until_ns)
{
	int err = host_lock(source->host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = source->host;

	move_source_carry(source, late_until_ns);
	if (!move_gate_go(source->gate, ROAM_GATE_FROZEN, ROAM_GATE_MOVED) &&
	    move_gate_state(source->gate) != ROAM_GATE_MOVED)
		return fail(-ESTALE, "move: vm '%s' runs here", source->vm);
	return port_bind_all(locked, source->slot);
}

/* The row first: from then on no packet asks the gate, which is cleared when none is left. */
static int end_locked(struct move_source *source)
{
	struct host *host = source->host;
	struct roam_vm vm;
	int err = vm_get(host, source->slot, &vm);

	if (err)
		return err;
	move_gate_go(source->gate, ROAM_GATE_FROZEN, ROAM_GATE_COPYING);
	if (move_gate_state(source->gate) == ROAM_GATE_MOVED)
		return fail(-EBUSY, "move: vm '%s' has moved", source->vm);
	vm.life = ROAM_LIFE_ACTIVE;
	err = vm_put(host, source->slot, &vm);
	if (!err)
		err = port_bind_all(host, source->slot);
	if (!err)
		err = move_wait_rcu(host);
	if (!err)
		move_clear(host, source->slot);
	return err;
}

int move_source_abort(struct move_source *source)
{
	int entry, err = host_lock(source->host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = source->host;

	err = journal_begin_any(locked, source->slot, &entry);
	if (err)
		return err;
	err = end_locked(source);
	journal_end(locked, source->slot, &entry);
	return err;
}
