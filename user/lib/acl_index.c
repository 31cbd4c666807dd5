// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The index of a list of rules: see acl_index.h. First the values of each field are cut into
 * classes, and each gets a set; what all that is in rows is made in acl_fill.c.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include "acl_build.h"
#include "acl_index.h"
#include "util.h"

#define INDEX_FROM  16        /* measured: docs/measurements.md */
#define INDEX_BYTES (4 << 20) /* of sets; 10,000 rules have 2,730 of them then */
#define CLASSES_MIN 32        /* of a field, however little the sets may take */
#define CLASSES_MAX 12288     /* of a field: sets have numbers of 16 bits */
#define SETS_MAX    (UINT16_MAX - FIELDS * CLASSES_MAX)

static void cleanup_build(struct acl_build *build)
{
	for (int field = 0; field < FIELDS; field++) {
		free(build->spans[field]);
		free(build->values[field]);
		free(build->value_of[field]);
		free(build->set[field]);
		cleanup_acl_classes(&build->classes[field]);
	}
	for (int end = 0; end < ROAM_ACL_ENDS; end++)
		free(build->ports[end]);
	free(build->rows);
}

static struct roam_acl_key key_of(const __be32 words[4])
{
	return (struct roam_acl_key){
		.high = (uint64_t)be32toh(words[0]) << 32 | be32toh(words[1]),
		.low = (uint64_t)be32toh(words[2]) << 32 | be32toh(words[3]),
	};
}

static struct acl_span span_of_addr(const __be32 value[4], const __be32 mask[4])
{
	struct roam_acl_key first = key_of(value), bits = key_of(mask);

	return (struct acl_span){ first, { first.high | ~bits.high, first.low | ~bits.low } };
}

static struct acl_span span_of_range(struct roam_port_range range)
{
	struct roam_acl_key all = { UINT64_MAX, UINT64_MAX }, last = { 0, range.last };

	return (struct acl_span){ { 0, range.first }, range.last == UINT16_MAX ? all : last };
}

static struct acl_span span_of(const struct roam_acl_match *rule, enum acl_field field)
{
	switch (field) {
	case FIELD_REMOTE:
		return span_of_addr(rule->remote, rule->remote_mask);
	case FIELD_LOCAL:
		return span_of_addr(rule->local, rule->local_mask);
	case FIELD_RPORT:
		return span_of_range(rule->rport);
	default:
		return span_of_range(rule->lport);
	}
}

/* What the rules say of a field: rules with the same set by name say the same. */
static int find_values(struct acl_build *build, enum acl_field field)
{
	struct acl_span *spans = calloc(build->count, sizeof(*spans));
	struct acl_value *values = calloc(build->named_count + build->count, sizeof(*values));
	uint32_t *value_of = calloc(build->count, sizeof(*value_of)), count = build->named_count;

	build->spans[field] = spans;
	build->values[field] = values;
	build->value_of[field] = value_of;
	if (!spans || !values || !value_of)
		return fail(-ENOMEM, "acl: out of memory");
	for (uint32_t i = 0; i < build->count; i++) {
		uint32_t named = acl_named_of(&build->rules[i], field);
		struct acl_value *value = &values[named ? named - 1 : count++];

		spans[i] = span_of(&build->rules[i], field);
		if (named)
			value->spans = build->named[named - 1].spans;
		else
			value->spans = &spans[i];
		value->count = named ? build->named[named - 1].count : 1;
		value->rules++;
		value_of[i] = value - values;
	}
	build->value_count[field] = count;
	return 0;
}

static int make_classes(struct acl_build *build)
{
	int err = 0;

	for (enum acl_field field = 0; field < FIELDS && !err; field++) {
		err = find_values(build, field);
		if (!err)
			err = acl_classes_make(build->values[field], build->value_count[field],
					       &build->classes[field]);
	}
	return err;
}

