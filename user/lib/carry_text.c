// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What the texts of two layouts say, and where they differ: see carry_plan.h. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "carry_text.h"
#include "util.h"

size_t carry_part_len(const char *part)
{
	const char *end = strstr(part, "\n\n");

	return end ? (size_t)(end - part) + 2 : strlen(part);
}

const char *carry_part(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; *text; text += carry_part_len(text)) {
		if (!strncmp(text, name, len) && text[len] == ' ')
			return text;
	}
	return NULL;
}

/* What stands at `from` up to a space or the end of the line; returns what follows. */
static const char *word(const char *from, const char *end, char ret_word[64])
{
	size_t len = 0;

	while (from < end && *from == ' ')
		from++;
	while (from + len < end && from[len] != ' ')
		len++;
	snprintf(ret_word, 64, "%.*s", (int)len, from);
	return from + len;
}

/* "struct x[2][96]": one count of all. */
static void split_array(struct carry_field *field)
{
	char *bracket;

	field->count = 1;
	while ((bracket = strrchr(field->type, '['))) {
		field->count *= strtoul(bracket + 1, NULL, 10);
		*bracket = '\0';
	}
}

/* The line at `*line`, which goes on to the next; false at the part's end. */
static bool next_field(const char **line, struct carry_field *ret_field)
{
	const char *end = strchr(*line, '\n'), *at = *line, *mark;
	char number[64];

	if (!end || end == at)
		return false;
	at = word(at, end, number);
	ret_field->at = strtoul(number, NULL, 10);
	at = word(at, end, ret_field->name);
	at = word(at, end, ret_field->type);
	if (!strcmp(ret_field->type, "struct") || !strcmp(ret_field->type, "enum")) {
		char rest[64];

		at = word(at, end, rest);
		snprintf(ret_field->type + strlen(ret_field->type), 40, " %.38s", rest);
	}
	split_array(ret_field);
	mark = memmem(at, end - at, "  roam:", 7);
	ret_field->mark[0] = '\0';
	if (mark)
		word(mark + 7, end, ret_field->mark);
	ret_field->spread = memmem(at, end - at, "  roam-spread:", 14);
	*line = end + 1;
	return true;
}

/* Behind its name. */
static const char *first_line(const char *part)
{
	return strchr(part, '\n') + 1;
}

struct carry_walk carry_walk_fields(const char *text, const char *part)
{
	return (struct carry_walk){ .text = text, .line = first_line(part) };
}

/* The next one of the struct of an array that is spread: as an array of its own. */
static bool next_spread(struct carry_walk *walk, struct carry_field *ret_field)
{
	if (!walk->inner || !next_field(&walk->inner, ret_field)) {
		walk->inner = NULL;
		return false;
	}
	ret_field->at += walk->spread.at;
	ret_field->count = walk->spread.count;
	ret_field->stride = carry_size_of(walk->text, walk->spread.type);
	return true;
}

bool carry_walk_next(struct carry_walk *walk, struct carry_field *ret_field)
{
	const char *part;

	while (!next_spread(walk, ret_field)) {
		if (!next_field(&walk->line, ret_field))
			return false;
		ret_field->stride = carry_size_of(walk->text, ret_field->type);
		part = ret_field->spread ? carry_part(walk->text, ret_field->type) : NULL;
		if (!part)
			return true;
		walk->spread = *ret_field;
		walk->inner = first_line(part);
	}
	return true;
}

bool carry_find_field(struct carry_walk walk, const char *name, struct carry_field *ret_field)
{
	while (carry_walk_next(&walk, ret_field)) {
		if (!strcmp(ret_field->name, name))
			return true;
	}
	return false;
}

bool carry_is_struct(const char *type)
{
	return !strncmp(type, "struct ", 7);
}

/* "enum roam_ct_state" of the mark "enum/CT_STATE:required"; false if it is another mark. */
bool carry_list_of(const struct carry_field *field, char ret_list[64])
{
	size_t len;

	if (strncmp(field->mark, "enum/", 5) != 0)
		return false;
	len = strcspn(field->mark + 5, ":");
	snprintf(ret_list, 64, "enum roam_%.*s", (int)len, field->mark + 5);
	for (char *at = ret_list + 5; *at; at++)
		*at = tolower(*at);
	return true;
}

