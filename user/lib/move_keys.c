// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A set of logged keys: open addressing, places in an array in order of arrival. See move_own.h. */
#include <string.h>
#include <xxhash.h>
#include "move_own.h"

#define INDEX_MIN 1024 /* a power of two */

/* What of a record is its key. */
static struct roam_log_rec key_of(const struct roam_log_rec *rec)
{
	struct roam_log_rec key = { .table = rec->table };

	if (rec->table == ROAM_LOG_FLOW)
		key.key.flow = rec->key.flow;
	else
		key.key.addr = rec->key.addr;
	return key;
}

/* The key's place in the index: that of it, or a free one. */
static uint32_t place_of(const struct move_keys *keys, const struct roam_log_rec *key)
{
	uint32_t at = XXH3_64bits(key, sizeof(*key)) & (keys->index_size - 1);

	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): every byte of a key is set */
	while (keys->index[at] && memcmp(&keys->recs[keys->index[at] - 1], key, sizeof(*key)) != 0)
		at = (at + 1) & (keys->index_size - 1);
	return at;
}

static int grow(struct move_keys *keys)
{
	uint32_t room = keys->room ? 2 * keys->room : INDEX_MIN / 2;
	struct roam_log_rec *recs = reallocarray(keys->recs, room, sizeof(*recs));
	uint32_t *index;

	if (!recs)
		return fail(-ENOMEM, "move: out of memory");
	keys->recs = recs;
	index = calloc(2 * (size_t)room, sizeof(*index));
	if (!index)
		return fail(-ENOMEM, "move: out of memory");
	free(keys->index);
	keys->room = room;
	keys->index = index;
	keys->index_size = 2 * room;
	for (uint32_t i = 0; i < keys->count; i++)
		keys->index[place_of(keys, &keys->recs[i])] = i + 1;
	return 0;
}

int move_keys_add(struct move_keys *keys, const struct roam_log_rec *rec)
{
	struct roam_log_rec key = key_of(rec);
	uint32_t at;
	int err = keys->count == keys->room ? grow(keys) : 0;

	if (err)
		return err;
	at = place_of(keys, &key);
	if (keys->index[at])
		return 0;
	keys->recs[keys->count++] = key;
	keys->index[at] = keys->count;
	return 0;
}

bool move_keys_has(const struct move_keys *keys, const struct roam_log_rec *rec)
{
	struct roam_log_rec key = key_of(rec);

	return keys->count && keys->index[place_of(keys, &key)];
}

/* Keeps the memory of a usual round. */
void move_keys_clear(struct move_keys *keys)
{
	if (keys->room > 64 * INDEX_MIN) {
		move_keys_free(keys);
		return;
	}
	if (keys->count)
		memset(keys->index, 0, keys->index_size * sizeof(*keys->index));
	keys->count = 0;
}

void move_keys_free(struct move_keys *keys)
{
	free(keys->recs);
	free(keys->index);
	*keys = (struct move_keys){};
}
