// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * One stage at a time: each program takes its frame for a struct roam_pkt, has the stage judge it,
 * and gives it back as the stage left it. The XDP return code is the verdict. Time is an input.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "stages.h"

#define NOT_A_PACKET 255

SEC("xdp")
int stage_port(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = port_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_uplink(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = uplink_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_spoof(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = spoof_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_ct(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = ct_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_acl(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = acl_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_commit(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = ct_commit(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_qos(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = qos_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}

SEC("xdp")
int stage_ips(struct xdp_md *xdp)
{
	struct roam_pkt pkt;
	int verdict;

	if (bpf_xdp_load_bytes(xdp, 0, &pkt, sizeof(pkt)))
		return NOT_A_PACKET;
	verdict = ips_check(&pkt);
	return bpf_xdp_store_bytes(xdp, 0, &pkt, sizeof(pkt)) ? NOT_A_PACKET : verdict;
}
