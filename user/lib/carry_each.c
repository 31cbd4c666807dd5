// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Reading a map that programs write meanwhile, for the other files of carry.h. */
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "carry_own.h"
#include "util.h"

/* Rows at once, at first: a chain of a hash table has to fit. */
#define ROWS 1024

struct reading {
	uint32_t key_size;
	uint32_t value_size; /* of all CPUs */
	uint32_t room;
	uint8_t *keys;
	uint8_t *values;
	_Alignas(8) uint8_t at[64]; /* where to go on: the kernel's word, or a key */
	bool begun;
	bool ended;
};

static void cleanup_reading(struct reading *reading)
{
	free(reading->keys);
	free(reading->values);
}

static int make_room(struct reading *reading)
{
	cleanup_reading(reading);
	reading->keys = malloc((size_t)reading->room * reading->key_size);
	reading->values = malloc((size_t)reading->room * reading->value_size);
	return reading->keys && reading->values ? 0 : fail(-ENOMEM, "host: out of memory");
}

static int open_reading(int rows, struct reading *reading)
{
	struct bpf_map_info info;
	int err = carry_info(rows, &info);

	if (err)
		return err;
	if (!info.key_size || !info.value_size || info.key_size > sizeof(reading->at))
		return fail(-EPROTO, "map %s: it has no rows that could be carried over",
			    info.name);
	reading->key_size = info.key_size;
	reading->value_size = info.value_size;
	if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		reading->value_size = (info.value_size + 7) / 8 * 8 * libbpf_num_possible_cpus();
	return make_room(reading);
}

static int read_some(int rows, struct reading *reading, uint32_t *ret_count)
{
	uint8_t next[sizeof(reading->at)];
	int err;

	do {
		*ret_count = reading->room;
		err = bpf_map_lookup_batch(rows, reading->begun ? reading->at : NULL, next,
					   reading->keys, reading->values, ret_count, NULL);
		if (!err || errno == ENOENT) {
			reading->ended = err;
			reading->begun = true;
			memcpy(reading->at, next, sizeof(next));
			return 0;
		}
		if (errno != ENOSPC)
			return fail_errno(-errno, "host: cannot read a map");
		reading->room *= 2;
		err = make_room(reading);
	} while (!err);
	return err;
}

int carry_each(int rows, carry_fn fn, void *arg)
{
	__attribute__((cleanup(cleanup_reading))) struct reading reading = { .room = ROWS };
	int err = open_reading(rows, &reading);

	while (!err && reading.keys && !reading.ended) {
		uint32_t count;

		err = read_some(rows, &reading, &count);
		for (uint32_t i = 0; i < count && !err; i++)
			err = fn(reading.keys + (size_t)i * reading.key_size,
				 reading.values + (size_t)i * reading.value_size, arg);
	}
	return err;
}
