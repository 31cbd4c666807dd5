/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Random traces for the tests of moves: packets of few tuples, so that they belong together, with
 * errors about them, datagrams in fragments, and what goes to services and comes from them.
 */
#ifndef ROAM_TESTS_TRACE_H
#define ROAM_TESTS_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include "hosts.h"

#define SECOND    1000000000ULL
#define TRACE_LEN 40

#define TRACE_VIP_PORT 8000

struct traced {
	uint64_t at_ns; /* since the trace began */
	enum roam_dir dir;
	enum front_end front;
	enum roam_verdict verdict;
	bool answered; /* it was rejected */
	struct packet packet;
	struct packet after; /* what the list has made of it, if it passed or was answered */
};

/* Below that number; random() is seeded by the test. */
uint32_t pick(uint32_t below);

/* Of the services below, at TRACE_VIP_PORT. */
struct roam_addr trace_vip(int family);

/* TRACE_LEN packets. */
void trace_make(struct traced *trace);

/* The services that a trace speaks with: one per family and protocol, with the VM and the peer as
 * backends. */
void trace_add_services(struct test_host *host);

#endif
