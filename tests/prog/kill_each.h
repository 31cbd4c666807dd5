/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A process is killed at each point of a change that it makes to a host. Whoever opens the host
 * next must find it as before the change, or as after, with nothing left that belongs to nobody.
 * For kill.c and kill_services.c, which have the changes.
 */
#ifndef ROAM_TESTS_KILL_EACH_H
#define ROAM_TESTS_KILL_EACH_H

#include <stdint.h>
#include <roam/ct.h>
#include "host.h"

#define KILL_FLOWS 8

/* Made by a process of its own, on the VM "vm" in this slot. */
struct kill_change {
	const char *name;
	int (*make)(struct host *host, uint32_t slot);
	int (*prepare)(struct host *host, uint32_t slot); /* NULL: the VM as it is will do */
};

/* A flow of the VM that lives; those below KILL_FLOWS are there before each change. */
struct roam_flow_rec kill_flow(unsigned int i);

/* On a host that has one VM "vm", with a port, two rules, flows, a rate and a block. */
void kill_each(const struct kill_change *change);

#endif
