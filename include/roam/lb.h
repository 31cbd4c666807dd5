/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Load balancing: services (a virtual address and port, the VIP) over backends.
 *
 * Services and backends are the host's, not a VM's. Map `lb_service`: HASH, struct roam_lb_key ->
 * struct roam_lb_service, as written. Map `lb_backend`: ARRAY by the backend's number (0 is
 * nobody's) of struct roam_lb_backend, as written. What programs pick from is compiled from the
 * two: map `lb_table`, ARRAY_OF_MAPS by the service's number; inner ARRAY with one struct
 * roam_lb_table, replaced as a whole; map `lb_member`, HASH, struct roam_lb_member_key -> struct
 * roam_lb_member: which address is a backend of which service; map `lb_tag`, HASH, struct
 * roam_lb_tag_key -> struct roam_lb_tagged: which of them a tunnel means. Map `lb_stats`:
 * PERCPU_ARRAY by the backend's number of struct roam_lb_stats, of which the sum counts.
 *
 * An uplink picks a backend for what comes for a VIP and forwards it as it is, with another MAC; a
 * VM's port translates. To a backend on a host elsewhere the packet goes in a tunnel; map
 * `lb_peers`, HASH, struct roam_addr -> struct roam_lb_peers, as written, says whose tunnels end
 * here.
 *
 * A VM takes part, as client or as backend, while roam_vm.lb is 1. The translation of a connection
 * is in its flow (ct.h).
 */
#ifndef ROAM_LB_H
#define ROAM_LB_H

#include "types.h"

#define ROAM_LB_SERVICES 1024
#define ROAM_LB_BACKENDS 8192 /* of all services; the first one is nobody's */

/*
 * Slots of a service's table: a prime (Maglev's permutations need one). Measured with 100 backends
 * of which one leaves: 1.4 % of the others' slots change, 1.5 % at most; with 65537 slots 0.6 %,
 * for four times the memory.
 */
#define ROAM_LB_SLOTS 16381

#define ROAM_LB_WEIGHT_MAX 100

struct roam_lb_key {
	struct roam_addr vip;
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 pad;
};

ROAM_ASSERT_SIZE(struct roam_lb_key, 20);

struct roam_lb_service {
	char name[ROAM_NAME_LEN];
	__u32 id; /* random, never 0: flows name their service by it, also when it is gone */
	__u32 no; /* of its table, below ROAM_LB_SERVICES */
};

ROAM_ASSERT_SIZE(struct roam_lb_service, 72);

#define ROAM_LB_STATES(X)                                                                          \
	X(FREE, "free")                                                                            \
	X(ACTIVE, "active")                                                                        \
	X(DRAINING, "draining") /* its sessions go on; it gets no new ones */

enum roam_lb_state {
#define X(id, text) ROAM_LB_##id,
	ROAM_LB_STATES(X)
#undef X
		ROAM_LB_STATE_COUNT
};

/*
 * Where it is: `host` is the far end of a tunnel to it, and `from` the near one; both are :: of a
 * backend that is here, or whose address the network knows the way to.
 */
struct roam_lb_backend {
	struct roam_addr addr;
	__u32 service; /* roam_lb_service.id */
	__be16 port;
	__u8 state;  /* enum roam_lb_state */
	__u8 weight; /* 1 to ROAM_LB_WEIGHT_MAX */
	struct roam_addr host;
	struct roam_addr from;
	__be16 tag; /* says in a tunnel that it is meant */
	__u8 pad[2];
};

ROAM_ASSERT_SIZE(struct roam_lb_backend, 60);

/* Maglev's table: a backend's number a slot; 0 throughout if nobody takes new sessions. */
struct roam_lb_table {
	__u16 slot[ROAM_LB_SLOTS];
	__u16 pad;
};

ROAM_ASSERT_SIZE(struct roam_lb_table, 32764);

struct roam_lb_member_key {
	struct roam_addr addr;
	__u32 service; /* roam_lb_service.id */
};

