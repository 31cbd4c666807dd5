/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A frame in the XDP front end's hands, and the one way to read bytes of it: frame_skb.h's twin,
 * which tells why it is done this way. XDP has its tags in the frame, never in metadata.
 */
#ifndef ROAM_BPF_FRAME_H
#define ROAM_BPF_FRAME_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

typedef struct xdp_md frame_ctx;

struct frame {
	frame_ctx *ctx;
	__u32 len; /* bytes of the frame, link layer and all its buffers included */
	__u32 vlan_tci;
	bool has_vlan;
	__u32 gso_size; /* none: no driver shows XDP frames that are still to be cut */
};

static __always_inline struct frame frame_open(frame_ctx *xdp)
{
	return (struct frame){ .ctx = xdp, .len = bpf_xdp_get_buff_len(xdp) };
}

/* Copies `size` bytes at `off`; false if the frame ends before. */
static __always_inline bool frame_read(const struct frame *frame, __u32 off, void *to, __u32 size)
{
	return !bpf_xdp_load_bytes(frame->ctx, off, to, size);
}

/* Writes bytes that no checksum of a transport covers; false if it cannot. */
static __always_inline bool frame_write(const struct frame *frame, __u32 off, const void *from,
					__u32 size)
{
	return !bpf_xdp_store_bytes(frame->ctx, off, (void *)from, size);
}

/* Nothing is translated behind XDP: the stages drop what would have to be (lb_front). */
static __always_inline bool frame_fix_l3(const struct frame *frame, __u32 off, __u32 from, __u32 to)
{
	(void)frame;
	(void)off;
	(void)from;
	(void)to;
	return false;
}

static __always_inline bool frame_fix_l4(const struct frame *frame, __u32 off, __u64 from_to,
					 __u64 flags)
{
	(void)frame;
	(void)off;
	(void)from_to;
	(void)flags;
	return false;
}

static __always_inline bool frame_store(const struct frame *frame, __u32 off, const void *from,
					__u32 size)
{
	(void)frame;
	(void)off;
	(void)from;
	(void)size;
	return false;
}

/* Nothing is late behind XDP, as nothing is translated (late_carry). */
static __always_inline bool frame_carry(frame_ctx *xdp, struct roam_pkt *pkt)
{
	(void)xdp;
	(void)pkt;
	return false;
}

#endif
