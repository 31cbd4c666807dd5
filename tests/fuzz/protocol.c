// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The receiving side of a handover: whatever bytes a peer sends go through frames and messages into
 * a machine, as a source or as a destination. What is understood must be written as it was; the
 * machine must neither begin more jobs than a peer may cause nor ask for what there is not.
 */
#include <stdio.h>
#include <string.h>
#include "frame.h"
#include "machine.h"

static struct {
	enum handover_job job[64];
	uint32_t jobs;
	bool taking;
} host;

static void begin(struct handover *h, enum handover_job job)
{
	(void)h;
	if (host.jobs == sizeof(host.job) / sizeof(host.job[0]))
		abort();
	host.job[host.jobs++] = job;
	if (job == HANDOVER_JOB_TAKE)
		host.taking = true;
}

static int data(struct handover *h, const void *bytes, size_t size)
{
	(void)h;
	if (!host.taking || (!bytes && size))
		abort();
	if (!bytes)
		host.taking = false;
	return 0;
}

static void broken(struct handover *h)
{
	(void)h;
	host.taking = false;
}

static void gate(struct handover *h, struct handover_gate *ret_gate)
{
	(void)h;
	*ret_gate = (struct handover_gate){};
}

static void nothing(struct handover *h)
{
	(void)h;
}

static int save(struct handover *h)
{
	(void)h;
	return 0;
}

static void peer_send(struct handover *h, const struct message *message)
{
	char *body = message_write(message);
	struct message got;

	(void)h;
	if (!body || message_read(message->type, body, strlen(body), &got))
		abort();
	free(body);
}

static uint32_t late_mtu(struct handover *h)
{
	return h->vm.mtu / 2;
}

static const struct handover_engine engine = { begin, data, broken, gate, nothing, late_mtu };
static const struct handover_peer ops = { peer_send, nothing, save, nothing };

/* Answers the oldest job that can be answered. */
static void work(struct handover *h, uint8_t how, uint64_t now)
{
	struct handover_work done = { .job = host.job[0], .sequence = h->sequence };

	if (!host.jobs || (done.job == HANDOVER_JOB_TAKE && host.taking))
		return;
	host.jobs--;
	memmove(host.job, host.job + 1, host.jobs * sizeof(host.job[0]));
	done.sequence += (done.job == HANDOVER_JOB_TAKE && h->staged) ||
			 (done.job == HANDOVER_JOB_EXPORT && h->state != HANDOVER_BASE) ||
			 done.job == HANDOVER_JOB_LAST;
	if (!(how & 15))
		done.reason = HANDOVER_REASON_NO_MEMORY;
	handover_worked(h, &done, now);
}

static void one_message(struct handover *h, const struct frame *frame, const uint8_t *body,
			uint64_t now)
{
	struct message message, again;
	char *text, *once_more;

	if (frame->type == MESSAGE_DATA) {
		(void)handover_data(h, body, frame->size, now);
		return;
	}
	if (message_read(frame->type, (const char *)body, frame->size, &message))
		return;
	text = message_write(&message);
	if (!text || message_read(frame->type, text, strlen(text), &again))
		abort();
	once_more = message_write(&again);
	if (!once_more || strcmp(text, once_more) != 0)
		abort();
	free(text);
	free(once_more);
	if (message.type != MESSAGE_HELLO && message.type != MESSAGE_PING &&
	    handover_message(h, &message, now)) {
		handover_disconnected(h, now);
		handover_connected(h, now);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct handover h = { .vm = { .name = "web", .epoch = 1 }, .engine = &engine, .ops = &ops };
	uint64_t now = 1000 * NS_PER_S;
	size_t at = 1;

	memset(&host, 0, sizeof(host));
	if (!size)
		return 0;
	h.options = handover_defaults;
	h.vm.fence = bytes[0] >> 1 & 1;
	if (bytes[0] & 1)
		source_start(&h, now);
	else
		dest_start(&h, now);
	handover_connected(&h, now);
	/* A byte of what happens at this host, then a frame of the peer; its number is not looked
	 * at. */
	while (size - at > FRAME_HEADER_LEN && host.jobs < 32) {
		const uint8_t how = bytes[at++];
		uint8_t header[FRAME_HEADER_LEN];
		struct frame frame;

		memcpy(header, bytes + at, sizeof(header));
		memset(header + 8, 0, 3);
		header[11] = 1;
		work(&h, how, now);
		now += (uint64_t)how * (NS_PER_S / 16);
		handover_tick(&h, now);
		if (how == 255)
			(void)handover_freeze(&h, now);
		if (frame_read(header, 0, &frame) || frame.size > size - at - FRAME_HEADER_LEN)
			break;
		at += FRAME_HEADER_LEN;
		one_message(&h, &frame, bytes + at, now);
		at += frame.size;
	}
	return 0;
}
