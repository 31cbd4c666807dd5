/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The inner maps of a VM's intrusion prevention: making, resizing and removing them, and rows with
 * their clocks. For ips.c, and carry_merge.c. The types and flags must equal the templates in
 * bpf/ips_table.h.
 */
#ifndef ROAM_IPS_TABLES_H
#define ROAM_IPS_TABLES_H

#include <roam/ips.h>
#include "host.h"

enum host_map ips_rows_map(enum roam_ips_kind kind);

/* Empty tables of these quotas. */
int ips_tables_make(struct host *host, uint32_t slot, const uint32_t quota[ROAM_IPS_KINDS]);
/*
 * Tables of other quotas in place of those that are there, with their rows. New rows that programs
 * write meanwhile are copied, too, once they all use the new tables.
 */
int ips_tables_resize(struct host *host, uint32_t slot, const uint32_t quota[ROAM_IPS_KINDS]);
void ips_tables_clear(struct host *host, uint32_t slot);
/* Any of them; all of them, of these quotas. */
bool ips_tables_exist(struct host *host, uint32_t slot);
bool ips_tables_fit(struct host *host, uint32_t slot, const uint32_t quota[ROAM_IPS_KINDS]);

/* Stores a row and its entry of the clock: -ENOSPC on a full table. */
int ips_row_put(struct host *host, uint32_t slot, enum roam_ips_kind kind,
		const struct roam_addr *key, const void *value);
/* The same into a table and a clock that are open; -EEXIST, and as it was, if there is one. */
int ips_row_put_into(int rows, int clock, enum roam_ips_kind kind, const struct roam_addr *key,
		     const void *value);
/* The same, where the clock may be full of entries that stand for no row. */
int ips_row_put_tidy(struct host *host, uint32_t slot, enum roam_ips_kind kind,
		     const struct roam_addr *key, const void *value);

#endif
