/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who plays in the prog tests: one VM with an IPv4 and an IPv6 address on the fixture's device, a
 * peer, a stranger; and packets between them, to be varied by each test.
 */
#ifndef ROAM_TESTS_CAST_H
#define ROAM_TESTS_CAST_H

#include <stdbool.h>
#include "fixture.h"

#define CAST_SLOT    7
#define CAST_VM_PORT 40000
/* Sequence numbers of their SYNs; neither ever sends data. */
#define CAST_VM_SEQ    1000
#define CAST_PEER_SEQ  2000
#define CAST_PEER_PORT 443

/* Active, generation 1, in drop, out allow, midstream strict. */
struct fixture_vm cast_vm(void);

struct roam_addr cast_vm_addr(int family);
struct roam_addr cast_peer_addr(int family);
struct roam_addr cast_stranger_addr(int family);

extern const uint8_t cast_vm_mac[ROAM_MAC_LEN];
extern const uint8_t cast_peer_mac[ROAM_MAC_LEN];

/* A TCP packet with these flags between the VM's port 40000 and the peer's port 443. */
struct packet_spec cast_tcp(int family, enum roam_dir dir, uint8_t flags);
/* Any other protocol, with the same ports where it has some. */
struct packet_spec cast_packet(int family, enum roam_dir dir, uint8_t proto);

/* An ICMP error about that packet, from a router on the way toward the VM, or from the VM. */
struct packet_spec cast_error(enum roam_dir dir, uint8_t type, const struct packet_spec *quote);

/* Runs the packet behind tc and expects this reason. */
bool cast_expect_frame(struct fixture *fixture, enum roam_dir dir, const struct packet *packet,
		       enum roam_reason reason);
bool cast_expect(struct fixture *fixture, enum roam_dir dir, const struct packet_spec *spec,
		 enum roam_reason reason);

/* SYN, SYN-ACK, ACK from the VM; true if all passed. */
bool cast_handshake(struct fixture *fixture, int family);

/* The key of the flow between the two. */
struct roam_flow_key cast_key(int family, uint8_t proto);

#endif
