// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Many places of outer maps at once: see places.h. */
#include <assert.h>
#include <sched.h>
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
	*next_place(places) = (struct place){
		.outer_fd = host_map(places->host, outer),
		.index = index,
		.fd = fd,
	};
	return 0;
}

void places_clear(struct places *places, enum host_map outer, uint32_t index)
{
	*next_place(places) = (struct place){
		.outer_fd = host_map(places->host, outer),
		.index = index,
		.fd = -1,
	};
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
	atomic_store(&place->done, true);
	return NULL;
}

static void write_all(struct places *places)
{
	for (uint32_t i = 0; i < places->count; i++) {
		struct place *place = &places->place[i];

		place->running = !pthread_create(&place->thread, NULL, apply_one, place);
		if (!place->running)
			apply_one(place);
	}
}

static int fail_places(const struct places *places, int err)
{
	return fail_errno(err, "host %s: cannot put a table in place", host_dir(places->host));
}

int places_end(struct places *places)
{
	int err = 0;

	for (uint32_t i = 0; i < places->count; i++) {
		struct place *place = &places->place[i];

		if (place->running)
			pthread_join(place->thread, NULL);
		place->running = false;
		err = err ? err : place->err;
	}
	return err ? fail_places(places, err) : 0;
}

int places_apply(struct places *places)
{
	write_all(places);
	return places_end(places);
}

/* Whether the place has the map that it is to have. */
static bool is_written(const struct place *place)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), id;

	if (bpf_map_lookup_elem(place->outer_fd, &place->index, &id))
		return place->fd < 0;
	return place->fd >= 0 && !bpf_obj_get_info_by_fd(place->fd, &info, &len) && info.id == id;
}

int places_begin(struct places *places)
{
	int err = 0;

	write_all(places);
	for (uint32_t i = 0; i < places->count; i++) {
		struct place *place = &places->place[i];
		bool done = false;

		while (!done && !is_written(place)) {
			sched_yield();
			done = atomic_load(&place->done);
		}
		if (done && !err)
			err = place->err;
	}
	return err ? fail_places(places, err) : 0;
}
