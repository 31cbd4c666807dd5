// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The codec of images, both ways: what was written is read on a host with another clock, other
 * zones, rules and generations, and nothing else is; its memory does not grow with its rows. What
 * is translated between versions is in image_translate.c, what is refused in image_refuse.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"
#include "images.h"
#include "util.h"

static void round_trip(uint32_t flows)
{
	struct images_host here, there;
	struct image_bytes image;

	images_make(&here, flows);
	images_there(&there);
	images_write(&here, &image);
	if (CHECK_OK(images_read(&image, &there)))
		images_same(&here, &there);
	CHECK_EQ(there.headers, 1);
	CHECK_EQ(there.ended, (1U << TABLE_COUNT) - 1);
	CHECK_STR(there.skipped, "");
	image_bytes_free(&image);
	images_free(&here);
	images_free(&there);
}

TEST(load_gives_what_was_saved)
{
	srandom(harness_seed());
	for (unsigned int i = 0; i < harness_rounds(30) && !harness_stopped(); i++)
		round_trip(random() % 200);
}

/* Rows of a table fill no block, exactly one, several; batches of the reader likewise. */
static const struct size {
	const char *name;
	uint32_t flows;
} sizes[] = {
	{ "none", 0 },
	{ "one", 1 },
	{ "a batch", 1024 },
	{ "a batch and one", 1025 },
	{ "a block and one", 2100 },
	{ "many blocks", 20000 },
};

TEST_EACH(any_number_of_rows, sizes)
{
	srandom(harness_seed());
	round_trip(row->flows);
}

TEST(the_same_bytes_for_the_same_rows)
{
	struct images_host here;
	struct image_bytes a, b;

	srandom(harness_seed());
	images_make(&here, 3000);
	images_write(&here, &a);
	images_write(&here, &b);
	CHECK_EQ(a.len, b.len);
	CHECK_MEM(a.at, b.at, a.len);
	image_bytes_free(&a);
	image_bytes_free(&b);
	images_free(&here);
}

/* Taken apart and put together it says the same, although no block is compressed any more. */
TEST(plain_blocks)
{
	struct images_host here, there;
	struct image_parts parts;
	struct image_bytes image;

	srandom(harness_seed());
	images_make(&here, 500);
	images_there(&there);
	images_write(&here, &image);
	if (CHECK_OK(image_parts_take(image.at, image.len, &parts))) {
		CHECK_OK(images_read_parts(&parts, &there));
		images_same(&here, &there);
	}
	image_bytes_free(&image);
	images_free(&here);
	images_free(&there);
}

/* The time at which a flow was seen, on a host that has been up for `uptime_s`. */
static uint64_t seen_at(struct image_bytes *image, uint64_t uptime_s)
{
	const struct roam_flow_rec *flow;
	struct images_host there;
	uint64_t seen = 0;

	images_there(&there);
	there.maps.now_ns = uptime_s * NS_PER_S;
	if (CHECK_OK(images_read(image, &there)) && CHECK_EQ(there.count[TABLE_FLOW], 1)) {
		flow = there.rows[TABLE_FLOW];
		seen = flow->flow.seen_ns;
	}
	images_free(&there);
	return seen;
}

TEST(ages_and_clocks)
{
	struct images_host here;
	struct roam_flow_rec *flow;
	struct image_bytes image;

	srandom(harness_seed());
	images_make(&here, 1);
	flow = here.rows[TABLE_FLOW];
	flow->flow.seen_ns = here.maps.now_ns - 1000 * NS_PER_S;
	images_write(&here, &image);
	CHECK_EQ(seen_at(&image, 8000), 7000 * NS_PER_S);
	/* Older than the host's uptime: before its clock began, and compared signed. */
	CHECK_EQ((int64_t)seen_at(&image, 1), -999 * (int64_t)NS_PER_S);
	/* The image does not age. */
	CHECK_EQ(seen_at(&image, 9000), 8000 * NS_PER_S);
	image_bytes_free(&image);
	flow->flow.seen_ns = 0;
	images_write(&here, &image);
	CHECK_EQ(seen_at(&image, 8000), 0);
	image_bytes_free(&image);
	images_free(&here);
}

