/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The two ends of the way that late packets of a handover take (include/roam/late.h), for whoever
 * drives one. Rows end with what they are for: the source's when the VM's gate is cleared or the VM
 * goes, the destination's a while after it has settled, or with the VM.
 */
#ifndef ROAM_LIB_LATE_H
#define ROAM_LIB_LATE_H

#include <roam/late.h>
#include "host.h"

struct late_way {
	uint8_t id[16]; /* of the handover */
	uint64_t epoch;
	struct roam_addr from; /* the source's end */
	struct roam_addr to;   /* the destination's */
};

/*
 * The source's end: asks the host's routes. -EINVAL for addresses that no two hosts have; when
 * packets may go there, the gate says (late_until_ns).
 */
int late_to_put(struct host *host, uint32_t slot, const struct late_way *way);
/* The MTU that the VM's largest packets need of a way from that address; 0: no port has a device.
 */
uint32_t late_need(struct host *host, const char *vm, const struct roam_addr *from);
/* That of a way, as far as this host knows it: either end may ask. 0: none; fail_line() says why.
 */
uint32_t late_mtu(const struct late_way *way);
/* The destination's end, for the VM's ports as they are. -ENOSPC: too many handovers at once. */
int late_from_put(struct host *host, uint32_t slot, const struct late_way *way);

/* What went that way so far; false if there is no such way (any more). */
bool late_sent(struct host *host, const char *vm, const uint8_t id[16],
	       struct roam_late_count *ret_count);
bool late_taken(struct host *host, const uint8_t id[16], struct roam_late_count *ret_count);

/* The VM no longer leaves from here. */
void late_to_del(struct host *host, uint32_t slot);
/* It has come: what is still on its way may, for ROAM_LATE_MOST_S. */
void late_from_end(struct host *host, uint32_t slot);
/* Nothing comes for it any more. */
void late_from_del(struct host *host, uint32_t slot);
/* Those whose time is over, for whoever has time: they take nothing any more as it is. */
void late_purge(struct host *host, uint64_t now_ns);

#endif
