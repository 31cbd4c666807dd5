// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Reading images: see image.h and image_format.h. Everything is bounded before it is allocated or
 * decompressed, and nothing is handed on that the schema does not allow; that an image is whole is
 * known at its end only.
 */
#include <string.h>
#include <xxhash.h>
#include <zstd.h>
#include "image.h"
#include "image_format.h"
#include "image_plan.h"
#include "text.h"
#include "util.h"

/* Structs that are handed to the sink at once. */
#define BATCH_ROWS 1024

/* Bytes that grow as sections ask for more, up to the bound that was checked before. */
struct room {
	uint8_t *bytes;
	size_t size;
};

struct reader {
	image_read_fn fn;
	void *fn_arg;
	const struct image_sink *sink;
	XXH3_state_t *hash;
	ZSTD_DCtx *zstd;
	struct room section;
	struct room rows;
	struct room structs;
	bool has_header;
	uint32_t tables;
	uint32_t begun; /* this build's tables up to here have begun or are not in the image */
	uint32_t ended; /* the sink has been told of the end of those before this one */
	struct image_plan *plan[IMAGE_TABLES_MAX];
	uint64_t count[IMAGE_TABLES_MAX];
};

static int make_room(struct room *room, size_t size)
{
	uint8_t *bytes;

	if (room->bytes && size <= room->size)
		return 0;
	bytes = realloc(room->bytes, size + 1); /* never NULL, nor of no size */
	if (!bytes)
		return fail(-ENOMEM, "image: out of memory");
	room->bytes = bytes;
	room->size = size;
	return 0;
}

static int get(struct reader *reader, void *to, size_t size)
{
	int err = reader->fn(to, size, reader->fn_arg);

	if (err == -ENODATA)
		return fail(-EBADMSG, "image: ends in the middle");
	if (!err)
		XXH3_64bits_update(reader->hash, to, size);
	return err;
}

static int read_start(struct reader *reader)
{
	struct image_start start;
	int err = get(reader, &start, sizeof(start));

	if (err)
		return err;
	if (memcmp(start.magic, IMAGE_MAGIC, sizeof(start.magic)) != 0)
		return fail(-EBADMSG, "image: this is none");
	if (start.version != IMAGE_VERSION || start.reserved)
		return fail(-EPROTO, "image: format version %u is not known here", start.version);
	return 0;
}

static bool name_is_padded(const char name[ROAM_NAME_LEN])
{
	for (size_t i = strnlen(name, ROAM_NAME_LEN); i < ROAM_NAME_LEN; i++) {
		if (name[i])
			return false;
	}
	return true;
}

static int read_header(struct reader *reader, uint32_t size)
{
	struct image_header header;

	if (reader->has_header || size != sizeof(header))
		return fail(-EBADMSG, "image: a second header, or one of the wrong size");
	memcpy(&header, reader->section.bytes, sizeof(header));
	if (!name_is_padded(header.vm) || !text_name_valid(header.vm) ||
	    !name_is_padded(header.host) || (header.host[0] && !text_name_valid(header.host)))
		return fail(-EBADMSG, "image: the header's names are none");
	reader->has_header = true;
	return reader->sink->header ? reader->sink->header(&header, reader->sink->arg) : 0;
}

/* Tells the sink of the end of all tables before this one. */
static int end_tables(struct reader *reader, uint32_t until)
{
	int err = 0;

	for (; reader->ended < until && !err; reader->ended++) {
		if (reader->sink->table_end)
			err = reader->sink->table_end(reader->ended, reader->sink->arg);
	}
	return err;
}

static int read_schema(struct reader *reader, uint32_t size)
{
	struct image_plan *plan;
	uint32_t table;
	int err;

	if (!reader->has_header)
		return fail(-EBADMSG, "image: a table before the header");
	if (reader->tables == IMAGE_TABLES_MAX)
		return fail(-EBADMSG, "image: more than %d tables", IMAGE_TABLES_MAX);
	err = image_plan_make(reader->section.bytes, size, reader->sink, &plan);
	if (err)
		return err;
	reader->plan[reader->tables++] = plan;
	table = image_plan_table(plan);
	if (table == TABLE_COUNT)
		return 0;
	if (reader->begun > table)
		return fail(-EBADMSG, "image: table %s twice or out of order",
			    schema_tables[table].name);
	reader->begun = table + 1;
	return end_tables(reader, table);
}

