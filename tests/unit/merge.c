// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Rows that an image and a host both have: what each operator makes of two values. */
#include <stdint.h>
#include <string.h>
#include <roam/acl.h>
#include <roam/ips.h>
#include <roam/qos.h>
#include <roam/stats.h>
#include "harness.h"
#include "merge.h"

static struct roam_ips_block merged(struct roam_ips_block own, struct roam_ips_block image)
{
	struct roam_ips_block_rec here = { .block = own }, row = { .block = image };

	merge_row(TABLE_IPS_BLOCK, &here, &row);
	return row.block;
}

static const struct times {
	const char *name;
	uint64_t own, image, want_until, want_last;
} times[] = {
	{ "own is later", 20, 10, 20, 20 },
	{ "image is later", 10, 20, 20, 20 },
	{ "the same", 10, 10, 10, 10 },
	/* No end is later than any end; never is earlier than any time. */
	{ "own is 0", 0, 10, 0, 10 },
	{ "image is 0", 10, 0, 0, 10 },
	{ "both are 0", 0, 0, 0, 0 },
	/* Before this host booted: a clock that has gone through 0. */
	{ "own is older than the host", -10ULL, 10, 10, 10 },
	{ "image is older than the host", 10, -10ULL, 10, 10 },
	{ "both are", -10ULL, -20ULL, -10ULL, -10ULL },
};

TEST_EACH(of_times_the_later, times)
{
	struct roam_ips_block own = { .until_ns = row->own, .last_ns = row->own };
	struct roam_ips_block image = { .until_ns = row->image, .last_ns = row->image };
	struct roam_ips_block got = merged(own, image);

	CHECK_EQ(got.until_ns, row->want_until);
	CHECK_EQ(got.last_ns, row->want_last);
}

TEST(of_numbers_the_larger)
{
	struct roam_ips_block few = { .strikes = 2 }, many = { .strikes = UINT32_MAX };

	CHECK_EQ(merged(few, many).strikes, UINT32_MAX);
	CHECK_EQ(merged(many, few).strikes, UINT32_MAX);
}

TEST(sums_that_end_at_the_top)
{
	struct roam_ips_block a = { .packets = 3, .bytes = UINT64_MAX - 1 };
	struct roam_ips_block b = { .packets = 4, .bytes = 2 };

	CHECK_EQ(merged(a, b).packets, 7);
	CHECK_EQ(merged(a, b).bytes, UINT64_MAX);
}

TEST(unions)
{
	struct roam_ips_block learned = {}, by_hand = { .by_hand = 1 };

	CHECK_EQ(merged(learned, by_hand).by_hand, 1);
	CHECK_EQ(merged(by_hand, learned).by_hand, 1);
	CHECK_EQ(merged(learned, learned).by_hand, 0);
}

TEST(the_image_s_where_nothing_else_is_said)
{
	struct roam_ips_block own = { .since_ns = 9 }, image = { .since_ns = 5 };

	CHECK_EQ(merged(own, image).since_ns, 5);
}

/* A load that is repeated must count nothing twice. */
TEST(counters_of_a_vm_are_merged_once)
{
	struct roam_stats_rec own = { .packets = 10, .bytes = 2000 };
	struct roam_stats_rec stats = { .packets = 20, .bytes = 1000 }, again;
	struct roam_acl_rec rule = { .hits = { 5, 50, 0 } }, hits = { .hits = { 7, 30, 40 } };

	merge_row(TABLE_STATS, &own, &stats);
	CHECK_EQ(stats.packets, 20);
	CHECK_EQ(stats.bytes, 2000);
	again = stats;
	merge_row(TABLE_STATS, &stats, &again);
	CHECK(!memcmp(&again, &stats, sizeof(stats)));
	merge_row(TABLE_ACL, &rule, &hits);
	CHECK_EQ(hits.hits.packets, 7);
	CHECK_EQ(hits.hits.bytes, 50);
	CHECK_EQ(hits.hits.last_ns, 40);
}

/* The bucket that is emptier: a load never fills one. */
TEST(buckets_are_never_filled)
{
	struct roam_qos_rec own = { .state = { .paid_ns = 70 } },
			    image = { .state = { .paid_ns = 50 } };

	merge_row(TABLE_QOS, &own, &image);
	CHECK_EQ(image.state.paid_ns, 70);
	own.state.paid_ns = 0; /* full */
	merge_row(TABLE_QOS, &own, &image);
	CHECK_EQ(image.state.paid_ns, 70);
}
