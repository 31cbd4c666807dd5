// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The source of a handover: the host that the VM leaves. See machine.h and docs/handover.md.
 *
 *   offered -> base -> rounds -> frozen -> ready -> moved -> done
 *   aborting, from any before moved -> aborted
 *
 * As long as nobody can have been told that the VM may run elsewhere, this host takes it back by
 * itself. From `ready` on it asks: the VM's frames say where it runs, or the peer says that it has
 * nothing of it.
 */
#include <stdio.h>
#include <string.h>
#include "machine.h"

static const char started_anew[] = "the source's host was started anew";

static bool copies(const struct handover *h)
{
	return h->state == HANDOVER_OFFERED || h->state == HANDOVER_BASE ||
	       h->state == HANDOVER_ROUNDS || h->state == HANDOVER_FROZEN;
}

/* The VM may run at the peer already, or be about to: nobody waits for this host. */
static bool may_be_there(const struct handover *h)
{
	return h->state == HANDOVER_READY ||
	       (h->state == HANDOVER_FROZEN && h->vm.fence == HANDOVER_FENCE_FREE);
}

static void let_go(struct handover *h, uint64_t now)
{
	h->held = h->settled = false;
	/* A check has begun nothing, here or there; what is there of the VM is another's. */
	if (h->check)
		h->settled = h->peer_told = true;
	else
		handover_begin(h, HANDOVER_JOB_SETTLE, now);
}

static void end_if_told(struct handover *h, uint64_t now)
{
	if (h->settled && (h->peer_told || !h->offered))
		handover_enter_anyway(h, HANDOVER_ABORTED, now);
}

static void begin_abort(struct handover *h, enum handover_reason reason, const char *text,
			uint64_t now)
{
	handover_why(h, reason, text);
	handover_enter_anyway(h, HANDOVER_ABORTING, now);
	if (h->held)
		return; /* the peer is told once the VM has been heard here: it may be on its way */
	let_go(h, now);
	handover_send(h, MESSAGE_ABORT);
}

int source_abort(struct handover *h, enum handover_reason reason, const char *text, uint64_t now)
{
	if (h->state == HANDOVER_MOVED || handover_over(h))
		return fail(-EALREADY, "vm '%s': the handover is %s already", h->vm.name,
			    text_enum_name(&text_handover_state, h->state));
	if (h->state == HANDOVER_ABORTING) {
		/* Who says it again knows where the VM runs. */
		if (h->held && (reason == HANDOVER_REASON_VM_MANAGER ||
				(reason == HANDOVER_REASON_OPERATOR && !h->connected))) {
			let_go(h, now);
			handover_send(h, MESSAGE_ABORT);
		}
		return 0;
	}
	/* A VM manager says so when it has the VM back. */
	h->held = may_be_there(h) && reason != HANDOVER_REASON_THAWED &&
		  reason != HANDOVER_REASON_VM_MANAGER;
	if (h->held && h->claimed) {
		source_move(h, now);
		return fail(-EALREADY, "vm '%s': the VM runs there already", h->vm.name);
	}
	begin_abort(h, reason, text, now);
	return 0;
}

/* What cannot be written down is given up. */
static bool enter_or_abort(struct handover *h, enum handover_state state, uint64_t now)
{
	const enum handover_reason unwritten = handover_enter(h, state, now);

	if (unwritten)
		source_abort(h, unwritten, fail_line(), now);
	return !unwritten;
}

/* The VM is the peer's. A frame of it here shows otherwise, later (source_tick). */
void source_move(struct handover *h, uint64_t now)
{
	/* Before it is written down: after a restart nobody would be waited for. */
	h->held = h->peer_told = h->moved = false;
	handover_enter_anyway(h, HANDOVER_MOVED, now);
	h->deadline_ns = now + h->options.late_s * NS_PER_S;
	handover_begin(h, HANDOVER_JOB_MOVE, now);
}

/* ---- copying ---- */

static void export_next(struct handover *h, uint64_t now)
{
	if (h->exporting || h->resuming)
		return; /* that is finished first */
	h->exporting = true;
	h->any_acked = false;
	h->last_begun = h->state == HANDOVER_FROZEN;
	handover_begin(h, h->last_begun ? HANDOVER_JOB_LAST : HANDOVER_JOB_EXPORT, now);
}

/* Behind whatever is under way, which ends as soon as this waits. */
static void export_last(struct handover *h, uint64_t now)
{
	if (!h->exporting || h->resuming) {
		export_next(h, now);
		return;
	}
	h->last_begun = true;
	handover_begin(h, HANDOVER_JOB_LAST, now);
}

