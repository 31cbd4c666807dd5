// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rates and marks in an image: a row is profile, bucket and counters. See state_features.h. */
#include "merge.h"
#include "qos.h"
#include "state_features.h"
#include "text.h"

static void digest(struct host *host, uint32_t slot, XXH3_state_t *hash)
{
	struct roam_qos_rec rec;

	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		if (!qos_get(host, slot, dir, &rec) && rec.conf.is_set)
			XXH3_64bits_update(hash, &rec.conf, sizeof(rec.conf));
	}
}

static int save(struct host *host, uint32_t slot, struct image_writer *writer)
{
	struct roam_qos_rec rec;
	int err;

	if (!qos_is_used(host, slot))
		return 0;
	err = image_write_table(writer, TABLE_QOS);
	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		err = qos_get(host, slot, dir, &rec);
		if (!err && rec.conf.is_set)
			err = image_write_rows(writer, &rec, 1);
	}
	return err;
}

static int check(enum schema_table_id table, const void *row)
{
	const struct roam_qos_rec *rec = row;

	if (table != TABLE_QOS)
		return 0;
	if (!rec->conf.is_set)
		return fail(-EBADMSG, "image: a row of table qos that is no profile");
	return qos_validate("image: qos", &rec->conf);
}

/* The host's own profile of that direction, or the image's. */
static int load(struct state_features *features, enum schema_table_id table, const void *row)
{
	struct roam_qos_rec rec, own;
	int err;

	if (table != TABLE_QOS)
		return 0;
	rec = *(const struct roam_qos_rec *)row;
	if (features->seen_qos[rec.dir])
		return fail(-EBADMSG, "image: the profile for %s twice",
			    text_enum_name(&text_dir, rec.dir));
	features->seen_qos[rec.dir] = true;
	if (features->own_slot) {
		err = qos_get(features->host, features->own_slot, rec.dir, &own);
		if (err || !own.conf.is_set)
			return err;
		merge_row(TABLE_QOS, &own, &rec);
		rec.conf = own.conf;
	}
	return qos_store(features->host, features->slot, &rec);
}

/* The host's own profiles of which the image knows nothing. */
static int end(struct state_features *features, enum schema_table_id table)
{
	struct roam_qos_rec own;
	int err = 0;

	if (table != TABLE_QOS || !features->own_slot)
		return 0;
	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		if (features->seen_qos[dir])
			continue;
		err = qos_get(features->host, features->own_slot, dir, &own);
		if (!err && own.conf.is_set)
			err = qos_store(features->host, features->slot, &own);
	}
	return err;
}

const struct state_feature state_qos = { digest, save, check, load, end };
