// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Late packets (include/roam/late.h): at the source, whether one may be carried, asked by the gate;
 * at the destination, whether what has come in UDP is to be taken out, asked by the uplink. It owns
 * the rows that say so. late_frame.h puts frames in, untunnel_late.h takes them out.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "late_way.h"
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LATE_WAYS);
	__type(key, struct roam_late_key);
	__type(value, struct roam_late_from);
} late_from SEC(".maps");

/*
 * What is for this port alone. Broadcasts reach the destination by themselves; and what is no IP,
 * the helper that makes room for headers refuses.
 */
static __always_inline bool can_be_late(const struct roam_pkt *pkt)
{
	return pkt->can_translate && pkt->l3_off && pkt->key.family &&
	       (pkt->facts & ROAM_PKT_OWN_DMAC);
}

/* Whether it fits. Of TCP that is to be cut into segments yet, they will be shorter. */
static __always_inline bool fits(const struct roam_pkt *pkt, const struct roam_late_to *way)
{
	if (pkt->gso_size)
		return pkt->key.proto == IPPROTO_TCP;
	return pkt->len + late_outer_len(addr_is_ipv4(&way->to)) <= way->mtu;
}

__noinline enum roam_verdict late_carry(struct roam_pkt *pkt)
{
	const struct roam_late_to *way;
	__u32 vm;

	if (!pkt)
		return ROAM_DROP;
	if (!can_be_late(pkt))
		return ROAM_CONTINUE;
	vm = pkt->vm;
	way = bpf_map_lookup_elem(&late_to, &vm);
	if (!way)
		return ROAM_CONTINUE;
	if (!fits(pkt, way))
		return drop(pkt, ROAM_REASON_LATE_MTU);
	return pass(pkt, ROAM_REASON_LATE_CARRIED);
}

static __always_inline struct roam_late_from *find_from(const struct roam_late_header *header)
{
	struct roam_late_key key;

	__builtin_memcpy(&key, header->id, sizeof(key));
	return bpf_map_lookup_elem(&late_from, &key);
}

__noinline enum roam_verdict late_end(struct roam_pkt *pkt, const struct roam_late_header *header)
{
	const struct roam_late_from *row;

	if (!pkt || !header)
		return ROAM_DROP;
	row = find_from(header);
	if (!row)
		return drop(pkt, ROAM_REASON_LATE_FOREIGN);
	pkt->vm = row->vm;
	if (bpf_be64_to_cpu(header->epoch) != row->epoch ||
	    header->version != bpf_htonl(ROAM_LATE_VERSION) ||
	    !addr_equal(&row->from, &pkt->key.remote) || !addr_equal(&row->to, &pkt->key.local) ||
	    (row->until_ns && (__s64)(pkt->now_ns - row->until_ns) >= 0))
		return drop(pkt, ROAM_REASON_LATE_FOREIGN);
	if (pkt->frag >= ROAM_PKT_FRAG_FIRST) /* nothing is put together here */
		return drop(pkt, ROAM_REASON_FRAGMENT);
	/* It goes away from here itself: one that was carried once is not carried on. */
	if (gate_leaves(pkt) != ROAM_CONTINUE)
		return drop(pkt, ROAM_REASON_LATE_LOOP);
	return ROAM_CONTINUE;
}

static __always_inline bool has_mac(const struct roam_late_from *row, const __u8 *mac)
{
	for (__u32 i = 0; i < ROAM_VM_PORTS; i++) {
		if (i >= row->mac_count)
			break;
		if (!__builtin_memcmp(row->mac[i].bytes, mac, ROAM_MAC_LEN))
			return true;
	}
	return false;
}

__noinline enum roam_verdict late_inner(struct roam_pkt *pkt, const struct roam_late_header *header)
{
	struct roam_late_from *row;

	if (!pkt || !header)
		return ROAM_DROP;
	row = find_from(header);
	if (!row)
		return drop(pkt, ROAM_REASON_LATE_FOREIGN);
	pkt->vm = row->vm;
	if (!has_mac(row, pkt->dmac))
		return drop(pkt, ROAM_REASON_LATE_FOREIGN);
	late_count(&row->count, pkt->len);
	return pass(pkt, ROAM_REASON_LATE_TAKEN);
}
