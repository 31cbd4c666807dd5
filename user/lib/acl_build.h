/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The making of an index of rules: what acl_index.c, which plans it, and acl_fill.c, which lays out
 * and fills its rows, have in common. Nobody else includes this.
 */
#ifndef ROAM_LIB_ACL_BUILD_H
#define ROAM_LIB_ACL_BUILD_H

#include <stdbool.h>
#include "acl_classes.h"
#include "acl_index.h"

/* The fields whose values are cut: addresses by enum roam_acl_end, then ports. */
enum acl_field {
	FIELD_REMOTE,
	FIELD_LOCAL,
	FIELD_RPORT,
	FIELD_LPORT,
	FIELDS,
	FIELD_ADDR = FIELD_REMOTE,
	FIELD_PORT = FIELD_RPORT,
};

#define ACL_FAMILIES 2

struct acl_build {
	const struct roam_acl_match *rules;
	uint32_t count;
	const struct acl_named *named;
	uint32_t named_count;
	uint32_t stride;
	struct acl_span *spans[FIELDS];   /* one a rule, where it has no set by name */
	struct acl_value *values[FIELDS]; /* those of named sets, then what is left of rules */
	uint32_t value_count[FIELDS];
	uint32_t *value_of[FIELDS]; /* by rule */
	struct acl_classes classes[FIELDS];
	uint16_t *set[FIELDS]; /* by class; short ones are numbered behind all others */
	uint16_t proto_set[ACL_FAMILIES][ROAM_ACL_ROW_CLASSES];
	uint32_t sets;
	uint32_t shorts;
	uint16_t *ports[ROAM_ACL_ENDS]; /* set by port */
	struct roam_acl_row *rows;
	struct roam_acl_head head;
	uint32_t row_count;
};

static inline bool acl_set_is_short(const struct acl_classes *classes, uint32_t class)
{
	return classes->rules[class] <= ROAM_ACL_SHORT;
}

/* The number of the named set that the rule has for the field; 0: none. */
static inline uint32_t acl_named_of(const struct roam_acl_match *rule, enum acl_field field)
{
	const uint16_t named[FIELDS] = {
		[FIELD_REMOTE] = rule->remote_named,
		[FIELD_LOCAL] = rule->local_named,
		[FIELD_RPORT] = rule->rport_named,
		[FIELD_LPORT] = rule->lport_named,
	};

	return named[field];
}

/* Lays out what was planned and fills it: build->rows. */
int acl_fill(struct acl_build *build);

/* The rows of named sets, behind all that have been laid out (acl_named.c). */
void acl_named_lay(struct acl_build *build);
void acl_named_fill(struct acl_build *build);

#endif
