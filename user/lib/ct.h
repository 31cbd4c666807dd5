/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Flows of VMs, in bulk: reading them while traffic runs, loading, flushing, and changing a quota
 * without losing one.
 */
#ifndef ROAM_LIB_CT_H
#define ROAM_LIB_CT_H

#include <roam/ct.h>
#include <roam/vm.h>
#include "host.h"

typedef int (*ct_rows_fn)(const struct roam_flow_rec *rows, uint32_t count, void *arg);

/*
 * Calls fn with a few thousand rows at a time until it returns non-zero, which is returned. Memory
 * does not depend on the number of flows. A row that nothing touches meanwhile is seen exactly
 * once. -EAGAIN: the VM's quota was changed meanwhile, and rows may have been missed.
 */
int ct_dump(struct host *host, uint32_t slot, ct_rows_fn fn, void *arg);

/*
 * Stores rows in a table (ROAM_CT_TABLE) that holds none with the same keys: -EEXIST, -ENOSPC if
 * the table is full, otherwise all of them. ct_load_missing: keys that exist are left as they are,
 * and whether they do or not, the row leaves the VM's other bank.
 */
int ct_load(struct host *host, uint32_t table, const struct roam_flow_rec *rows, uint32_t count);
int ct_load_missing(struct host *host, uint32_t table, const struct roam_flow_rec *rows,
		    uint32_t count);

/* The second key of a translated flow; false if it has none (bpf/ct_wire.h). */
bool ct_wire_key(const struct roam_flow_rec *rec, struct roam_flow_key *ret_wire);

/* The table where a flow in this state lives. */
enum roam_ct_kind ct_state_kind(uint8_t state);
/* How long a flow of a VM with these timeouts may idle, as the programs see it (bpf/ct_table.h). */
uint32_t ct_patience_s(const struct roam_ct_timeouts *own, const struct roam_flow *flow);
bool ct_flow_expired(const struct roam_ct_timeouts *own, const struct roam_flow *flow,
		     uint64_t now_ns);
/* What remains of timeouts where room is needed, in percent. */
uint32_t ct_patience_percent(uint32_t used, uint32_t quota);

/* A VM's timeout by the name of its state, or "unacked"; NULL: there is no such state. */
uint32_t *ct_timeout_of(struct roam_ct_timeouts *timeouts, const char *state);
/* Their names in order; NULL behind the last. */
const char *ct_timeout_name(uint32_t i);

/* Removes all flows; how many there were. */
int ct_flush(struct host *host, uint32_t slot, uint64_t *ret_count);

/* The same for those whose connection is translated (roam_flow.lb_role). */
int ct_flush_translated(struct host *host, uint32_t slot, uint64_t *ret_count);

/* Deletes rows with these keys from a table (ROAM_CT_TABLE); returns how many were there. Needs the
 * host's lock. */
int ct_drop(struct host *host, uint32_t table, const struct roam_flow_rec *rows, uint32_t count);

/* Rows in use, by kind; expired ones that nobody has needed the room of included. */
int ct_used(struct host *host, uint32_t slot, uint32_t ret_used[ROAM_CT_KINDS]);

/*
 * Writes the VM's new row, `wanted`, whose quotas have changed: its flows move to new tables while
 * traffic runs. Needs the host's lock and an entry in the journal; ct_finish_move() goes on where a
 * killed process stopped.
 */
int ct_resize(struct host *host, uint32_t slot, const struct roam_vm *wanted);
int ct_finish_move(struct host *host, uint32_t slot);

#endif
