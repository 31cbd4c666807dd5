/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The values of one field of a packet, cut into classes: between two neighbouring cuts no rule
 * begins or ends, so all values there are the same to all rules (but for the highest value of all,
 * which is always of the same class as the one before it). acl_index.c makes sets of rules of
 * them. Pure.
 */
#ifndef ROAM_LIB_ACL_CLASSES_H
#define ROAM_LIB_ACL_CLASSES_H

#include <stdint.h>
#include <stdlib.h>
#include <roam/acl_index.h>

/* What a rule says of a field; both ends included. A port is a key whose upper half is 0. */
struct acl_span {
	struct roam_acl_key first;
	struct roam_acl_key last;
};

/* What rules say of a field: spans that do not overlap, none if it fits nothing. */
struct acl_value {
	const struct acl_span *spans;
	uint32_t count;
	uint32_t rules; /* how many say so */
};

struct acl_classes {
	struct roam_acl_key *first; /* value of each class; sorted; that of class 0 is 0 */
	uint32_t *rules;            /* how many say something of the class's values, or fewer */
	uint32_t count;
};

static inline void cleanup_acl_classes(struct acl_classes *classes)
{
	free(classes->first);
	free(classes->rules);
}

int acl_classes_make(const struct acl_value *values, uint32_t count,
		     struct acl_classes *ret_classes);

/* How many classes have more rules than a short set holds. */
uint32_t acl_classes_large(const struct acl_classes *classes);

/*
 * Makes neighbours one until there are no more than `most_all`, and of large ones no more than
 * `most`: those first, small ones only if that is not enough. The values are those that the
 * classes were made of.
 */
void acl_classes_coarsen(struct acl_classes *classes, uint32_t most, uint32_t most_all,
			 const struct acl_value *values, uint32_t count);

/* The class in which a value is. */
uint32_t acl_classes_find(const struct acl_classes *classes, struct roam_acl_key value);

#endif
