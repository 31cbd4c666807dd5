// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* One fault in one phase, and the end: see handover_once.h. */
#include <string.h>
#include "handover_once.h"
#include "harness.h"

#define MINUTE_NS (60 * NS_PER_S)

const char *const phase_text[PHASE_COUNT] = { "offered", "base", "rounds", "frozen",
					      "ready",   "open", "moved",  "done" };

/* ---- the end ---- */

/*
 * With the fence free nobody waits: the VM may be where its handover has failed. That is said, and
 * is the one end where the VM is at a host that has nothing of it.
 */
static bool was_left_alone(const struct world *world)
{
	return world->vm == AT_DEST && !world->was_open &&
	       world->host[HANDOVER_SOURCE].h.state == HANDOVER_ABORTED &&
	       world->host[HANDOVER_DEST].gate == GATE_NONE &&
	       (world->fence == HANDOVER_FENCE_FREE || (world->faults & FAULT_ABORT));
}

/* It came back when all was over, or nearly: the source had nothing left to hear it with. */
static bool came_back_too_late(const struct world *world)
{
	const struct host_model *source = &world->host[HANDOVER_SOURCE];

	return world->lied && world->vm == AT_SOURCE && source->h.state == HANDOVER_DONE &&
	       !source->two_senders;
}

/* No host has anything of it, and each knows why; the destination may have never heard of it. */
static bool ended_nowhere(const struct host_model *source, const struct host_model *dest)
{
	const enum handover_reason why = dest->h.reason;
	bool ok = CHECK_EQ(source->gate, GATE_NONE);

	ok &= CHECK_EQ(dest->gate, GATE_NONE);
	if (source->h.state != HANDOVER_NONE)
		ok &= CHECK_EQ(source->h.state, HANDOVER_ABORTED) &&
		      CHECK(source->h.reason != HANDOVER_REASON_NONE);
	if (dest->h.state != HANDOVER_NONE)
		ok &= CHECK_EQ(dest->h.state, HANDOVER_ABORTED) &&
		      CHECK(why == HANDOVER_REASON_RESTARTED || why == HANDOVER_REASON_PEER_LOST ||
			    why == HANDOVER_REASON_STALE);
	return ok;
}

bool world_ended_well(const struct world *world)
{
	const struct host_model *source = &world->host[HANDOVER_SOURCE];
	const struct host_model *dest = &world->host[HANDOVER_DEST];
	const bool at_dest = world->vm == AT_DEST;
	bool ok = true;

	if (world->vm == NOWHERE)
		return ended_nowhere(source, dest);
	if (was_left_alone(world))
		return CHECK(source->gate == GATE_ACTIVE && source->h.reason);
	if (came_back_too_late(world))
		return CHECK(source->gate == GATE_NONE && dest->gate == GATE_ACTIVE);
	ok &= CHECK_EQ(world_judges(world, HANDOVER_SOURCE), !at_dest);
	ok &= CHECK_EQ(world_judges(world, HANDOVER_DEST), at_dest);
	ok &= CHECK_EQ(source->gate, at_dest ? GATE_NONE : GATE_ACTIVE);
	if (at_dest)
		ok &= CHECK_EQ(dest->gate, GATE_ACTIVE);
	else
		ok &= CHECK(dest->gate == GATE_NONE || dest->gate == GATE_SHUT);
	if (source->h.state == HANDOVER_ABORTED)
		ok &= CHECK(source->h.reason != HANDOVER_REASON_NONE);
	if (dest->gate == GATE_SHUT && !(world->faults & FAULT_JOURNAL))
		ok &= CHECK_EQ(dest->h.reason, HANDOVER_REASON_TWO_SENDERS);
	return ok;
}

