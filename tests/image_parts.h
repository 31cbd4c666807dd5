/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * An image taken apart, changed and put together again, for the tests and the fuzzer of images: its
 * sections one by one, with the rows decompressed. Put together it has right sizes, counts and
 * checksum, so that what a reader refuses is what the test changed.
 *
 * Of user/lib it shares the structs of image_format.h only.
 */
#ifndef ROAM_TESTS_IMAGE_PARTS_H
#define ROAM_TESTS_IMAGE_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include "image_format.h"

#define IMAGE_PARTS_MAX 128

/* Bytes in memory that images are written to and read from. */
struct image_bytes {
	uint8_t *at;
	size_t len;
	size_t room;
	size_t read; /* so far */
};

/* image_write_fn and image_read_fn; `arg` is the struct image_bytes. */
int image_bytes_write(const void *bytes, size_t size, void *arg);
int image_bytes_read(void *bytes, size_t size, void *arg);
void image_bytes_free(struct image_bytes *image);

/* What follows a section's head; of rows, their struct image_rows and then the plain rows. */
struct image_part {
	uint32_t type;
	uint32_t size;
	uint8_t *bytes;
};

struct image_parts {
	struct image_start start;
	uint32_t count; /* without the end */
	struct image_part part[IMAGE_PARTS_MAX];
};

/* -EBADMSG if it is not made of sections, or a block does not decompress. */
int image_parts_take(const uint8_t *bytes, size_t size, struct image_parts *ret_parts);
void image_parts_put(const struct image_parts *parts, struct image_bytes *ret_image);
void image_parts_free(struct image_parts *parts);

/* Writes the right checksum at the end. */
void image_seal(uint8_t *bytes, size_t size);

/* The schema section of that table, its rows (the first block), a field; NULL: there is none. */
struct image_part *image_parts_schema(struct image_parts *parts, const char *table);
struct image_part *image_parts_rows(struct image_parts *parts, const char *table);
struct image_field *image_parts_field(struct image_parts *parts, const char *table,
				      const char *field);
/* Where that field of that row stands. */
uint8_t *image_parts_at(struct image_parts *parts, const char *table, const char *field,
			uint32_t row);

/* Gives a section another size; what is new in it is undefined. */
void image_part_resize(struct image_part *part, uint32_t size);
/* Takes a field out of a schema and its rows; puts one at their end, the same value in each row. */
void image_parts_drop(struct image_parts *parts, const char *table, const char *field);
void image_parts_append(struct image_parts *parts, const char *table,
			const struct image_field *field, const void *value);
/* A copy of a row behind the last. */
void image_parts_double(struct image_parts *parts, const char *table, uint32_t row);
/* Puts a section before the one with that number, or takes that one out. */
void image_parts_insert(struct image_parts *parts, uint32_t at, const struct image_part *part);
void image_parts_remove(struct image_parts *parts, uint32_t at);

#endif
