// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The destination of a handover: the host where the VM is to run. See machine.h and
 * docs/handover.md.
 *
 *   prepared -> staged -> ready -> open -> done
 *   aborting, from any before open -> aborted
 *
 * Only a frame of the VM opens; nothing that the peer or the clock says does. Whatever is wiped is
 * shut first, by one compare-and-exchange that fails when the VM has sent a frame.
 */
#include <stdio.h>
#include <string.h>
#include "machine.h"

static bool complete(const struct handover *h)
{
	return h->got_last && h->staged && (h->sequence == h->last || h->lacks);
}

static void opened(struct handover *h, uint64_t now)
{
	/* The VM runs here, whether that can be written down or not: a restart sees the gate. */
	handover_enter_anyway(h, HANDOVER_OPEN, now);
	handover_why(h, HANDOVER_REASON_NONE, NULL);
	handover_send(h, MESSAGE_CLAIM);
}

/* Away with it, unless the VM runs here: then the job says so. */
static void begin_wipe(struct handover *h, enum handover_reason reason, const char *text,
		       uint64_t now)
{
	handover_why(h, reason, text);
	h->taking = h->skipping = false;
	if (h->check) { /* it has made nothing: what is here of the VM is another's */
		handover_enter_anyway(h, HANDOVER_ABORTED, now);
		return;
	}
	handover_enter_anyway(h, HANDOVER_ABORTING, now);
	handover_begin(h, HANDOVER_JOB_WIPE, now);
}

int dest_give_up(struct handover *h, enum handover_reason reason, const char *text, uint64_t now)
{
	if (handover_over(h) || h->state == HANDOVER_OPEN)
		return fail(-EALREADY, "vm '%s': the handover is %s already", h->vm.name,
			    text_enum_name(&text_handover_state, h->state));
	if (h->state != HANDOVER_ABORTING)
		begin_wipe(h, reason, text, now);
	return 0;
}

static void give_up_and_refuse(struct handover *h, enum handover_reason reason, const char *text,
			       uint64_t now)
{
	(void)dest_give_up(h, reason, text, now);
	handover_send(h, MESSAGE_REFUSE);
}

/* ---- deltas ---- */

static bool takes(const struct handover *h)
{
	return h->state == HANDOVER_PREPARED || h->state == HANDOVER_STAGED ||
	       (h->state == HANDOVER_READY && !h->got_last) ||
	       (h->state == HANDOVER_OPEN && !h->got_last && !h->released);
}

/* Deltas may come yet, or again. */
static bool goes_on(const struct handover *h)
{
	return h->state == HANDOVER_STAGED || h->state == HANDOVER_READY ||
	       (h->state == HANDOVER_OPEN && !h->released);
}

/*
 * Deltas that do not follow each other. The VM may run here: then the connection ends, and on a new
 * one they go on behind what is here.
 */
static int gap(struct handover *h, const struct message *message, uint64_t now)
{
	char text[HANDOVER_TEXT_LEN];

	(void)snprintf(text, sizeof(text), "%s of %llu after %llu",
		       message_type_name(message->type), (unsigned long long)message->sequence,
		       (unsigned long long)h->begun);
	if (h->taking)
		h->engine->broken(h);
	h->taking = h->skipping = false;
	if (h->state == HANDOVER_OPEN)
		return fail(-EBADMSG, "%s", text);
	give_up_and_refuse(h, HANDOVER_REASON_SEQUENCE_GAP, text, now);
	return 0;
}

static int got_begin(struct handover *h, const struct message *message, uint64_t now)
{
	const uint64_t next = h->any_begun ? h->begun + 1 : 0;

	if (!takes(h))
		return 0;
	if (h->taking || h->skipping || message->sequence > next)
		return gap(h, message, now);
	if (message->sequence < next) {
		h->skipping = true;
		return 0;
	}
	h->any_begun = h->taking = true;
	h->begun = message->sequence;
	h->takes++;
	handover_begin(h, HANDOVER_JOB_TAKE, now);
	return 0;
}

static int got_end(struct handover *h, const struct message *message, uint64_t now)
{
	if (!takes(h))
		return 0;
	if (!h->taking && message->sequence <= h->ended && h->any_begun) {
		h->skipping = false; /* doubled */
		if (h->staged && message->sequence <= h->sequence)
			handover_send(h, MESSAGE_ACK);
		return 0;
	}
	if (!h->taking || message->sequence != h->begun)
		return gap(h, message, now);
	h->taking = false;
	h->ended = message->sequence;
	return h->engine->data(h, NULL, 0);
}

