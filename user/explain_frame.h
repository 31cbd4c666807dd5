/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From the words of a packet to the frame that is at a VM's port, for `roam explain`. */
#ifndef ROAM_EXPLAIN_FRAME_H
#define ROAM_EXPLAIN_FRAME_H

#include "explain_words.h"
#include "host.h"

struct explain_at {
	uint32_t slot;
	enum roam_dir dir;
	uint32_t ifindex; /* out: the port's device */
};

/* At a port. Fails if the VM has none for it, or the port no device. */
int explain_frame(struct host *host, struct explain_at *at, const struct explain_ask *ask,
		  struct packet *ret_packet);

/* At an uplink, from outside: to the MAC of the VM that has the address, or to a router's. */
int explain_frame_outside(struct host *host, const struct explain_ask *ask,
			  struct packet *ret_packet);

#endif
