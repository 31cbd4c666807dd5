/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a change of policy has done to the flows that are live: include/roam/ask.h. */
#ifndef ROAM_LIB_ASK_H
#define ROAM_LIB_ASK_H

#include "host.h"

struct ask_answer {
	uint64_t live;
	uint64_t stay; /* policy admits them */
	uint64_t end;  /* their next packet is dropped, and they go */
};

/* Nothing changes by it. Needs the host's lock. */
int ask_flows(struct host *host, uint32_t slot, struct ask_answer *ret_answer);

#endif