/* A set for each protocol that a rule names, one for the others; for either family. */
static void count_protos(struct acl_build *build)
{
	bool named[ROAM_ACL_ROW_CLASSES] = {};

	for (uint32_t i = 0; i < build->count; i++)
		named[build->rules[i].proto] |= !build->rules[i].any_proto;
	for (unsigned int family = 0; family < ACL_FAMILIES; family++) {
		uint16_t others = build->sets++;

		for (unsigned int proto = 0; proto < ROAM_ACL_ROW_CLASSES; proto++)
			build->proto_set[family][proto] = named[proto] ? build->sets++ : others;
	}
}

/* Fields with few large classes keep them all; the others share what is left of `most` sets. */
static void share_sets(struct acl_build *build, uint32_t most)
{
	uint32_t left = most > build->sets ? most - build->sets : 0, large[FIELDS];
	bool done[FIELDS] = {};

	for (int field = 0; field < FIELDS; field++)
		large[field] = acl_classes_large(&build->classes[field]);
	for (uint32_t fields = FIELDS; fields > 0; fields--) {
		uint32_t share = left / fields > CLASSES_MIN ? left / fields : CLASSES_MIN;
		int least = -1;

		for (int field = 0; field < FIELDS; field++) {
			if (!done[field] && (least < 0 || large[field] < large[least]))
				least = field;
		}
		done[least] = true;
		acl_classes_coarsen(&build->classes[least], share, CLASSES_MAX,
				    build->values[least], build->value_count[least]);
		large[least] = acl_classes_large(&build->classes[least]);
		left -= large[least] < left ? large[least] : left;
	}
}

static int number_sets(struct acl_build *build)
{
	uint32_t shorts;

	for (int field = 0; field < FIELDS; field++) {
		const struct acl_classes *classes = &build->classes[field];

		build->set[field] = calloc(classes->count, sizeof(*build->set[field]));
		if (!build->set[field])
			return fail(-ENOMEM, "acl: out of memory");
		for (uint32_t i = 0; i < classes->count; i++)
			build->set[field][i] = acl_set_is_short(classes, i) ? 0 : build->sets++;
	}
	shorts = build->sets;
	for (int field = 0; field < FIELDS; field++) {
		for (uint32_t i = 0; i < build->classes[field].count; i++) {
			if (acl_set_is_short(&build->classes[field], i))
				build->set[field][i] = shorts++;
		}
	}
	build->shorts = shorts - build->sets;
	return 0;
}

/* A power of two up to a row, whole rows beyond: no set of less than a row lies in two. */
static uint32_t stride_of(uint32_t count)
{
	uint32_t words = ROAM_ACL_SUMMARY + (count + 63) / 64, stride = 8;

	while (stride < words && stride < ROAM_ACL_ROW_WORDS)
		stride *= 2;
	while (stride < words)
		stride += ROAM_ACL_ROW_WORDS;
	return stride;
}

static int plan_index(struct acl_build *build, uint32_t bytes)
{
	uint32_t most = bytes / (stride_of(build->count) * sizeof(uint64_t));
	int err = make_classes(build);

	if (err)
		return err;
	build->stride = stride_of(build->count);
	build->sets = ROAM_ACL_SET_ALL + 1;
	count_protos(build);
	share_sets(build, most < SETS_MAX ? most : SETS_MAX);
	return number_sets(build);
}

int acl_index_build_within(const struct acl_source *source, const struct acl_index_limits *limits,
			   struct acl_rows *ret_rows)
{
	__attribute__((cleanup(cleanup_build))) struct acl_build build = {
		.rules = source->rules,
		.count = source->count,
		.named = source->named,
		.named_count = source->named_count,
	};
	uint32_t count = source->count;
	int err = 0;

	if (count > ROAM_ACL_LIST_MAX)
		return fail(-E2BIG, "acl: more than %d rules for one VM", ROAM_ACL_RULES);
	if (count && count >= (limits->from ? limits->from : INDEX_FROM))
		err = plan_index(&build, limits->bytes ? limits->bytes : INDEX_BYTES);
	if (!err)
		err = acl_fill(&build);
	if (err)
		return err;
	*ret_rows = (struct acl_rows){ TAKE_PTR(build.rows), build.row_count };
	return 0;
}

int acl_index_build(const struct acl_source *source, struct acl_rows *ret_rows)
{
	return acl_index_build_within(source, &(struct acl_index_limits){}, ret_rows);
}
