/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * All services of a host as a value, as a policy file has them: what an operator configured, and
 * nothing that is this host's own (ids, numbers) or that traffic made (counters).
 */
#ifndef ROAM_LIB_LB_POLICY_H
#define ROAM_LIB_LB_POLICY_H

#include "lb.h"

struct lb_policy;
struct lb_policy_service;

struct lb_policy_backend {
	struct roam_lb_backend row;         /* `service` stays 0 */
	const struct lb_policy_service *of; /* until the next service is added */
};

struct lb_policy_service {
	struct lb_service service; /* name and key; id and number stay 0 */
	struct lb_policy_backend *backends;
	uint32_t count;
	uint32_t room;
	struct lb_policy *all; /* that it is one of */
};

struct lb_policy {
	struct lb_policy_service *services; /* by name, once it is sorted */
	uint32_t count;
	uint32_t room;
	uint32_t backends; /* of all services */
};

void lb_policy_free(struct lb_policy *policy);

static inline void cleanup_lb_policy(struct lb_policy *policy)
{
	lb_policy_free(policy);
}
#define _cleanup_lb_policy_ __attribute__((cleanup(cleanup_lb_policy)))

/* An empty place behind the last one. */
int lb_policy_add(struct lb_policy *policy, struct lb_policy_service **ret_service);
int lb_policy_add_backend(struct lb_policy_service *service,
			  struct lb_policy_backend **ret_backend);
/* Whether it is good by itself, and no other before it has its VIP, port and protocol. */
int lb_policy_check(const struct lb_policy_service *service);
/* In the one order that does not depend on how they were written down. */
void lb_policy_sort(struct lb_policy *policy);

/* What the host has, sorted; lb_policy_free() is the caller's. */
int lb_policy_get(struct host *host, struct lb_policy *ret_policy);

/*
 * The host has these services and no others. One is the same as before if its name is, a backend if
 * its address is: sessions and counters go on. All of it or nothing.
 */
int lb_policy_apply(struct host *host, const struct lb_policy *policy);

#endif
