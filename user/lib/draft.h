/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VM in the making. A draft has a slot and tables of its own that no program can see, because no
 * port refers to them; publishing it is one write, the VM's name pointing to the new slot, and what
 * follows from that can be finished by anybody (recover.h). Dropping it, or dying, leaves nothing.
 *
 * While a draft is filled the host's lock is not held, so that a stalled pipe stops no other
 * writer.
 */
#ifndef ROAM_DRAFT_H
#define ROAM_DRAFT_H

#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/port.h>
#include <roam/stats.h>
#include <roam/vm.h>
#include "host.h"

struct draft;

/* The generation of policy of a VM that is new here: what flows carry that it has admitted. */
#define DRAFT_GEN 1

/*
 * Reserves a slot and makes its tables. `vm` gives name, uuid, defaults, midstream, quotas, life
 * (what it will be), incarnation and epoch. -EEXIST if the name is taken, unless `replaces` is that
 * VM's slot; ROAM_VM_NONE replaces nobody.
 */
int draft_open(struct host *host, const struct roam_vm *vm, uint32_t replaces,
	       struct draft **ret_draft);

/*
 * A new policy for the VM in slot `of`, which lives on with its flows and counters (takeover.h): it
 * gets no tables for flows, and rules and zones that the VM has by these names keep their numbers.
 * Needs the host's lock, until it is published or closed.
 */
int draft_open_policy(struct host *host, const struct roam_vm *vm, uint32_t of,
		      struct draft **ret_draft);

/* Port and rule are stored as policy; they get the zone's number (port_zone_number()) and an id:
 * from 1, in this order. */
int draft_add_port(struct draft *draft, struct roam_port *port);
int draft_add_rule(struct draft *draft, struct roam_acl_rule *rule,
		   const struct roam_acl_hits *hits);
int draft_set_stats(struct draft *draft, const struct roam_stats *stats);
int draft_load_flows(struct draft *draft, enum roam_ct_kind kind, const struct roam_flow_rec *rows,
		     uint32_t count);

uint32_t draft_slot(const struct draft *draft);
/* Whether it is draft_open_policy()'s: nothing of what traffic makes will ever be in its slot. */
bool draft_is_policy(const struct draft *draft);

/*
 * What remains when a VM is live: to free the one that it has replaced, which waits for RCU.
 * Whoever has the descriptor, a child as well, holds the lock of the journal's entry; if nobody has
 * it any more, recovery does what is left.
 */
struct draft_rest {
	int entry; /* -1: nothing remains */
	uint32_t slot;
	char name[ROAM_NAME_LEN];
};

/* The VM is there, in place of the one that it replaces, or nothing has changed. */
int draft_publish(struct draft *draft);
/* The same, and what can be done later is left to draft_finish_rest(). */
int draft_publish_live(struct draft *draft, struct draft_rest *ret_rest);
void draft_finish_rest(struct host *host, struct draft_rest *rest);

/* Frees the draft; if it was not published, all that it had made. */
void draft_close(struct draft *draft);

static inline void cleanup_draft(struct draft **draft)
{
	draft_close(*draft);
}
#define _cleanup_draft_ __attribute__((cleanup(cleanup_draft)))

/* What remains to be done for a slot whose name points to it already: used by recovery. */
int draft_finish(struct host *host, uint32_t slot);

#endif
