// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The nearest known key: see policy_near.h. */
#include <stdio.h>
#include <string.h>
#include "policy_near.h"

#define NAME_MAX_LEN 32

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance: letters to insert, delete or replace; both names are short. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[NAME_MAX_LEN + 1];
	size_t len = strlen(b);

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		unsigned int before = row[0]++;

		for (size_t j = 0; j < len; j++) {
			unsigned int replaced = before + (a[i] != b[j]);

			before = row[j + 1];
			row[j + 1] = least(replaced, least(before, row[j]) + 1);
		}
	}
	return row[len];
}

static const char *list_keys(const struct policy_map *map, char hint[POLICY_HINT_LEN])
{
	size_t len = snprintf(hint, POLICY_HINT_LEN, " (known: ");

	for (size_t i = 0; i < map->count && len < POLICY_HINT_LEN; i++)
		len += snprintf(hint + len, POLICY_HINT_LEN - len, "%s%s", map->keys[i].name,
				i + 1 < map->count ? ", " : ")");
	return hint;
}

const char *policy_hint(const struct policy_map *map, const char *name, char hint[POLICY_HINT_LEN])
{
	unsigned int best = NAME_MAX_LEN;
	const char *nearest = NULL;

	if (strlen(name) > NAME_MAX_LEN)
		return list_keys(map, hint);
	for (size_t i = 0; i < map->count; i++) {
		const char *known = map->keys[i].name;
		unsigned int far = distance(name, known);

		/* More than half of it wrong is another word. */
		if (far < best && far * 2 <= strlen(known)) {
			best = far;
			nearest = known;
		}
	}
	if (!nearest)
		return list_keys(map, hint);
	snprintf(hint, POLICY_HINT_LEN, ", did you mean '%s'?", nearest);
	return hint;
}