/* On a new connection, once nothing is on its way to the old one. */
static void resume(struct handover *h, uint64_t now)
{
	if (!h->resume_known || h->exporting)
		return;
	h->resuming = h->resume_known = h->last_sent = h->last_begun = h->any_acked = false;
	h->sequence = h->resume_at;
	h->exporting = true;
	handover_begin(h, HANDOVER_JOB_RESUME, now);
}

static int freeze_now(struct handover *h, uint64_t now)
{
	if (!enter_or_abort(h, HANDOVER_FROZEN, now))
		return -EIO;
	h->frozen_ns = now;
	if (h->vm.fence == HANDOVER_FENCE_HELD)
		h->deadline_ns = now + h->options.watchdog_ms * (NS_PER_S / 1000);
	export_last(h, now);
	return 0;
}

int source_freeze(struct handover *h, uint64_t now)
{
	switch (h->state) {
	case HANDOVER_OFFERED:
	case HANDOVER_BASE:
		h->freeze_wanted = true;
		return 0;
	case HANDOVER_ROUNDS:
		return freeze_now(h, now);
	case HANDOVER_FROZEN:
	case HANDOVER_READY:
		return 0;
	default:
		return fail(-EINVAL, "vm '%s': the handover is %s", h->vm.name,
			    text_enum_name(&text_handover_state, h->state));
	}
}

static void note(struct handover *h, const struct handover_work *work, uint64_t now)
{
	if (work->began_ns)
		h->job_ns = work->began_ns;
	/* Not those of the base: what there is has not changed. */
	if (h->round_ns && now > h->round_ns)
		h->progress.dirty_per_s = work->entries * NS_PER_S / (now - h->round_ns);
	h->round_ns = now;
	h->sequence = work->sequence;
	h->progress.entries += work->entries;
}

static void got_ack(struct handover *h, uint64_t sequence, uint64_t now);

static void worked_export(struct handover *h, const struct handover_work *work, uint64_t now)
{
	const bool more = h->last_begun && work->job != HANDOVER_JOB_LAST;
	const bool nothing = work->sequence == h->sequence;

	if (!h->exporting || !copies(h))
		return;
	h->exporting = more;
	if (h->resuming) {
		resume(h, now); /* it went nowhere */
		return;
	}
	if (work->reason) {
		source_abort(h, work->reason, work->text, now);
		return;
	}
	note(h, work, now);
	if (work->job == HANDOVER_JOB_LAST) {
		h->last_sent = true;
		handover_send(h, MESSAGE_LAST);
	} else if (!more && h->state == HANDOVER_ROUNDS && nothing) {
		export_next(h, now);
	} else if (!more && h->any_acked) {
		got_ack(h, h->acked, now); /* the peer was faster than the worker */
	}
}

void source_worked(struct handover *h, const struct handover_work *work, uint64_t now)
{
	switch (work->job) {
	case HANDOVER_JOB_EXPORT:
	case HANDOVER_JOB_LAST:
		worked_export(h, work, now);
		break;
	case HANDOVER_JOB_RESUME:
		if (!copies(h) || !h->exporting)
			break;
		h->exporting = h->last_begun;
		if (h->resuming)
			resume(h, now);
		else if (work->reason)
			source_abort(h, work->reason, work->text, now);
		else
			export_next(h, now);
		break;
	case HANDOVER_JOB_MOVE:
		h->moved = h->state == HANDOVER_MOVED && !work->reason;
		if (h->moved)
			handover_send(h, MESSAGE_RELEASE);
		break;
	case HANDOVER_JOB_SETTLE:
		if (h->state == HANDOVER_ABORTING && !h->held) {
			h->settled = !work->reason;
			end_if_told(h, now);
		}
		break;
	case HANDOVER_JOB_WIPE:
		if (work->late_count.packets > h->progress.late.packets)
			h->progress.late = work->late_count;
		if (h->state == HANDOVER_MOVED && !work->reason)
			handover_enter_anyway(h, HANDOVER_DONE, now);
		break;
	default:
		break;
	}
}

/* Whether rounds are short now. */
static void judge_round(struct handover *h, uint64_t now)
{
	h->progress.rounds++;
	h->progress.expected_freeze_us = (now - h->job_ns) / 1000;
	if (h->progress.expected_freeze_us <= h->options.freeze_us && !h->progress.converged) {
		h->progress.converged = true;
		h->deadline_ns = 0;
		h->ops->changed(h);
	}
}

