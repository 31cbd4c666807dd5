/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Intrusion prevention of VMs: the profile as policy, blocks and sources as state. Tables exist
 * from the first `ips set` or block of a VM until its profile is removed.
 */
#ifndef ROAM_LIB_IPS_H
#define ROAM_LIB_IPS_H

#include <roam/ips.h>
#include "host.h"

/* A profile that limits nothing, with the usual numbers. */
struct roam_ips ips_defaults(void);
/* What an operator or an image may say; `what` begins the error line. */
int ips_validate(const char *what, const struct roam_ips *conf);

int ips_get(struct host *host, uint32_t slot, struct roam_ips *ret_conf);
bool ips_is_used(struct host *host, uint32_t slot);

/*
 * The VM's profile from now on; sources and blocks go on. Refused if blocks exist that another
 * prefix length would not match any more, or more than the new quota.
 */
int ips_set(struct host *host, uint32_t slot, const struct roam_ips *conf);
/* Removes profile, sources and blocks. */
int ips_del(struct host *host, uint32_t slot);

typedef int (*ips_block_fn)(const struct roam_ips_block_rec *rec, void *arg);
typedef int (*ips_source_fn)(const struct roam_ips_source_rec *rec, void *arg);
int ips_each_block(struct host *host, uint32_t slot, ips_block_fn fn, void *arg);
int ips_each_source(struct host *host, uint32_t slot, ips_source_fn fn, void *arg);

/* The part of the address that is a source under this profile. */
struct roam_addr ips_source(const struct roam_ips *conf, const struct roam_addr *addr);

/* An operator's block, for `seconds` or, with 0, until released; one that is there is replaced. */
int ips_block_add(struct host *host, uint32_t slot, const struct roam_addr *addr, uint32_t seconds);
int ips_block_del(struct host *host, uint32_t slot, const struct roam_addr *addr);

/* ---- for a slot that no program sees (drafts), and for one that is freed ---- */

/* Makes the tables and writes the profile. */
int ips_store(struct host *host, uint32_t slot, const struct roam_ips *conf);
/* Only writes the profile, of which no tables are wanted: for ips_take(). */
int ips_stage(struct host *host, uint32_t slot, const struct roam_ips *conf);
/*
 * The profile of slot `from` becomes that of `slot`, whose sources and blocks go on as with
 * ips_set(). For a takeover (takeover.h): what may be refused is asked first, the rest can be
 * repeated.
 */
int ips_check_take(struct host *host, uint32_t slot, uint32_t from);
int ips_take(struct host *host, uint32_t slot, uint32_t from);
int ips_store_source(struct host *host, uint32_t slot, const struct roam_ips_source_rec *rec);
int ips_store_block(struct host *host, uint32_t slot, const struct roam_ips_block_rec *rec);
/* Over one that is there: merge.h. */
int ips_merge_source(struct host *host, uint32_t slot, const struct roam_ips_source_rec *rec);
int ips_merge_block(struct host *host, uint32_t slot, const struct roam_ips_block_rec *rec);
void ips_clear(struct host *host, uint32_t slot);

/* Tables as the profile says, after a kill. Needs the host's lock. */
int ips_mend(struct host *host, uint32_t slot);

#endif
