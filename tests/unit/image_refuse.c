// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What the codec refuses: images that are cut short or changed anywhere, whose sizes are wrong, or
 * whose compressed blocks are not what they say. What is right to the last bit of the checksum and
 * still absurd is in image_absurd.c, what only a host can know in tests/prog/image.c.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "harness.h"
#include "images.h"
#include "util.h"

#define FLOWS 5

struct wrong {
	struct images_host here;
	struct images_host there;
	struct image_parts parts;
	struct image_bytes image;
};

static void wrong_setup(struct wrong *self)
{
	srandom(harness_seed());
	images_make(&self->here, FLOWS);
	images_there(&self->there);
	images_write(&self->here, &self->image);
	CHECK_OK(image_parts_take(self->image.at, self->image.len, &self->parts));
}

static void wrong_teardown(struct wrong *self)
{
	image_parts_free(&self->parts);
	image_bytes_free(&self->image);
	images_free(&self->here);
	images_free(&self->there);
}

/* Reading the image as it is now; what was read is forgotten. */
static int read_image(struct wrong *self)
{
	int err;

	images_free(&self->there);
	images_there(&self->there);
	err = images_read(&self->image, &self->there);
	if (err)
		CHECK_HAS(fail_line(), "image: ");
	return err;
}

TEST_F(wrong, cut_short_anywhere)
{
	size_t len = self->image.len, step = harness_step();

	self->image.len = random() % step;
	for (; self->image.len < len && !harness_stopped(); self->image.len += step)
		CHECK_EQ(read_image(self), -EBADMSG);
	self->image.len = len;
	CHECK_OK(read_image(self));
}

TEST_F(wrong, bytes_behind_the_end)
{
	image_bytes_write("", 1, &self->image);
	CHECK_EQ(read_image(self), -EBADMSG);
	CHECK_STR(fail_line(), "image: bytes behind its end");
}

TEST_F(wrong, any_bit_flipped)
{
	size_t step = harness_step();

	for (size_t bit = random() % step; bit < self->image.len * 8 && !harness_stopped();
	     bit += step) {
		self->image.at[bit / 8] ^= 1 << bit % 8;
		if (!CHECK(read_image(self) < 0))
			note("bit %zu", bit);
		self->image.at[bit / 8] ^= 1 << bit % 8;
	}
	CHECK_OK(read_image(self));
}

/* With the right checksum some of it says something else now; nothing may crash or hang. */
TEST_F(wrong, any_bit_flipped_and_sealed)
{
	size_t bits = (self->image.len - sizeof(uint64_t)) * 8;
	unsigned int refused = 0, tried = 0, step = 8 * harness_step();

	for (size_t bit = random() % 8; bit < bits; bit += 1 + random() % (2 * step - 1)) {
		self->image.at[bit / 8] ^= 1 << bit % 8;
		image_seal(self->image.at, self->image.len);
		refused += read_image(self) < 0;
		tried++;
		self->image.at[bit / 8] ^= 1 << bit % 8;
	}
	image_seal(self->image.at, self->image.len);
	CHECK_OK(read_image(self));
	note("%u of %u refused", refused, tried);
	CHECK_OP(refused, >, tried / 10);
}

/* ---- sizes ---- */

/* A section's size is bounded before it is read: nobody waits for four gigabytes. */
TEST_F(wrong, absurd_section)
{
	struct image_section section = { IMAGE_SCHEMA, UINT32_MAX };

	memcpy(self->image.at + sizeof(struct image_start), &section, sizeof(section));
	CHECK_EQ(read_image(self), -EBADMSG);
	CHECK_STR(fail_line(), "image: a section of 4294967295 bytes");
}

/* The end says how many rows there were: a block that went missing is noticed without a checksum.
 */
TEST_F(wrong, wrong_counts)
{
	size_t counts = self->image.len - sizeof(uint64_t) * (TABLE_COUNT + 1);

	for (int table = 0; table < TABLE_COUNT; table++) {
		uint8_t *count = self->image.at + counts + table * sizeof(uint64_t);

		*count += 1;
		image_seal(self->image.at, self->image.len);
		CHECK_EQ(read_image(self), -EBADMSG);
		CHECK_STR(fail_line(), "image: the counts at its end are not those of its rows");
		*count -= 1;
	}
}