static void got_ack(struct handover *h, uint64_t sequence, uint64_t now)
{
	const uint64_t deadline = h->deadline_ns;

	/* It is looked at when the worker has said what it has sent. */
	if (h->exporting) {
		h->any_acked = true;
		h->acked = sequence;
		return;
	}
	/* Of a delta before the last one, or of what was not sent: nothing follows. */
	if (sequence != h->sequence)
		return;
	if (h->state == HANDOVER_BASE) {
		if (!enter_or_abort(h, HANDOVER_ROUNDS, now))
			return;
		h->deadline_ns = deadline;
	} else if (h->state == HANDOVER_ROUNDS) {
		judge_round(h, now);
	} else {
		return;
	}
	if (h->freeze_wanted)
		(void)freeze_now(h, now);
	else
		export_next(h, now);
}

/* ---- messages ---- */

/*
 * Whether the VM's largest packets, with what is round them, fit into the way that they would take
 * late. A VM can do without, as with no way at all: it is said, and refused by whoever wants that.
 */
static bool late_fits(struct handover *h, uint64_t now)
{
	char text[HANDOVER_TEXT_LEN];
	uint32_t mtu;

	if (!h->vm.mtu || !h->late[0])
		return true;
	mtu = h->engine->late_mtu(h);
	if (!mtu)
		(void)snprintf(text, sizeof(text), "%s", fail_line());
	else if (h->late_mtu && h->late_mtu < mtu)
		mtu = h->late_mtu;
	h->late_lacks = mtu < h->vm.mtu ? h->vm.mtu - mtu : 0;
	if (!h->late_lacks || h->options.mtu != HANDOVER_MTU_REFUSE)
		return true;
	if (mtu)
		(void)snprintf(text, sizeof(text),
			       "late packets need an MTU of %u, the way to %s has %u", h->vm.mtu,
			       h->late, mtu);
	source_abort(h, HANDOVER_REASON_MTU, text, now);
	return false;
}

static void got_accept(struct handover *h, const struct message *message, uint64_t now)
{
	if (h->state != HANDOVER_OFFERED)
		return;
	memcpy(h->late, message->late, sizeof(h->late));
	h->late_mtu = message->late_mtu;
	if (!late_fits(h, now))
		return;
	if (h->check) {
		handover_enter_anyway(h, HANDOVER_DONE, now);
		return;
	}
	if (!enter_or_abort(h, HANDOVER_BASE, now))
		return;
	h->deadline_ns = now + h->options.timeout_s * NS_PER_S;
	export_next(h, now);
}

/* The peer has nothing of it: REFUSE, ABORTED or STALE, with its reason where it gives one. */
static void got_refusal(struct handover *h, const struct message *message, uint64_t now)
{
	enum handover_reason reason = message->type == MESSAGE_STALE ? HANDOVER_REASON_STALE
				      : message->reason              ? message->reason
								     : HANDOVER_REASON_INTERNAL;

	if (h->state == HANDOVER_MOVED || handover_over(h))
		return;
	h->peer_told = true;
	/* It cannot run there any more: nothing to ask for. */
	if (h->state != HANDOVER_ABORTING)
		begin_abort(h, reason, message->text, now);
	else if (h->held)
		let_go(h, now);
	end_if_told(h, now);
}

static void got_ready(struct handover *h, uint64_t now)
{
	enum handover_reason unwritten;

	if (h->state != HANDOVER_FROZEN || !h->last_sent)
		return;
	h->progress.freeze_us = (now - h->frozen_ns) / 1000;
	/* Written down before anybody can be told. */
	unwritten = handover_enter(h, HANDOVER_READY, now);
	if (unwritten) {
		h->state = HANDOVER_FROZEN;
		source_abort(h, unwritten, fail_line(), now);
		return;
	}
	if (h->claimed)
		source_move(h, now);
}

