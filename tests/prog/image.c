// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images that arrive damaged on a real host: cut short at every byte, every bit of header and
 * schema flipped, thousands of bits elsewhere, by accident or with the checksum made right again.
 * Each is refused with one line and leaves the host byte for byte as it was, or loads and says what
 * it says. What an enemy would write on purpose is in image_lies.c.
 */
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "twohosts.h"
#include "vm.h"

#define FLOWS      30
#define FLIPS      10000
#define SEALED     2500
#define SEALED_MAX 40   /* that load: each makes and deletes a VM */
#define BIG        6000 /* flows: more than wait in memory, so that a draft was made */

struct damage {
	struct twohosts *hosts;
	struct image_bytes image;
};

static void damage_setup(struct damage *self)
{
	srandom(harness_seed());
	self->hosts = twohosts_get();
	twohosts_save(self->hosts, FLOWS, &self->image);
}

static void damage_teardown(struct damage *self)
{
	image_bytes_free(&self->image);
}

static void flip(struct image_bytes *image, size_t bit)
{
	image->at[bit / 8] ^= 1 << bit % 8;
}

/* It is the image that is loaded, and it is gone again. */
static void loads(struct damage *self)
{
	if (CHECK_OK(twohosts_load(self->hosts, &self->image, NULL)))
		CHECK_OK(vm_del(self->hosts->to.host, "vm"));
	twohosts_unchanged(self->hosts);
}

TEST_F(damage, none)
{
	loads(self);
}

TEST_F(damage, cut_short_anywhere)
{
	size_t len = self->image.len, step = harness_step();

	self->image.len = random() % step;
	for (; self->image.len < len && !harness_stopped(); self->image.len += step) {
		if (!CHECK(twohosts_load(self->hosts, &self->image, NULL) < 0))
			note("at %zu of %zu", self->image.len, len);
	}
	self->image.len = len;
	loads(self);
}

static void flip_refused(struct damage *self, size_t bit)
{
	flip(&self->image, bit);
	if (!CHECK(twohosts_load(self->hosts, &self->image, NULL) < 0))
		note("bit %zu of byte %zu", bit % 8, bit / 8);
	flip(&self->image, bit);
}

/* The size of the section at `at` with its head; *ret_head: it is header or schema, not rows. */
static size_t section_at(const struct image_bytes *image, size_t at, bool *ret_head)
{
	struct image_section section;

	memcpy(&section, image->at + at, sizeof(section));
	*ret_head = section.type != IMAGE_ROWS;
	return sizeof(section) + section.size;
}

TEST_F(damage, any_bit_of_header_and_schema)
{
	size_t at = sizeof(struct image_start), bits = 0, size, step = harness_step();

	for (size_t bit = 0; bit < at * 8; bit++)
		flip_refused(self, bit);
	for (; at < self->image.len && !harness_stopped(); at += size) {
		bool head;

		size = section_at(&self->image, at, &head);
		for (size_t bit = at * 8 + random() % step; head && bit < (at + size) * 8;
		     bit += step) {
			flip_refused(self, bit);
			bits++;
		}
	}
	note("%zu bits of %zu", bits, self->image.len * 8);
	loads(self);
}

/* More flows, so that most of the image is rows. */
TEST_F(damage, many_bits_elsewhere)
{
	image_bytes_free(&self->image);
	twohosts_save(self->hosts, 300, &self->image);
	for (unsigned int i = 0; i < harness_rounds(FLIPS) && !harness_stopped(); i++)
		flip_refused(self, (size_t)random() % (self->image.len * 8));
	loads(self);
}

/* With the right checksum: whatever it says now, it is refused or there, and nothing else is. */
TEST_F(damage, any_bit_and_sealed)
{
	size_t bits = (self->image.len - sizeof(uint64_t)) * 8;
	unsigned int loaded = 0, refused = 0;

	for (unsigned int i = 0;
	     i < harness_rounds(SEALED) && loaded < SEALED_MAX && !harness_stopped(); i++) {
		size_t bit = (size_t)random() % bits;

		flip(&self->image, bit);
		image_seal(self->image.at, self->image.len);
		if (twohosts_load(self->hosts, &self->image, NULL)) {
			refused++;
		} else {
			loaded++;
			CHECK_OK(vm_del(self->hosts->to.host, "vm"));
		}
		flip(&self->image, bit);
	}
	image_seal(self->image.at, self->image.len);
	note("%u loaded, %u refused", loaded, refused);
	CHECK_OP(refused, >, 0);
	loads(self);
}

/* ---- so large that its flows are in a draft when it turns out to be wrong ---- */

static void big_is_refused(struct damage *self, const char *what)
{
	CHECK(twohosts_load(self->hosts, &self->image, NULL) < 0);
	if (!twohosts_unchanged(self->hosts))
		note("%s", what);
}

TEST_F(damage, in_the_middle_of_many_flows)
{
	size_t len;

	image_bytes_free(&self->image);
	twohosts_save(self->hosts, BIG, &self->image);
	len = self->image.len;
	for (int i = 0; i < 8 && !harness_stopped(); i++) {
		size_t bit = (len - 1 - (size_t)random() % (len / 8)) * 8;

		self->image.len = bit / 8;
		big_is_refused(self, "cut short");
		self->image.len = len;
		flip(&self->image, bit);
		big_is_refused(self, "a bit flipped");
		flip(&self->image, bit);
	}
	loads(self);
}
