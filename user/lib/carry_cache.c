// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Trains of fragments, and what an uplink remembers of clients, go over to another layout: see
 * carry_own.h. Rows that nobody adds up: one that is there already is the newer one.
 */
#include <stdio.h>
#include <bpf/bpf.h>
#include "carry_own.h"
#include "frag.h"
#include "util.h"

/* ---- an uplink's memory ---- */

static const char *const caches[] = { "lb_affinity", "lb_frag" };

struct cache {
	struct carry_plans plans;
	int to;
};

/* One that this version has no place for is picked anew, as if it had been forgotten. */
static int copy_row(const void *key, const void *value, void *arg)
{
	const struct cache *cache = arg;
	_Alignas(8) uint8_t new_key[64], new_value[64];

	if (carry_row(cache->plans.key, key, new_key) ||
	    carry_row(cache->plans.value, value, new_value))
		return 0;
	if (bpf_map_update_elem(cache->to, new_key, new_value, BPF_NOEXIST) && errno != EEXIST)
		return fail_errno(-errno, "host: cannot write a row");
	return 0;
}

static int copy_cache(const struct carry *carry, const char *map)
{
	char pin[64];
	struct cache cache = {};
	int err = carry_plans_of(carry, map, &cache.plans);

	snprintf(pin, sizeof(pin), "maps/%s", map);
	_cleanup_close_ int from = carry_old(carry, pin);
	_cleanup_close_ int to = carry_new(carry, pin);

	if (!err && (from < 0 || to < 0))
		err = -ENOENT;
	if (!err &&
	    (carry_new_size(cache.plans.key) > 64 || carry_new_size(cache.plans.value) > 64))
		err = fail(-EPROTO, "map %s: its rows are too large to carry over", map);
	cache.to = to;
	if (!err)
		err = carry_each(from, copy_row, &cache);
	cleanup_carry_plans(&cache.plans);
	return err;
}

int carry_caches(const struct carry *carry)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(caches) && !err; i++) {
		if (carry_had(carry, caches[i]) && carry_changes(&carry->texts, caches[i]))
			err = copy_cache(carry, caches[i]);
	}
	return err;
}

/* ---- trains ---- */

struct trains {
	struct carry_plans plans;
	int old;
	int rows;
	int clock;
};

/*
 * The old row goes: what comes later finds the new one first. A train without a place here, or that
 * finds no room, ends, as if its table had been full.
 */
static int move_train(const void *key, const void *value, void *arg)
{
	const struct trains *trains = arg;
	struct roam_frag_rec rec = {};
	int err = carry_row(trains->plans.key, key, &rec.key);

	if (!err)
		err = carry_row(trains->plans.value, value, &rec.frag);
	if (!err)
		err = frag_put_into(trains->rows, trains->clock, &rec);
	if (err && err != -EPROTO && err != -EEXIST && err != -ENOSPC)
		return err;
	if (bpf_map_delete_elem(trains->old, key) && errno != ENOENT)
		return fail_errno(-errno, "host: cannot delete a train");
	return 0;
}

static int move_table(struct trains *trains, const int maps[3], uint32_t slot)
{
	_cleanup_close_ int old = carry_inner(maps[0], slot);
	_cleanup_close_ int rows = old < 0 ? -1 : carry_inner(maps[1], slot);
	_cleanup_close_ int clock = old < 0 ? -1 : carry_inner(maps[2], slot);

	if (old < 0)
		return 0;
	if (rows < 0 || clock < 0)
		return fail(-ENOENT, "host: a VM lacks a table of trains");
	trains->old = old;
	trains->rows = rows;
	trains->clock = clock;
	return carry_each(old, move_train, trains);
}

int carry_trains(const struct carry *carry)
{
	_cleanup_close_ int from = carry_old(carry, "maps/frag_table");
	_cleanup_close_ int to = carry_new(carry, "maps/frag_table");
	_cleanup_close_ int clocks = carry_new(carry, "maps/frag_clock");
	const int maps[] = { from, to, clocks };
	struct trains trains = {};
	int err = from < 0 || to < 0 || clocks < 0
			  ? -ENOENT
			  : carry_plans_of(carry, "frag_table", &trains.plans);

	for (uint32_t slot = 0; slot < ROAM_VM_MAX && !err; slot++)
		err = move_table(&trains, maps, slot);
	cleanup_carry_plans(&trains.plans);
	return err;
}
