/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between the tuple on the wire and the one that the application sees, for ct.bpf.c (its only
 * includer): a packet toward the VM is given the key of its flow (ct_view), a flow that is made
 * takes its tuple on the wire for itself (ct_claim). include/roam/ct.h tells what the roles are.
 */
#ifndef ROAM_BPF_CT_VIEW_H
#define ROAM_BPF_CT_VIEW_H

#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "ct_table.h"
#include "stages.h"

/* What the flow does to its packets; false if this one is not as the flow's are on the wire. */
static __always_inline bool note_translation(struct roam_pkt *pkt, const struct roam_flow *flow)
{
	bool translated = flow->lb_role == ROAM_LB_ROLE_CLIENT ||
			  flow->lb_role == ROAM_LB_ROLE_BACKEND;

	if (pkt->dir == ROAM_DIR_IN) {
		if (pkt->lb_role != (translated ? flow->lb_role : ROAM_LB_ROLE_NONE))
			return false;
		if (translated &&
		    (pkt->lb_port != flow->lb_port || !addr_equal(&pkt->lb_addr, &flow->lb_addr)))
			return false;
	}
	if (!flow->lb_role)
		return true;
	pkt->lb_backend = flow->lb_backend;
	if (translated && pkt->dir == ROAM_DIR_IN) /* the rest is what the packet has come with */
		return true;
	pkt->lb_role = flow->lb_role;
	pkt->lb_addr = flow->lb_addr;
	pkt->lb_port = flow->lb_port;
	return true;
}

__noinline enum roam_verdict ct_view(struct roam_pkt *pkt)
{
	struct roam_flow_key key;

	if (!pkt)
		return ROAM_DROP;
	ct_look(pkt, &key);
	return ROAM_CONTINUE;
}

/* The flow is gone or over: nobody but that one has translated the packet. */
static __always_inline void unview(struct roam_pkt *pkt)
{
	if (pkt->dir != ROAM_DIR_IN || pkt->lb_role != ROAM_LB_ROLE_CLIENT)
		return;
	pkt->key.remote = pkt->lb_addr;
	pkt->key.rport = pkt->lb_port;
	pkt->lb_role = ROAM_LB_ROLE_NONE;
}

/* Whether a live flow of the VM has this key; of both banks, since flows may be on the way. */
static __always_inline struct roam_flow *find_live(const struct roam_pkt *pkt,
						   const struct roam_flow_key *key)
{
	for (__u32 i = 0; i < ROAM_CT_TABLES; i++) {
		struct roam_flow *flow = ct_lookup(ROAM_CT_TABLE(pkt->vm, 0, 0) + i, key);

		if (flow && !ct_expired(pkt->vm, flow, pkt->now_ns))
			return flow;
	}
	return NULL;
}

/* In whichever table of the bank in use. */
static __always_inline void delete_flow(const struct roam_pkt *pkt, const struct roam_flow_key *key)
{
	if (pkt->dry_run)
		return;
	ct_delete(ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, ROAM_CT_FLOWS), key);
	ct_delete(ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, ROAM_CT_HALF), key);
}

/* False if the row is that of a live flow. One that is over gives up its tuple, and goes. */
static __always_inline bool wire_is_free(const struct roam_pkt *pkt, const struct roam_ct_wire *row)
{
	struct ct_scratch *scratch = ct_scratch_get(pkt->dry_run);
	struct roam_flow *flow;

	if (!scratch)
		return false;
	scratch->owner = row->key;
	flow = find_live(pkt, &scratch->owner);
	if (flow)
		return flow->lb_role != row->role;
	delete_flow(pkt, &scratch->owner);
	return true;
}

/*
 * A flow without a second key, whose first may be another's on the wire. A row of a flow that is
 * over would hide this one from its packets: it goes. The server's end of a hairpin is in the
 * client's way by nature.
 */
static __always_inline enum roam_verdict claim_plain(struct roam_pkt *pkt, void *rows,
						     const struct roam_flow_key *key)
{
	struct roam_ct_wire *row = bpf_map_lookup_elem(rows, key);

	if (!row || pkt->lb_role == ROAM_LB_ROLE_HAIRPIN_SERVER)
		return ROAM_CONTINUE;
	if (!wire_is_free(pkt, row))
		return drop(pkt, ROAM_REASON_LB_CLASH);
	if (!pkt->dry_run)
		bpf_map_delete_elem(rows, key);
	return ROAM_CONTINUE;
}

static __always_inline enum roam_verdict claim_wire(struct roam_pkt *pkt, void *rows,
						    const struct roam_flow_key *key)
{
	struct wire_end end = { &pkt->lb_addr, pkt->lb_port, pkt->lb_role };
	struct roam_ct_wire row = { .key = *key, .role = pkt->lb_role }, *old;
	struct roam_flow_key wire;
	struct roam_flow *plain;
	int err;

	wire_key(key, end, &wire);
	plain = find_live(pkt, &wire);
	if (plain && plain->lb_role != ROAM_LB_ROLE_HAIRPIN_SERVER)
		return drop(pkt, ROAM_REASON_LB_CLASH);
	old = bpf_map_lookup_elem(rows, &wire);
	if (old && !key_equal(&old->key, key) && !wire_is_free(pkt, old))
		return drop(pkt, ROAM_REASON_LB_CLASH);
	if (pkt->dry_run) /* there is room for more than the flows that the VM can have */
		return ROAM_CONTINUE;
	err = bpf_map_update_elem(rows, &wire, &row, BPF_ANY);
	if (err == -ENOMEM)
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	return err ? drop(pkt, ROAM_REASON_CT_FULL) : ROAM_CONTINUE;
}

__noinline enum roam_verdict ct_claim(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	__u32 index;
	void *rows;

	if (!pkt)
		return ROAM_DROP;
	key = pkt->key;
	index = ROAM_CT_WIRE(pkt->vm, pkt->ct_bank & 1);
	rows = bpf_map_lookup_elem(&ct_wire, &index);
	if (!rows)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	if (pkt->ct_replaces) /* now, or the claim would go with the dead row */
		delete_flow(pkt, &key);
	return has_wire_key(pkt->lb_role) ? claim_wire(pkt, rows, &key)
					  : claim_plain(pkt, rows, &key);
}

/* Gives back what ct_claim took: the flow has not been made. */
static __always_inline void unclaim(const struct roam_pkt *pkt, const struct roam_flow_key *key)
{
	struct wire_end end = { &pkt->lb_addr, pkt->lb_port, pkt->lb_role };

	if (!pkt->dry_run)
		wire_delete(pkt->vm, key, end);
}

/* The second key of a row that is loaded; a tuple that is another flow's on the wire is refused. */
static __always_inline int load_wire(__u32 table, const struct roam_flow_key *key,
				     const struct roam_flow *flow)
{
	struct wire_end end = { &flow->lb_addr, flow->lb_port, flow->lb_role };
	struct roam_ct_wire row = { .key = *key, .role = flow->lb_role }, *old;
	__u32 index = table / ROAM_CT_KINDS;
	void *rows = bpf_map_lookup_elem(&ct_wire, &index);
	struct roam_flow_key wire;
	int err;

	if (!has_wire_key(flow->lb_role))
		return 0;
	if (!rows)
		return -ENOENT;
	wire_key(key, end, &wire);
	err = bpf_map_update_elem(rows, &wire, &row, BPF_NOEXIST);
	if (err != -EEXIST)
		return err == -E2BIG ? -ENOSPC : err;
	old = bpf_map_lookup_elem(rows, &wire);
	return old && key_equal(&old->key, key) ? 0 : -EEXIST;
}

#endif
