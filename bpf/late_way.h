/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The ways of late packets to other hosts (include/roam/late.h), for the stage that asks whether
 * there is one (late.bpf.c) and the front end that takes it (late_frame.h). Weak, because each
 * brings the same map.
 */
#ifndef ROAM_BPF_LATE_WAY_H
#define ROAM_BPF_LATE_WAY_H

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <roam/late.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_LATE_WAYS);
	__type(key, __u32);
	__type(value, struct roam_late_to);
} late_to __weak SEC(".maps");

/* What comes before the frame. */
static __always_inline __u32 late_outer_len(bool ipv4)
{
	return (ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + sizeof(struct udphdr) +
	       sizeof(struct roam_late_header);
}

static __always_inline void late_count(struct roam_late_count *count, __u32 bytes)
{
	__sync_fetch_and_add(&count->packets, 1);
	__sync_fetch_and_add(&count->bytes, bytes);
}

#endif