struct roam_lb_member {
	__be16 port;
	__u16 backend; /* its number */
};

ROAM_ASSERT_SIZE(struct roam_lb_member_key, 20);
ROAM_ASSERT_SIZE(struct roam_lb_member, 4);

/*
 * A packet in a tunnel has the VIP as destination, whichever backend was picked. Which one it is,
 * the outer header says by the backend's tag, a hash of its address (lb_tag_of): in IPv4 as
 * identification, in IPv6 as the last 16 bits of the flow label. Backends of one service that share
 * a tag are told apart by which of them is here.
 */
#define ROAM_LB_TAGGED 16

struct roam_lb_tag_key {
	__u32 service; /* roam_lb_service.id */
	__be16 tag;
	__u8 pad[2];
};

struct roam_lb_tagged {
	__u16 backend[ROAM_LB_TAGGED]; /* their numbers; 0 behind the last one */
};

ROAM_ASSERT_SIZE(struct roam_lb_tag_key, 8);
ROAM_ASSERT_SIZE(struct roam_lb_tagged, 32);

/* By the address at which this host takes tunnels: the balancers that may send them. */
#define ROAM_LB_ENDS  64
#define ROAM_LB_PEERS 32

struct roam_lb_peers {
	__u32 count; /* at least 1 */
	struct roam_addr addr[ROAM_LB_PEERS];
};

ROAM_ASSERT_SIZE(struct roam_lb_peers, 516);

/* By the direction that the VM at whose port they were translated sees. */
struct roam_lb_stats {
	__u64 sessions; /* that were opened */
	__u64 packets[ROAM_DIR_COUNT];
	__u64 bytes[ROAM_DIR_COUNT];
};

ROAM_ASSERT_SIZE(struct roam_lb_stats, 40);

/*
 * An uplink's memory (map `lb_affinity`, LRU_HASH): which backend a client has got, so that it
 * keeps it when the set changes; at the end of a tunnel, which one its packets are for. It is the
 * host's, bounded, and no part of any VM's image: a balancer that has lost it picks by the table.
 */
#define ROAM_LB_AFFINITIES 65536

struct roam_lb_affinity_key {
	struct roam_addr client;
	__u32 service; /* roam_lb_service.id */
	__be16 port;   /* the client's */
	__u8 pad[2];
};

struct roam_lb_affinity {
	__u32 backend; /* its number */
};

ROAM_ASSERT_SIZE(struct roam_lb_affinity_key, 24);
ROAM_ASSERT_SIZE(struct roam_lb_affinity, 4);

/*
 * Fragments at an uplink. Map `lb_vip`: HASH, a VIP's address -> 1, compiled with the services. Map
 * `lb_frag` (LRU_HASH): which backend the first fragment of a datagram has got. As the affinities,
 * it is the host's and no part of an image.
 */
#define ROAM_LB_TRAINS 4096

struct roam_lb_frag_key {
	struct roam_addr client;
	struct roam_addr vip;
	__be32 id;
	__u8 proto; /* IPv6: 0 */
	__u8 pad[3];
};

struct roam_lb_frag {
	__u64 since_ns;
	struct roam_addr addr; /* of the backend */
	__u32 backend;         /* its number */
	__u32 pad;
};

ROAM_ASSERT_SIZE(struct roam_lb_frag_key, 40);
ROAM_ASSERT_SIZE(struct roam_lb_frag, 32);

/* A service as an image names it: never made from an image, only found again (state.h). */
struct roam_lb_rec {
	char name[ROAM_NAME_LEN] ROAM_CARRY("name", "required");
	struct roam_addr vip ROAM_CARRY("addr", "required");
	__be16 port ROAM_CARRY("be", "required");
	__u8 proto ROAM_CARRY("uint", "required");
	__u8 pad;
	__u32 id;
};

ROAM_ASSERT_SIZE(struct roam_lb_rec, 88);

#endif