void world_tell(const struct world *world, uint64_t seed)
{
	for (int i = 0; i < 2; i++) {
		const struct host_model *host = &world->host[i];

		note("seed %llu %s: state %s reason %s gate %d jobs %u held %d settled %d told %d "
		     "connected %d text %s",
		     (unsigned long long)seed, text_enum_name(&text_handover_role, i),
		     text_enum_name(&text_handover_state, host->h.state),
		     text_enum_name(&text_handover_reason, host->h.reason), host->gate, host->jobs,
		     host->h.held, host->h.settled, host->h.peer_told, host->h.connected,
		     host->h.text);
	}
	note("vm at %d, heard at the destination %d, %s", world->vm, world->was_open,
	     world->wrong ? world->wrong : "");
}

/* ---- the phases ---- */

bool world_is_in(const struct world *world, enum phase phase)
{
	const struct handover *source = &world->host[HANDOVER_SOURCE].h;
	const struct handover *dest = &world->host[HANDOVER_DEST].h;

	switch (phase) {
	case PHASE_OFFERED:
		return source->state == HANDOVER_OFFERED && source->connected;
	case PHASE_BASE:
		return source->state == HANDOVER_BASE;
	case PHASE_ROUNDS:
		return source->state == HANDOVER_ROUNDS;
	case PHASE_FROZEN:
		return source->state == HANDOVER_FROZEN;
	case PHASE_READY:
		return source->state == HANDOVER_READY && dest->state == HANDOVER_READY;
	case PHASE_OPEN:
		return dest->state == HANDOVER_OPEN && source->state < HANDOVER_MOVED;
	case PHASE_MOVED:
		return source->state == HANDOVER_MOVED;
	default:
		return source->state == HANDOVER_DONE;
	}
}

/* ---- the faults ---- */

static void double_all(struct host_model *host)
{
	const uint32_t count = host->queued;

	if (2 * count > WORLD_QUEUE)
		return;
	memcpy(host->queue + count, host->queue, count * sizeof(host->queue[0]));
	host->queued = 2 * count;
}

static void swap_all(struct host_model *host)
{
	for (uint32_t i = 0; i + 1 < host->queued; i += 2) {
		const struct message first = host->queue[i];

		host->queue[i] = host->queue[i + 1];
		host->queue[i + 1] = first;
	}
}

static void cut_both(struct world *world)
{
	world_cut(&world->host[HANDOVER_SOURCE]);
	world_cut(&world->host[HANDOVER_DEST]);
}

static void fail_at(struct host_model *host, uint32_t jobs, enum handover_reason reason)
{
	host->fail_jobs = jobs;
	host->fail_reason = reason;
}

/* Nothing of the VM is there, and roamd finds its journal. */
static void reboot(struct host_model *host)
{
	host->gate = GATE_NONE;
	host->in_open = false;
	world_restart(host);
}

/* Where nobody has been told to wait, or has been told not to, the VM may be under way already. */
static void reboot_source(struct world *world, enum once once)
{
	struct host_model *source = &world->host[HANDOVER_SOURCE];

	world->told |= source->h.state == HANDOVER_READY;
	if (once != ONCE_SOURCE_REBOOTED_BEHIND_IT && world->vm != AT_DEST)
		world->vm = NOWHERE;
	if (once == ONCE_SOURCE_REPLACED)
		source->has_saved = false;
	reboot(source);
}

static void once_to_network(struct world *world, enum once once)
{
	switch (once) {
	case ONCE_CUT_SOURCE:
		world_cut(&world->host[HANDOVER_SOURCE]);
		break;
	case ONCE_CUT_DEST:
		world_cut(&world->host[HANDOVER_DEST]);
		break;
	case ONCE_UNPLUGGED:
		world->unplugged_until = world->now + MINUTE_NS;
		cut_both(world);
		break;
	case ONCE_DOUBLED:
		double_all(&world->host[HANDOVER_SOURCE]);
		double_all(&world->host[HANDOVER_DEST]);
		break;
	case ONCE_SWAPPED:
		swap_all(&world->host[HANDOVER_SOURCE]);
		swap_all(&world->host[HANDOVER_DEST]);
		break;
	default:
		cut_both(world);
		break;
	}
}

