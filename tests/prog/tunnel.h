/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Tunnels to backends in the prog tests: the host of uplink.h, whose network has two ends of
 * tunnels in each family, and what goes between them. One host plays both ends;
 * tests/e2e/lb_move.sh has one for each.
 */
#ifndef ROAM_TESTS_TUNNEL_H
#define ROAM_TESTS_TUNNEL_H

#include "uplink.h"

#define TUNNEL_MTU 1500

/* Values of packet_spec.tos. */
#define TUNNEL_EF  0xb8 /* a DSCP: expedited forwarding */
#define TUNNEL_ECT 0x01 /* ECN: a capable transport */

/* A fixture: service "web" has gone when a test ends. */
struct tunnel_test {
	struct test_host *host;
	uint32_t slot;
};

void tunnel_test_setup(struct tunnel_test *self);
void tunnel_test_teardown(struct tunnel_test *self);

/* The host is a router with a neighbour, the far end, on the link between these two devices. */
void tunnel_network(const char *dev, const char *peer);

/* The host of uplink.h in that network. */
struct test_host *tunnel_host(void);

/* The balancer's end, and that of the host where the VM is. */
struct roam_addr tunnel_near(int family);
struct roam_addr tunnel_far(int family);

/* A service whose only backend is the VM, or who has moved in its place. */
void tunnel_add_web(struct tunnel_test *self, int family);

/* It moves to the far end: what is for it goes into a tunnel of this family. */
int tunnel_move(struct tunnel_test *self, int family, int outer);

/* What is round a packet in the tunnel, as it leaves the balancer, and the VM's tag. */
struct packet_spec tunnel_outer(int outer);
uint16_t tunnel_tag(int family);
/* Another address, the nth (from 0), with the VM's tag. */
struct roam_addr tunnel_twin(int family, int nth);

bool tunnel_same(const struct packet *got, const struct packet *wanted);
/* Dropped by the uplink, and counted at nobody's door. */
bool tunnel_drops(struct tunnel_test *self, const struct packet *packet, enum roam_reason reason);

extern const uint8_t tunnel_own_mac[ROAM_MAC_LEN];

#endif
