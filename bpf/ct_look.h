/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How a packet toward the VM gets the key of its flow, for ct.bpf.c, which owns the second keys,
 * and for the port stage, which inlines it. include/roam/ct.h tells what the roles are.
 */
#ifndef ROAM_BPF_CT_LOOK_H
#define ROAM_BPF_CT_LOOK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/ct.h>
#include <roam/pkt.h>
#include <roam/vm.h>
#include "stages.h"

struct ct_wire_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_QUOTA_MIN);
	__uint(key_size, sizeof(struct roam_flow_key));
	__uint(value_size, sizeof(struct roam_ct_wire));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX *ROAM_CT_BANKS);
	__type(key, __u32);
	__array(values, struct ct_wire_rows);
} ct_wire __weak SEC(".maps");

/* The packet's key becomes the flow's own: at one end of it stands this. */
static __always_inline void view_end(struct roam_pkt *pkt, __u8 role, const struct roam_addr *addr,
				     __be16 port)
{
	bool client = role == ROAM_LB_ROLE_CLIENT;
	struct roam_addr *end = client ? &pkt->key.remote : &pkt->key.local;
	__be16 *end_port = client ? &pkt->key.rport : &pkt->key.lport;

	pkt->lb_role = role;
	pkt->lb_addr = *end;
	pkt->lb_port = *end_port;
	*end = *addr;
	*end_port = port;
}

/*
 * A packet toward the VM, seen as its application does: with the key of the flow whose tuple on the
 * wire it has. lb_addr and lb_port are what it had there. The server's end of a hairpin has the
 * same tuple on both sides; its opening must know the other end.
 */
static __always_inline void view_as(struct roam_pkt *pkt, const struct roam_ct_wire *row)
{
	switch (row->role) {
	case ROAM_LB_ROLE_CLIENT:
		view_end(pkt, ROAM_LB_ROLE_CLIENT, &row->key.remote, row->key.rport);
		break;
	case ROAM_LB_ROLE_BACKEND:
		view_end(pkt, ROAM_LB_ROLE_BACKEND, &row->key.local, row->key.lport);
		break;
	default:
		pkt->lb_role = ROAM_LB_ROLE_NONE;
		pkt->lb_hairpin = 1;
		pkt->lb_addr = row->key.local;
		pkt->lb_port = row->key.rport;
	}
}

/*
 * `copy`: room for a key where the packet is an argument, by whose memory Linux 6.1 looks nothing
 * up; NULL where it is a map's, and stack is scarce.
 */
static __always_inline void ct_look(struct roam_pkt *pkt, struct roam_flow_key *copy)
{
	const struct roam_flow_key *key = &pkt->key;
	const struct roam_ct_wire *row = NULL;

	if (copy) {
		*copy = pkt->key;
		key = copy;
	}
	for (__u32 i = 0; i < ROAM_CT_BANKS && !row; i++) {
		__u32 index = ROAM_CT_WIRE(pkt->vm, (pkt->ct_bank + i) & 1);
		void *rows = bpf_map_lookup_elem(&ct_wire, &index);

		row = rows ? bpf_map_lookup_elem(rows, key) : NULL;
	}
	if (row)
		view_as(pkt, row);
}

#endif
