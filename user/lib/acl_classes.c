// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Classes of the values of a field: see acl_classes.h. */
#include <errno.h>
#include <string.h>
#include "acl_classes.h"
#include "util.h"

static int compare_keys(const void *a, const void *b)
{
	const struct roam_acl_key *x = a, *y = b;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return 0;
}

static bool is_top(struct roam_acl_key key)
{
	return key.high == UINT64_MAX && key.low == UINT64_MAX;
}

static struct roam_acl_key next_key(struct roam_acl_key key)
{
	return (struct roam_acl_key){ key.high + !(key.low + 1), key.low + 1 };
}

/* Nothing begins at the highest value, whose class is that of its neighbour. */
static void add_cut(struct roam_acl_key *cuts, uint32_t *count, struct roam_acl_key cut)
{
	if (!is_top(cut))
		cuts[(*count)++] = cut;
}

uint32_t acl_classes_find(const struct acl_classes *classes, struct roam_acl_key value)
{
	uint32_t low = 0, high = classes->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (compare_keys(&classes->first[middle], &value) <= 0)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* By one walk over the classes: rules that begin in one, less those that have ended before it. */
static void count_rules(struct acl_classes *classes, const struct acl_value *values, uint32_t count)
{
	memset(classes->rules, 0, (classes->count + 1) * sizeof(*classes->rules));
	for (uint32_t i = 0; i < count; i++) {
		const struct acl_span *span = values[i].spans;

		for (const struct acl_span *end = span + values[i].count; span < end; span++) {
			classes->rules[acl_classes_find(classes, span->first)] += values[i].rules;
			classes->rules[acl_classes_find(classes, span->last) + 1] -=
				values[i].rules;
		}
	}
	for (uint32_t i = 1; i < classes->count; i++)
		classes->rules[i] += classes->rules[i - 1];
}

static void cut(const struct acl_value *value, struct roam_acl_key *cuts, uint32_t *found)
{
	for (uint32_t i = 0; i < value->count; i++) {
		add_cut(cuts, found, value->spans[i].first);
		if (!is_top(value->spans[i].last))
			add_cut(cuts, found, next_key(value->spans[i].last));
	}
}

static size_t count_spans(const struct acl_value *values, uint32_t count)
{
	size_t spans = 0;

	for (uint32_t i = 0; i < count; i++)
		spans += values[i].count;
	return spans;
}

int acl_classes_make(const struct acl_value *values, uint32_t count,
		     struct acl_classes *ret_classes)
{
	size_t most = 2 * count_spans(values, count) + 1; /* one is 0 */
	struct roam_acl_key *cuts = calloc(most, sizeof(*cuts));
	uint32_t *rules = calloc(most + 1, sizeof(*rules));
	uint32_t found = 1, kept = 1;

	*ret_classes = (struct acl_classes){ cuts, rules, 0 };
	if (!cuts || !rules)
		return fail(-ENOMEM, "acl: out of memory");
	for (uint32_t i = 0; i < count; i++)
		cut(&values[i], cuts, &found);
	qsort(cuts, found, sizeof(*cuts), compare_keys);
	for (uint32_t i = 1; i < found; i++) {
		if (compare_keys(&cuts[kept - 1], &cuts[i]) != 0)
			cuts[kept++] = cuts[i];
	}
	ret_classes->count = kept;
	count_rules(ret_classes, values, count);
	return 0;
}

static bool is_large(const struct acl_classes *classes, uint32_t i)
{
	return classes->rules[i] > ROAM_ACL_SHORT;
}

uint32_t acl_classes_large(const struct acl_classes *classes)
{
	uint32_t large = 0;

	for (uint32_t i = 0; i < classes->count; i++)
		large += is_large(classes, i);
	return large;
}

/* Large ones that follow one another, so many to one that `most` would be left of one row of them.
 */
static void merge_large(struct acl_classes *classes, uint32_t most)
{
	uint32_t many = acl_classes_large(classes) / most + 1, kept = 0, run = 0;

	for (uint32_t i = 0; i < classes->count; i++) {
		run = is_large(classes, i) ? run + 1 : 0;
		if (!run || !((run - 1) % many))
			classes->first[kept++] = classes->first[i];
	}
	classes->count = kept;
}

static void merge_all(struct acl_classes *classes, uint32_t most)
{
	for (uint32_t i = 0; i < most; i++)
		classes->first[i] = classes->first[(uint64_t)i * classes->count / most];
	classes->count = most;
}

void acl_classes_coarsen(struct acl_classes *classes, uint32_t most, uint32_t most_all,
			 const struct acl_value *values, uint32_t count)
{
	if (!most || !most_all)
		return;
	if (classes->count > most_all) {
		merge_all(classes, most_all);
		count_rules(classes, values, count);
	}
	if (acl_classes_large(classes) > most) {
		merge_large(classes, most);
		count_rules(classes, values, count);
	}
	if (acl_classes_large(classes) > most && classes->count > most) {
		merge_all(classes, most);
		count_rules(classes, values, count);
	}
}
