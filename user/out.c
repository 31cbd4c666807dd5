// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Text and JSON behind one face: see out.h. An item is built whole and printed when it ends. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <jansson.h>
#include "out.h"

struct out {
	enum out_form form;
	bool in_list;
	bool list_open; /* its bracket is printed */
	bool not_first; /* item of the list, or field of the line */
	json_t *item;
	json_t *group;
	json_t *array;
	const char *group_name;
	const char *array_name;
};

struct out *out_open(enum out_form form)
{
	struct out *out = calloc(1, sizeof(*out));

	if (!out)
		abort();
	out->form = form;
	return out;
}

bool out_close(struct out *out)
{
	free(out);
	return out_flush();
}

bool out_flush(void)
{
	return !fflush(stdout) && !ferror(stdout);
}

void out_list(struct out *out)
{
	out->in_list = true;
	out->not_first = false;
	out->list_open = out->form == OUT_TEXT;
}

static void open_list(struct out *out)
{
	if (out->in_list && !out->list_open)
		putchar('[');
	out->list_open = true;
}

int out_list_end(struct out *out, int err)
{
	if (!err)
		open_list(out);
	out->in_list = false;
	if (out->form != OUT_TEXT && out->list_open)
		puts("]");
	return err;
}

void out_item(struct out *out)
{
	if (out->form == OUT_TEXT) {
		out->not_first = false;
		return;
	}
	out->item = json_object();
}

void out_tree(struct out *out, struct json_t *item)
{
	out->item = item;
	out_item_end(out);
}

bool out_is_text(const struct out *out)
{
	return out->form == OUT_TEXT;
}

void out_item_end(struct out *out)
{
	size_t flags = out->form == OUT_JSON_PRETTY ? JSON_INDENT(2) : JSON_COMPACT;

	if (out->form == OUT_TEXT) {
		putchar('\n');
		return;
	}
	open_list(out);
	if (out->in_list && out->not_first)
		putchar(',');
	if (out->in_list)
		putchar('\n');
	json_dumpf(out->item, stdout, flags);
	json_decref(out->item);
	out->item = NULL;
	out->not_first = true;
	if (!out->in_list)
		putchar('\n');
}

static void print_name(struct out *out, const char *name)
{
	if (out->not_first)
		putchar(' ');
	out->not_first = true;
	if (out->group_name)
		printf("%s ", out->group_name);
	if (name)
		printf("%s ", name);
}

/* Takes the reference. */
static void set(struct out *out, const char *name, json_t *value)
{
	json_object_set_new(out->group ? out->group : out->item, name, value);
}

void out_text(struct out *out, const char *name, const char *value)
{
	if (out->form == OUT_TEXT) {
		print_name(out, name);
		fputs(value, stdout);
		return;
	}
	set(out, name, json_string(value));
}

void out_bare(struct out *out, const char *name, const char *value)
{
	if (out->form == OUT_TEXT) {
		print_name(out, NULL);
		fputs(value, stdout);
		return;
	}
	set(out, name, json_string(value));
}

void out_number(struct out *out, const char *name, uint64_t value)
{
	if (out->form == OUT_TEXT) {
		print_name(out, name);
		printf("%" PRIu64, value);
		return;
	}
	set(out, name, json_integer((json_int_t)value));
}

void out_signed(struct out *out, const char *name, int64_t value)
{
	if (out->form == OUT_TEXT) {
		print_name(out, name);
		printf("%" PRId64, value);
		return;
	}
	set(out, name, json_integer(value));
}

void out_switch(struct out *out, const char *name, bool value)
{
	if (out->form != OUT_TEXT)
		set(out, name, json_boolean(value));
	else if (value)
		out_bare(out, name, name);
}

void out_array(struct out *out, const char *name)
{
	out->array_name = name;
	if (out->form != OUT_TEXT)
		out->array = json_array();
}

void out_array_text(struct out *out, const char *value)
{
	if (out->form == OUT_TEXT)
		out_text(out, out->array_name, value);
	else
		json_array_append_new(out->array, json_string(value));
}

void out_array_end(struct out *out)
{
	if (out->form != OUT_TEXT)
		set(out, out->array_name, out->array);
	out->array = NULL;
	out->array_name = NULL;
}

void out_group(struct out *out, const char *name)
{
	out->group_name = name;
	if (out->form != OUT_TEXT)
		out->group = json_object();
}

void out_group_end(struct out *out)
{
	const char *name = out->group_name;
	json_t *group = out->group;

	out->group = NULL;
	out->group_name = NULL;
	if (out->form != OUT_TEXT)
		set(out, name, group);
}
