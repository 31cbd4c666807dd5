/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The internet checksum (RFC 1071), for those who write headers: answer.h, late_frame.h, rewrite.h.
 */
#ifndef ROAM_BPF_CHECKSUM_H
#define ROAM_BPF_CHECKSUM_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* Of a sum of 16-bit words, what stands in the header. */
static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
