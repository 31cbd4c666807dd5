// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The rows of sets by name in a list of rules (include/roam/acl_index.h): how acl_fill.c, their
 * only caller, lays them out and fills them. Spans are in order and do not touch one another.
 */
#include "acl_build.h"
#include "util.h"

#define PORT_ROWS ((UINT16_MAX + 1) / ROAM_ACL_ROW_PORTS)

static uint32_t rows_for(uint32_t count, uint32_t each)
{
	return (count + each - 1) / each;
}

/* Keys of a tree: 0, then where each span begins and where it has ended. */
static uint32_t count_keys(const struct acl_named *named)
{
	return 1 + 2 * named->count;
}

static struct roam_acl_key key_at(const struct acl_named *named, uint32_t i)
{
	const struct acl_span *span = &named->spans[(i - 1) / 2];
	struct roam_acl_key key = i ? span->first : (struct roam_acl_key){};

	if (!i || i % 2)
		return key;
	key = span->last; /* the highest address has none behind it, and begins no class */
	if (key.high == UINT64_MAX && key.low == UINT64_MAX)
		return key;
	return (struct roam_acl_key){ key.high + !(key.low + 1), key.low + 1 };
}

static uint32_t rows_of(const struct acl_named *named, uint32_t rows[ROAM_ACL_LEVELS])
{
	uint32_t keys = count_keys(named), levels = 0;

	do {
		keys = rows_for(keys, ROAM_ACL_ROW_KEYS);
		rows[levels++] = keys; /* from the last level up */
	} while (keys > 1 && levels < ROAM_ACL_LEVELS);
	return levels;
}

void acl_named_lay(struct acl_build *build)
{
	uint32_t rows[ROAM_ACL_LEVELS];

	build->head.named_row = build->row_count;
	build->row_count += rows_for(build->named_count, ROAM_ACL_ROW_NAMED);
	for (uint32_t i = 0; i < build->named_count; i++) {
		uint32_t levels = rows_of(&build->named[i], rows);

		if (build->named[i].ports) {
			build->row_count += PORT_ROWS;
			continue;
		}
		while (levels > 0)
			build->row_count += rows[--levels];
	}
}

static void fill_level(struct roam_acl_key *keys, const struct acl_named *named, uint32_t step)
{
	uint32_t used = rows_for(count_keys(named), step);
	uint32_t room = rows_for(used, ROAM_ACL_ROW_KEYS) * ROAM_ACL_ROW_KEYS;

	for (uint32_t i = 0; i < room; i++)
		keys[i] = i < used ? key_at(named, i * step)
				   : (struct roam_acl_key){ UINT64_MAX, UINT64_MAX };
}

/* The tree's rows from `row` on; the row behind them. */
static uint32_t fill_tree(struct acl_build *build, const struct acl_named *named, uint32_t row,
			  struct roam_acl_named *ret_named)
{
	uint32_t rows[ROAM_ACL_LEVELS], step = 1;
	struct roam_acl_tree *tree = &ret_named->tree;

	tree->levels = rows_of(named, rows);
	for (uint32_t level = 0; level < tree->levels; level++) {
		tree->row[level] = row;
		row += rows[tree->levels - 1 - level];
	}
	for (uint32_t level = tree->levels; level-- > 0; step *= ROAM_ACL_ROW_KEYS)
		fill_level(build->rows[tree->row[level]].keys, named, step);
	if (named->count) {
		const struct roam_acl_key *last = &named->spans[named->count - 1].last;

		ret_named->has_top = last->high == UINT64_MAX && last->low == UINT64_MAX;
	}
	return row;
}

static uint32_t fill_ports(struct acl_build *build, const struct acl_named *named, uint32_t row,
			   struct roam_acl_named *ret_named)
{
	ret_named->tree.row[0] = row;
	for (uint32_t i = 0; i < named->count; i++) {
		uint64_t last = named->spans[i].last.low; /* of ports up to 65535 beyond it */

		for (uint64_t port = named->spans[i].first.low; port <= last && port <= UINT16_MAX;
		     port++)
			build->rows[row + port / ROAM_ACL_ROW_PORTS]
				.words[port % ROAM_ACL_ROW_PORTS / 64] |= UINT64_C(1)
									  << (port % 64);
	}
	return row + PORT_ROWS;
}

void acl_named_fill(struct acl_build *build)
{
	uint32_t row = build->head.named_row + rows_for(build->named_count, ROAM_ACL_ROW_NAMED);

	for (uint32_t i = 0; i < build->named_count; i++) {
		const struct acl_named *named = &build->named[i];
		struct roam_acl_named *place =
			&build->rows[build->head.named_row + i / ROAM_ACL_ROW_NAMED]
				 .named[i % ROAM_ACL_ROW_NAMED];

		row = named->ports ? fill_ports(build, named, row, place)
				   : fill_tree(build, named, row, place);
	}
}
