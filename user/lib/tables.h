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
#include "host.h"

/* The flow tables and clocks of one bank, empty. */
int tables_make_bank(struct host *host, uint32_t slot, uint32_t bank, const uint32_t *quota);
void tables_clear_bank(struct host *host, uint32_t slot, uint32_t bank);

/* Everything else: counters, rules as written, their counters, empty lists. */
int tables_make_policy(struct host *host, uint32_t slot);

/* A list as the acl stage reads it, put in its place: the old one is replaced as a whole. */
int tables_set_match(struct host *host, uint32_t index, const struct roam_acl_match *rules,
		     uint32_t count);

/* Removes all inner maps of a slot. */
void tables_clear(struct host *host, uint32_t slot);

#endif
