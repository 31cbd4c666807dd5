// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * One stage at a time: each program takes its frame for a struct roam_pkt, has the stage judge it,
 * and gives it back as the stage left it. The XDP return code is the verdict. Time is an input.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "stages.h"

#define NOT_A_PACKET 255

/* As the front ends have theirs: the stack is for the stages. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_pkt);
} stage_pkt SEC(".maps");

/* The packet that the frame is; NULL if it is none. */
static __always_inline struct roam_pkt *take(struct xdp_md *xdp)
{
	__u32 zero = 0;
	struct roam_pkt *pkt = bpf_map_lookup_elem(&stage_pkt, &zero);

	return pkt && !bpf_xdp_load_bytes(xdp, 0, pkt, sizeof(*pkt)) ? pkt : NULL;
}

static __always_inline int give(struct xdp_md *xdp, const struct roam_pkt *pkt, int verdict)
{
	return bpf_xdp_store_bytes(xdp, 0, (void *)pkt, sizeof(*pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_port(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, port_check(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_uplink(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, uplink_check(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_spoof(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, spoof_check(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_ct(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, ct_check(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_acl(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, acl_check(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_commit(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, ct_commit(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_qos(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, qos_check(pkt)) : NOT_A_PACKET;
}

SEC("xdp")
int stage_ips(struct xdp_md *xdp)
{
	struct roam_pkt *pkt = take(xdp);

	return pkt ? give(xdp, pkt, ips_check(pkt)) : NOT_A_PACKET;
}
