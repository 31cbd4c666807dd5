/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The whole policy of a VM as a value: what an operator configured, and nothing that traffic made
 * or that is this host's own (slots, ids, generations, device indices).
 */
#ifndef ROAM_LIB_POLICY_H
#define ROAM_LIB_POLICY_H

#include <roam/acl.h>
#include <roam/ips.h>
#include <roam/port.h>
#include <roam/qos.h>
#include <roam/vm.h>
#include "host.h"

struct policy {
	struct roam_vm vm; /* name, uuid, life, defaults, midstream, quotas */
	bool has_uuid;     /* false: that of the VM, or a random one */
	struct roam_port ports[ROAM_VM_PORTS];
	uint32_t port_count;
	struct roam_acl_rule *rules; /* in the order in which they are matched, once it is sorted */
	uint32_t rule_count;
	uint32_t rule_room;
	struct roam_qos qos[ROAM_DIR_COUNT]; /* is_set where there is a profile */
	struct roam_ips ips;                 /* the same */
};

/* A policy for which nothing has been said yet. */
void policy_init(struct policy *ret_policy);
void policy_free(struct policy *policy);

static inline void cleanup_policy(struct policy *policy)
{
	policy_free(policy);
}
#define _cleanup_policy_ __attribute__((cleanup(cleanup_policy)))

/* A place behind its last rule. */
int policy_add_rule(struct policy *policy, struct roam_acl_rule **ret_rule);
/* Rules and ports in the one order that does not depend on how they were written down. */
void policy_sort(struct policy *policy);

/* The policy of the VM in this slot, sorted; policy_free() is the caller's. */
int policy_get(struct host *host, uint32_t slot, struct policy *ret_policy);

/*
 * The VM of that name has this policy: it is made if there is none, else it lives on with its
 * flows and counters (takeover.h). All of it or nothing.
 */
int policy_apply(struct host *host, const struct policy *policy);

#endif