static uint64_t zstd_window(uint8_t descriptor)
{
	uint64_t base = 1ULL << (10 + (descriptor >> 3));

	return base + base / 8 * (descriptor & 7);
}

/*
 * One frame of zstd and nothing else, and no window beyond the bound (RFC 8878, 3.1.1.1): a frame
 * of a single segment has the window of its content, which is in bounds.
 */
static bool is_good_frame(const uint8_t *packed, uint32_t size)
{
	const uint32_t descriptor_at = sizeof(uint32_t), window_at = descriptor_at + 1;
	bool single;
	uint32_t magic;

	if (size <= window_at)
		return false;
	memcpy(&magic, packed, sizeof(magic));
	single = packed[descriptor_at] & (1 << 5);
	return magic == ZSTD_MAGICNUMBER && ZSTD_findFrameCompressedSize(packed, size) == size &&
	       (single || zstd_window(packed[window_at]) <= 1ULL << IMAGE_WINDOW_LOG);
}

/* The rows' bytes, decompressed where they are not plain; *ret_bytes is not the caller's. */
static int unpack(struct reader *reader, const struct image_rows *rows, uint32_t size,
		  const uint8_t **ret_bytes)
{
	const uint8_t *packed = reader->section.bytes + sizeof(*rows);
	size_t got;
	int err;

	if (!(rows->flags & IMAGE_ROWS_ZSTD)) {
		if (size != rows->raw_size)
			return fail(-EBADMSG, "image: a block of the wrong size");
		*ret_bytes = packed;
		return 0;
	}
	if (!is_good_frame(packed, size))
		return fail(-EBADMSG, "image: a block that is not one frame of zstd, or whose "
				      "window is too large");
	err = make_room(&reader->rows, rows->raw_size);
	if (err)
		return err;
	got = ZSTD_decompressDCtx(reader->zstd, reader->rows.bytes, rows->raw_size, packed, size);
	if (ZSTD_isError(got) || got != rows->raw_size)
		return fail(-EBADMSG, "image: a block does not decompress to its size");
	*ret_bytes = reader->rows.bytes;
	return 0;
}

static int hand_on(struct reader *reader, const struct image_plan *plan, const uint8_t *bytes,
		   uint32_t rows)
{
	enum schema_table_id table = image_plan_table(plan);
	uint32_t size = table == TABLE_COUNT ? 0 : schema_tables[table].row_size;
	uint32_t row_size = image_plan_row_size(plan);
	uint32_t batch = rows < BATCH_ROWS ? rows : BATCH_ROWS;
	int err = make_room(&reader->structs, (size_t)batch * size);
	uint8_t *structs = reader->structs.bytes;

	while (rows && !err) {
		uint32_t count = rows < batch ? rows : batch;

		if (size)
			memset(structs, 0, (size_t)count * size);
		for (uint32_t i = 0; i < count && !err; i++, bytes += row_size)
			err = image_plan_decode(plan, reader->sink->maps, bytes,
						structs + (size_t)i * size);
		if (!err && table != TABLE_COUNT && reader->sink->rows)
			err = reader->sink->rows(table, structs, count, reader->sink->arg);
		rows -= count;
	}
	return err;
}

static int read_rows(struct reader *reader, uint32_t size)
{
	const struct image_plan *plan;
	struct image_rows rows;
	const uint8_t *bytes;
	int err;

	if (size < sizeof(rows))
		return fail(-EBADMSG, "image: a block without a head");
	memcpy(&rows, reader->section.bytes, sizeof(rows));
	if (!reader->tables || rows.table != reader->tables - 1)
		return fail(-EBADMSG, "image: rows of a table that is not the current one");
	plan = reader->plan[rows.table];
	if ((rows.flags & ~IMAGE_ROWS_ZSTD) || !rows.rows || rows.raw_size > IMAGE_BLOCK_MAX ||
	    (uint64_t)rows.rows * image_plan_row_size(plan) != rows.raw_size)
		return fail(-EBADMSG, "image: a block with an absurd head");
	err = unpack(reader, &rows, size - sizeof(rows), &bytes);
	if (err)
		return err;
	reader->count[rows.table] += rows.rows;
	return hand_on(reader, plan, bytes, rows.rows);
}

