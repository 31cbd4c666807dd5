// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The lb stage: openings of connections to a VIP. From a VM, it picks the backend; toward a VM that
 * is one, it finds which of the port's addresses is meant. What it decides goes into the flow
 * (ct.bpf.c), from where the connection's other packets have it. Owns services, backends and their
 * counters.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <roam/lb.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include "carry.h"
#include "lb_hash.h"
#include "lb_tally.h"
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LB_SERVICES);
	__type(key, struct roam_lb_key);
	__type(value, struct roam_lb_service);
} lb_service SEC(".maps");

struct lb_table_rows {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_lb_table));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_LB_SERVICES);
	__type(key, __u32);
	__array(values, struct lb_table_rows);
} lb_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LB_BACKENDS);
	__type(key, struct roam_lb_member_key);
	__type(value, struct roam_lb_member);
} lb_member SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ROAM_LB_AFFINITIES);
	__type(key, struct roam_lb_affinity_key);
	__type(value, struct roam_lb_affinity);
} lb_affinity SEC(".maps");

static __always_inline const struct roam_lb_service *find_service(const struct roam_addr *vip,
								  __be16 port, __u8 proto)
{
	struct roam_lb_key key = { .vip = *vip, .port = port, .proto = proto };

	return bpf_map_lookup_elem(&lb_service, &key);
}

static __always_inline const struct roam_lb_member *find_member(
	const struct roam_lb_service *service, const struct roam_addr *addr)
{
	struct roam_lb_member_key key = { .addr = *addr, .service = service->id };

	return bpf_map_lookup_elem(&lb_member, &key);
}

/* The backend's number for this connection, or 0. */
static __always_inline __u32 pick(const struct roam_lb_service *service, __u32 hash)
{
	__u32 index = service->no, zero = 0, slot = hash % ROAM_LB_SLOTS;
	void *rows = bpf_map_lookup_elem(&lb_table, &index);
	const struct roam_lb_table *table;

	table = rows ? bpf_map_lookup_elem(rows, &zero) : NULL;
	/* The verifier does not know what a remainder's bounds are. */
	barrier_var(slot);
	return table && slot < ROAM_LB_SLOTS ? table->slot[slot] : 0;
}

/* Not so for a moment, when the row has gone and the table with its number is still there. */
static __always_inline bool is_of(const struct roam_lb_service *service, __u32 number,
				  const struct roam_lb_backend *backend)
{
	return number && backend && backend->service == service->id;
}

/* The VM's own connection to a VIP. */
static __always_inline enum roam_verdict open_client(struct roam_pkt *pkt)
{
	const struct roam_lb_service *service;
	const struct roam_lb_backend *backend;
	__u32 number;

	service = find_service(&pkt->key.remote, pkt->key.rport, pkt->key.proto);
	if (!service)
		return ROAM_CONTINUE;
	if (!pkt->can_translate)
		return drop(pkt, ROAM_REASON_LB_FRONT);
	number = pick(service, lb_hash(&pkt->key, pkt->lb_try));
	backend = bpf_map_lookup_elem(&lb_backend, &number);
	if (!is_of(service, number, backend))
		return drop(pkt, ROAM_REASON_LB_NO_BACKEND);
	pkt->lb_service = service->id;
	pkt->lb_backend = number;
	pkt->lb_addr = backend->addr;
	pkt->lb_port = backend->port;
	pkt->lb_role = port_holds(pkt) == ROAM_CONTINUE ? ROAM_LB_ROLE_HAIRPIN_CLIENT
							: ROAM_LB_ROLE_CLIENT;
	return ROAM_CONTINUE;
}

/* A connection to a VIP, seen as one to the VM: whether it still is one of the service. */
static __always_inline enum roam_verdict open_backend(struct roam_pkt *pkt)
{
	const struct roam_lb_service *service;
	const struct roam_lb_member *member;

	if (!pkt->can_translate)
		return drop(pkt, ROAM_REASON_LB_FRONT);
	service = find_service(&pkt->lb_addr, pkt->lb_port, pkt->key.proto);
	member = service ? find_member(service, &pkt->key.local) : NULL;
	if (!member || member->port != pkt->key.lport)
		return drop(pkt, ROAM_REASON_NOT_LOCAL);
	pkt->lb_service = service->id;
	pkt->lb_backend = member->backend;
	return ROAM_CONTINUE;
}

static __always_inline enum roam_verdict open_hairpin(struct roam_pkt *pkt)
{
	const struct roam_lb_service *service;

	service = find_service(&pkt->key.remote, pkt->lb_port, pkt->key.proto);
	pkt->lb_role = ROAM_LB_ROLE_HAIRPIN_SERVER;
	pkt->lb_service = service ? service->id : 0;
	return ROAM_CONTINUE;
}

__noinline enum roam_verdict lb_check(struct roam_pkt *pkt)
{
	if (!pkt)
		return ROAM_DROP;
	if (pkt->dir == ROAM_DIR_OUT)
		return open_client(pkt);
	if (pkt->lb_role == ROAM_LB_ROLE_BACKEND)
		return open_backend(pkt);
	return pkt->lb_hairpin ? open_hairpin(pkt) : ROAM_CONTINUE;
}

