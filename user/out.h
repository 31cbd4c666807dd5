/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a command prints: lists of items with named fields. As text an item is a line of `name
 * value` pairs that reads like the command which would make it; as JSON it is an object. Commands
 * say what there is, never how it looks.
 */
#ifndef ROAM_OUT_H
#define ROAM_OUT_H

#include <stdbool.h>
#include <stdint.h>

struct out;

enum out_form {
	OUT_TEXT,
	OUT_JSON,
	OUT_JSON_PRETTY,
};

struct out *out_open(enum out_form form);
/* Ends the output; false if it could not all be written. */
bool out_close(struct out *out);

/*
 * A list of items, streamed; one command prints at most one, and an item alone needs none. Its end
 * is told how the command went, and returns that: who failed before the first item prints nothing,
 * who failed later a list that is cut short, but whole JSON.
 */
void out_list(struct out *out);
int out_list_end(struct out *out, int err);

void out_item(struct out *out);
void out_item_end(struct out *out);

/* What is there is written; false if nobody reads it. */
bool out_flush(void);

/* A whole item that is JSON already; takes the reference. Not for text. */
struct json_t;
void out_tree(struct out *out, struct json_t *item);
bool out_is_text(const struct out *out);

/* `bare`: as text only the value is printed. */
void out_text(struct out *out, const char *name, const char *value);
void out_bare(struct out *out, const char *name, const char *value);
void out_number(struct out *out, const char *name, uint64_t value);
void out_signed(struct out *out, const char *name, int64_t value);
/* As text a switch is printed as `name` when it is on, and not at all when it is off. */
void out_switch(struct out *out, const char *name, bool value);

/* A field with several values: `name value name value` as text, an array as JSON. */
void out_array(struct out *out, const char *name);
void out_array_text(struct out *out, const char *value);
void out_array_end(struct out *out);

/* Fields of a field: `outer inner value` as text, an object as JSON. */
void out_group(struct out *out, const char *name);
void out_group_end(struct out *out);

#endif