/* The VM has sent a frame at the peer. */
static int got_claim(struct handover *h, const struct message *message, uint64_t now)
{
	if (message->epoch != h->vm.epoch) {
		handover_send(h, MESSAGE_STALE);
		return 0;
	}
	if (h->check)
		return fail(-EBADMSG, "the peer claims a VM that it was only asked about");
	switch (h->state) {
	case HANDOVER_ROUNDS:
		h->claimed = true;
		(void)freeze_now(h, now);
		return 0;
	case HANDOVER_FROZEN:
		h->claimed = true;
		return 0;
	case HANDOVER_READY:
		source_move(h, now);
		return 0;
	case HANDOVER_MOVED:
		if (h->moved)
			handover_send(h, MESSAGE_RELEASE);
		return 0;
	case HANDOVER_DONE:
		handover_send(h, MESSAGE_RELEASE);
		return 0;
	case HANDOVER_ABORTING:
	case HANDOVER_ABORTED:
		/* It runs there all the same, with what state there is; if not, its frames tell. */
		if (h->reason == HANDOVER_REASON_TWO_SENDERS)
			handover_send(h, MESSAGE_ABORT);
		else
			source_move(h, now);
		return 0;
	default:
		return fail(-EBADMSG, "the peer claims a VM whose state it does not have");
	}
}

/* What the peer has; or it does not know yet what this host knows. */
static void got_resume(struct handover *h, const struct message *message, uint64_t now)
{
	if (h->resuming && copies(h)) {
		h->resume_known = true;
		h->resume_at = message->sequence;
		resume(h, now);
	} else if (h->state == HANDOVER_ABORTED) {
		handover_send(h, MESSAGE_ABORT);
	} else if (h->state == HANDOVER_DONE) {
		handover_send(h, MESSAGE_RELEASE);
	}
}

int source_message(struct handover *h, const struct message *message, uint64_t now)
{
	switch (message->type) {
	case MESSAGE_ACCEPT:
		got_accept(h, message, now);
		break;
	case MESSAGE_REFUSE:
	case MESSAGE_ABORTED:
		got_refusal(h, message, now);
		break;
	case MESSAGE_ACK:
		got_ack(h, message->sequence, now);
		break;
	case MESSAGE_READY:
		got_ready(h, now);
		break;
	case MESSAGE_CLAIM:
		return got_claim(h, message, now);
	case MESSAGE_DONE:
		h->got_done |= h->state == HANDOVER_MOVED;
		break;
	case MESSAGE_STALE:
		/* A peer that has lost its memory of it may have the VM running. */
		if (h->state != HANDOVER_READY && !(h->state == HANDOVER_ABORTING && h->held))
			got_refusal(h, message, now);
		break;
	case MESSAGE_RESUME:
		got_resume(h, message, now);
		break;
	default:
		return fail(-EBADMSG, "%s is not for a source", message_type_name(message->type));
	}
	return 0;
}

/* ---- the connection ---- */

void source_connected(struct handover *h, uint64_t now)
{
	(void)now;
	switch (h->state) {
	case HANDOVER_OFFERED:
		h->offered = true;
		handover_send(h, MESSAGE_OFFER);
		break;
	case HANDOVER_ROUNDS:
	case HANDOVER_FROZEN:
	case HANDOVER_READY:
		handover_send(h, MESSAGE_RESUME);
		break;
	case HANDOVER_MOVED:
		if (h->moved)
			handover_send(h, MESSAGE_RELEASE);
		break;
	case HANDOVER_ABORTING:
		handover_send(h, h->held ? MESSAGE_RESUME : MESSAGE_ABORT);
		break;
	default:
		break;
	}
}

/* A base that is not there whole is given up; deltas go on where they were. */
void source_disconnected(struct handover *h, uint64_t now)
{
	if (h->state == HANDOVER_OFFERED || h->state == HANDOVER_BASE)
		source_abort(h, h->lost_reason ? h->lost_reason : HANDOVER_REASON_PEER_LOST,
			     fail_line(), now);
	else if (copies(h))
		h->resuming = true;
	h->resume_known = false;
	h->retry_ns = now;
}

/* ---- time ---- */

static void time_is_up(struct handover *h, uint64_t now)
{
	h->deadline_ns = 0;
	if (h->state == HANDOVER_OFFERED) {
		source_abort(h, HANDOVER_REASON_PEER_TIMEOUT, "no answer to the offer", now);
	} else if (h->state == HANDOVER_BASE) {
		source_abort(h, HANDOVER_REASON_PEER_TIMEOUT, "the base does not get through", now);
	} else if (h->state == HANDOVER_FROZEN) {
		source_abort(h, HANDOVER_REASON_FENCE_TIMEOUT, "frozen, and the peer is not ready",
			     now);
	} else if (h->options.converge == HANDOVER_CONVERGE_ABORT) {
		source_abort(h, HANDOVER_REASON_NOT_CONVERGING, "rounds do not get short", now);
	} else {
		h->progress.converged = true;
		h->ops->changed(h);
	}
}

