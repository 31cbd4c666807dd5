/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * All that a VM has become on a host, in terms that do not depend on the host, so that two hosts
 * can be compared: what a move must leave as it is.
 */
#ifndef ROAM_TESTS_FINAL_H
#define ROAM_TESTS_FINAL_H

#include <stdbool.h>
#include "acl.h"
#include "ct.h"
#include "frag.h"
#include "hosts.h"
#include "ips.h"
#include "lb.h"
#include "qos.h"
#include "stats.h"

#define FLOWS_MAX  256
#define TRAINS_MAX 32

/* The state of the VM in terms that do not depend on the host. */
struct final {
	struct roam_flow_rec flows[FLOWS_MAX];
	uint32_t count;
	struct roam_stats stats;
	struct roam_acl_rec rules[8];
	uint32_t rule_count;
	__u64 reject_paid_ns;
	struct roam_qos_rec qos[ROAM_DIR_COUNT];
	struct lb_services services; /* of the host */
	uint32_t wire_rows;          /* second keys */
	struct roam_ips ips;
	/* The traces come from two sources, one a family. */
	struct roam_ips_source_rec sources[4];
	uint32_t source_count;
	struct roam_ips_block_rec blocks[4];
	uint32_t block_count;
	struct roam_frag_rec trains[TRAINS_MAX];
	uint32_t train_count;
};

/* Of the VM "vm". */
bool final_collect(struct test_host *host, struct final *final);

/* Checks that every flow of a VM is in the counts of its rule, if that has limits, and in no other,
 * and that nothing else is counted. */
void final_check_counts(struct host *host, uint32_t slot);

/* Checks that both are equal. */
void final_compare(const struct final *here, const struct final *there);

#endif
