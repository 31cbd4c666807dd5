// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Many places of outer maps at once: see places.h. */
#include <assert.h>
#include <pthread.h>
#include <bpf/bpf.h>
#include "places.h"

static struct place *next_place(struct places *places)
{
	assert(places->count < PLACES_MAX);
	return &places->place[places->count++];
}

int places_add(struct places *places, enum host_map outer, uint32_t index, int fd)
{
	if (fd < 0)
		return fail_errno(-errno, "host %s: cannot make a table", host_dir(places->host));
	*next_place(places) = (struct place){ host_map(places->host, outer), index, fd, 0 };
	return 0;
}

void places_clear(struct places *places, enum host_map outer, uint32_t index)
{
	*next_place(places) = (struct place){ host_map(places->host, outer), index, -1, 0 };
}

static void *apply_one(void *arg)
{
	struct place *place = arg;
	int err;

	if (place->fd >= 0)
		err = bpf_map_update_elem(place->outer_fd, &place->index, &place->fd, BPF_ANY);
	else
		err = bpf_map_delete_elem(place->outer_fd, &place->index);
	place->err = err && (place->fd >= 0 || errno != ENOENT) ? -errno : 0;
	return NULL;
}

int places_apply(struct places *places)
{
	pthread_t thread[PLACES_MAX];
	bool started[PLACES_MAX];

	for (uint32_t i = 1; i < places->count; i++)
		started[i] = !pthread_create(&thread[i], NULL, apply_one, &places->place[i]);
	for (uint32_t i = 0; i < places->count; i++) {
		if (i && started[i])
			pthread_join(thread[i], NULL);
		else
			apply_one(&places->place[i]);
	}
	for (uint32_t i = 0; i < places->count; i++) {
		if (places->place[i].err)
			return fail_errno(places->place[i].err,
					  "host %s: cannot put a table in place",
					  host_dir(places->host));
	}
	return 0;
}
