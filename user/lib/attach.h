/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs on devices: tcx at a VM's port, clsact where the kernel has no tcx (before 6.6), XDP at
 * an uplink. Links are pinned under DIR/links, so that they outlive every process. What others have
 * on the device stays: nothing foreign is replaced, and an uplink with a foreign XDP program is
 * refused, naming it.
 */
#ifndef ROAM_ATTACH_H
#define ROAM_ATTACH_H

#include "host.h"

/* Attaches both directions; nothing is done where they are attached already. */
int attach_port(struct host *host, uint32_t ifindex);
void detach_port(struct host *host, uint32_t ifindex);

/* `links_dir` is the folder of a host that is not open yet, `prog_fd` its uplink program. */
int attach_uplink(const char *links_dir, int prog_fd, const char *dev);

/* The programs that are on devices. */
struct attach_progs {
	int in; /* tc */
	int out;
	int uplink; /* XDP */
};

/*
 * Puts these in the place of those that are on the devices of a host: its links, and where there is
 * no tcx, the devices of its map port_dev. Each is replaced at once: no packet finds none. Can be
 * repeated. How many there were in *ret_count.
 */
int attach_update(const char *links_dir, int port_dev_fd, const struct attach_progs *progs,
		  unsigned int *ret_count);

/* Detaches whatever has its link in that folder, and empties it. */
void detach_all(const char *links_dir);

struct uplink {
	uint32_t ifindex;
	char dev[16];
	const char *mode; /* "native", "generic", or "gone" with the device */
};

/* Calls fn for every uplink until it returns non-zero. */
int attach_each_uplink(struct host *host, int (*fn)(const struct uplink *, void *), void *arg);

/* "tcx" or "clsact": what ports of this kernel get. */
const char *attach_kind(const struct host *host);

#endif
