/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A host in a test's hands: the programs of roam_test.bpf.o over maps of their own, VMs made by
 * writing rows, and packets run through with BPF_PROG_TEST_RUN. It uses the kernel only, not
 * libroam (but for the compiler of rules, which is pure), so that what a stage does is tested apart
 * from what user space does.
 *
 * Every function aborts with a message when the kernel refuses: that is never what is tested here.
 */
#ifndef ROAM_TESTS_FIXTURE_H
#define ROAM_TESTS_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <roam/acl.h>
#include <roam/ct.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include <roam/stats.h>
#include <roam/vm.h>
#include "acl_index.h"
#include "packet.h"

#define FIXTURE_IFINDEX 1 /* loopback: BPF_PROG_TEST_RUN wants a device that exists */

enum front_end {
	FRONT_TC,
	FRONT_XDP,
	FRONT_ENDS,
};

struct roam_test;

struct fixture {
	struct roam_test *skel;
	uint64_t now_ns; /* the time that packets see; the test sets it */
	/* Set before opening: what to load besides the list behind tc. Each takes a while. */
	bool with_xdp;    /* the list behind XDP */
	bool with_stages; /* the stages by themselves */
	uint32_t mark_in; /* of frames behind tc; the test may set it */
	/* Of the last packet behind tc: whether it was answered, the frame as it is then, its mark.
	 */
	bool answered;
	uint32_t mark;
	struct packet after;
	struct acl_index_limits index; /* of rules that are set; zero: the usual */
	const struct acl_named *named; /* sets by name that they refer to */
	uint32_t named_count;
};

/* How a VM is made; zero is the usual: untagged, no switches, drop both ways, small quotas. */
struct fixture_vm {
	uint32_t slot;
	struct roam_vm conf;
	struct roam_port port;
	uint32_t quota_flows;
	uint32_t quota_half;
};

void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* Makes or replaces the VM in its slot, with its tables empty and no rules. */
void fixture_make_vm(struct fixture *fixture, const struct fixture_vm *vm);

/* Replaces the rules of one direction; the list is in priority order. */
void fixture_set_rules(struct fixture *fixture, uint32_t slot, enum roam_dir dir,
		       const struct roam_acl_match *rules, uint32_t count);

/* Changes the VM's row: life, defaults, generation, bank. */
void fixture_set_conf(struct fixture *fixture, uint32_t slot, const struct roam_vm *conf);

/* The VM's own timeouts, where it has some. */
void fixture_set_timeouts(struct fixture *fixture, uint32_t slot,
			  const struct roam_ct_timeouts *timeouts);

/* Tells the uplink's stage that these are the VM's. */
void fixture_claim(struct fixture *fixture, uint32_t slot, const uint8_t *mac,
		   const struct roam_addr *addr);

/* Runs a frame through the whole list; what the front end returned, as a verdict. */
enum roam_verdict fixture_run(struct fixture *fixture, enum front_end front, enum roam_dir dir,
			      const struct packet *packet);

/* Runs one stage (a program name of stage.bpf.c) on pkt, in place. */
enum roam_verdict fixture_run_stage(struct fixture *fixture, const char *stage,
				    struct roam_pkt *pkt);

/* The folded counter of one reason. */
struct roam_counter fixture_counter(struct fixture *fixture, uint32_t slot, enum roam_reason reason,
				    enum roam_dir dir);

/* The reason of the one packet that was counted since the last call; NONE if there were more or
 * none. Forgets all counters. */
enum roam_reason fixture_reason(struct fixture *fixture, uint32_t slot, enum roam_dir dir);

struct roam_acl_hits fixture_hits(struct fixture *fixture, uint32_t slot, uint32_t rule);

/* A row of the VM's flow tables (bank 0): its kind, or -1. */
int fixture_flow(struct fixture *fixture, uint32_t slot, const struct roam_flow_key *key,
		 struct roam_flow *ret_flow);
/* Incomplete datagrams that the VM has. */
uint32_t fixture_train_count(struct fixture *fixture, uint32_t slot);
uint32_t fixture_flow_count(struct fixture *fixture, uint32_t slot, enum roam_ct_kind kind);

#endif
