/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The shape of a policy file: a table of keys for each mapping (policy_FEATURE.c), from which
 * reading (policy_read.h), showing (policy_tree.h) and comparing (policy_diff.h) are all made.
 *
 * To add a key, add a row: its name, what it holds, how its text gets into the object (`read`) and
 * out again (`show`). To add a feature, give struct policy (lib/policy.h) its rows, write a table
 * for its mapping in policy_FEATURE.c, and add one row for it to the table of the whole file
 * (policy_keys.c): read, show and diff know it then. What is left is to get it from a host and to
 * fill a draft with it (lib/policy.c), and FEATURE_take() in lib/takeover.c.
 */
#ifndef ROAM_POLICY_KEYS_H
#define ROAM_POLICY_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value as text, with NUL. */
#define POLICY_TEXT_LEN 80

enum policy_holds {
	POLICY_TEXT,   /* a scalar; JSON: a string */
	POLICY_VALUE,  /* a scalar; JSON: a number if it is one, else a string */
	POLICY_SWITCH, /* a scalar, "on" or "off"; JSON: true or false */
	POLICY_TEXTS,  /* a list of scalars */
	POLICY_MAP,    /* a mapping */
	POLICY_MAPS,   /* a list of mappings, named by their table's first key */
};

struct policy_map;

struct policy_key {
	const char *name;
	enum policy_holds holds;
	bool required;
	bool unique; /* among the mappings of its list */

	/* Scalars: from text into the mapping's object. A list's items are read one by one. */
	int (*read)(void *object, const char *text);
	/* The value, or a list's item number i; false: there is none, or it is the usual one. */
	bool (*show)(const void *object, uint32_t i, char text[POLICY_TEXT_LEN]);

	/* Mappings: their table, and the object that the mapping (number i of a list) is about;
	 * NULL: there is none. */
	const struct policy_map *map;
	void *(*at)(void *object, uint32_t i);
	/* The object for a mapping that is read: the next of a list. NULL where it is that of at().
	 */
	int (*add)(void *object, void **ret_object);
};

struct policy_map {
	const char *what; /* "a port" */
	const struct policy_key *keys;
	size_t count;
	/* Looks at the object as a whole when all its keys have been read; may be NULL. */
	int (*check)(void *object);
};

/* A whole document; its object is a struct policy. */
extern const struct policy_map policy_file;

/* One of the other kind: the host's services; its object is a struct lb_policy. */
extern const struct policy_map policy_services;

/* The same of the host's sets by name; its object is a struct sets. */
extern const struct policy_map policy_sets;

extern const struct policy_map policy_vm;

extern const struct policy_map policy_timeouts;
void *policy_timeouts_at(void *object, uint32_t i);
int policy_timeouts_add(void *object, void **ret_object);

extern const struct policy_map policy_port;
void *policy_port_at(void *object, uint32_t i);
int policy_port_add(void *object, void **ret_object);

extern const struct policy_map policy_acl;
void *policy_acl_at(void *object, uint32_t i);
int policy_acl_add(void *object, void **ret_object);

extern const struct policy_map policy_qos;
void *policy_qos_at(void *object, uint32_t i);
int policy_qos_add(void *object, void **ret_object);

extern const struct policy_map policy_ips;
void *policy_ips_at(void *object, uint32_t i);
int policy_ips_add(void *object, void **ret_object);

/* ---- what a table's functions may use ---- */

bool policy_say(char text[POLICY_TEXT_LEN], const char *value);
bool policy_say_number(char text[POLICY_TEXT_LEN], uint32_t value);
/* A mapping about the same object as the one that it is in. */
void *policy_same(void *object, uint32_t i);

#endif
