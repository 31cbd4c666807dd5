/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Rows that an image and the host that loads it both have, as a VM whose policy was there before
 * it, or blocks that both hosts learned: one row of the two, field by field, by the operator that
 * the schema names (ROAM_MERGE). Called by state_place.c, state_load.c and those of features. Pure.
 */
#ifndef ROAM_MERGE_H
#define ROAM_MERGE_H

#include "schema.h"

/* `row`: the image's, of this build's struct; it becomes the merged one. */
void merge_row(enum schema_table_id table, const void *own, void *row);

#endif
