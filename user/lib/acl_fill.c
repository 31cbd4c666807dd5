// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The rows of a list of rules and of its index: see acl_build.h. */
#include <errno.h>
#include <string.h>
#include "acl_build.h"
#include "util.h"

/* ---- where everything lies ---- */

static uint32_t add_rows(struct acl_build *build, uint32_t count)
{
	uint32_t first = build->row_count;

	build->row_count += count;
	return first;
}

static uint32_t rows_for(uint32_t count, uint32_t each)
{
	return (count + each - 1) / each;
}

static struct roam_acl_tree lay_tree(struct acl_build *build, enum roam_acl_end end)
{
	uint32_t classes = build->classes[FIELD_ADDR + end].count, keys = classes;
	struct roam_acl_tree tree = {};
	uint32_t rows[ROAM_ACL_LEVELS];

	do {
		keys = rows_for(keys, ROAM_ACL_ROW_KEYS);
		rows[tree.levels++] = keys; /* from the last level up */
	} while (keys > 1 && tree.levels < ROAM_ACL_LEVELS);
	for (uint32_t level = 0; level < tree.levels; level++)
		tree.row[level] = add_rows(build, rows[tree.levels - 1 - level]);
	tree.set_row = add_rows(build, rows_for(classes, ROAM_ACL_ROW_CLASSES));
	return tree;
}

static void fill_tree(struct acl_build *build, const struct roam_acl_tree *tree,
		      enum roam_acl_end end)
{
	const struct acl_classes *classes = &build->classes[FIELD_ADDR + end];
	uint32_t step = 1; /* classes from one key of the level to the next */

	for (uint32_t level = tree->levels; level-- > 0; step *= ROAM_ACL_ROW_KEYS) {
		struct roam_acl_key *keys = build->rows[tree->row[level]].keys;
		uint32_t used = rows_for(classes->count, step), room;

		room = rows_for(used, ROAM_ACL_ROW_KEYS) * ROAM_ACL_ROW_KEYS;
		for (uint32_t i = 0; i < room; i++)
			keys[i] = i < used ? classes->first[(uint64_t)i * step]
					   : (struct roam_acl_key){ UINT64_MAX, UINT64_MAX };
	}
	memcpy(&build->rows[tree->set_row], build->set[FIELD_ADDR + end],
	       classes->count * sizeof(*build->set[0]));
}

/* The set of each port, and how many pages of them differ. */
static int cut_pages(struct acl_build *build, enum roam_acl_end end, uint32_t *ret_pages)
{
	const struct acl_classes *classes = &build->classes[FIELD_PORT + end];
	uint16_t *ports = calloc(UINT16_MAX + 1, sizeof(*ports));
	uint32_t at = 0, pages = 1;

	build->ports[end] = ports;
	if (!ports)
		return fail(-ENOMEM, "acl: out of memory");
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		at += at + 1 < classes->count && classes->first[at + 1].low == port;
		ports[port] = build->set[FIELD_PORT + end][at];
	}
	for (uint32_t page = 1; page < ROAM_ACL_ROW_CLASSES; page++) {
		const uint16_t *here = ports + page * ROAM_ACL_ROW_CLASSES;

		pages += memcmp(here, here - ROAM_ACL_ROW_CLASSES, ROAM_ACL_ROW) != 0;
	}
	*ret_pages = pages;
	return 0;
}

static void fill_pages(struct acl_build *build, enum roam_acl_end end)
{
	struct roam_acl_row *rows = &build->rows[build->head.port_row[end]];
	const uint16_t *here = build->ports[end];
	uint32_t last = 0; /* rows[0] tells where the pages are */

	for (uint32_t page = 0; page < ROAM_ACL_ROW_CLASSES; page++) {
		if (!last || memcmp(rows[last].classes, here, ROAM_ACL_ROW) != 0)
			memcpy(rows[++last].classes, here, ROAM_ACL_ROW);
		rows[0].classes[page] = last;
		here += ROAM_ACL_ROW_CLASSES;
	}
}

static int lay_rows(struct acl_build *build)
{
	struct roam_acl_head *head = &build->head;
	uint32_t pages;

	head->rules = build->count;
	build->row_count = ROAM_ACL_RULE_ROW;
	add_rows(build, rows_for(build->count, ROAM_ACL_ROW_RULES));
	if (build->stride) {
		head->stride = build->stride;
		head->sets = build->sets;
		for (int end = 0; end < ROAM_ACL_ENDS; end++) {
			int err = cut_pages(build, end, &pages);

			if (err)
				return err;
			head->addr[end] = lay_tree(build, end);
			head->port_row[end] = add_rows(build, 1 + pages);
		}
		head->proto_row = add_rows(build, ACL_FAMILIES);
		head->set_row = add_rows(build,
					 rows_for(build->sets * build->stride, ROAM_ACL_ROW_WORDS));
		head->short_row = add_rows(build, rows_for(build->shorts, ROAM_ACL_ROW_SHORTS));
	}
	acl_named_lay(build);
	build->rows = calloc(build->row_count, sizeof(*build->rows));
	return build->rows ? 0 : fail(-ENOMEM, "acl: out of memory");
}

/* ---- sets ---- */

static uint64_t *set_at(struct acl_build *build, uint32_t set)
{
	return (uint64_t *)&build->rows[build->head.set_row] + (size_t)set * build->stride +
	       ROAM_ACL_SUMMARY;
}

