/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How parse.h reads what nearly every frame has: its beginning is copied once, into memory of the
 * packet's (struct roam_pkt.head), and the headers are looked at there. A call of the kernel's
 * helper for each header costs more than all that is done with them. Memory of a map, because the
 * verifier follows nothing in it: two ways to a header do not double what comes after.
 */
#ifndef ROAM_BPF_PARSE_WINDOW_H
#define ROAM_BPF_PARSE_WINDOW_H

#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

static __always_inline bool window_open(const struct frame *frame, struct roam_pkt *pkt)
{
	__u64 len = frame->len;

	barrier_var(len); /* the verifier is to know the bounds of the very register */
	if (len > sizeof(pkt->head))
		len = sizeof(pkt->head);
	return len >= ETH_HLEN && frame_read(frame, 0, pkt->head, len);
}

/*
 * `size` bytes at `off`, or NULL if the frame ends before. They stay until the next call. What is
 * beyond the window is copied from the frame.
 */
static __always_inline const void *frame_at(const struct frame *frame, struct roam_pkt *pkt,
					    __u64 off, __u32 size)
{
	__u64 end = size;

	/* A sum of two registers: of one and a constant Linux 6.12 makes bounds that contradict. */
	barrier_var(end);
	end += off;
	if (end > frame->len)
		return NULL;
	barrier_var(off);
	if (off <= sizeof(pkt->head) - size)
		return pkt->head + off;
	return frame_read(frame, off, pkt->spare, size) ? pkt->spare : NULL;
}

#endif
