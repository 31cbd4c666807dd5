// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Frames of the protocol: see frame.h. */
#include <arpa/inet.h>
#include <string.h>
#include "frame.h"
#include "message.h"

/* As on the wire, big-endian. */
struct wire {
	uint32_t size;
	uint16_t type;
	uint16_t reserved;
	uint32_t number;
};

_Static_assert(sizeof(struct wire) == FRAME_HEADER_LEN, "a frame's header is ABI");

void frame_write(const struct frame *frame, uint8_t ret_header[FRAME_HEADER_LEN])
{
	const struct wire wire = {
		.size = htonl(frame->size),
		.type = htons(frame->type),
		.number = htonl(frame->number),
	};

	memcpy(ret_header, &wire, sizeof(wire));
}

int frame_read(const uint8_t header[FRAME_HEADER_LEN], uint32_t number, struct frame *ret_frame)
{
	struct frame frame;
	struct wire wire;

	memcpy(&wire, header, sizeof(wire));
	frame.size = ntohl(wire.size);
	frame.type = ntohs(wire.type);
	frame.number = ntohl(wire.number);
	if (!frame.type || frame.type >= MESSAGE_TYPE_COUNT || wire.reserved)
		return fail(-EBADMSG, "frame: type %u is not known here", frame.type);
	if (frame.size > (frame.type == MESSAGE_DATA ? FRAME_DATA_MAX : FRAME_JSON_MAX))
		return fail(-EBADMSG, "frame: %u bytes of %s are too many", frame.size,
			    message_type_name(frame.type));
	if (frame.number != number + 1)
		return fail(-EBADMSG, "frame: number %u where %u should be", frame.number,
			    number + 1);
	*ret_frame = frame;
	return 0;
}