uint32_t carry_size_of(const char *text, const char *type)
{
	static const struct {
		const char *name;
		uint32_t size;
	} sizes[] = {
		{ "__u8", 1 },   { "__s8", 1 },   { "char", 1 },  { "__u16", 2 },
		{ "__s16", 2 },  { "__be16", 2 }, { "__u32", 4 }, { "__s32", 4 },
		{ "__be32", 4 }, { "__u64", 8 },  { "__s64", 8 }, { "__be64", 8 },
	};
	const char *part;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (!strcmp(type, sizes[i].name))
			return sizes[i].size;
	}
	part = carry_is_struct(type) ? carry_part(text, type) : NULL;
	return part ? strtoul(part + strlen(type), NULL, 10) : 0;
}

/* ---- comparing them ---- */

static bool same_part(const struct carry_texts *texts, const char *name)
{
	const char *old = carry_part(texts->old, name), *now = carry_part(texts->now, name);
	size_t len = old ? carry_part_len(old) : 0;

	if (!old || !now)
		return old == now;
	return len == carry_part_len(now) && !strncmp(old, now, len);
}

bool carry_same(const struct carry_texts *texts, const char *type)
{
	const char *part, *line;
	struct carry_field field;
	char list[64];

	if (!carry_is_struct(type))
		return true;
	if (!same_part(texts, type))
		return false;
	part = carry_part(texts->now, type);
	for (line = part ? first_line(part) : ""; next_field(&line, &field);) {
		if (carry_is_struct(field.type) && !carry_same(texts, field.type))
			return false;
		if (carry_list_of(&field, list) && !same_part(texts, list))
			return false;
	}
	return true;
}

bool carry_lists_differ(const struct carry_texts *texts, const char *list)
{
	return !same_part(texts, list);
}

/* The name of a number, or the number of a name (-1): whatever of the two is given. */
static int list_find(const char *part, int number, char *name)
{
	const char *line = first_line(part), *end;
	char found[64];

	for (; (end = strchr(line, '\n')) && end > line; line = end + 1) {
		int no = strtol(line, NULL, 10);

		word(line + strspn(line, " -0123456789"), end, found);
		if (name[0] ? strcmp(name, found) != 0 : no != number)
			continue;
		strcpy(name, found);
		return no;
	}
	return -1;
}

int carry_number(const struct carry_texts *texts, const char *list, int number)
{
	const char *old = carry_part(texts->old, list), *now = carry_part(texts->now, list);
	char name[64] = "";

	if (!old || !now || list_find(old, number, name) < 0)
		return -1;
	return list_find(now, 0, name);
}

/* How many there are is no member of the list. */
static bool is_end(const char *name)
{
	size_t len = strlen(name);

	return (len > 6 && !strcmp(name + len - 6, "_COUNT")) ||
	       (len > 6 && !strcmp(name + len - 6, "_KINDS"));
}

/* Counters have an index for each, flows a marked field. */
static bool is_translated(const char *list)
{
	return !strcmp(list, "enum roam_reason") || !strcmp(list, "enum roam_ct_state");
}

static int check_list(const struct carry_texts *texts, const char *list)
{
	const char *line = first_line(carry_part(texts->old, list)), *end;
	char name[64];

	for (; (end = strchr(line, '\n')) && end > line; line = end + 1) {
		int old = strtol(line, NULL, 10), now;

		word(line + strspn(line, " -0123456789"), end, name);
		now = carry_number(texts, list, old);
		if (is_end(name) || now == old)
			continue;
		return fail(-EPROTO, "%s: %s is not what it was: it cannot be carried over", list,
			    name);
	}
	return 0;
}

int carry_check_lists(const struct carry_texts *texts)
{
	char list[64];
	int err = 0;

	for (const char *part = texts->old; *part && !err; part += carry_part_len(part)) {
		snprintf(list, sizeof(list), "%.*s", 5 + (int)strcspn(part + 5, " \n"), part);
		if (!strncmp(part, "enum ", 5) && carry_part(texts->now, list) &&
		    !is_translated(list))
			err = check_list(texts, list);
	}
	return err;
}