static int got_last(struct handover *h, const struct message *message, uint64_t now)
{
	if (!takes(h))
		return 0;
	if (h->taking || h->skipping || message->sequence != h->ended || !message->sequence)
		return gap(h, message, now);
	h->got_last = true;
	h->last = message->sequence;
	if (complete(h))
		handover_begin(h, HANDOVER_JOB_READY, now);
	return 0;
}

/* Nothing is being applied: deltas go on behind the last one that was. */
static void say_where(struct handover *h)
{
	h->resume_wanted = h->got_last = false;
	h->begun = h->ended = h->sequence;
	handover_send(h, MESSAGE_RESUME);
}

static void take(struct handover *h, const struct handover_work *work, uint64_t now)
{
	const bool open = h->state == HANDOVER_OPEN;
	enum handover_reason unwritten = HANDOVER_REASON_NONE;

	if (h->state != HANDOVER_PREPARED && h->state != HANDOVER_STAGED &&
	    h->state != HANDOVER_READY && !open)
		return;
	if (work->reason == HANDOVER_REASON_PEER_LOST && h->staged)
		return; /* the delta is not there at all; the VM may be on its way here */
	if (work->reason && open) {
		/* It runs with what there is. The source waits until it is told that this is all.
		 */
		handover_why(h, work->reason, work->text);
		h->lacks = true;
		if (complete(h))
			handover_begin(h, HANDOVER_JOB_READY, now);
		return;
	}
	if (work->reason) {
		give_up_and_refuse(h, work->reason, work->text, now);
		return;
	}
	h->progress.entries += work->entries;
	h->progress.rounds += work->sequence != 0;
	h->sequence = work->sequence;
	h->staged = true;
	if (h->state == HANDOVER_PREPARED)
		unwritten = handover_enter(h, HANDOVER_STAGED, now);
	if (unwritten) {
		give_up_and_refuse(h, unwritten, fail_line(), now);
		return;
	}
	handover_send(h, MESSAGE_ACK);
	if (complete(h))
		handover_begin(h, HANDOVER_JOB_READY, now);
}

static void worked_take(struct handover *h, const struct handover_work *work, uint64_t now)
{
	h->takes--;
	take(h, work, now);
	/* LAST may have come on the connection before: it comes again. */
	if (!h->takes && h->resume_wanted && h->staged && goes_on(h))
		say_where(h);
}

int handover_data(struct handover *h, const void *bytes, size_t size, uint64_t now)
{
	if (h->role != HANDOVER_DEST)
		return fail(-EBADMSG, "data are not for a source");
	if (h->taking)
		h->progress.bytes += size;
	if (h->taking && h->engine->data(h, bytes, size)) {
		h->engine->broken(h);
		h->taking = false;
		give_up_and_refuse(h, HANDOVER_REASON_NO_MEMORY, fail_line(), now);
	}
	return 0;
}

/* ---- jobs ---- */

static void worked_prepare(struct handover *h, const struct handover_work *work, uint64_t now)
{
	if (h->state != HANDOVER_PREPARED)
		return;
	if (work->reason) {
		/* Nothing was made: nothing is to be wiped. */
		handover_why(h, work->reason, work->text);
		handover_send(h, MESSAGE_REFUSE);
		handover_enter_anyway(h, HANDOVER_ABORTED, now);
		return;
	}
	memcpy(h->late, work->late, sizeof(h->late));
	h->late_mtu = work->late_mtu;
	handover_send(h, MESSAGE_ACCEPT);
	if (h->check)
		handover_enter_anyway(h, HANDOVER_DONE, now);
}

/* All that there is of the VM is here, and `in` is open where nobody can go on before. */
static void worked_ready(struct handover *h, const struct handover_work *work, uint64_t now)
{
	enum handover_reason unwritten;

	if (h->state == HANDOVER_OPEN) {
		handover_send(h, MESSAGE_READY);
		return;
	}
	if (h->state != HANDOVER_STAGED && h->state != HANDOVER_READY)
		return;
	if (work->reason) {
		give_up_and_refuse(h, work->reason, work->text, now);
		return;
	}
	unwritten = handover_enter(h, HANDOVER_READY, now);
	if (unwritten) {
		give_up_and_refuse(h, unwritten, fail_line(), now);
		return;
	}
	if (h->connected)
		handover_send(h, MESSAGE_READY);
	else
		h->engine->close_in(h);
}

