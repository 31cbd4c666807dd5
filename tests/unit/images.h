/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images for the unit tests of the codec: rows made up from the schema itself, so that a field that
 * is added is tested without a line here; written, read back, and what should then be there.
 */
#ifndef ROAM_TESTS_UNIT_IMAGES_H
#define ROAM_TESTS_UNIT_IMAGES_H

#include "image.h"
#include "image_parts.h"

/* What is on one host: rows of each table, and what makes sense there only. */
struct images_host {
	struct image_header header;
	struct image_maps maps;
	uint32_t rule[64];
	uint32_t service[8]; /* by row of table lb, from 1: its id */
	void *rows[TABLE_COUNT];
	uint32_t count[TABLE_COUNT];
	/* Of reading. */
	uint32_t headers;
	uint32_t ended;     /* a bit a table, in the order of the table's numbers */
	char skipped[1024]; /* "table.field " for each */
};

/* Made-up rows, so many of table flow and fewer of the others. */
void images_make(struct images_host *ret_host, uint32_t flows);
void images_free(struct images_host *host);

void images_write(const struct images_host *from, struct image_bytes *ret_image);
/* Another clock, other numbers of zones, rules, services and generations than images_make's; no
 * rows. */
void images_there(struct images_host *ret_host);
int images_read(struct image_bytes *image, struct images_host *to);

/* The same after parts have been put together; frees the parts. */
int images_read_parts(struct image_parts *parts, struct images_host *to);

/* What `from` becomes on a host with those maps, field by field; true if it is what is there. */
bool images_same(const struct images_host *from, const struct images_host *there);

#endif