static int check_end(struct reader *reader, uint32_t size)
{
	uint32_t counts = reader->tables * sizeof(uint64_t);
	struct image_end end;

	if (size != sizeof(end) + counts)
		return fail(-EBADMSG, "image: an end of the wrong size");
	memcpy(&end, reader->section.bytes, sizeof(end));
	if (end.tables != reader->tables ||
	    memcmp(reader->section.bytes + sizeof(end), reader->count, counts) != 0)
		return fail(-EBADMSG, "image: the counts at its end are not those of its rows");
	return 0;
}

/* The checksum is over everything before it, so it is read apart. */
static int read_end(struct reader *reader, uint32_t size)
{
	uint64_t expected, found;
	uint8_t more;
	int err;

	if (size < sizeof(found))
		return fail(-EBADMSG, "image: an end of the wrong size");
	size -= sizeof(found);
	err = make_room(&reader->section, size);
	if (!err)
		err = get(reader, reader->section.bytes, size);
	expected = XXH3_64bits_digest(reader->hash);
	if (!err)
		err = get(reader, &found, sizeof(found));
	if (err)
		return err;
#ifndef ROAM_FUZZ
	if (found != expected)
		return fail(-EBADMSG, "image: the checksum is wrong");
#else
	(void)expected;
#endif
	err = check_end(reader, size);
	if (err)
		return err;
	if (reader->fn(&more, 1, reader->fn_arg) != -ENODATA)
		return fail(-EBADMSG, "image: bytes behind its end");
	return 0;
}

static int read_section(struct reader *reader, const struct image_section *section)
{
	int err;

	if (section->size > IMAGE_SECTION_MAX)
		return fail(-EBADMSG, "image: a section of %u bytes", section->size);
	err = make_room(&reader->section, section->size);
	if (!err)
		err = get(reader, reader->section.bytes, section->size);
	if (err)
		return err;
	switch (section->type) {
	case IMAGE_HEADER:
		return read_header(reader, section->size);
	case IMAGE_SCHEMA:
		return read_schema(reader, section->size);
	case IMAGE_ROWS:
		return read_rows(reader, section->size);
	default:
		return fail(-EBADMSG, "image: a section of unknown type %u", section->type);
	}
}

static int read_all(struct reader *reader)
{
	struct image_section section;
	int err = read_start(reader);

	while (!err) {
		err = get(reader, &section, sizeof(section));
		if (err)
			return err;
		if (section.type == IMAGE_END && section.size <= IMAGE_SECTION_MAX)
			break;
		err = read_section(reader, &section);
	}
	if (!err)
		err = read_end(reader, section.size);
	if (!err && !reader->has_header)
		err = fail(-EBADMSG, "image: without a header");
	return err ? err : end_tables(reader, TABLE_COUNT);
}

static int reader_open(struct reader *reader)
{
	reader->hash = XXH3_createState();
	reader->zstd = ZSTD_createDCtx();
	if (!reader->hash || !reader->zstd)
		return fail(-ENOMEM, "image: out of memory");
	XXH3_64bits_reset(reader->hash);
	return 0;
}

static void reader_close(struct reader *reader)
{
	for (uint32_t i = 0; i < reader->tables; i++)
		image_plan_free(reader->plan[i]);
	XXH3_freeState(reader->hash);
	ZSTD_freeDCtx(reader->zstd);
	free(reader->section.bytes);
	free(reader->rows.bytes);
	free(reader->structs.bytes);
}

int image_read(image_read_fn fn, void *fn_arg, const struct image_sink *sink)
{
	struct reader reader = { .fn = fn, .fn_arg = fn_arg, .sink = sink };
	int err = reader_open(&reader);

	if (!err)
		err = read_all(&reader);
	reader_close(&reader);
	return err;
}

int image_each_row(enum schema_table_id table, const void *rows, size_t count, image_row_fn fn,
		   void *arg)
{
	const uint8_t *row = rows;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++, row += schema_tables[table].row_size)
		err = fn(table, row, arg);
	return err;
}
