/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A frame in the tc front end's hands, and the one way to read bytes of it: frame_xdp.h's twin.
 * parse.h uses whichever of the two its front end has included before it; nobody else reads frames.
 *
 * Reading is by helper, which finds bytes outside the linear part, too. Direct access with the
 * helper as fall-back doubles the verifier's paths at every read: more than a million instructions
 * for what takes a few thousand this way.
 */
#ifndef ROAM_BPF_FRAME_H
#define ROAM_BPF_FRAME_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

typedef struct __sk_buff frame_ctx;

struct frame {
	frame_ctx *ctx;
	__u32 len;      /* bytes of the frame, link layer included */
	__u32 vlan_tci; /* tag in the metadata */
	bool has_vlan;  /* whether there is one */
	__u32 gso_size; /* payload of each segment that this frame will be cut into; 0: of none */
};

static __always_inline struct frame frame_open(frame_ctx *skb)
{
	return (struct frame){
		.ctx = skb,
		.len = skb->len,
		.vlan_tci = skb->vlan_tci,
		.has_vlan = skb->vlan_present,
		.gso_size = skb->gso_size,
	};
}

/* Copies `size` bytes at `off`; false if the frame ends before. */
static __always_inline bool frame_read(const struct frame *frame, __u32 off, void *to, __u32 size)
{
	return !bpf_skb_load_bytes(frame->ctx, off, to, size);
}

/* Writes bytes that no checksum of a transport covers; false if it cannot. */
static __always_inline bool frame_write(const struct frame *frame, __u32 off, const void *from,
					__u32 size)
{
	return !bpf_skb_store_bytes(frame->ctx, off, from, size, BPF_F_RECOMPUTE_CSUM);
}

/*
 * What translation needs (translate.h): the checksum of the IPv4 header, the one of the transport,
 * and bytes whose change those have been told already. The helpers know what an offload has left to
 * the device.
 */
static __always_inline bool frame_fix_l3(const struct frame *frame, __u32 off, __u32 from, __u32 to)
{
	return !bpf_l3_csum_replace(frame->ctx, off, from, to, sizeof(to));
}

static __always_inline bool frame_fix_l4(const struct frame *frame, __u32 off, __u64 from_to,
					 __u64 flags)
{
	return !bpf_l4_csum_replace(frame->ctx, off, from_to >> 32, (__u32)from_to, flags);
}

static __always_inline bool frame_store(const struct frame *frame, __u32 off, const void *from,
					__u32 size)
{
	return !bpf_skb_store_bytes(frame->ctx, off, from, size, 0);
}

/*
 * Cuts or lengthens the frame; what stood for several is one then. Only tc does: there is no twin.
 */
static __always_inline bool frame_resize(const struct frame *frame, __u32 len)
{
	return !bpf_skb_change_tail(frame->ctx, len, 0);
}

#endif