/* Late packets have had their time, and the peer knows that the VM is its own. */
static void tick_moved(struct handover *h, uint64_t now)
{
	const bool forgotten = h->lost_ns && now >= h->lost_ns + HANDOVER_FORGET_NS;

	if (!h->moved || ((h->got_done || forgotten) && now >= h->deadline_ns)) {
		if (!h->at_work && now >= h->retry_ns)
			handover_begin(h, h->moved ? HANDOVER_JOB_WIPE : HANDOVER_JOB_MOVE, now);
	} else if (!h->got_done) {
		handover_want_peer(h, now);
	}
}

/*
 * The peer or the VM has yet to say where it runs. Where it is not here at all, the VM never will,
 * and a peer that waits for its first frame has no cause to end: it is given the time that it would
 * give itself without a connection. An abort leaves a VM that has been heard there alone.
 */
static bool is_told_where(struct handover *h, const struct handover_gate *gate, uint64_t now)
{
	if (gate->gone && !h->deadline_ns)
		h->deadline_ns = now + HANDOVER_READY_NS;
	return gate->thawed || (gate->gone && now >= h->deadline_ns);
}

static void tick_aborting(struct handover *h, const struct handover_gate *gate, uint64_t now)
{
	if (h->held) {
		if (is_told_where(h, gate, now)) {
			let_go(h, now);
			handover_send(h, MESSAGE_ABORT);
		}
	} else if (!h->settled && !h->at_work && now >= h->retry_ns) {
		let_go(h, now);
	}
	if (h->lost_ns && now >= h->lost_ns + HANDOVER_FORGET_NS)
		h->peer_told = true;
	end_if_told(h, now);
	if (h->state == HANDOVER_ABORTING && !h->peer_told && h->offered)
		handover_want_peer(h, now);
}

void source_tick(struct handover *h, uint64_t now)
{
	struct handover_gate gate = {};

	if (handover_over(h))
		return;
	if (h->state > HANDOVER_ROUNDS) /* before, what it says means nothing */
		h->engine->gate(h, &gate);
	if (gate.thawed &&
	    (h->state == HANDOVER_READY || (h->state == HANDOVER_FROZEN && h->last_sent)))
		source_abort(h, HANDOVER_REASON_THAWED, "the VM sends at the source", now);
	else if (gate.gone && may_be_there(h))
		source_abort(h, HANDOVER_REASON_RESTARTED, started_anew, now);
	else if (h->state == HANDOVER_MOVED && h->moved && gate.two_senders)
		begin_abort(h, HANDOVER_REASON_TWO_SENDERS, "the VM sends at the source", now);
	else if (h->state == HANDOVER_MOVED)
		tick_moved(h, now);
	else if (h->state == HANDOVER_ABORTING)
		tick_aborting(h, &gate, now);
	else if (h->deadline_ns && now >= h->deadline_ns)
		time_is_up(h, now);
	else if (h->state == HANDOVER_ROUNDS && h->lost_ns && now >= h->lost_ns + HANDOVER_LOST_NS)
		source_abort(h, HANDOVER_REASON_PEER_LOST, "no connection to the peer", now);
	else
		handover_want_peer(h, now);
}

void source_start(struct handover *h, uint64_t now)
{
	h->role = HANDOVER_SOURCE;
	h->progress.started_ns = now;
	h->lost_ns = now;
	if (!enter_or_abort(h, HANDOVER_OFFERED, now))
		return;
	h->deadline_ns = now + HANDOVER_OFFER_NS;
	handover_want_peer(h, now);
}

/*
 * What was not ready was never told to anybody. With the fence free the VM may run there all the
 * same: then what is left of it goes there yet.
 */
void source_restart(struct handover *h, uint64_t now)
{
	struct handover_gate gate = {};

	h->engine->gate(h, &gate);
	h->retry_ns = now;
	h->offered = true;
	if (h->state == HANDOVER_FROZEN && may_be_there(h)) {
		h->resuming = true;
		h->frozen_ns = now;
	} else if (copies(h)) {
		source_abort(h, HANDOVER_REASON_RESTARTED,
			     gate.gone ? started_anew : "roamd was restarted", now);
	} else if (h->state == HANDOVER_MOVED) {
		/* The gate knows the limit, and ends them by it; this is no sooner. */
		h->deadline_ns = now + h->options.late_s * NS_PER_S;
		handover_begin(h, HANDOVER_JOB_MOVE, now);
	} else if (h->state == HANDOVER_ABORTING && !h->held) {
		let_go(h, now);
	}
}