static void add_rule(uint64_t *set, uint32_t rule)
{
	set[rule / 64] |= UINT64_C(1) << (rule % 64);
}

static void add_short(struct acl_build *build, uint32_t number, uint32_t rule)
{
	struct roam_acl_row *row =
		&build->rows[build->head.short_row + number / ROAM_ACL_ROW_SHORTS];
	uint16_t *rules = row->shorts[number % ROAM_ACL_ROW_SHORTS];

	while (*rules && *rules != rule + 1)
		rules++;
	*rules = rule + 1;
}

static void add_to_class(struct acl_build *build, enum acl_field field, uint32_t class,
			 uint32_t rule)
{
	uint32_t set = build->set[field][class];

	if (set < build->sets)
		add_rule(set_at(build, set), rule);
	else
		add_short(build, set - build->sets, rule);
}

/* Where a span begins and ends in the classes of a field. */
struct range {
	uint32_t from;
	uint32_t to;
};

/* Those of each value, one behind the other; at[value] is the first one of them. */
static int find_ranges(const struct acl_build *build, enum acl_field field,
		       struct range **ret_ranges, uint32_t **ret_at)
{
	const struct acl_value *values = build->values[field];
	uint32_t count = build->value_count[field], total = 0, *at = calloc(count + 1, sizeof(*at));
	struct range *ranges;

	for (uint32_t i = 0; at && i < count; i++) {
		at[i] = total;
		total += values[i].rules ? values[i].count : 0;
	}
	ranges = at ? calloc(total + 1, sizeof(*ranges)) : NULL;
	*ret_ranges = ranges;
	*ret_at = at;
	if (!ranges)
		return fail(-ENOMEM, "acl: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; values[i].rules && j < values[i].count; j++) {
			const struct acl_span *span = &values[i].spans[j];

			ranges[at[i] + j].from = acl_classes_find(&build->classes[field],
								  span->first);
			ranges[at[i] + j].to = acl_classes_find(&build->classes[field], span->last);
		}
	}
	return 0;
}

static int fill_field(struct acl_build *build, enum acl_field field)
{
	_cleanup_free_ struct range *ranges = NULL;
	_cleanup_free_ uint32_t *at = NULL;
	int err = find_ranges(build, field, &ranges, &at);

	for (uint32_t rule = 0; rule < build->count && !err; rule++) {
		uint32_t value = build->value_of[field][rule];
		const struct range *range = &ranges[at[value]];
		const struct range *end = range + build->values[field][value].count;

		for (; range < end; range++) {
			for (uint32_t i = range->from; i <= range->to; i++)
				add_to_class(build, field, i, rule);
		}
	}
	return err;
}

/* What a packet's protocol and family make of a rule. */
static bool admits_proto(const struct roam_acl_match *rule, unsigned int family, unsigned int proto)
{
	if (rule->family && (rule->family == ROAM_FAMILY_IPV6) != family)
		return false;
	return rule->any_proto || rule->proto == proto;
}

static void fill_protos(struct acl_build *build)
{
	for (unsigned int family = 0; family < ACL_FAMILIES; family++) {
		uint16_t *sets = build->proto_set[family], others = UINT16_MAX;

		memcpy(&build->rows[build->head.proto_row + family], sets, ROAM_ACL_ROW);
		for (unsigned int proto = 0; proto < ROAM_ACL_ROW_CLASSES; proto++) {
			if (sets[proto] == others)
				continue; /* filled already */
			if (sets[proto] == sets[(proto + 1) % ROAM_ACL_ROW_CLASSES])
				others = sets[proto];
			for (uint32_t rule = 0; rule < build->count; rule++) {
				if (admits_proto(&build->rules[rule], family, proto))
					add_rule(set_at(build, sets[proto]), rule);
			}
		}
	}
}

static void summarize(struct acl_build *build)
{
	for (uint32_t set = 0; set < build->sets; set++) {
		uint64_t *words = set_at(build, set), *summary = words - ROAM_ACL_SUMMARY;

		for (uint32_t word = 0; word < rows_for(build->count, 64); word++) {
			if (words[word])
				add_rule(summary, word);
		}
	}
}

static int fill_index(struct acl_build *build)
{
	int err = 0;

	for (int end = 0; end < ROAM_ACL_ENDS; end++) {
		fill_tree(build, &build->head.addr[end], end);
		fill_pages(build, end);
	}
	for (uint32_t rule = 0; rule < build->count; rule++)
		add_rule(set_at(build, ROAM_ACL_SET_ALL), rule);
	for (enum acl_field field = 0; field < FIELDS && !err; field++)
		err = fill_field(build, field);
	if (err)
		return err;
	fill_protos(build);
	summarize(build);
	return 0;
}

static void fill_rules(struct acl_build *build)
{
	for (uint32_t i = 0; i < build->count; i++)
		build->rows[ROAM_ACL_RULE_ROW + i / ROAM_ACL_ROW_RULES]
			.rules[i % ROAM_ACL_ROW_RULES] = build->rules[i];
	build->rows[0].head = build->head;
}

int acl_fill(struct acl_build *build)
{
	int err = lay_rows(build);

	if (err)
		return err;
	if (build->stride)
		err = fill_index(build);
	if (err)
		return err;
	acl_named_fill(build);
	fill_rules(build);
	return 0;
}
