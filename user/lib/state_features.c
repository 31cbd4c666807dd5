// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Tables of features in an image: see state_features.h. */
#include "qos.h"
#include "state_features.h"
#include "text.h"

void state_digest_features(struct host *host, uint32_t slot, XXH3_state_t *hash)
{
	struct roam_qos_rec rec;

	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		if (!qos_get(host, slot, dir, &rec) && rec.conf.is_set)
			XXH3_64bits_update(hash, &rec.conf, sizeof(rec.conf));
	}
}

static int write_qos(struct host *host, uint32_t slot, struct image_writer *writer)
{
	struct roam_qos_rec rec;
	int err = image_write_table(writer, TABLE_QOS);

	for (int dir = 0; dir < ROAM_DIR_COUNT && !err; dir++) {
		err = qos_get(host, slot, dir, &rec);
		if (!err && rec.conf.is_set)
			err = image_write_rows(writer, &rec, 1);
	}
	return err;
}

int state_write_features(struct host *host, uint32_t slot, struct image_writer *writer)
{
	return qos_is_used(host, slot) ? write_qos(host, slot, writer) : 0;
}

int state_features_check(enum schema_table_id table, const void *row)
{
	const struct roam_qos_rec *rec = row;

	if (table != TABLE_QOS)
		return 0;
	if (!rec->conf.is_set)
		return fail(-EBADMSG, "image: a row of table qos that is no profile");
	return qos_validate("image: qos", &rec->conf);
}

/* The host's own profile of that direction, or the image's. */
static int load_qos(struct state_features *features, const struct roam_qos_rec *row)
{
	struct roam_qos_rec rec = *row, own;
	int err = state_features_check(TABLE_QOS, row);

	if (err)
		return err;
	if (features->seen_qos[row->dir])
		return fail(-EBADMSG, "image: the profile for %s twice",
			    text_enum_name(&text_dir, row->dir));
	features->seen_qos[row->dir] = true;
	if (features->own_slot) {
		err = qos_get(features->host, features->own_slot, row->dir, &own);
		rec.conf = own.conf;
		if (err || !own.conf.is_set)
			return err;
	}
	return qos_store(features->host, draft_slot(features->draft), &rec);
}

/* The host's own profiles of which the image knows nothing. */
static int end_qos(struct state_features *features)
{
	struct roam_qos_rec own;
	int err = 0;

	for (int dir = 0; dir < ROAM_DIR_COUNT && !err && features->own_slot; dir++) {
		if (features->seen_qos[dir])
			continue;
		err = qos_get(features->host, features->own_slot, dir, &own);
		if (!err && own.conf.is_set)
			err = qos_store(features->host, draft_slot(features->draft), &own);
	}
	return err;
}

int state_features_row(struct state_features *features, enum schema_table_id table, const void *row)
{
	return table == TABLE_QOS ? load_qos(features, row) : 0;
}

int state_features_end(struct state_features *features, enum schema_table_id table)
{
	return table == TABLE_QOS ? end_qos(features) : 0;
}
