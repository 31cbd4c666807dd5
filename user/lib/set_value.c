// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Sets by name as values: see set_value.h. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include "set_value.h"
#include "text.h"
#include "util.h"

#define FAMILY_BITS 96 /* of ::ffff:0:0/96, where IPv4 is */

void sets_free(struct sets *sets)
{
	for (uint32_t i = 0; i < sets->count; i++)
		free(sets->list[i].entries);
	free(sets->list);
	*sets = (struct sets){};
}

int sets_add(struct sets *sets, struct set_value **ret_set)
{
	if (sets->count == ROAM_SETS)
		return fail(-E2BIG, "set: more than %d sets", ROAM_SETS);
	if (sets->count == sets->room) {
		uint32_t room = sets->room ? sets->room * 2 : 16;
		void *list = reallocarray(sets->list, room, sizeof(*sets->list));

		if (!list)
			return fail(-ENOMEM, "set: out of memory");
		sets->list = list;
		sets->room = room;
	}
	sets->list[sets->count] = (struct set_value){ .loaded = true };
	*ret_set = &sets->list[sets->count++];
	return 0;
}

static int compare_sets(const void *a, const void *b)
{
	const struct set_value *x = a, *y = b;

	return strcmp(x->set.name, y->set.name);
}

void sets_sort(struct sets *sets)
{
	if (sets->count)
		qsort(sets->list, sets->count, sizeof(*sets->list), compare_sets);
}

struct set_value *sets_find(const struct sets *sets, const char *name)
{
	struct set_value key = {};

	if (!sets->count || strlen(name) >= sizeof(key.set.name))
		return NULL;
	strcpy(key.set.name, name);
	return bsearch(&key, sets->list, sets->count, sizeof(key), compare_sets);
}

int set_of_kind(struct set_value *set, enum roam_set_kind kind)
{
	if (set->has_kind && set->set.kind != kind)
		return fail(-EINVAL, "set '%s': is of %ss, not of %ss", set->set.name,
			    text_enum_name(&text_set_kind, set->set.kind),
			    text_enum_name(&text_set_kind, kind));
	set->set.kind = kind;
	set->has_kind = true;
	return 0;
}

int set_entry_parse(enum roam_set_kind kind, const char *text, struct roam_set_entry *ret_entry)
{
	struct roam_set_entry entry = {};
	int err = kind == ROAM_SET_ADDR ? text_prefix_parse(text, &entry.addr)
					: text_range_parse(text, &entry.port);

	if (!err)
		*ret_entry = entry;
	return err;
}

const char *set_entry_text(enum roam_set_kind kind, const struct roam_set_entry *entry,
			   char buf[SET_ENTRY_LEN])
{
	if (kind == ROAM_SET_PORT)
		return text_range(entry->port, buf);
	return entry->addr.bits ? text_prefix(&entry->addr, buf) : strcpy(buf, "::/0");
}

