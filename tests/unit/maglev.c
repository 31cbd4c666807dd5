// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Maglev's table: the same whatever the order, fair by weight, and steady when one leaves. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "harness.h"
#include "maglev.h"

#define BACKENDS 100

static struct maglev_backend make_backend(uint32_t i)
{
	struct maglev_backend backend = { .port = htons(80), .number = i + 1, .weight = 1 };

	backend.addr.words[2] = htonl(0xffff);
	backend.addr.words[3] = htonl(0x0a000000 + i);
	return backend;
}

static void make_backends(struct maglev_backend *backends, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		backends[i] = make_backend(i);
}

TEST(no_backend_gets_anything_if_there_is_none)
{
	static struct roam_lb_table table, empty;

	memset(&table, 1, sizeof(table));
	CHECK_OK(maglev_fill(NULL, 0, &table));
	CHECK_MEM(&table, &empty, sizeof(table));
}

TEST(the_order_of_backends_does_not_matter)
{
	static struct roam_lb_table here, there;
	struct maglev_backend backends[BACKENDS];

	make_backends(backends, BACKENDS);
	CHECK_OK(maglev_fill(backends, BACKENDS, &here));
	srandom(harness_seed());
	for (uint32_t i = BACKENDS - 1; i > 0; i--) {
		uint32_t other = random() % (i + 1);
		struct maglev_backend swap = backends[i];

		backends[i] = backends[other];
		backends[other] = swap;
	}
	CHECK_OK(maglev_fill(backends, BACKENDS, &there));
	CHECK_MEM(&there, &here, sizeof(here));
}

static void count_slots(const struct roam_lb_table *table, uint32_t count[BACKENDS + 1])
{
	memset(count, 0, sizeof(*count) * (BACKENDS + 1));
	for (uint32_t i = 0; i < ROAM_LB_SLOTS; i++) {
		if (CHECK_OP(table->slot[i], <=, BACKENDS))
			count[table->slot[i]]++;
	}
}

TEST(everybody_gets_as_much)
{
	static struct roam_lb_table table;
	struct maglev_backend backends[BACKENDS];
	uint32_t count[BACKENDS + 1];

	make_backends(backends, BACKENDS);
	CHECK_OK(maglev_fill(backends, BACKENDS, &table));
	count_slots(&table, count);
	CHECK_EQ(count[0], 0);
	for (uint32_t i = 1; i <= BACKENDS; i++) {
		CHECK_OP(count[i], >=, ROAM_LB_SLOTS / BACKENDS);
		CHECK_OP(count[i], <=, ROAM_LB_SLOTS / BACKENDS + 1);
	}
}

TEST(by_weight)
{
	static struct roam_lb_table table;
	struct maglev_backend backends[BACKENDS];
	uint32_t count[BACKENDS + 1];

	make_backends(backends, 3);
	backends[1].weight = 2;
	CHECK_OK(maglev_fill(backends, 3, &table));
	count_slots(&table, count);
	CHECK_OP(labs((long)count[1] - ROAM_LB_SLOTS / 4), <=, 2);
	CHECK_OP(labs((long)count[2] - ROAM_LB_SLOTS / 2), <=, 2);
	CHECK_OP(labs((long)count[3] - ROAM_LB_SLOTS / 4), <=, 2);
}

/* Slots of those who stay that change hands when the one at `gone` leaves. */
static uint32_t moved_slots(const struct maglev_backend *backends, uint32_t gone)
{
	static struct roam_lb_table before, after;
	struct maglev_backend rest[BACKENDS];
	uint32_t moved = 0;

	memcpy(rest, backends, sizeof(rest));
	rest[gone] = rest[BACKENDS - 1];
	CHECK_OK(maglev_fill(backends, BACKENDS, &before));
	CHECK_OK(maglev_fill(rest, BACKENDS - 1, &after));
	for (uint32_t i = 0; i < ROAM_LB_SLOTS; i++)
		moved += before.slot[i] != gone + 1 && before.slot[i] != after.slot[i];
	return moved;
}

TEST(one_of_a_hundred_leaves)
{
	struct maglev_backend backends[BACKENDS];
	uint32_t most = 0, sum = 0;

	make_backends(backends, BACKENDS);
	for (uint32_t gone = 0; gone < BACKENDS; gone++) {
		uint32_t moved = moved_slots(backends, gone);

		sum += moved;
		most = moved > most ? moved : most;
	}
	note("of the others' slots %.2f %% change, at most %.2f %%",
	     100.0 * sum / BACKENDS / ROAM_LB_SLOTS, 100.0 * most / ROAM_LB_SLOTS);
	CHECK_OP(most, <=, ROAM_LB_SLOTS / 50);
}
