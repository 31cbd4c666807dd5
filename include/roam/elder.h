/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs that take over from others, the elders, whose maps are laid out otherwise (`roam host
 * upgrade`). They are on the devices, and flows come over from the elders' tables while packets go
 * on; what of a flow is not here yet, the elders judge: the packet goes to them as it came, by a
 * tail call.
 *
 * Map `elder_mode`: ARRAY of one __u32, enum roam_elder_mode. Map `elder_prog`: PROG_ARRAY by enum
 * roam_dir, the elders' programs of ports. Map `ct_xfer`, for program `elder_merge`: pairs of rows,
 * a flow as it was copied and as its elders have left it. docs/decisions.md argues the order.
 */
#ifndef ROAM_ELDER_H
#define ROAM_ELDER_H

#include "types.h"

enum roam_elder_mode {
	ROAM_ELDER_NONE, /* there are none: all of it is judged here */
	ROAM_ELDER_ALL,  /* a packet of no known flow is theirs, an opening too */
	ROAM_ELDER_LAST, /* what opens a flow opens it here; what does not, and is of no known flow,
			  * may be of one that is still theirs */
};

/* Argument of program `elder_merge`, in and out. */
struct roam_elder_run {
	__u32 table; /* ROAM_CT_TABLE() */
	__u32 count; /* pairs in ct_xfer; `pad` of a second row: 1: its flow is still there */
	__u32 done;  /* out */
	__s32 error; /* out: 0 or -errno */
};

ROAM_ASSERT_SIZE(struct roam_elder_run, 16);

#endif
