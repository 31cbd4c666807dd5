// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The commit barrier: its bytes, and what a destination makes of it. */
#include <stdio.h>
#include <string.h>
#include "barrier.h"
#include "harness.h"
#include "util.h"

static const struct barrier web = {
	.vm = "web",
	.id = { 0xa0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff },
	.epoch = 0x0102030405060708,
	.sequence = 17,
};

/* ---- bytes ---- */

static void check_same(const struct barrier *got, const struct barrier *expected)
{
	CHECK_STR(got->vm, expected->vm);
	CHECK_MEM(got->id, expected->id, sizeof(got->id));
	CHECK_EQ(got->epoch, expected->epoch);
	CHECK_EQ(got->sequence, expected->sequence);
}

TEST(comes_out_as_it_went_in)
{
	struct barrier long_name = web, got = {};
	uint8_t bytes[BARRIER_MOST];
	size_t size = barrier_write(&web, bytes);

	CHECK_EQ(size, 47);
	CHECK_OK(barrier_read(bytes, size, &got));
	check_same(&got, &web);

	memset(long_name.vm, 'x', sizeof(long_name.vm) - 1);
	size = barrier_write(&long_name, bytes);
	CHECK_EQ(size, BARRIER_MOST);
	CHECK_OK(barrier_read(bytes, size, &got));
	check_same(&got, &long_name);
}

/* The layout is what two builds share. */
TEST(bytes_are_those_of_version_1)
{
	static const uint8_t expected[] = {
		'r', 'o', 'a', 'm', 1,  3,  0,  0,  0xa0, 1,  2,   3,   4,   5, 6,
		7,   8,   9,   10,  11, 12, 13, 14, 0xff, 1,  2,   3,   4,   5, 6,
		7,   8,   0,   0,   0,  0,  0,  0,  0,    17, 'w', 'e', 'b',
	};
	uint8_t bytes[BARRIER_MOST];

	CHECK_EQ(barrier_write(&web, bytes), sizeof(expected) + 4);
	CHECK_MEM(bytes, expected, sizeof(expected));
}

TEST(no_byte_may_differ)
{
	uint8_t bytes[BARRIER_MOST];
	const size_t size = barrier_write(&web, bytes);
	struct barrier got = web;

	for (size_t i = 0; i < 8 * size; i++) {
		bytes[i / 8] ^= 1 << i % 8;
		CHECK(barrier_read(bytes, size, &got));
		bytes[i / 8] ^= 1 << i % 8;
	}
	check_same(&got, &web);
}

TEST(none_may_be_missing_or_too_many)
{
	uint8_t bytes[BARRIER_MOST + 1] = {};
	const size_t size = barrier_write(&web, bytes);
	struct barrier got = web;

	for (size_t cut = 0; cut < size; cut++) {
		CHECK_EQ(barrier_read(bytes, cut, &got), -EBADMSG);
		CHECK_HAS(fail_line(), "corrupt: ");
	}
	CHECK_EQ(barrier_read(bytes, size + 1, &got), -EBADMSG);
	bytes[4] = 2;
	CHECK_EQ(barrier_read(bytes, size, &got), -EPROTONOSUPPORT);
	CHECK_HAS(fail_line(), "version 2, not 1");
	check_same(&got, &web);
}

/* Whoever knows the checksum can still not have it take what is no name. */
TEST(a_name_is_a_name)
{
	static const char *const names[] = { "", " web", "we\nb", "-web" };
	struct barrier bad = web, got = web;
	uint8_t bytes[BARRIER_MOST];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(bad.vm, sizeof(bad.vm), "%s", names[i]);
		CHECK_EQ(barrier_read(bytes, barrier_write(&bad, bytes), &got), -EBADMSG);
		CHECK_HAS(fail_line(), "is no barrier of a VM");
	}
	check_same(&got, &web);
}

/* ---- what is here ---- */

static struct barrier_here here_in(const char *state)
{
	struct barrier_here here = { .at = web, .is_dest = true };

	snprintf(here.state, sizeof(here.state), "%s", state);
	return here;
}

TEST(all_of_the_same_handover_passes)
{
	struct barrier_here here = here_in("ready");

	CHECK_OK(barrier_judge(&web, &here));
	here = here_in("open");
	CHECK_OK(barrier_judge(&web, &here));
}

static void check_refused(const struct barrier_here *here, const char *part)
{
	const int err = barrier_judge(&web, here);

	CHECK(err && err != -EAGAIN);
	CHECK_HAS(fail_line(), part);
}

TEST(another_one_does_not)
{
	struct barrier_here here = here_in("ready");

	here.at.id[15] = 0;
	check_refused(&here, "stale: vm 'web': QEMU's stream is of handover "
			     "a00102030405060708090a0b0c0d0eff, here is "
			     "a00102030405060708090a0b0c0d0e00");
	here = here_in("ready");
	here.at.epoch++;
	check_refused(&here, "stale: vm 'web': QEMU's stream is of epoch ");
	here = here_in("ready");
	here.is_dest = false;
	check_refused(&here, "stale: vm 'web': this host is the source");
	here = here_in("ready");
	memcpy(here.at.vm, "db", 3);
	check_refused(&here, "stale: QEMU's stream is of vm 'web', not of 'db'");
}

TEST(what_was_aborted_says_why)
{
	struct barrier_here here = here_in("aborted");

	snprintf(here.reason, sizeof(here.reason), "thawed");
	check_refused(&here, "handover: thawed: vm 'web': its handover is aborted here");
}

/* What is under way is waited for; what was never sent is not. */
TEST(no_delta_may_be_missing)
{
	static const struct {
		const char *state;
		int less, same, more; /* than the barrier says */
	} rows[] = {
		{ "prepared", -EAGAIN, -EAGAIN, -EPROTO },
		{ "staged", -EAGAIN, -EAGAIN, -EPROTO },
		{ "ready", -EPROTO, 0, -EPROTO },
		{ "open", -EAGAIN, 0, -EPROTO },
		{ "aborting", -ECANCELED, -ECANCELED, -ECANCELED },
		{ "aborted", -ECANCELED, -ECANCELED, -ECANCELED },
		{ "done", -ESTALE, -ESTALE, -ESTALE },
		{ "", -ESTALE, -ESTALE, -ESTALE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct barrier_here here = here_in(rows[i].state);

		CHECK_EQ(barrier_judge(&web, &here), rows[i].same);
		here.at.sequence--;
		CHECK_EQ(barrier_judge(&web, &here), rows[i].less);
		here.at.sequence += 2;
		CHECK_EQ(barrier_judge(&web, &here), rows[i].more);
	}
}
