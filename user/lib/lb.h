/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Services of a host and their backends, and which VMs take part (include/roam/lb.h). Each change
 * is the write of one row of policy; what programs pick from follows from it (lb_recover).
 */
#ifndef ROAM_LIB_LB_H
#define ROAM_LIB_LB_H

#include <roam/lb.h>
#include "host.h"

struct lb_service {
	struct roam_lb_key key;
	struct roam_lb_service row;
};

struct lb_services {
	struct lb_service *list; /* by name */
	uint32_t count;
};

struct lb_backend {
	uint16_t number;
	struct roam_lb_backend row;
	struct roam_lb_stats stats;
};

struct lb_backends {
	struct lb_backend *list; /* by address */
	uint32_t count;
};

static inline void cleanup_lb_services(struct lb_services *services)
{
	free(services->list);
}
#define _cleanup_lb_services_ __attribute__((cleanup(cleanup_lb_services)))

static inline void cleanup_lb_backends(struct lb_backends *backends)
{
	free(backends->list);
}
#define _cleanup_lb_backends_ __attribute__((cleanup(cleanup_lb_backends)))

/* All ROAM_LB_BACKENDS rows, free ones too, by number; the caller frees them. */
int lb_backend_rows(struct host *host, struct roam_lb_backend **ret_rows);

int lb_list(struct host *host, struct lb_services *ret_services);
int lb_find(struct host *host, const char *name, struct lb_service *ret_service);
int lb_list_backends(struct host *host, const struct lb_service *service,
		     struct lb_backends *ret_backends);

int lb_add(struct host *host, const char *name, const struct roam_lb_key *key);
/* With its backends and their counters. Its sessions go on. */
int lb_del(struct host *host, const char *name);

/* One port an address. The row's `service` is the callee's to fill. */
int lb_backend_add(struct host *host, const char *name, const struct roam_lb_backend *row);
int lb_backend_del(struct host *host, const char *name, const struct roam_addr *addr);
int lb_backend_set(struct host *host, const char *name, const struct roam_addr *addr,
		   enum roam_lb_state state);

/*
 * Tunnels (lb_tunnel.c). Where a backend is: the end of a tunnel to it, and this host's end of
 * that; both :: for one that is here, or that the network knows the way to.
 */
struct lb_place {
	struct roam_addr host;
	struct roam_addr from;
};

int lb_backend_move(struct host *host, const char *name, const struct roam_addr *addr,
		    const struct lb_place *to);
bool lb_is_elsewhere(const struct roam_lb_backend *row);
/* The tag of a backend with this address, the same on every host (ABI). */
__be16 lb_tag_of(const struct roam_addr *addr);
/* -ENOSPC if as many of the service's backends share the tag as can. */
int lb_check_tag(struct host *host, const struct lb_service *service, __be16 tag);

/* A balancer whose tunnels end here, at this address of the host. */
struct lb_peer {
	struct roam_addr addr;
	struct roam_addr at;
};

int lb_peer_add(struct host *host, const struct lb_peer *peer);
int lb_peer_del(struct host *host, const struct lb_peer *peer);
int lb_peer_each(struct host *host, int (*fn)(const struct lb_peer *peer, void *arg), void *arg);

/* The host's own address toward another one, as its routes say. */
int lb_own_addr(const struct roam_addr *toward, struct roam_addr *ret_addr);

/* The number of a service's backend at this address and port; 0: there is none. */
uint16_t lb_member(struct host *host, uint32_t service, const struct roam_addr *addr, __be16 port);

/* What follows from the rows of policy, made anew. Needs the host's lock. */
int lb_recover(struct host *host);

/* Whether services are the VM's, too. Turning it off ends its sessions with them. */
int lb_use(struct host *host, uint32_t slot, bool use);
/* As the VM in slot `from` has it. Needs the host's lock and an entry in the journal. */
int lb_take(struct host *host, uint32_t slot, uint32_t from);
/* What follows from roam_vm.lb. Needs the host's lock and an entry in the journal. */
int lb_sync_vm(struct host *host, uint32_t slot);

#endif
