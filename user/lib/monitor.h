/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Listening to events (include/roam/monitor.h). A listener has one of the host's places, which is
 * the folder DIR/monitor/PLACE, locked by flock for as long as it lives: what a killed one leaves,
 * whoever takes the host's lock next clears.
 */
#ifndef ROAM_LIB_MONITOR_H
#define ROAM_LIB_MONITOR_H

#include <roam/monitor.h>
#include "host.h"

#define MONITOR_BUFFER_DEFAULT (1U << 20) /* bytes: some 13,000 events */
#define MONITOR_BUFFER_MAX     (1U << 28)

struct monitor;

struct monitor_want {
	uint32_t events; /* ROAM_EVENT_BIT of each */
	uint32_t vm;     /* slot, or ROAM_VM_NONE for all */
	uint32_t buffer; /* bytes of the ring: a power of two, at least a page */
};

/* -EUSERS: there are as many listeners as there can be. */
int monitor_open(struct host *host, const struct monitor_want *want, struct monitor **ret_monitor);

/*
 * Calls fn for the events that are there, waiting for the first at most so long. fn returns 0 to go
 * on; what else it returns stops and is returned. -EINTR: a signal came.
 */
int monitor_poll(struct monitor *monitor, int timeout_ms,
		 int (*fn)(const struct roam_event *event, void *arg), void *arg);

/* Events so far for which there was no room. */
uint64_t monitor_lost(const struct monitor *monitor);

void monitor_close(struct monitor *monitor);

static inline void cleanup_monitor(struct monitor **monitor)
{
	monitor_close(*monitor);
}
#define _cleanup_monitor_ __attribute__((cleanup(cleanup_monitor)))

/* An event of user space; that nobody can hear it is no error. */
void monitor_say(struct host *host, enum roam_event_type type, uint32_t slot);

/* The VM of this name has another slot now: who listens to it goes on there. */
void monitor_follow(struct host *host, const char *name, uint32_t slot);

/* Places of listeners that are dead. Needs the host's lock. */
void monitor_recover(struct host *host);

#endif
