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
#include <bpf/bpf_helpers.h>

struct frame {
	struct __sk_buff *ctx;
	__u32 len;      /* bytes of the frame, link layer included */
	__u32 vlan_tci; /* tag in the metadata */
	bool has_vlan;  /* whether there is one */
};

static __always_inline struct frame frame_open(struct __sk_buff *skb)
{
	return (struct frame){
		.ctx = skb,
		.len = skb->len,
		.vlan_tci = skb->vlan_tci,
		.has_vlan = skb->vlan_present,
	};
}

/* Copies `size` bytes at `off`; false if the frame ends before. */
static __always_inline bool frame_read(const struct frame *frame, __u32 off, void *to, __u32 size)
{
	return !bpf_skb_load_bytes(frame->ctx, off, to, size);
}

#endif
