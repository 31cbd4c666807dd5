/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The end of a tunnel, for lb.bpf.c (its only includer): whether it is one of this host's, who may
 * send there, and which VM the packet within is for. bpf/untunnel.h takes it out.
 */
#ifndef ROAM_BPF_LB_TUNNEL_H
#define ROAM_BPF_LB_TUNNEL_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LB_ENDS);
	__type(key, struct roam_addr);
	__type(value, struct roam_lb_peers);
} lb_peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LB_BACKENDS);
	__type(key, struct roam_lb_tag_key);
	__type(value, struct roam_lb_tagged);
} lb_tag SEC(".maps");

static __always_inline bool is_peer(const struct roam_lb_peers *peers, const struct roam_addr *addr)
{
	for (__u32 i = 0; i < ROAM_LB_PEERS; i++) {
		if (i >= peers->count)
			break;
		if (addr_equal(&peers->addr[i], addr))
			return true;
	}
	return false;
}

/* A tunnel that ends elsewhere, or in a VM, is none of the host's. */
__noinline enum roam_verdict lb_end(struct roam_pkt *pkt)
{
	const struct roam_lb_peers *peers;
	struct roam_addr local;

	if (!pkt)
		return ROAM_DROP;
	local = pkt->key.local;
	peers = bpf_map_lookup_elem(&lb_peers, &local);
	if (!peers || (pkt->facts & ROAM_PKT_TO_VM))
		return pass(pkt, ROAM_REASON_UPLINK);
	pkt->lb_peer = is_peer(peers, &pkt->key.remote);
	return ROAM_CONTINUE;
}

/* Whether the backend is a VM of this host: then lb_addr is its address and dmac its MAC. */
static __always_inline bool is_here(struct roam_pkt *pkt, __u32 number, __u32 service)
{
	const struct roam_lb_backend *backend = bpf_map_lookup_elem(&lb_backend, &number);

	if (!number || !backend || backend->service != service)
		return false;
	pkt->lb_addr = backend->addr;
	return port_find(pkt) == ROAM_CONTINUE;
}

/* The one backend here that has the packet's tag, or 0. */
static __always_inline __u32 find_tagged(struct roam_pkt *pkt, __u32 service)
{
	struct roam_lb_tag_key key = { .service = service, .tag = pkt->tunnel_tag };
	const struct roam_lb_tagged *tagged = bpf_map_lookup_elem(&lb_tag, &key);
	__u32 found = 0;

	for (__u32 i = 0; tagged && i < ROAM_LB_TAGGED; i++) {
		__u32 number = tagged->backend[i];

		if (!number)
			break;
		if (!is_here(pkt, number, service))
			continue;
		if (found)
			return 0;
		found = number;
	}
	return found;
}

/*
 * Who is meant. The tag says so of an opening; what follows in a TCP connection goes where that
 * went: routers on the way that merge packets and cut them again (GRO) may number them anew, and of
 * such a train only the first has its tag. Then a connection that has moved here with its VM is
 * known by the first of its packets.
 */
static __always_inline bool find_meant(struct roam_pkt *pkt, __u32 service)
{
	struct roam_lb_affinity_key key = {
		.client = pkt->key.remote,
		.service = service,
		.port = pkt->key.rport,
	};
	bool goes_on = pkt->key.proto == IPPROTO_TCP && !is_opening(pkt);
	const struct roam_lb_affinity *had = NULL;
	struct roam_lb_affinity got;

	if (goes_on)
		had = bpf_map_lookup_elem(&lb_affinity, &key);
	if (had && is_here(pkt, had->backend, service))
		return true;
	got.backend = find_tagged(pkt, service);
	if (!got.backend || !is_here(pkt, got.backend, service))
		return false;
	bpf_map_update_elem(&lb_affinity, &key, &got, BPF_ANY);
	return true;
}

__noinline enum roam_verdict lb_inner(struct roam_pkt *pkt)
{
	const struct roam_lb_service *service = NULL;

	if (!pkt)
		return ROAM_DROP;
	if (pkt->l4_off)
		service = find_service(&pkt->key.local, pkt->key.lport, pkt->key.proto);
	if (!pkt->lb_peer) /* others may have tunnels of their own */
		return service ? drop(pkt, ROAM_REASON_LB_PEER) : pass(pkt, ROAM_REASON_UPLINK);
	if (pkt->reason) /* the parser's */
		return ROAM_DROP;
	if (!service || !find_meant(pkt, service->id))
		return drop(pkt, ROAM_REASON_LB_NOT_HERE);
	return ROAM_CONTINUE;
}

#endif