TEST_F(wrong, end_in_the_wrong_size)
{
	struct image_section end;
	size_t head = self->image.len - sizeof(uint64_t) * (TABLE_COUNT + 1) -
		      sizeof(struct image_end) - sizeof(end);
	static const uint32_t sizes[] = { 0, 7, 8, 12, 44, 51, 53, IMAGE_SECTION_MAX, UINT32_MAX };

	memcpy(&end, self->image.at + head, sizeof(end));
	if (!CHECK_EQ(end.type, IMAGE_END))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		end.size = sizes[i];
		memcpy(self->image.at + head, &end, sizeof(end));
		image_seal(self->image.at, self->image.len);
		CHECK_EQ(read_image(self), -EBADMSG);
	}
}

/* ---- zstd ---- */

static struct image_schema *schema_of(struct wrong *self, const char *table)
{
	return (struct image_schema *)image_parts_schema(&self->parts, table)->bytes;
}

/* The rows of table flow, packed by the test. */
static int read_packed(struct wrong *self, const void *packed, uint32_t size, uint32_t raw_size)
{
	struct image_part *part = image_parts_rows(&self->parts, "flow");
	struct image_rows rows;

	memcpy(&rows, part->bytes, sizeof(rows));
	rows.flags = IMAGE_ROWS_ZSTD;
	rows.rows = raw_size / schema_of(self, "flow")->row_size;
	rows.raw_size = rows.rows * schema_of(self, "flow")->row_size;
	image_part_resize(part, sizeof(rows) + size);
	memcpy(part->bytes, &rows, sizeof(rows));
	memcpy(part->bytes + sizeof(rows), packed, size);
	return images_read_parts(&self->parts, &self->there);
}

/* 64 MiB of zeroes in a few kilobytes, behind a head that admits to one. */
TEST_F(wrong, zstd_bomb)
{
	_cleanup_free_ uint8_t *zeroes = calloc(1, 64 << 20), *packed = malloc(1 << 20);
	size_t size = ZSTD_compress(packed, 1 << 20, zeroes, 64 << 20, 1);

	CHECK(!ZSTD_isError(size));
	CHECK_EQ(read_packed(self, packed, size, IMAGE_BLOCK_MAX), -EBADMSG);
	CHECK_STR(fail_line(), "image: a block does not decompress to its size");
}

TEST_F(wrong, zstd_less_than_it_says)
{
	uint8_t zeroes[1000] = {}, packed[2000];
	size_t size = ZSTD_compress(packed, sizeof(packed), zeroes, sizeof(zeroes), 1);

	CHECK_EQ(read_packed(self, packed, size, 4000), -EBADMSG);
	CHECK_STR(fail_line(), "image: a block does not decompress to its size");
}

TEST_F(wrong, zstd_two_frames)
{
	uint8_t zeroes[1000] = {}, packed[2000];
	size_t size = ZSTD_compress(packed, 1000, zeroes, sizeof(zeroes), 1);

	memcpy(packed + size, packed, size);
	CHECK_EQ(read_packed(self, packed, 2 * size, 2000), -EBADMSG);
	CHECK_HAS(fail_line(), "not one frame of zstd");
}

/* The same rows once with a window that is allowed and once with a larger one. */
static int read_window(struct wrong *self, int window_log)
{
	const struct image_part *part = image_parts_rows(&self->parts, "flow");
	uint32_t raw_size = part->size - sizeof(struct image_rows);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_inBuffer in = { part->bytes + sizeof(struct image_rows), raw_size, 0 };
	uint8_t packed[8192];
	ZSTD_outBuffer out = { packed, sizeof(packed), 0 };

	/* Without a size in the frame its window is what was asked for. */
	CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log)));
	CHECK(!ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush)));
	CHECK_EQ(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(zstd);
	return read_packed(self, packed, out.pos, raw_size);
}

TEST_F(wrong, zstd_window_within_the_bound)
{
	CHECK_OK(read_window(self, IMAGE_WINDOW_LOG));
	images_same(&self->here, &self->there);
}

TEST_F(wrong, zstd_window_too_large)
{
	CHECK_EQ(read_window(self, IMAGE_WINDOW_LOG + 1), -EBADMSG);
	CHECK_HAS(fail_line(), "whose window is too large");
}
