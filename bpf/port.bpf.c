// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The port stage: whose packet is this, and what is known about it that later stages judge? It owns
 * the VMs' and ports' maps; everything that another stage needs of them it writes into the packet.
 * Also the uplink's stage, which drops early what cannot be right from outside.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include <roam/vm.h>
#include "port_look.h"
#include "stages.h"

struct vm_name {
	char text[ROAM_NAME_LEN];
};

/* Written and read by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, struct vm_name);
	__type(value, __u32);
} vm_slot SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_VM_MAX * 2);
	__type(key, struct roam_port_key);
	__type(value, struct roam_port);
} port_conf SEC(".maps");

struct mac {
	__u8 bytes[ROAM_MAC_LEN];
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_VM_MAX * 2);
	__type(key, struct mac);
	__type(value, __u32); /* VM slot */
} port_mac SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_VM_MAX * 4);
	__type(key, struct roam_addr);
	__type(value, __u32); /* VM slot */
} port_addr SEC(".maps");

__noinline enum roam_verdict port_check(struct roam_pkt *pkt)
{
	struct roam_flow_key key;

	return pkt ? port_look(pkt, &key) : ROAM_DROP;
}

static __always_inline const struct roam_port *port_of(const struct roam_pkt *pkt)
{
	__u32 ifindex = pkt->ifindex;

	return bpf_map_lookup_elem(&port_dev, &ifindex);
}

__noinline enum roam_verdict port_local(struct roam_pkt *pkt)
{
	const struct roam_port *port = pkt ? port_of(pkt) : NULL;

	if (!port)
		return ROAM_DROP;
	pkt->local_kind = local_kind(port, &pkt->key.local);
	return ROAM_CONTINUE;
}

__noinline enum roam_verdict port_addr_at(struct roam_pkt *pkt, __u32 i)
{
	const struct roam_port *port = pkt ? port_of(pkt) : NULL;

	if (!port || i >= ROAM_PORT_ADDRS || i >= port->addr_count)
		return ROAM_DROP;
	pkt->key.local = port->addr[i];
	pkt->local_kind = ROAM_LOCAL_BOUND;
	return ROAM_CONTINUE;
}

__noinline enum roam_verdict port_holds(const struct roam_pkt *pkt)
{
	const struct roam_port *port = pkt ? port_of(pkt) : NULL;

	if (!port || local_kind(port, &pkt->lb_addr) != ROAM_LOCAL_BOUND)
		return ROAM_DROP;
	return ROAM_CONTINUE;
}

/*
 * The uplink drops that earlier where there is one, and once it takes the VM for one of its host:
 * not while it comes from another. The VM's own connections to itself, by a VIP, come back so.
 */
__noinline enum roam_verdict port_sender(struct roam_pkt *pkt)
{
	const struct roam_port *port = pkt ? port_of(pkt) : NULL;

	if (!port)
		return ROAM_DROP;
	if (!pkt->lb_hairpin && local_kind(port, &pkt->key.remote) == ROAM_LOCAL_BOUND)
		return drop(pkt, ROAM_REASON_OUTSIDE_ADDR);
	return ROAM_CONTINUE;
}

__noinline enum roam_verdict port_find(struct roam_pkt *pkt)
{
	struct roam_port_key key = {};
	const struct roam_port *port;
	struct roam_addr addr;
	const __u32 *slot;

	if (!pkt)
		return ROAM_DROP;
	addr = pkt->lb_addr;
	slot = bpf_map_lookup_elem(&port_addr, &addr);
	if (!slot)
		return ROAM_DROP;
	key.vm = *slot;
	for (__u32 no = 0; no < ROAM_VM_PORTS; no++) {
		key.no = no;
		port = bpf_map_lookup_elem(&port_conf, &key);
		if (!port || local_kind(port, &addr) != ROAM_LOCAL_BOUND)
			continue;
		__builtin_memcpy(pkt->dmac, port->mac, ROAM_MAC_LEN);
		return ROAM_CONTINUE;
	}
	return ROAM_DROP;
}

/* For the stages behind this one: which of the host's VMs the frame is for, if for any. */
static __always_inline void find_vm(struct roam_pkt *pkt)
{
	struct roam_addr local = pkt->key.local;
	const struct roam_vm *vm;
	struct mac mac = {};
	const __u32 *found;
	__u32 slot;

	__builtin_memcpy(mac.bytes, pkt->dmac, ROAM_MAC_LEN);
	found = bpf_map_lookup_elem(&port_mac, &mac);
	if (!found) /* the host routes to its VMs */
		found = bpf_map_lookup_elem(&port_addr, &local);
	if (!found)
		return;
	slot = *found;
	vm = bpf_map_lookup_elem(&vm_conf, &slot);
	if (!vm)
		return;
	pkt->vm = slot;
	pkt->features = vm->features;
	if (vm->life == ROAM_LIFE_GATED)
		pkt->gate = ROAM_PKT_GATE_ASK;
}

/*
 * Frames from outside: what cannot be right is dropped here, before the host's stack has
 * spent anything on it. Nothing passes because of this stage; the port judges again.
 */
__noinline enum roam_verdict uplink_check(struct roam_pkt *pkt)
{
	struct mac mac = {};
	struct roam_addr remote;
	const __u32 *slot;

	if (!pkt)
		return ROAM_DROP;
	__builtin_memcpy(mac.bytes, pkt->smac, ROAM_MAC_LEN);
	slot = bpf_map_lookup_elem(&port_mac, &mac);
	if (slot) {
		pkt->vm = *slot;
		return drop(pkt, ROAM_REASON_OUTSIDE_MAC);
	}
	__builtin_memcpy(mac.bytes, pkt->dmac, ROAM_MAC_LEN);
	pkt->facts = bpf_map_lookup_elem(&port_mac, &mac) ? ROAM_PKT_TO_VM : 0;
	if (pkt->reason == ROAM_REASON_MALFORMED)
		return ROAM_DROP;
	if (pkt->key.family) {
		remote = sender_of(pkt);
		slot = bpf_map_lookup_elem(&port_addr, &remote);
		if (slot) {
			pkt->vm = *slot;
			return drop(pkt, ROAM_REASON_OUTSIDE_ADDR);
		}
		find_vm(pkt);
	}
	return ROAM_CONTINUE;
}
