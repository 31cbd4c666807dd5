// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What both machines of a handover need, and the way of events to the right one: see machine.h. */
#include <string.h>
#include "machine.h"

static const char *const role_text[] = { "source", "destination" };
static const char *const converge_text[] = { "abort", "freeze" };
static const char *const mtu_text[] = { "warn", "refuse" };

const struct text_enum text_handover_role = { "role", role_text, HANDOVER_ROLE_COUNT };
const struct text_enum text_handover_converge = { "converge", converge_text,
						  HANDOVER_CONVERGE_COUNT };
const struct text_enum text_handover_mtu = { "mtu", mtu_text, HANDOVER_MTU_COUNT };

const struct handover_options handover_defaults = {
	.converge = HANDOVER_CONVERGE_ABORT,
	.timeout_s = 300,
	.watchdog_ms = 2000,
	.late_s = 5,
	.freeze_us = 20000,
};

static int enter(struct handover *h, enum handover_state state, uint64_t now)
{
	h->state = state;
	h->deadline_ns = 0;
	h->retry_ns = now;
	return h->ops->save(h);
}

enum handover_reason handover_enter(struct handover *h, enum handover_state state, uint64_t now)
{
	int err = enter(h, state, now);

	if (!err) {
		h->ops->changed(h);
		return HANDOVER_REASON_NONE;
	}
	return err == -ENOSPC || err == -EDQUOT ? HANDOVER_REASON_NO_ROOM_JOURNAL
						: HANDOVER_REASON_INTERNAL;
}

void handover_enter_anyway(struct handover *h, enum handover_state state, uint64_t now)
{
	(void)enter(h, state, now);
	h->ops->changed(h);
}

void handover_why(struct handover *h, enum handover_reason reason, const char *text)
{
	h->reason = reason;
	handover_text_set(h->text, text ? text : "");
}

static void fill(const struct handover *h, enum message_type type, struct message *ret_message)
{
	*ret_message = (struct message){
		.type = type,
		.vm = h->vm,
		.check = h->check,
		.sequence = h->sequence,
		.epoch = h->vm.epoch,
		.reason = h->reason,
		.state = h->state,
	};
	memcpy(ret_message->id, h->id, sizeof(h->id));
	memcpy(ret_message->late, h->late, sizeof(h->late));
	ret_message->late_mtu = h->late_mtu;
	memcpy(ret_message->text, h->text, sizeof(h->text));
}

void handover_send(struct handover *h, enum message_type type)
{
	struct message message;

	if (!h->connected)
		return;
	fill(h, type, &message);
	h->ops->send(h, &message);
}

void handover_begin(struct handover *h, enum handover_job job, uint64_t now)
{
	h->job_ns = now;
	h->at_work |= job != HANDOVER_JOB_EXPORT && job != HANDOVER_JOB_TAKE;
	h->engine->begin(h, job);
}

void handover_want_peer(struct handover *h, uint64_t now)
{
	if (h->connected || now < h->retry_ns)
		return;
	/* Not both hosts at once: of two connections that cross, each would end the other. */
	h->retry_ns = now + HANDOVER_RETRY_NS +
		      (h->role == HANDOVER_DEST ? HANDOVER_RETRY_NS * 7 / 10 : 0);
	h->ops->connect(h);
}

bool handover_over(const struct handover *h)
{
	return h->state == HANDOVER_DONE || h->state == HANDOVER_ABORTED;
}

bool handover_begins_anew(const struct handover *h)
{
	return h->role == HANDOVER_SOURCE && h->reason == HANDOVER_REASON_POLICY_DIFFERS &&
	       (h->state == HANDOVER_ABORTING || h->state == HANDOVER_ABORTED) && !h->check &&
	       !h->frozen_ns && h->anew < HANDOVER_ANEW_MOST;
}

void handover_connected(struct handover *h, uint64_t now)
{
	h->connected = true;
	h->links++;
	h->lost_ns = 0;
	if (h->role == HANDOVER_SOURCE)
		source_connected(h, now);
	else
		dest_connected(h, now);
}

void handover_disconnected(struct handover *h, uint64_t now)
{
	h->connected = false;
	if (!h->lost_ns)
		h->lost_ns = now;
	if (h->role == HANDOVER_SOURCE)
		source_disconnected(h, now);
	else
		dest_disconnected(h, now);
}

int handover_message(struct handover *h, const struct message *message, uint64_t now)
{
	return h->role == HANDOVER_SOURCE ? source_message(h, message, now)
					  : dest_message(h, message, now);
}

void handover_worked(struct handover *h, const struct handover_work *work, uint64_t now)
{
	if (work->job != HANDOVER_JOB_EXPORT && work->job != HANDOVER_JOB_TAKE) {
		h->at_work = false;
		h->retry_ns = now + HANDOVER_RETRY_NS; /* where it has to be done again */
	}
	if (h->role == HANDOVER_SOURCE)
		source_worked(h, work, now);
	else
		dest_worked(h, work, now);
}

void handover_tick(struct handover *h, uint64_t now)
{
	if (h->role == HANDOVER_SOURCE)
		source_tick(h, now);
	else
		dest_tick(h, now);
}

void handover_restart(struct handover *h, uint64_t now)
{
	h->lost_ns = now;
	h->anew = HANDOVER_ANEW_MOST; /* it is over, or ends as `restarted` */
	if (handover_over(h))
		return;
	if (h->role == HANDOVER_SOURCE)
		source_restart(h, now);
	else
		dest_restart(h, now);
}

int handover_freeze(struct handover *h, uint64_t now)
{
	if (h->role != HANDOVER_SOURCE)
		return fail(-EINVAL, "vm '%s': this host is the destination", h->vm.name);
	return source_freeze(h, now);
}

int handover_abort(struct handover *h, enum handover_reason reason, uint64_t now)
{
	if (h->role == HANDOVER_SOURCE)
		return source_abort(h, reason, NULL, now);
	if (h->state == HANDOVER_READY)
		return fail(-EBUSY, "vm '%s': it may be on its way here: abort at the source",
			    h->vm.name);
	return dest_give_up(h, reason, NULL, now);
}

int handover_release(struct handover *h, uint64_t epoch, uint64_t now)
{
	if (h->role != HANDOVER_SOURCE)
		return fail(-EINVAL, "vm '%s': this host is the destination", h->vm.name);
	if (h->check)
		return fail(-EINVAL, "vm '%s': that was a check", h->vm.name);
	if (epoch != h->vm.epoch)
		return fail(-ESTALE, "stale: vm '%s': the handover's epoch is %llu, not %llu",
			    h->vm.name, (unsigned long long)h->vm.epoch, (unsigned long long)epoch);
	if (h->state == HANDOVER_DONE || h->state == HANDOVER_MOVED) {
		h->got_done = true;
		return 0;
	}
	source_move(h, now);
	h->got_done = true;
	return 0;
}

int handover_give_way(struct handover *h, uint64_t now)
{
	if (handover_over(h))
		return 0;
	/* The peer learns how it ended when it asks. */
	if (h->state == HANDOVER_ABORTING && h->role == HANDOVER_SOURCE && h->settled) {
		handover_enter_anyway(h, HANDOVER_ABORTED, now);
		return 0;
	}
	if (h->state == HANDOVER_OPEN && !h->released) {
		h->released = true;
		handover_begin(h, HANDOVER_JOB_SETTLE, now);
	}
	/* Late packets end before the VM is here again. */
	if (h->state == HANDOVER_MOVED && h->got_done)
		h->deadline_ns = now;
	return -EBUSY;
}
