/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sets by name: addresses and prefixes of both families, or ports and ranges of them, of the host.
 * Rules of its VMs refer to them; what a set holds is compiled into the lists of rules that the acl
 * stage reads (acl_index.h), so programs do not look at what is here.
 *
 * Map `set_all`: ARRAY_OF_MAPS with one place; inner ARRAY of struct roam_set: all that there are,
 * by name; empty if there is none. Sets change by one write of that place. Map `set_rows`:
 * ARRAY_OF_MAPS by roam_set.no; inner ARRAY of struct roam_set_entry: what a set holds, in order.
 */
#ifndef ROAM_SET_H
#define ROAM_SET_H

#include "acl.h"
#include "types.h"

#define ROAM_SETS        1024 /* of a host */
#define ROAM_SET_ENTRIES 4096 /* of a set */
/* Entries of all sets that the rules of one VM and direction refer to. */
#define ROAM_SET_ENTRIES_VM 65536
/* Twice: all of them may change at once. */
#define ROAM_SET_ROWS (2 * ROAM_SETS)

#define ROAM_SET_KINDS(X)                                                                          \
	X(ADDR, "addr")                                                                            \
	X(PORT, "port")

enum roam_set_kind {
#define X(id, text) ROAM_SET_##id,
	ROAM_SET_KINDS(X)
#undef X
		ROAM_SET_KIND_COUNT
};

/* Images carry the sets that a VM's rules refer to: never what they hold. */
struct roam_set {
	char name[ROAM_NAME_LEN] ROAM_CARRY("name", "required");
	__u64 digest ROAM_CARRY("uint", "required"); /* of kind and entries */
	__u32 count ROAM_CARRY("uint", "optional");  /* of entries */
	__u32 no;                                    /* its place in set_rows */
	__u8 kind ROAM_CARRY("enum/SET_KIND", "required");
	__u8 pad[7];
};

ROAM_ASSERT_SIZE(struct roam_set, 88);

/* One of the two means something, by the set's kind; the other one is zero. */
struct roam_set_entry {
	struct roam_prefix addr;
	struct roam_port_range port;
};

ROAM_ASSERT_SIZE(struct roam_set_entry, 24);

#endif