TEST(a_rule_and_a_zone_that_are_gone)
{
	struct images_host here, there;
	_cleanup_image_writer_ struct image_writer *writer = NULL;
	const struct roam_flow_rec *found;
	struct roam_flow_rec *flow;
	struct image_bytes image = {};

	srandom(harness_seed());
	images_make(&here, 1);
	images_there(&there);
	flow = here.rows[TABLE_FLOW];
	flow->flow.rule = 63; /* of a rule that was deleted */
	images_write(&here, &image);
	CHECK_OK(images_read(&image, &there));
	found = there.rows[TABLE_FLOW];
	CHECK_EQ(found->flow.rule, 0);
	image_bytes_free(&image);
	flow->key.zone = ROAM_ZONE(9, 0);
	here.maps.rule = here.rule;
	here.maps.service = here.service;
	CHECK_OK(image_writer_open(&here.maps, image_bytes_write, &image, &writer));
	CHECK_OK(image_write_table(writer, TABLE_FLOW));
	CHECK_EQ(image_write_rows(writer, flow, 1), -EINVAL);
	CHECK_HAS(fail_line(), "a zone that no port has");
	image_bytes_free(&image);
	images_free(&here);
	images_free(&there);
}

/* ---- memory ---- */

struct pipes {
	int fd;
};

static int pipe_write(const void *bytes, size_t size, void *arg)
{
	const struct pipes *pipes = arg;
	const uint8_t *at = bytes;

	while (size) {
		ssize_t done = write(pipes->fd, at, size);

		if (done < 0)
			return -errno;
		at += done;
		size -= done;
	}
	return 0;
}

static int pipe_read(void *bytes, size_t size, void *arg)
{
	const struct pipes *pipes = arg;
	uint8_t *at = bytes;

	while (size) {
		ssize_t got = read(pipes->fd, at, size);

		if (got <= 0)
			return got ? -errno : -ENODATA;
		at += got;
		size -= got;
	}
	return 0;
}

/* The same flow over and over: what is in the rows does not matter here. */
static int write_many(int fd, uint32_t flows)
{
	_cleanup_image_writer_ struct image_writer *writer = NULL;
	struct pipes pipes = { fd };
	struct images_host here;
	int err;

	images_make(&here, 1000);
	here.maps.rule = here.rule;
	here.maps.service = here.service;
	err = image_writer_open(&here.maps, pipe_write, &pipes, &writer);
	if (!err)
		err = image_write_header(writer, &here.header);
	if (!err)
		err = image_write_table(writer, TABLE_VM);
	if (!err)
		err = image_write_rows(writer, here.rows[TABLE_VM], 1);
	if (!err)
		err = image_write_table(writer, TABLE_FLOW);
	for (uint32_t i = 0; i < flows && !err; i += 1000)
		err = image_write_rows(writer, here.rows[TABLE_FLOW], 1000);
	return err ? err : image_write_end(writer);
}

static int read_many(int fd)
{
	struct pipes pipes = { fd };
	struct images_host there;
	struct image_sink sink = { .maps = &there.maps };

	images_there(&there);
	there.maps.rule = there.rule;
	there.maps.service = there.service;
	return image_read(pipe_read, &pipes, &sink);
}

/* Peak memory in KiB of a process that writes, and of one that reads, so many rows. */
static void peaks(uint32_t flows, long *ret_writer, long *ret_reader)
{
	struct rusage usage;
	int fds[2], status;
	pid_t writer, reader;

	if (!CHECK(!pipe(fds)))
		return;
	writer = fork();
	if (!writer) {
		close(fds[0]);
		_exit(write_many(fds[1], flows) ? 1 : 0);
	}
	close(fds[1]);
	reader = fork();
	if (!reader)
		_exit(read_many(fds[0]) ? 1 : 0);
	close(fds[0]);
	CHECK_EQ(wait4(writer, &status, 0, &usage), writer);
	CHECK_EQ(status, 0);
	*ret_writer = usage.ru_maxrss;
	CHECK_EQ(wait4(reader, &status, 0, &usage), reader);
	CHECK_EQ(status, 0);
	*ret_reader = usage.ru_maxrss;
}

TEST(memory_does_not_grow)
{
	long writer[2] = {}, reader[2] = {};

	peaks(10000, &writer[0], &reader[0]);
	peaks(400000, &writer[1], &reader[1]);
	note("writing: %ld and %ld KiB, reading: %ld and %ld KiB", writer[0], writer[1], reader[0],
	     reader[1]);
	/* 390,000 rows more are 56 MB; what differs is the allocator's. */
	CHECK_OP(writer[1], <, writer[0] + 4096);
	CHECK_OP(reader[1], <, reader[0] + 4096);
}
