// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* All features in turn: see state_features.h. */
#include "state_features.h"
#include "util.h"

/* In the order of their tables in an image. */
static const struct state_feature *const features_all[] = { &state_qos, &state_ips };

void state_features_digest(struct host *host, uint32_t slot, XXH3_state_t *hash)
{
	for (size_t i = 0; i < ARRAY_SIZE(features_all); i++)
		features_all[i]->digest(host, slot, hash);
}

int state_features_write(struct host *host, uint32_t slot, struct image_writer *writer)
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

int state_features_row(struct state_features *features, enum schema_table_id table, const void *row)
{
	int err = state_features_check(table, row);

	for (size_t i = 0; i < ARRAY_SIZE(features_all) && !err; i++)
		err = features_all[i]->row(features, table, row);
	return err;
}

int state_features_end(struct state_features *features, enum schema_table_id table)
{
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(features_all) && !err; i++)
		err = features_all[i]->end(features, table);
	return err;
}
