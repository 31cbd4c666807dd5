// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* All features in turn: see state_features.h. */
#include <string.h>
#include "state_features.h"
#include "util.h"

/* In the order of their tables in an image. */
static const struct state_feature *const features_all[] = { &state_qos, &state_ips, &state_frag };

void state_features_digest(struct host *host, uint32_t slot, XXH3_state_t *hash)
{
	for (size_t i = 0; i < ARRAY_SIZE(features_all); i++)
		features_all[i]->digest(host, slot, hash);
}

int state_features_save(struct host *host, uint32_t slot, struct image_writer *writer)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_all) && !err; i++)
		err = features_all[i]->save(host, slot, writer);
	return err;
}

int state_features_check(enum schema_table_id table, const void *row)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_all) && !err; i++)
		err = features_all[i]->check(table, row);
	return err;
}

/* The largest struct of their tables. */
#define FEATURE_ROW_MAX 256

/* A table's end waits as a row would, with this beside the table's id. */
#define TABLE_END 0x80

static int wait_entry(struct state_features *features, uint8_t id, const void *row, size_t size)
{
	if (features->waiting_bytes + 1 + size > features->waiting_room) {
		size_t room = features->waiting_room ? 2 * features->waiting_room : 4096;
		void *waiting = realloc(features->waiting, room);

		if (!waiting)
			return fail(-ENOMEM, "state: out of memory");
		features->waiting = waiting;
		features->waiting_room = room;
	}
	features->waiting[features->waiting_bytes++] = id;
	memcpy(features->waiting + features->waiting_bytes, row, size);
	features->waiting_bytes += size;
	return 0;
}

static int place_row(struct state_features *features, enum schema_table_id table, const void *row)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_all) && !err; i++)
		err = features_all[i]->row(features, table, row);
	return err;
}

static int place_end(struct state_features *features, enum schema_table_id table)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_all) && !err; i++)
		err = features_all[i]->end(features, table);
	return err;
}

int state_features_row(struct state_features *features, enum schema_table_id table, const void *row)
{
	int err = state_features_check(table, row);

	if (err)
		return err;
	if (features->slot != ROAM_VM_NONE)
		return place_row(features, table, row);
	features->waiting_rows++;
	return wait_entry(features, table, row, schema_tables[table].row_size);
}

int state_features_end(struct state_features *features, enum schema_table_id table)
{
	if (features->slot != ROAM_VM_NONE)
		return place_end(features, table);
	return wait_entry(features, table | TABLE_END, "", 0);
}

int state_features_place(struct state_features *features, struct host *host, uint32_t slot,
			 uint32_t own_slot)
{
	size_t at = 0;
	int err = 0;

	features->host = host;
	features->slot = slot;
	features->own_slot = own_slot;
	while (at < features->waiting_bytes && !err) {
		uint8_t id = features->waiting[at++];
		_Alignas(uint64_t) uint8_t row[FEATURE_ROW_MAX];

		if (id & TABLE_END) {
			err = place_end(features, id & ~TABLE_END);
			continue;
		}
		memcpy(row, features->waiting + at, schema_tables[id].row_size);
		at += schema_tables[id].row_size;
		err = place_row(features, id, row);
	}
	state_features_close(features);
	return err;
}

void state_features_close(struct state_features *features)
{
	free(features->waiting);
	features->waiting = NULL;
	features->waiting_bytes = features->waiting_room = 0;
}