__noinline enum roam_verdict lb_view(struct roam_pkt *pkt)
{
	const struct roam_lb_service *service;
	const struct roam_lb_member *member;

	if (!pkt)
		return ROAM_DROP;
	service = find_service(&pkt->key.local, pkt->key.lport, pkt->key.proto);
	if (!service)
		return ROAM_CONTINUE;
	pkt->lb_addr = pkt->key.local;
	pkt->lb_port = pkt->key.lport;
	for (__u32 i = 0; i < ROAM_PORT_ADDRS; i++) {
		if (port_addr_at(pkt, i) != ROAM_CONTINUE)
			break;
		member = find_member(service, &pkt->key.local);
		if (!member)
			continue;
		pkt->key.lport = member->port;
		pkt->lb_role = ROAM_LB_ROLE_BACKEND;
		return ROAM_CONTINUE;
	}
	pkt->key.local = pkt->lb_addr;
	pkt->local_kind = ROAM_LOCAL_OTHER;
	return ROAM_CONTINUE;
}

static __always_inline bool is_opening(const struct roam_pkt *pkt)
{
	return (pkt->tcp_flags & (ROAM_TCP_SYN | ROAM_TCP_ACK)) == ROAM_TCP_SYN;
}

/* A new connection from a port that had one before does not keep a draining backend. */
static __always_inline bool is_kept(const struct roam_pkt *pkt,
				    const struct roam_lb_backend *backend, __u32 service)
{
	return backend && backend->service == service &&
	       (backend->state == ROAM_LB_ACTIVE || !is_opening(pkt));
}

/* The backend that the client has, if it still is one, or gets. */
static __always_inline __u32 pick_for_client(const struct roam_pkt *pkt,
					     const struct roam_lb_service *service)
{
	struct roam_lb_affinity_key key = {
		.client = pkt->key.remote,
		.service = service->id,
		.port = pkt->key.rport,
	};
	struct roam_flow_key client = {
		.local = pkt->key.remote,
		.remote = pkt->key.local,
		.lport = pkt->key.rport,
		.rport = pkt->key.lport,
		.proto = pkt->key.proto,
	};
	const struct roam_lb_affinity *had = bpf_map_lookup_elem(&lb_affinity, &key);
	const struct roam_lb_backend *backend;
	struct roam_lb_affinity got;
	struct roam_lb_stats *row;

	if (had) {
		got.backend = had->backend;
		backend = bpf_map_lookup_elem(&lb_backend, &got.backend);
		if (is_kept(pkt, backend, service->id))
			return got.backend;
	}
	got.backend = pick(service, lb_hash(&client, 0));
	row = bpf_map_lookup_elem(&lb_stats, &got.backend);
	if (!got.backend || !row)
		return 0;
	if (pkt->dry_run || is_error(pkt)) /* that opens nothing */
		return got.backend;
	row->sessions++;
	bpf_map_update_elem(&lb_affinity, &key, &got, BPF_ANY);
	return got.backend;
}

#include "lb_tunnel.h"

/*
 * What is addressed to a VM's port has been picked for it already, by another balancer. An
 * ICMP error about what a backend has sent goes where the client's packets go: its key is theirs.
 */
__noinline enum roam_verdict lb_uplink(struct roam_pkt *pkt)
{
	const struct roam_lb_service *service;
	const struct roam_lb_backend *backend;
	__u32 number;

	if (!pkt)
		return ROAM_DROP;
	pkt->lb_backend = 0;
	service = find_service(&pkt->key.local, pkt->key.lport, pkt->key.proto);
	if (!service || (pkt->facts & ROAM_PKT_TO_VM))
		return ROAM_CONTINUE;
	number = pick_for_client(pkt, service);
	backend = bpf_map_lookup_elem(&lb_backend, &number);
	if (!is_of(service, number, backend))
		return drop(pkt, ROAM_REASON_LB_NO_BACKEND);
	pkt->lb_backend = number;
	pkt->lb_addr = backend->addr;
	pkt->lb_port = backend->port;
	pkt->lb_host = backend->host;
	pkt->lb_from = backend->from;
	pkt->tunnel_tag = backend->tag;
	if (!is_error(pkt))
		lb_tally(pkt);
	return ROAM_CONTINUE;
}

/*
 * Counters that come over from another layout (include/roam/carry.h), to this CPU's: a packet may
 * come between, but each addition is one instruction.
 */
SEC("syscall")
int lb_merge(struct roam_carry_run *run)
{
	struct roam_lb_stats old = run->old.lb, *row;
	struct roam_carry_sums more = { { old.sessions, old.packets[0], old.packets[1],
					  old.bytes[0], old.bytes[1] } };
	struct roam_carry_key key = run->key;

	row = bpf_map_lookup_elem(&lb_stats, &key.row);
	run->error = row ? carry_more(&key, &more) : -ENOENT;
	if (!row || run->error)
		return 0;
	__sync_fetch_and_add(&row->sessions, more.sum[0]);
	for (int dir = 0; dir < ROAM_DIR_COUNT; dir++) {
		__sync_fetch_and_add(&row->packets[dir], more.sum[1 + dir]);
		__sync_fetch_and_add(&row->bytes[dir], more.sum[1 + ROAM_DIR_COUNT + dir]);
	}
	return 0;
}
