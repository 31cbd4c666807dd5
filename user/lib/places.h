/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Many places of outer maps written at once. The kernel makes each such write wait until no program
 * uses what was there (RCU, about 10 ms); one thread a place makes these waits one.
 */
#ifndef ROAM_PLACES_H
#define ROAM_PLACES_H

#include <pthread.h>
#include <stdatomic.h>
#include "host.h"

#define PLACES_MAX 24

struct place {
	int outer_fd;
	uint32_t index;
	int fd; /* the inner map, or -1 to empty the place */
	int err;
	atomic_bool done; /* the kernel has waited */
	bool running;     /* `thread` writes it */
	pthread_t thread;
};

/* Filled by places_add() and places_clear(), written by places_apply(). */
struct places {
	struct host *host;
	uint32_t count;
	struct place place[PLACES_MAX];
};

/* Takes the new map's descriptor, or the -1 of a failure to make it. */
int places_add(struct places *places, enum host_map outer, uint32_t index, int fd);
void places_clear(struct places *places, enum host_map outer, uint32_t index);
int places_apply(struct places *places);

/*
 * The same in two steps. After the first one everybody finds the new maps, or it has failed, while
 * the kernel may still wait; the struct must stay where it is until places_end().
 */
int places_begin(struct places *places);
int places_end(struct places *places);

static inline void cleanup_places(struct places *places)
{
	for (uint32_t i = 0; i < places->count; i++)
		cleanup_close(&places->place[i].fd);
}
#define _cleanup_places_ __attribute__((cleanup(cleanup_places)))

#endif