static void worked_wipe(struct handover *h, const struct handover_work *work, uint64_t now)
{
	if (h->state != HANDOVER_ABORTING)
		return;
	if (work->reason == HANDOVER_REASON_ACTIVE_HERE && h->staged)
		opened(h, now);
	else if (!work->reason) {
		handover_enter_anyway(h, HANDOVER_ABORTED, now);
		handover_send(h, MESSAGE_ABORTED);
	}
}

void dest_worked(struct handover *h, const struct handover_work *work, uint64_t now)
{
	switch (work->job) {
	case HANDOVER_JOB_PREPARE:
		worked_prepare(h, work, now);
		break;
	case HANDOVER_JOB_TAKE:
		worked_take(h, work, now);
		break;
	case HANDOVER_JOB_READY:
		worked_ready(h, work, now);
		break;
	case HANDOVER_JOB_SETTLE:
		if (h->state == HANDOVER_OPEN && !work->reason) {
			handover_enter_anyway(h, HANDOVER_DONE, now);
			handover_send(h, MESSAGE_DONE);
		}
		break;
	case HANDOVER_JOB_WIPE:
		worked_wipe(h, work, now);
		break;
	case HANDOVER_JOB_SHUT:
		if (h->state == HANDOVER_ABORTING && !work->reason) {
			handover_enter_anyway(h, HANDOVER_ABORTED, now);
			handover_send(h, MESSAGE_ABORTED);
		}
		break;
	default:
		break;
	}
}

/* ---- messages ---- */

static void settle(struct handover *h, uint64_t now)
{
	if (h->released)
		return;
	h->released = true;
	handover_begin(h, HANDOVER_JOB_SETTLE, now);
}

static void got_release(struct handover *h, const struct message *message, uint64_t now)
{
	if (message->epoch != h->vm.epoch)
		handover_send(h, MESSAGE_STALE);
	else if (h->state == HANDOVER_DONE)
		handover_send(h, MESSAGE_DONE);
	else if (h->state == HANDOVER_OPEN)
		settle(h, now);
}

/* The VM was seen at the source after its claim: this is where it is not. */
static void two_senders(struct handover *h, const char *text, uint64_t now)
{
	handover_why(h, HANDOVER_REASON_TWO_SENDERS, text);
	handover_enter_anyway(h, HANDOVER_ABORTING, now);
	handover_begin(h, HANDOVER_JOB_SHUT, now);
}

static void got_abort(struct handover *h, const struct message *message, uint64_t now)
{
	if (h->check)
		return;
	switch (h->state) {
	case HANDOVER_OPEN:
	case HANDOVER_DONE:
		if (message->reason == HANDOVER_REASON_TWO_SENDERS)
			two_senders(h, message->text, now);
		else
			handover_send(h, MESSAGE_CLAIM);
		break;
	case HANDOVER_ABORTED:
		handover_send(h, MESSAGE_ABORTED);
		break;
	default: /* told when it is done */
		(void)dest_give_up(h, message->reason ? message->reason : HANDOVER_REASON_INTERNAL,
				   message->text, now);
		break;
	}
}

static void got_stale(struct handover *h, uint64_t now)
{
	static const char text[] = "the source does not know this handover";

	if (h->state == HANDOVER_OPEN) {
		handover_why(h, HANDOVER_REASON_STALE, text);
		settle(h, now);
	} else {
		(void)dest_give_up(h, HANDOVER_REASON_STALE, text, now);
	}
}

/* The source is not done, and this host has at least the base. */
static bool wants_deltas(const struct handover *h, const struct message *message)
{
	return (message->state == HANDOVER_ROUNDS || message->state == HANDOVER_FROZEN) &&
	       goes_on(h);
}

static void resume(struct handover *h)
{
	h->resume_wanted = true;
	if (!h->takes)
		say_where(h);
	if (h->state == HANDOVER_OPEN)
		handover_send(h, MESSAGE_CLAIM);
}

static void got_resume(struct handover *h, const struct message *message, uint64_t now)
{
	if (h->state == HANDOVER_READY && message->state == HANDOVER_READY)
		handover_begin(h, HANDOVER_JOB_READY, now); /* `in` was closed meanwhile */
	else if (wants_deltas(h, message))
		resume(h);
	else if (h->state == HANDOVER_OPEN || h->state == HANDOVER_DONE)
		handover_send(h, MESSAGE_CLAIM);
	else if (h->state == HANDOVER_ABORTED)
		handover_send(h, MESSAGE_ABORTED);
}

