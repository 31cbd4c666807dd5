/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One fault in one phase of a handover in a world (handover_world.h) that is calm otherwise, and
 * how any handover has to end.
 */
#ifndef ROAM_TESTS_HANDOVER_ONCE_H
#define ROAM_TESTS_HANDOVER_ONCE_H

#include "handover_world.h"

/* Where both machines are: in the order in which a handover goes through them. */
enum phase {
	PHASE_OFFERED,
	PHASE_BASE,
	PHASE_ROUNDS,
	PHASE_FROZEN,
	PHASE_READY,
	PHASE_OPEN,  /* the VM runs at the destination; the source does not know */
	PHASE_MOVED, /* it does */
	PHASE_DONE,  /* and has nothing of it any more */
	PHASE_COUNT
};

extern const char *const phase_text[PHASE_COUNT];

enum once {
	ONCE_SOURCE_KILLED,
	ONCE_DEST_KILLED,
	ONCE_BOTH_KILLED,
	ONCE_SOURCE_HUNG, /* for a minute: past every limit but that of 600 s */
	ONCE_DEST_HUNG,
	ONCE_SOURCE_HUNG_LONG, /* past that, too */
	ONCE_DEST_HUNG_LONG,
	ONCE_CUT,        /* both sides learn of it */
	ONCE_CUT_SOURCE, /* half-open: one does, the other when it sends */
	ONCE_CUT_DEST,
	ONCE_UNPLUGGED, /* cut, and no other connection for a minute */
	ONCE_DOUBLED,   /* what is on its way comes twice */
	ONCE_SWAPPED,   /* in another order */
	ONCE_MISSING,   /* without its first; the numbers of frames show it, and the connection ends
			 */
	ONCE_CORRUPT,   /* what is applied next is not to be understood */
	ONCE_DEST_FULL, /* there is no room for it */
	ONCE_DEST_MEMORY,
	ONCE_SOURCE_MEMORY,
	ONCE_SOURCE_JOURNAL, /* cannot be written, for a second */
	ONCE_DEST_JOURNAL,
	ONCE_POLICY,       /* edited at the source */
	ONCE_ABORT_SOURCE, /* by hand */
	ONCE_ABORT_DEST,
	ONCE_CANCELLED, /* by the VM manager, which has the VM back at the source */
	ONCE_THAWED,    /* the VM goes on at the source, and nobody is told */
	ONCE_DEST_REBOOTED,
	ONCE_SOURCE_REBOOTED,           /* and a VM that has not left it is gone */
	ONCE_SOURCE_REPLACED,           /* and its journal, too */
	ONCE_SOURCE_REBOOTED_BEHIND_IT, /* the VM is on its way, and arrives */
	ONCE_COUNT
};

bool world_is_in(const struct world *world, enum phase phase);
void world_once(struct world *world, enum once once);

/* Exactly one host judges, the one that the VM is at; the other one has nothing; it has a name. */
bool world_ended_well(const struct world *world);
void world_tell(const struct world *world, uint64_t seed);

#endif
