/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From the workers to the loop: messages and data that are to go to the peer, and jobs that are
 * done, in the order in which a worker said them.
 */
#ifndef ROAM_AGENT_EVENTS_H
#define ROAM_AGENT_EVENTS_H

#include "agent.h"

enum event_kind { EVENT_MESSAGE, EVENT_DATA, EVENT_WORK, EVENT_GONE };

struct agent_event {
	enum event_kind kind;
	struct entry *entry;
	uint32_t number; /* GONE: of the worker */
	uint32_t links;  /* MESSAGE, DATA: of the connection that they are for */
	struct handover_work work;
	struct message message;
	void *bytes; /* DATA: the loop frees them when they have been sent */
	size_t size;
	struct agent_event *next;
};

int events_open(struct agent *agent);
void events_close(struct agent *agent);
/* From any thread; takes the event, which was allocated. */
void events_post(struct agent *agent, struct agent_event *event);

#endif
