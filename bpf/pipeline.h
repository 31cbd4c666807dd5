/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The data plane on one page. A front end (tc.bpf.c, xdp.bpf.c) makes a struct roam_pkt, has
 * parse.h fill it, and calls one of the lists below; they know nothing of tc or XDP.
 *
 *   port    whose packet? is the VM open, the VLAN the port's? what is known about the addresses?
 *   spoof   does the VM speak for itself? what the link lives by (ARP, ND, ...) ends here
 *   ct      known flow? then it is judged by its state; otherwise: may this open one?
 *   acl     the rules, for openings, for untracked packets, and for flows of an older policy
 *   commit  the flow is made or brought up to date: only now, so a dropped packet leaves nothing
 *   count   under one reason, per VM and direction
 *
 * The first verdict other than CONTINUE ends a list. `in` and `out` differ in nothing but the
 * packet's direction, which each stage knows.
 */
#ifndef ROAM_BPF_PIPELINE_H
#define ROAM_BPF_PIPELINE_H

#include "parse.h"
#include "stages.h"

static __always_inline enum roam_verdict firewall(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = ct_check(pkt);

	if (verdict != ROAM_CONTINUE)
		return verdict;
	if (pkt->ct == ROAM_PKT_CT_FLOW)
		return pass(pkt, ROAM_REASON_ESTABLISHED);
	verdict = acl_check(pkt);
	if (verdict == ROAM_DROP && pkt->ct == ROAM_PKT_CT_STALE)
		return ct_revoke(pkt);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	return ct_commit(pkt);
}

/* The whole list of a port, in either direction. */
static __always_inline enum roam_verdict port_pipeline(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = port_check(pkt);

	if (verdict == ROAM_CONTINUE)
		verdict = spoof_check(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = firewall(pkt);
	return stats_count(pkt, verdict);
}

static __always_inline enum roam_verdict uplink_pipeline(struct roam_pkt *pkt)
{
	return stats_count(pkt, uplink_check(pkt));
}

#endif
