/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sets by name as values: what commands and policy files make, what set.h brings from and to a
 * host, and what rules are compiled from. Pure: no kernel, no files.
 */
#ifndef ROAM_LIB_SET_VALUE_H
#define ROAM_LIB_SET_VALUE_H

#include <roam/set.h>
#include "acl_index.h"

/* Of a host's: `entries` may be left where they are until they are asked for (set_load()). */
struct set_value {
	struct roam_set set;
	struct roam_set_entry *entries;
	uint32_t count;
	uint32_t room;
	bool has_kind; /* something has said of what it is */
	bool loaded;   /* `entries` are all of it */
};

struct sets {
	struct set_value *list; /* by name, once they are sorted */
	uint32_t count;
	uint32_t room;
};

void sets_free(struct sets *sets);

static inline void cleanup_sets(struct sets *sets)
{
	sets_free(sets);
}
#define _cleanup_sets_ __attribute__((cleanup(cleanup_sets)))

/* An empty place behind the last one. */
int sets_add(struct sets *sets, struct set_value **ret_set);
void sets_sort(struct sets *sets);
/* NULL: there is none of that name. They are sorted. */
struct set_value *sets_find(const struct sets *sets, const char *name);

/* What a set without entries is of is said before them, or by the first one. */
int set_of_kind(struct set_value *set, enum roam_set_kind kind);
/* "192.0.2.0/24", "2001:db8::1", "443", "6000-6063" */
int set_entry_parse(enum roam_set_kind kind, const char *text, struct roam_set_entry *ret_entry);
/* -EEXIST if it has the entry already. */
int set_add_entry(struct set_value *set, enum roam_set_kind kind,
		  const struct roam_set_entry *entry);
/* -ENOENT if it does not. */
int set_del_entry(struct set_value *set, enum roam_set_kind kind,
		  const struct roam_set_entry *entry);

#define SET_ENTRY_LEN 50
const char *set_entry_text(enum roam_set_kind kind, const struct roam_set_entry *entry,
			   char buf[SET_ENTRY_LEN]);

/* Order, count and digest, once all entries are there; no entry may be there twice. */
int set_finish(struct set_value *set);

/*
 * What it holds as spans that are in order and do not touch; the caller's to free. An IPv6 prefix
 * holds no IPv4 address, however short it is.
 */
int set_spans(const struct set_value *set, struct acl_span **ret_spans, uint32_t *ret_count);

#endif
