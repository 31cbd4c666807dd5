/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The inner maps of a VM: making them in the VM's places of the outer maps, and removing them. The
 * types and flags must equal the templates in bpf/ (the kernel refuses others).
 */
#ifndef ROAM_TABLES_H
#define ROAM_TABLES_H

#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/stats.h>
#include "acl_index.h"
#include "places.h"

/*
 * All that a VM has: one bank of flow tables and clocks, counters, rules, empty lists of them. They
 * can be filled at once; places_end(), which must follow, waits until the kernel is done.
 */
int tables_make(struct places *places, uint32_t slot, const uint32_t quota[ROAM_CT_KINDS]);

/* Only what holds policy and its counters: for a slot that no packet will ever belong to. */
int tables_make_policy(struct host *host, uint32_t slot);

/* The flow tables and clocks of one bank, empty; for second keys, too, if the VM's row has lb. */
int tables_make_bank(struct host *host, uint32_t slot, uint32_t bank,
		     const uint32_t quota[ROAM_CT_KINDS]);
void tables_clear_bank(struct host *host, uint32_t slot, uint32_t bank);

/* The bank's table of second keys, empty. */
int tables_make_wire(struct host *host, uint32_t slot, uint32_t bank);

/* The lists of both directions as the acl stage reads them: each is replaced as a whole. */
int tables_add_matches(struct places *places, uint32_t slot,
		       const struct acl_source lists[ROAM_DIR_COUNT]);

/* Removes all inner maps of a slot. */
void tables_clear(struct host *host, uint32_t slot);

#endif
