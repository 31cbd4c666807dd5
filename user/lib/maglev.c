// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Maglev's table: see maglev.h. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "maglev.h"
#include "util.h"

/* A backend's permutation of the slots, and how far it has come. */
struct walk {
	const struct maglev_backend *backend;
	uint32_t at;
	uint32_t skip;
};

static int compare_walks(const void *a, const void *b)
{
	const struct maglev_backend *x = ((const struct walk *)a)->backend;
	const struct maglev_backend *y = ((const struct walk *)b)->backend;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return order ? order : memcmp(&x->port, &y->port, sizeof(x->port));
}

static uint64_t hash_of(const struct maglev_backend *backend, uint64_t seed)
{
	uint8_t bytes[sizeof(backend->addr) + sizeof(backend->port)];

	memcpy(bytes, &backend->addr, sizeof(backend->addr));
	memcpy(bytes + sizeof(backend->addr), &backend->port, sizeof(backend->port));
	return XXH3_64bits_withSeed(bytes, sizeof(bytes), seed);
}

static void start(struct walk *walk, const struct maglev_backend *backend)
{
	*walk = (struct walk){
		.backend = backend,
		.at = hash_of(backend, 0) % ROAM_LB_SLOTS,
		.skip = hash_of(backend, 1) % (ROAM_LB_SLOTS - 1) + 1,
	};
}

/* The next slot of its permutation that nobody has. */
static void take_one(struct walk *walk, struct roam_lb_table *table)
{
	while (table->slot[walk->at])
		walk->at = (walk->at + walk->skip) % ROAM_LB_SLOTS;
	table->slot[walk->at] = walk->backend->number;
}

static void take_turns(struct walk *walks, uint32_t count, struct roam_lb_table *table)
{
	uint32_t taken = 0;

	for (;;) {
		for (uint32_t i = 0; i < count; i++) {
			for (uint32_t turn = 0; turn < walks[i].backend->weight; turn++) {
				take_one(&walks[i], table);
				if (++taken == ROAM_LB_SLOTS)
					return;
			}
		}
	}
}

int maglev_fill(const struct maglev_backend *backends, uint32_t count, struct roam_lb_table *table)
{
	_cleanup_free_ struct walk *walks = calloc(count + 1, sizeof(*walks));

	if (!walks)
		return fail(-ENOMEM, "lb: out of memory");
	memset(table, 0, sizeof(*table));
	for (uint32_t i = 0; i < count; i++)
		start(&walks[i], &backends[i]);
	qsort(walks, count, sizeof(*walks), compare_walks);
	if (count)
		take_turns(walks, count, table);
	return 0;
}
