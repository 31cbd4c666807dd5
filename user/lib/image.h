/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The codec of images: one VM's policy and state as a stream. Pure: no BPF, no files, no clock;
 * what it needs of those it is given. Memory does not depend on the number of rows.
 *
 * Rows go in and come out as this build's structs (schema.h says which); what means something on
 * one host only is translated by the maps that the caller gives.
 */
#ifndef ROAM_IMAGE_H
#define ROAM_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <roam/ct.h>
#include <roam/port.h>
#include <roam/types.h>
#include "schema.h"

struct image_header {
	char vm[ROAM_NAME_LEN];
	char host[ROAM_NAME_LEN]; /* where it was saved */
	uint8_t uuid[16];
	uint8_t handover[16];   /* id of the handover; zero outside of one */
	uint64_t policy_digest; /* equal ones: the same policy as written */
	uint64_t sequence;      /* of a delta; 0: the image is whole */
};

/*
 * Between this host and an image. Writing: rule[id] is the rule's row in table acl from 1, zone[no]
 * the zone's first row in table port. Reading: the other way round. What lies outside is 0, and an
 * error for zones.
 */
struct image_maps {
	uint64_t now_ns;
	uint32_t gen; /* the current generation of policy */
	const uint32_t *rule;
	uint32_t rule_count;
	/* Ids by row of table lb, from 1, both when writing and when reading. */
	const uint32_t *service;
	uint32_t service_count;
	uint8_t zone[ROAM_VM_PORTS];
	uint32_t zone_count;
};

/* ---- writing ---- */

struct image_writer;

typedef int (*image_write_fn)(const void *bytes, size_t size, void *arg);

/* `maps` is used until the writer is closed. */
int image_writer_open(const struct image_maps *maps, image_write_fn fn, void *arg,
		      struct image_writer **ret_writer);
int image_write_header(struct image_writer *writer, const struct image_header *header);
/* From here on nothing is compressed: for who has no time. */
void image_writer_plain(struct image_writer *writer);
/* Tables in the order of enum schema_table_id, each at most once. */
int image_write_table(struct image_writer *writer, enum schema_table_id table);
int image_write_rows(struct image_writer *writer, const void *rows, size_t count);
int image_write_end(struct image_writer *writer);
void image_writer_close(struct image_writer *writer);

static inline void cleanup_image_writer(struct image_writer **writer)
{
	image_writer_close(*writer);
}
#define _cleanup_image_writer_ __attribute__((cleanup(cleanup_image_writer)))

/* ---- reading ---- */

/* Reads exactly `size` bytes: 0, -ENODATA if there are fewer, another -errno. */
typedef int (*image_read_fn)(void *bytes, size_t size, void *arg);

/*
 * What is found. A callback that returns non-zero ends the reading with it. `maps` may be changed
 * by callbacks: table acl and port come before what refers to them. Nothing may be taken for true
 * before image_read() has returned 0.
 */
struct image_sink {
	int (*header)(const struct image_header *header, void *arg);
	int (*rows)(enum schema_table_id table, const void *rows, size_t count, void *arg);
	/* The table's rows have all been given; also called for tables that the image lacks. */
	int (*table_end)(enum schema_table_id table, void *arg);
	/* A field or table that this build does not know was left out. */
	void (*skipped)(const char *table, const char *field, void *arg);
	struct image_maps *maps;
	void *arg;
};

int image_read(image_read_fn fn, void *fn_arg, const struct image_sink *sink);

/* For a sink's rows(): gives them one by one, until one is refused. */
typedef int (*image_row_fn)(enum schema_table_id table, const void *row, void *arg);
int image_each_row(enum schema_table_id table, const void *rows, size_t count, image_row_fn fn,
		   void *arg);

#endif
