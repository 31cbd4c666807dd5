/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * From an image's schema to this build's structs: what the reader (image_read.c) does with each row
 * of a table, worked out once from the table's schema section. Fields are matched by name.
 */
#ifndef ROAM_IMAGE_PLAN_H
#define ROAM_IMAGE_PLAN_H

#include "image.h"
#include "image_format.h"

struct image_plan;

/*
 * Parses a schema section and checks it: bounds, overlaps, gaps, duplicates, kinds, lists, required
 * fields that are missing. Fields that this build does not know are told to sink->skipped.
 */
int image_plan_make(const uint8_t *section, uint32_t size, const struct image_sink *sink,
		    struct image_plan **ret_plan);
void image_plan_free(struct image_plan *plan);

/* The table of this build, or TABLE_COUNT for one that it does not know. */
enum schema_table_id image_plan_table(const struct image_plan *plan);
uint32_t image_plan_row_size(const struct image_plan *plan);

/* One row of the image into a struct of this build, which the caller provides. */
int image_plan_decode(const struct image_plan *plan, const struct image_maps *maps,
		      const uint8_t *row, void *ret_struct);

#endif