static bool is_same(const struct roam_set_entry *a, const struct roam_set_entry *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static uint32_t find_entry(const struct set_value *set, const struct roam_set_entry *entry)
{
	uint32_t i = 0;

	while (i < set->count && !is_same(&set->entries[i], entry))
		i++;
	return i;
}

int set_add_entry(struct set_value *set, enum roam_set_kind kind,
		  const struct roam_set_entry *entry)
{
	int err = set_of_kind(set, kind);

	if (err)
		return err;
	if (set->count == ROAM_SET_ENTRIES)
		return fail(-E2BIG, "set '%s': more than %d entries", set->set.name,
			    ROAM_SET_ENTRIES);
	if (set->count == set->room) {
		uint32_t room = set->room ? set->room * 2 : 16;
		void *entries = reallocarray(set->entries, room, sizeof(*set->entries));

		if (!entries)
			return fail(-ENOMEM, "set: out of memory");
		set->entries = entries;
		set->room = room;
	}
	set->entries[set->count++] = *entry;
	return 0;
}

int set_del_entry(struct set_value *set, enum roam_set_kind kind,
		  const struct roam_set_entry *entry)
{
	char text[SET_ENTRY_LEN];
	int err = set_of_kind(set, kind);
	uint32_t at = err ? 0 : find_entry(set, entry);

	if (err)
		return err;
	if (at == set->count)
		return fail(-ENOENT, "set '%s': %s is not in it", set->set.name,
			    set_entry_text(kind, entry, text));
	set->entries[at] = set->entries[--set->count];
	return 0;
}

static int compare_addrs(const void *a, const void *b)
{
	const struct roam_set_entry *x = a, *y = b;
	int differ = memcmp(&x->addr.addr, &y->addr.addr, sizeof(x->addr.addr));

	return differ ? differ : (int)x->addr.bits - (int)y->addr.bits;
}

static int compare_ports(const void *a, const void *b)
{
	const struct roam_set_entry *x = a, *y = b;

	if (x->port.first != y->port.first)
		return (int)x->port.first - (int)y->port.first;
	return (int)x->port.last - (int)y->port.last;
}

static uint64_t digest_of(const struct set_value *set)
{
	XXH3_state_t *hash = XXH3_createState();
	uint64_t digest;

	XXH3_64bits_reset(hash);
	XXH3_64bits_update(hash, &set->set.kind, sizeof(set->set.kind));
	if (set->count)
		XXH3_64bits_update(hash, set->entries, set->count * sizeof(*set->entries));
	digest = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return digest;
}

int set_finish(struct set_value *set)
{
	char text[SET_ENTRY_LEN];

	if (!set->has_kind)
		return fail(-EINVAL, "set '%s': of addrs or of ports?", set->set.name);
	if (set->count)
		qsort(set->entries, set->count, sizeof(*set->entries),
		      set->set.kind == ROAM_SET_ADDR ? compare_addrs : compare_ports);
	for (uint32_t i = 1; i < set->count; i++) {
		if (is_same(&set->entries[i - 1], &set->entries[i]))
			return fail(-EEXIST, "set '%s': %s is in it already", set->set.name,
				    set_entry_text(set->set.kind, &set->entries[i], text));
	}
	set->set.count = set->count;
	set->set.digest = digest_of(set);
	return 0;
}

/* ---- spans ---- */

static struct roam_acl_key key_of(const struct roam_addr *addr)
{
	return (struct roam_acl_key){
		.high = (uint64_t)be32toh(addr->words[0]) << 32 | be32toh(addr->words[1]),
		.low = (uint64_t)be32toh(addr->words[2]) << 32 | be32toh(addr->words[3]),
	};
}

static struct acl_span span_of_prefix(const struct roam_prefix *prefix)
{
	struct roam_acl_key first = key_of(&prefix->addr);
	uint64_t high = prefix->bits >= 64 ? 0 : UINT64_MAX >> prefix->bits;
	uint64_t low = prefix->bits <= 64   ? UINT64_MAX
		       : prefix->bits < 128 ? UINT64_MAX >> (prefix->bits - 64)
					    : 0;

	return (struct acl_span){ first, { first.high | high, first.low | low } };
}

/* A port's upper end is that of the address space, as acl_index.c has it. */
static struct acl_span span_of_range(struct roam_port_range range)
{
	struct roam_acl_key all = { UINT64_MAX, UINT64_MAX }, last = { 0, range.last };

	return (struct acl_span){ { 0, range.first }, range.last == UINT16_MAX ? all : last };
}

static bool is_below(struct roam_acl_key a, struct roam_acl_key b)
{
	return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static const struct acl_span ipv4_span = { { 0, 0xffff00000000 }, { 0, 0xffffffffffff } };

/* One span, or, of an IPv6 prefix around all of IPv4, the two beside that. */
static uint32_t spans_of_entry(const struct set_value *set, const struct roam_set_entry *entry,
			       struct acl_span *ret_spans)
{
	const struct roam_prefix *prefix = &entry->addr;
	struct acl_span span;
	uint32_t count = 0;

	if (set->set.kind == ROAM_SET_PORT) {
		ret_spans[0] = span_of_range(entry->port);
		return 1;
	}
	span = span_of_prefix(prefix);
	if (prefix->bits >= FAMILY_BITS || is_below(ipv4_span.first, span.first) ||
	    is_below(span.last, ipv4_span.last)) {
		ret_spans[0] = span;
		return 1;
	}
	if (is_below(span.first, ipv4_span.first))
		ret_spans[count++] = (struct acl_span){ span.first,
							{ 0, ipv4_span.first.low - 1 } };
	if (is_below(ipv4_span.last, span.last))
		ret_spans[count++] = (struct acl_span){ { 0, ipv4_span.last.low + 1 }, span.last };
	return count;
}

static int compare_spans(const void *a, const void *b)
{
	const struct acl_span *x = a, *y = b;

	return is_below(x->first, y->first) ? -1 : is_below(y->first, x->first);
}

/* Whether nothing is between them. */
static bool touches(struct roam_acl_key last, struct roam_acl_key first)
{
	struct roam_acl_key next = { last.high + !(last.low + 1), last.low + 1 };

	return !is_below(last, first) || (next.high == first.high && next.low == first.low);
}

static uint32_t join(struct acl_span *spans, uint32_t count)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!kept || !touches(spans[kept - 1].last, spans[i].first))
			spans[kept++] = spans[i];
		else if (is_below(spans[kept - 1].last, spans[i].last))
			spans[kept - 1].last = spans[i].last;
	}
	return kept;
}

int set_spans(const struct set_value *set, struct acl_span **ret_spans, uint32_t *ret_count)
{
	struct acl_span *spans = calloc(2 * (size_t)set->count + 1, sizeof(*spans));
	uint32_t count = 0;

	if (!spans)
		return fail(-ENOMEM, "set: out of memory");
	for (uint32_t i = 0; i < set->count; i++)
		count += spans_of_entry(set, &set->entries[i], spans + count);
	qsort(spans, count, sizeof(*spans), compare_spans);
	*ret_spans = spans;
	*ret_count = join(spans, count);
	return 0;
}
