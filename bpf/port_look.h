/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the port stage does, for port.bpf.c, whose maps these are, and for pipeline.h, which inlines
 * it: every packet at a port goes through it.
 */
#ifndef ROAM_BPF_PORT_LOOK_H
#define ROAM_BPF_PORT_LOOK_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include <roam/vm.h>
#include "ct_look.h"
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__type(value, struct roam_vm);
} vm_conf __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_VM_MAX * 2);
	__type(key, __u32); /* ifindex */
	__type(value, struct roam_port);
} port_dev __weak SEC(".maps");

/* By halves of words, where all of them stand: as bytes each of them is loaded and shifted. */
static __always_inline bool mac_equal(const __u8 *a, const __u8 *b)
{
	const __be16 *x = (const __be16 *)a, *y = (const __be16 *)b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

/* :: or 0.0.0.0 */
static __always_inline bool addr_is_any(const struct roam_addr *addr)
{
	return !addr->words[3] && !addr->words[0] && !addr->words[1] &&
	       (!addr->words[2] || addr->words[2] == bpf_htonl(0xffff));
}

static __always_inline bool addr_is_group(const struct roam_addr *addr)
{
	if (addr->bytes[0] == 0xff)
		return true;
	return addr_is_ipv4(addr) &&
	       ((addr->bytes[12] & 0xf0) == 0xe0 || addr->words[3] == 0xffffffff);
}

/* fe80:: with the interface identifier of the MAC (modified EUI-64, RFC 4291, appendix A). */
static __always_inline bool addr_is_own_link_local(const struct roam_addr *addr, const __u8 *mac)
{
	return addr->words[0] == bpf_htonl(0xfe800000) && !addr->words[1] &&
	       addr->bytes[8] == (mac[0] ^ 2) && addr->bytes[9] == mac[1] &&
	       addr->bytes[10] == mac[2] && addr->bytes[11] == 0xff && addr->bytes[12] == 0xfe &&
	       addr->bytes[13] == mac[3] && addr->bytes[14] == mac[4] && addr->bytes[15] == mac[5];
}

static __always_inline enum roam_local_kind local_kind(const struct roam_port *port,
						       const struct roam_addr *addr)
{
	for (__u32 i = 0; i < ROAM_PORT_ADDRS; i++) {
		if (i >= port->addr_count)
			break;
		if (addr_equal(&port->addr[i], addr))
			return ROAM_LOCAL_BOUND;
	}
	if (addr_is_own_link_local(addr, port->mac))
		return ROAM_LOCAL_BOUND;
	return addr_is_any(addr) ? ROAM_LOCAL_ANY : ROAM_LOCAL_OTHER;
}

/* A port without a list takes untagged frames; one with a list takes exactly what is on it. */
static __always_inline bool vlan_allowed(const struct roam_port *port, __u32 vlan)
{
	if (!port->vlan_count)
		return !vlan;
	for (__u32 i = 0; i < ROAM_PORT_VLANS; i++) {
		if (i >= port->vlan_count)
			break;
		if (port->vlan[i] == vlan)
			return true;
	}
	return false;
}

/* The VM's own address in the packet: what it says that it sends from, or is to get it at. */
static __always_inline const struct roam_addr *local_addr(const struct roam_pkt *pkt)
{
	return is_error(pkt) && pkt->dir == ROAM_DIR_OUT ? &pkt->error_source : &pkt->key.local;
}

static __always_inline void note_facts(struct roam_pkt *pkt, const struct roam_port *port)
{
	const struct roam_addr *dest = pkt->dir == ROAM_DIR_OUT ? &pkt->key.remote
								: &pkt->key.local;
	__u8 facts = 0;

	if (mac_equal(pkt->smac, port->mac))
		facts |= ROAM_PKT_OWN_SMAC;
	if (mac_equal(pkt->dmac, port->mac))
		facts |= ROAM_PKT_OWN_DMAC;
	if ((pkt->dmac[0] & 1) || addr_is_group(dest))
		facts |= ROAM_PKT_TO_GROUP;
	pkt->facts = facts;
	pkt->local_kind = local_kind(port, local_addr(pkt));
	pkt->target_kind = ROAM_LOCAL_OTHER;
	if (pkt->link == ROAM_LINK_NONE)
		return;
	if (mac_equal(pkt->lladdr, port->mac))
		pkt->facts |= ROAM_PKT_OWN_LLADDR;
	if (mac_equal(pkt->target_lladdr, port->mac))
		pkt->facts |= ROAM_PKT_OWN_TARGET_LLADDR;
	pkt->target_kind = local_kind(port, &pkt->target);
}

/*
 * A frame that segmentation offload will cut goes out as several, each with all the headers.
 * gso_size, not the number of segments: of a guest's frame the kernel does not know the latter yet
 * (SKB_GSO_DODGY). Here and not in parse.h, where Linux 6.1 would verify it once for each way
 * through the parser: twice the instructions.
 */
static __always_inline __u32 wire_len(const struct roam_pkt *pkt)
{
	__u32 headers = pkt->len - pkt->payload;

	if (!pkt->gso_size || !pkt->l4_off)
		return pkt->len;
	return pkt->payload + headers * ((pkt->payload + pkt->gso_size - 1) / pkt->gso_size);
}

static __always_inline void note_policy(struct roam_pkt *pkt, const struct roam_vm *vm)
{
	pkt->gen = vm->gen;
	pkt->default_action[ROAM_DIR_IN] = vm->default_action[ROAM_DIR_IN];
	pkt->default_action[ROAM_DIR_OUT] = vm->default_action[ROAM_DIR_OUT];
	pkt->midstream = vm->midstream;
	pkt->tcp_liberal = vm->liberal;
	pkt->ct_bank = vm->ct_bank;
	pkt->ct_moving = vm->ct_moving;
	pkt->features = vm->features;
	if ((pkt->features & ROAM_VM_LEARN) && (__s64)(vm->learn_until_ns - pkt->now_ns) <= 0)
		pkt->features &= ~ROAM_VM_LEARN;
}

/* `copy` as of ct_look(). */
static __always_inline enum roam_verdict port_look(struct roam_pkt *pkt, struct roam_flow_key *copy)
{
	const struct roam_port *port;
	const struct roam_vm *vm;
	__u32 ifindex, slot;

	pkt->len = wire_len(pkt);
	ifindex = pkt->ifindex;
	port = bpf_map_lookup_elem(&port_dev, &ifindex);
	if (!port)
		return drop(pkt, ROAM_REASON_PORT_UNKNOWN);
	slot = port->vm;
	vm = bpf_map_lookup_elem(&vm_conf, &slot);
	if (!vm)
		return drop(pkt, ROAM_REASON_PORT_UNKNOWN);
	pkt->vm = slot;
	if (pkt->reason) /* the parser's: counted for this VM */
		return ROAM_DROP;
	if (vm->life != ROAM_LIFE_ACTIVE) {
		if (vm->life != ROAM_LIFE_GATED)
			return drop(pkt, ROAM_REASON_VM_SHUT);
		pkt->gate = ROAM_PKT_GATE_ASK;
	}
	if (!vlan_allowed(port, pkt->vlan))
		return drop(pkt, ROAM_REASON_VLAN);
	pkt->switches = port->switches;
	pkt->key.zone = ROAM_ZONE(port->zone, pkt->vlan);
	note_policy(pkt, vm);
	if (has_port_view(pkt))
		ct_look(pkt, copy);
	note_facts(pkt, port);
	return ROAM_CONTINUE;
}

#endif
