/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The bytes of an image, shared by image_write.c and image_read.c. docs/image.md is the description
 * for everybody else. All numbers are little-endian; the structs have no padding.
 */
#ifndef ROAM_IMAGE_FORMAT_H
#define ROAM_IMAGE_FORMAT_H

#include <stdint.h>
#include <roam/types.h>

#define IMAGE_MAGIC   "roamimg"
#define IMAGE_VERSION 1

/* Bounds that a reader enforces before it allocates or decompresses anything. */
#define IMAGE_SECTION_MAX (1U << 20)
#define IMAGE_BLOCK_MAX   (1U << 20) /* rows of one block, decompressed */
#define IMAGE_TABLES_MAX  32
#define IMAGE_FIELDS_MAX  128
#define IMAGE_ROW_MAX     4096
#define IMAGE_LIST_MAX    256 /* names of one enum */
#define IMAGE_WINDOW_LOG  23  /* of zstd: 8 MiB */

struct image_start {
	char magic[8]; /* IMAGE_MAGIC with its NUL */
	uint32_t version;
	uint32_t reserved; /* 0 */
};

enum image_section_type {
	IMAGE_HEADER = 1, /* struct image_header */
	IMAGE_SCHEMA = 2, /* struct image_schema, then its fields */
	IMAGE_ROWS = 3,   /* struct image_rows, then the rows */
	IMAGE_END = 4,    /* struct image_end, then a count a table, then the checksum */
};

struct image_section {
	uint32_t type;
	uint32_t size; /* of what follows */
};

struct image_schema {
	char name[32];
	uint16_t fields;
	uint16_t row_size;
	uint32_t reserved; /* 0 */
};

/* Followed, for an ENUM, by its list: a uint16_t count and names of 32 bytes. */
struct image_field {
	char name[48];
	uint8_t kind;
	uint8_t required;
	uint16_t offset;
	uint16_t size;
	uint16_t count;
};

#define IMAGE_LIST_NAME_LEN 32

#define IMAGE_ROWS_ZSTD 1

struct image_rows {
	uint16_t table; /* number of its schema section, from 0 */
	uint16_t flags;
	uint32_t rows;
	uint32_t raw_size; /* rows times row_size */
};

struct image_end {
	uint32_t tables;
};

_Static_assert(sizeof(struct image_start) == 16, "bytes of an image");
_Static_assert(sizeof(struct image_section) == 8, "bytes of an image");
_Static_assert(sizeof(struct image_schema) == 40, "bytes of an image");
_Static_assert(sizeof(struct image_field) == 56, "bytes of an image");
_Static_assert(sizeof(struct image_rows) == 12, "bytes of an image");

/* An age that says "never". */
#define IMAGE_NEVER INT64_MIN

#endif
