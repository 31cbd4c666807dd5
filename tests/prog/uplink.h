/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The uplink as balancer in the prog tests: one host with the VM of cast.h for all tests of a
 * program (making it takes long), a service "web" that each test makes and removes, and the host's
 * own XDP program on frames.
 */
#ifndef ROAM_TESTS_UPLINK_H
#define ROAM_TESTS_UPLINK_H

#include "hosts.h"

#define UPLINK_VIP_PORT 443
#define UPLINK_PEER     "peer-uplink" /* the other end of its device */

extern const uint8_t uplink_router_mac[ROAM_MAC_LEN];

struct test_host *uplink_host(void);

struct roam_addr uplink_vip(int family);
void uplink_add_service(struct test_host *host, int family);
void uplink_add_backend(struct test_host *host, struct roam_addr addr);

/* TCP from the peer to the VIP, by way of the router that the host is. */
struct packet_spec uplink_packet(int family, uint8_t flags);

/* XDP_PASS and the like. */
int uplink_run(struct test_host *host, const struct packet *packet, struct packet *ret_after);
uint64_t uplink_counted(struct test_host *host, uint32_t vm, enum roam_reason reason);

#endif