int dest_message(struct handover *h, const struct message *message, uint64_t now)
{
	switch (message->type) {
	case MESSAGE_OFFER:
	case MESSAGE_ABORTED:
		break; /* doubled; the answer to REFUSE */
	case MESSAGE_BEGIN:
		return got_begin(h, message, now);
	case MESSAGE_END:
		return got_end(h, message, now);
	case MESSAGE_LAST:
		return got_last(h, message, now);
	case MESSAGE_RELEASE:
		got_release(h, message, now);
		break;
	case MESSAGE_ABORT:
		got_abort(h, message, now);
		break;
	case MESSAGE_STALE:
		got_stale(h, now);
		break;
	case MESSAGE_RESUME:
		got_resume(h, message, now);
		break;
	default:
		return fail(-EBADMSG, "%s is not for a destination",
			    message_type_name(message->type));
	}
	return 0;
}

/* ---- the connection ---- */

void dest_connected(struct handover *h, uint64_t now)
{
	(void)now;
	if (h->state == HANDOVER_OPEN)
		handover_send(h, MESSAGE_CLAIM);
	else if (h->takes)
		h->resume_wanted = true;
	else if (h->state == HANDOVER_STAGED || h->state == HANDOVER_READY)
		say_where(h);
	else if (h->state == HANDOVER_ABORTED)
		handover_send(h, MESSAGE_ABORTED);
}

void dest_disconnected(struct handover *h, uint64_t now)
{
	if (h->taking)
		h->engine->broken(h);
	h->taking = h->skipping = false;
	if (h->state == HANDOVER_PREPARED)
		(void)dest_give_up(h, h->lost_reason ? h->lost_reason : HANDOVER_REASON_PEER_LOST,
				   fail_line(), now);
	else if (h->state == HANDOVER_READY)
		h->engine->close_in(h); /* the source may take the VM back unheard */
}

/* ---- time ---- */

void dest_tick(struct handover *h, uint64_t now)
{
	const bool may_come = h->state == HANDOVER_READY ||
			      (h->staged && h->vm.fence == HANDOVER_FENCE_FREE);
	const uint64_t patience = may_come ? HANDOVER_READY_NS : HANDOVER_BASE_NS;
	const bool again = !h->at_work && now >= h->retry_ns;
	struct handover_gate gate = {};

	if (handover_over(h))
		return;
	if (h->state == HANDOVER_ABORTING) {
		if (again)
			handover_begin(h,
				       h->reason == HANDOVER_REASON_TWO_SENDERS ? HANDOVER_JOB_SHUT
										: HANDOVER_JOB_WIPE,
				       now);
	} else if (h->state == HANDOVER_OPEN) {
		if (!h->released)
			handover_want_peer(h, now);
		else if (again)
			handover_begin(h, HANDOVER_JOB_SETTLE, now);
	} else {
		if (h->staged)
			h->engine->gate(h, &gate);
		if (gate.open)
			opened(h, now);
		else if (gate.gone && !h->takes)
			begin_wipe(h, HANDOVER_REASON_RESTARTED, "the host was started anew", now);
		else if (h->lost_ns && now >= h->lost_ns + patience)
			(void)dest_give_up(h, HANDOVER_REASON_PEER_LOST, "the source is gone", now);
		else if (h->staged)
			handover_want_peer(h, now);
	}
}

void dest_start(struct handover *h, uint64_t now)
{
	enum handover_reason unwritten;

	h->role = HANDOVER_DEST;
	h->progress.started_ns = now;
	unwritten = handover_enter(h, HANDOVER_PREPARED, now);
	if (unwritten) {
		handover_why(h, unwritten, fail_line());
		handover_send(h, MESSAGE_REFUSE);
		handover_enter_anyway(h, HANDOVER_ABORTED, now);
		return;
	}
	handover_begin(h, HANDOVER_JOB_PREPARE, now);
}

void dest_restart(struct handover *h, uint64_t now)
{
	struct handover_gate gate = {};

	/* The journal was written when it was staged; deltas went on. */
	h->engine->gate(h, &gate);
	if (!gate.gone)
		h->sequence = gate.sequence;
	h->retry_ns = now;
	h->staged = h->any_begun = true;
	h->begun = h->ended = h->last = h->sequence;
	h->got_last = h->state == HANDOVER_READY;
	if (h->state == HANDOVER_PREPARED)
		begin_wipe(h, HANDOVER_REASON_RESTARTED, "roamd was restarted", now);
	else if (h->state == HANDOVER_ABORTING)
		handover_begin(h,
			       h->reason == HANDOVER_REASON_TWO_SENDERS ? HANDOVER_JOB_SHUT
									: HANDOVER_JOB_WIPE,
			       now);
	else if (h->state == HANDOVER_READY)
		h->engine->close_in(h);
}
