/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The second keys of translated flows (include/roam/ct.h), for ct_table.h: no two live flows of a
 * VM have the same tuple on the wire, neither as a second key nor as a first one. A row is there
 * before its flow and goes with it.
 */
#ifndef ROAM_BPF_CT_WIRE_H
#define ROAM_BPF_CT_WIRE_H

#include <linux/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/vm.h>
#include "ct_look.h"

/*
 * What does not fit on the stack, each field with one user. Packets are judged with softirqs off,
 * so that no other one comes between; ct_load, which is not, must stay away from it.
 */
struct ct_scratch {
	struct roam_flow flow;      /* that open_flow makes */
	struct roam_ct_tick tick;   /* that ct_reclaim_one looks at */
	struct roam_flow_key wire;  /* that wire_delete looks for */
	struct roam_flow_key owner; /* that wire_is_free looks for */
};

/* The second one is for dry runs, which real packets may interrupt. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct ct_scratch);
} ct_scratch SEC(".maps");

static __always_inline struct ct_scratch *ct_scratch_get(__u32 dry_run)
{
	return bpf_map_lookup_elem(&ct_scratch, &dry_run);
}

static __always_inline bool has_wire_key(__u8 role)
{
	return role == ROAM_LB_ROLE_CLIENT || role == ROAM_LB_ROLE_BACKEND ||
	       role == ROAM_LB_ROLE_HAIRPIN_CLIENT;
}

/* What a flow's translation is: of a row, or of the packet that opens it. */
struct wire_end {
	const struct roam_addr *addr;
	__be16 port;
	__u8 role;
};

/* How its packets look toward the VM, where they are not as its application sees them. */
static __always_inline void wire_key(const struct roam_flow_key *key, struct wire_end end,
				     struct roam_flow_key *ret_wire)
{
	*ret_wire = *key;
	switch (end.role) {
	case ROAM_LB_ROLE_CLIENT:
		ret_wire->remote = *end.addr;
		ret_wire->rport = end.port;
		break;
	case ROAM_LB_ROLE_BACKEND:
		ret_wire->local = *end.addr;
		ret_wire->lport = end.port;
		break;
	default: /* HAIRPIN_CLIENT: the key of the flow at its other end */
		ret_wire->local = *end.addr;
		ret_wire->lport = end.port;
		ret_wire->rport = key->lport;
	}
}

static __always_inline bool key_equal(const struct roam_flow_key *a, const struct roam_flow_key *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	__u32 differ = 0;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*x); i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

/* The flow's row, in whichever bank, unless another flow has taken the key over. */
static __always_inline void wire_delete(__u32 vm, const struct roam_flow_key *key,
					struct wire_end end)
{
	struct ct_scratch *scratch = ct_scratch_get(0);
	struct roam_flow_key *wire;

	if (!has_wire_key(end.role) || !scratch)
		return;
	wire = &scratch->wire;
	wire_key(key, end, wire);
	for (__u32 bank = 0; bank < ROAM_CT_BANKS; bank++) {
		__u32 index = ROAM_CT_WIRE(vm, bank);
		void *rows = bpf_map_lookup_elem(&ct_wire, &index);
		struct roam_ct_wire *row = rows ? bpf_map_lookup_elem(rows, wire) : NULL;

		if (row && key_equal(&row->key, key))
			bpf_map_delete_elem(rows, wire);
	}
}

/* `table` is a ROAM_CT_TABLE(). Not inlined: for its callers' stack. */
static __noinline void wire_release(__u32 table, const struct roam_flow_key *key,
				    const struct roam_flow *flow)
{
	struct wire_end end = { &flow->lb_addr, flow->lb_port, flow->lb_role };

	wire_delete(table / ROAM_CT_TABLES, key, end);
}

#endif