static void once_to_roamd(struct world *world, enum once once)
{
	struct host_model *source = &world->host[HANDOVER_SOURCE];
	struct host_model *dest = &world->host[HANDOVER_DEST];

	if (once == ONCE_SOURCE_KILLED || once == ONCE_BOTH_KILLED)
		world_restart(source);
	if (once == ONCE_DEST_KILLED || once == ONCE_BOTH_KILLED)
		world_restart(dest);
	if (once == ONCE_SOURCE_HUNG)
		source->hung_until = world->now + MINUTE_NS;
	if (once == ONCE_DEST_HUNG)
		dest->hung_until = world->now + MINUTE_NS;
	if (once == ONCE_SOURCE_HUNG_LONG)
		source->hung_until = world->now + 12 * MINUTE_NS;
	if (once == ONCE_DEST_HUNG_LONG)
		dest->hung_until = world->now + 12 * MINUTE_NS;
}

static void once_to_host(struct world *world, enum once once)
{
	struct host_model *source = &world->host[HANDOVER_SOURCE];
	struct host_model *dest = &world->host[HANDOVER_DEST];

	if (once == ONCE_CORRUPT)
		fail_at(dest, 1u << HANDOVER_JOB_TAKE, HANDOVER_REASON_CORRUPT);
	if (once == ONCE_DEST_FULL)
		fail_at(dest, 1u << HANDOVER_JOB_PREPARE | 1u << HANDOVER_JOB_TAKE,
			HANDOVER_REASON_NO_ROOM_FLOWS);
	if (once == ONCE_DEST_MEMORY)
		fail_at(dest, 1u << HANDOVER_JOB_PREPARE | 1u << HANDOVER_JOB_TAKE,
			HANDOVER_REASON_NO_MEMORY);
	if (once == ONCE_SOURCE_MEMORY)
		fail_at(source, 1u << HANDOVER_JOB_EXPORT | 1u << HANDOVER_JOB_LAST,
			HANDOVER_REASON_NO_MEMORY);
	if (once == ONCE_POLICY)
		fail_at(source, 1u << HANDOVER_JOB_EXPORT | 1u << HANDOVER_JOB_LAST,
			HANDOVER_REASON_POLICY_DIFFERS);
	if (once == ONCE_SOURCE_JOURNAL)
		source->full_until = world->now + NS_PER_S;
	if (once == ONCE_DEST_JOURNAL)
		dest->full_until = world->now + NS_PER_S;
	if (once == ONCE_DEST_REBOOTED) {
		reboot(dest);
		/* With the VM manager's half of it: the VM cannot come. */
		world->vm = AT_SOURCE;
		world->cancelled = true;
	}
	if (once >= ONCE_SOURCE_REBOOTED)
		reboot_source(world, once);
}

static void once_by_hand(struct world *world, enum once once)
{
	if (once == ONCE_ABORT_SOURCE)
		(void)handover_abort(&world->host[HANDOVER_SOURCE].h, HANDOVER_REASON_OPERATOR,
				     world->now);
	if (once == ONCE_ABORT_DEST && world->host[HANDOVER_DEST].has_saved)
		(void)handover_abort(&world->host[HANDOVER_DEST].h, HANDOVER_REASON_OPERATOR,
				     world->now);
	if (once == ONCE_CANCELLED || once == ONCE_THAWED)
		world->vm = AT_SOURCE;
	/* Where an operator aborts, the VM manager of that host hears of it. */
	world->cancelled |= once != ONCE_THAWED && once != ONCE_ABORT_DEST && world->vm != AT_DEST;
}

void world_once(struct world *world, enum once once)
{
	if (once <= ONCE_DEST_HUNG_LONG)
		once_to_roamd(world, once);
	else if (once <= ONCE_MISSING)
		once_to_network(world, once);
	else if (once >= ONCE_ABORT_SOURCE && once <= ONCE_THAWED)
		once_by_hand(world, once);
	else
		once_to_host(world, once);
}
