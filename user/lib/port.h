/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Ports of VMs: rows of policy, and binding them to devices: the row where programs find it by
 * ifindex, the uplink's rows of local MACs and addresses, and the programs on the device.
 */
#ifndef ROAM_LIB_PORT_H
#define ROAM_LIB_PORT_H

#include <roam/port.h>
#include "ct_import.h"
#include "host.h"

/*
 * A port must make sense by itself, and its MAC, addresses and device may not belong to another VM
 * of the host; `slot` is the VM that it may take them from.
 */
int port_validate(const struct roam_port *port);
int port_check_free(struct host *host, uint32_t slot, const struct roam_port *port);

/* The VM's ports in order of their numbers; at most ROAM_VM_PORTS. Returns how many, or -errno. */
int port_list(struct host *host, uint32_t slot, struct roam_port ports[ROAM_VM_PORTS]);

/* The number of a zone within a VM with these ports: that of its name, or the first free one. */
uint8_t port_zone_number(const struct roam_port *ports, int count, const char *zone_name);

/*
 * Writes the row under the first free number; gives the port its zone's number: that of its name
 * among the ports of slot or of zones_of, or one that neither has.
 */
int port_store(struct host *host, uint32_t slot, uint32_t zones_of, struct roam_port *port);

int port_add(struct host *host, uint32_t slot, struct roam_port *port);

/*
 * The same for a VM whose connections are older than its port here: what nf_conntrack knows of them
 * is taken in before the device is bound, and for so many seconds the VM's others are as they are
 * seen (roam_vm.learn_until_ns).
 */
#define PORT_LEARN_MAX_S 3600

struct port_learning {
	uint32_t seconds;
	struct ct_imported imported; /* out */
	bool has_imported;           /* out; false: fail_line() says why nothing could be */
};

int port_add_learning(struct host *host, uint32_t slot, struct roam_port *port,
		      struct port_learning *learning);
int port_del(struct host *host, uint32_t slot, const uint8_t mac[ROAM_MAC_LEN]);

/* Binds every port of policy whose device exists. */
int port_bind_all(struct host *host, uint32_t slot);
/* Undoes that for one port whose row is about to go, or to belong to nobody. */
void port_unbind(struct host *host, const struct roam_port *port);
/* Undoes only what the uplink was told of it. */
void port_withdraw(struct host *host, const struct roam_port *port);
/*
 * Binds the ports whose device has appeared, or was made anew, since; with `dev`, only those of
 * this device.
 */
int port_bind_missing(struct host *host, uint32_t slot, const char *dev);
/* Whether it is bound to the device that has its name now. */
bool port_is_bound(const struct roam_port *port);

/*
 * The ports of slot become those of `from`: first what it does not give, then all (port_take.c);
 * binding is left to a sync.
 */
int port_narrow(struct host *host, uint32_t slot, uint32_t from);
int port_take(struct host *host, uint32_t slot, uint32_t from);

/* Forgets all ports of the slot. */
void port_unbind_all(struct host *host, uint32_t slot);

/* Whether addr is bound to a port of this list in the zone with number zone_no. */
bool port_has_addr(const struct roam_port *ports, int count, uint32_t zone_no,
		   const struct roam_addr *addr);

#endif
