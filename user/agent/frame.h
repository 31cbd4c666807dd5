/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Frames of the handover's protocol: a header of 12 bytes, then a body (docs/handover.md). Pure; a
 * link (link.c) feeds it what comes from the network, the fuzzer whatever it likes.
 */
#ifndef ROAM_FRAME_H
#define ROAM_FRAME_H

#include "util.h"

#define FRAME_HEADER_LEN 12
/* Bodies of data may be that long; those of all other messages, which are JSON, this. */
#define FRAME_DATA_MAX (1024 * 1024)
#define FRAME_JSON_MAX (16 * 1024)

struct frame {
	uint32_t size; /* of the body */
	uint16_t type; /* enum message_type */
	uint32_t number;
};

/* The header of a frame, as it is on the wire. */
void frame_write(const struct frame *frame, uint8_t ret_header[FRAME_HEADER_LEN]);

/*
 * Understands a header. `number` is that of the frame before it on this connection: a frame that
 * does not count on from there is refused, as is a type that there is not, and a body that is
 * longer than its type may be: before anything is allocated for it.
 */
int frame_read(const uint8_t header[FRAME_HEADER_LEN], uint32_t number, struct frame *ret_frame);

#endif
