/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What travels in QEMU's own stream beside a handover, so that the VM can not go on at a
 * destination whose roam has not applied all of that handover: which one it is, and up to which
 * delta. Pure; `roam handover barrier` carries it, docs/handover.md says why.
 *
 * As bytes, big-endian: "roam", u8 version (1), u8 length of the name, u16 0, 16 bytes of the id,
 * u64 epoch, u64 sequence, the VM's name, u32 CRC-32 of all before it.
 */
#ifndef ROAM_BARRIER_H
#define ROAM_BARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <roam/types.h>
#include "handover_id.h"

#define BARRIER_MOST (44 + ROAM_NAME_LEN - 1)

struct barrier {
	char vm[ROAM_NAME_LEN];
	uint8_t id[HANDOVER_ID_LEN];
	uint64_t epoch;
	uint64_t sequence; /* of the last delta */
};

/* How many bytes it came to. */
size_t barrier_write(const struct barrier *barrier, uint8_t bytes[BARRIER_MOST]);
/* Bytes of a stream that may come from anywhere. */
int barrier_read(const void *bytes, size_t size, struct barrier *ret_barrier);

/* The destination's newest handover of the VM, as its roamd tells of it. */
struct barrier_here {
	struct barrier at; /* sequence: of the last delta that is applied */
	bool is_dest;
	char state[16];
	char reason[24]; /* why it was aborted */
};

/*
 * Whether the VM may go on here: 0; -EAGAIN: not yet; else never, and the line's second word is one
 * of the reasons of roam-handover(8).
 */
int barrier_judge(const struct barrier *barrier, const struct barrier_here *here);

#endif
