// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* From the workers to the loop: see events.h. */
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include "engine.h"
#include "events.h"
#include "link.h"

struct events {
	pthread_mutex_t lock;
	struct agent_event *first;
	struct agent_event **last;
	int fd;
	struct event *event;
};

static void on_message(struct agent_event *event)
{
	struct entry *entry = event->entry;

	if (entry->link && event->links == entry->h.links)
		link_send(entry->link, &event->message);
}

static void on_data(struct agent_event *event)
{
	struct entry *entry = event->entry;

	if (entry->link && event->links == entry->h.links) {
		entry->h.progress.bytes += event->size; /* as they go: a base may take minutes */
		link_send_data(entry->link, event->bytes, event->size);
	} else {
		engine_sent(entry, event->bytes, event->size);
	}
}

static void run(struct agent_event *event)
{
	switch (event->kind) {
	case EVENT_MESSAGE:
		on_message(event);
		break;
	case EVENT_DATA:
		on_data(event);
		break;
	case EVENT_WORK:
		handover_worked(&event->entry->h, &event->work, now_ns());
		break;
	case EVENT_GONE:
		agent_worker_gone(event->entry, event->number);
		break;
	}
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct events *events = arg;
	struct agent_event *event, *next;
	uint64_t count;

	(void)what;
	(void)!read(fd, &count, sizeof(count));
	pthread_mutex_lock(&events->lock);
	event = events->first;
	events->first = NULL;
	events->last = &events->first;
	pthread_mutex_unlock(&events->lock);
	for (; event; event = next) {
		next = event->next;
		run(event);
		free(event);
	}
}

int events_open(struct agent *agent)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return fail(-ENOMEM, "roamd: out of memory");
	pthread_mutex_init(&events->lock, NULL);
	events->last = &events->first;
	events->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	events->event = events->fd < 0 ? NULL
				       : event_new(agent->base, events->fd, EV_READ | EV_PERSIST,
						   on_wake, events);
	agent->events = events;
	if (!events->event || event_add(events->event, NULL))
		return fail(-ENOMEM, "roamd: cannot wait for workers");
	return 0;
}

/* After the last worker has ended. */
void events_close(struct agent *agent)
{
	struct events *events = agent->events;

	if (!events)
		return;
	if (events->event)
		event_free(events->event);
	if (events->fd >= 0)
		close(events->fd);
	for (struct agent_event *event = events->first, *next; event; event = next) {
		next = event->next;
		if (event->kind == EVENT_DATA)
			free(event->bytes);
		free(event);
	}
	pthread_mutex_destroy(&events->lock);
	free(events);
	agent->events = NULL;
}

void events_post(struct agent *agent, struct agent_event *event)
{
	struct events *events = agent->events;
	const uint64_t one = 1;

	event->next = NULL;
	pthread_mutex_lock(&events->lock);
	*events->last = event;
	events->last = &event->next;
	pthread_mutex_unlock(&events->lock);
	(void)!write(events->fd, &one, sizeof(one));
}
