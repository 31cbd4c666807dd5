// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The spoof stage: does the VM speak for itself only? And what a link lives by (ARP, RARP,
 * neighbour discovery, MLD and IGMP, DHCP by switch) is judged here in both directions, so that the
 * firewall never sees it. It owns no map: the port stage has noted the facts it judges by.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include <roam/port.h>
#include "stages.h"

#define ARP_REQUEST  1
#define ARP_REPLY    2
#define RARP_REQUEST 3 /* RFC 903; QEMU announces a VM with it */
#define ND_HOP_LIMIT 255

static __always_inline bool has(const struct roam_pkt *pkt, enum roam_pkt_fact fact)
{
	return pkt->facts & fact;
}

static __always_inline bool lladdr_is_honest(const struct roam_pkt *pkt)
{
	return !pkt->has_lladdr || has(pkt, ROAM_PKT_OWN_LLADDR);
}

/* A request or reply with the port's own binding, or a probe for it (RFC 5227). */
static __always_inline enum roam_verdict arp_out(struct roam_pkt *pkt)
{
	bool probe = pkt->local_kind == ROAM_LOCAL_ANY && pkt->target_kind == ROAM_LOCAL_BOUND &&
		     pkt->link_op == ARP_REQUEST;

	if ((pkt->link_op != ARP_REQUEST && pkt->link_op != ARP_REPLY) ||
	    !has(pkt, ROAM_PKT_OWN_LLADDR) || (pkt->local_kind != ROAM_LOCAL_BOUND && !probe))
		return drop(pkt, ROAM_REASON_SPOOF_ARP);
	return pass(pkt, ROAM_REASON_ARP);
}

static __always_inline enum roam_verdict rarp_out(struct roam_pkt *pkt)
{
	if (pkt->link_op != RARP_REQUEST || !has(pkt, ROAM_PKT_OWN_LLADDR) ||
	    !has(pkt, ROAM_PKT_OWN_TARGET_LLADDR))
		return drop(pkt, ROAM_REASON_SPOOF_ARP);
	return pass(pkt, ROAM_REASON_RARP);
}

static __always_inline enum roam_verdict nd_out(struct roam_pkt *pkt)
{
	bool probe = pkt->local_kind == ROAM_LOCAL_ANY;
	bool honest = pkt->hop_limit == ND_HOP_LIMIT && lladdr_is_honest(pkt);

	switch (pkt->link) {
	case ROAM_LINK_RS:
		honest = honest && (pkt->local_kind == ROAM_LOCAL_BOUND || probe);
		break;
	case ROAM_LINK_NS: /* from ::, duplicate address detection (RFC 4862, 5.4) */
		honest = honest && (pkt->local_kind == ROAM_LOCAL_BOUND ||
				    (probe && pkt->target_kind == ROAM_LOCAL_BOUND));
		break;
	default: /* neighbour advertisement */
		honest = honest && pkt->local_kind == ROAM_LOCAL_BOUND &&
			 pkt->target_kind == ROAM_LOCAL_BOUND;
	}
	if (!honest)
		return drop(pkt, ROAM_REASON_SPOOF_ND);
	return pass(pkt, ROAM_REASON_ND);
}

/* An MLD report may come from :: and an IGMP one from 0.0.0.0 while there is no address yet. */
static __always_inline enum roam_verdict mcast_out(struct roam_pkt *pkt)
{
	if (pkt->local_kind != ROAM_LOCAL_BOUND && pkt->local_kind != ROAM_LOCAL_ANY)
		return drop(pkt, ROAM_REASON_SPOOF_ADDR);
	return pass(pkt, ROAM_REASON_MCAST_CTL);
}

static __always_inline enum roam_verdict dhcp_client_out(struct roam_pkt *pkt)
{
	if (!(pkt->switches & ROAM_PORT_DHCP))
		return drop(pkt, ROAM_REASON_DHCP_OFF);
	if (pkt->local_kind != ROAM_LOCAL_BOUND && pkt->local_kind != ROAM_LOCAL_ANY)
		return drop(pkt, ROAM_REASON_SPOOF_ADDR);
	return pass(pkt, ROAM_REASON_DHCP);
}

static __always_inline enum roam_verdict check_out(struct roam_pkt *pkt)
{
	if (!has(pkt, ROAM_PKT_OWN_SMAC))
		return drop(pkt, ROAM_REASON_SPOOF_MAC);
	switch (pkt->link) {
	case ROAM_LINK_ARP:
		return arp_out(pkt);
	case ROAM_LINK_RARP:
		return rarp_out(pkt);
	case ROAM_LINK_RS:
	case ROAM_LINK_NS:
	case ROAM_LINK_NA:
		return nd_out(pkt);
	case ROAM_LINK_RA:
	case ROAM_LINK_REDIRECT:
		return drop(pkt, ROAM_REASON_RA_FROM_VM);
	case ROAM_LINK_MCAST:
		return mcast_out(pkt);
	case ROAM_LINK_DHCP_CLIENT:
		return dhcp_client_out(pkt);
	case ROAM_LINK_DHCP_SERVER:
		return drop(pkt, ROAM_REASON_DHCP_SERVER);
	default:
		if (pkt->local_kind != ROAM_LOCAL_BOUND)
			return drop(pkt, ROAM_REASON_SPOOF_ADDR);
		return ROAM_CONTINUE;
	}
}

static __always_inline enum roam_verdict check_in(struct roam_pkt *pkt)
{
	switch (pkt->link) {
	case ROAM_LINK_ARP:
		return pass(pkt, ROAM_REASON_ARP);
	case ROAM_LINK_RARP:
		return pass(pkt, ROAM_REASON_RARP);
	case ROAM_LINK_NS:
	case ROAM_LINK_NA:
	case ROAM_LINK_RS:
		/* From beyond a router a hop limit of 255 is impossible (RFC 4861, 11.2). */
		if (pkt->hop_limit != ND_HOP_LIMIT)
			return drop(pkt, ROAM_REASON_SPOOF_ND);
		return pass(pkt, ROAM_REASON_ND);
	case ROAM_LINK_RA:
	case ROAM_LINK_REDIRECT:
		if (!(pkt->switches & ROAM_PORT_RA))
			return drop(pkt, ROAM_REASON_RA_OFF);
		if (pkt->hop_limit != ND_HOP_LIMIT)
			return drop(pkt, ROAM_REASON_SPOOF_ND);
		return pass(pkt, ROAM_REASON_RA);
	case ROAM_LINK_MCAST:
		return pass(pkt, ROAM_REASON_MCAST_CTL);
	case ROAM_LINK_DHCP_SERVER:
		if (!(pkt->switches & ROAM_PORT_DHCP))
			return drop(pkt, ROAM_REASON_DHCP_OFF);
		return pass(pkt, ROAM_REASON_DHCP);
	default:
		if (has(pkt, ROAM_PKT_OWN_SMAC))
			return drop(pkt, ROAM_REASON_OUTSIDE_MAC);
		/* A bridge that has not learned yet floods what is meant for others, and a DHCP
		 * client's message is an ordinary datagram to whoever is no client. */
		if (!has(pkt, ROAM_PKT_OWN_DMAC) && !has(pkt, ROAM_PKT_TO_GROUP))
			return drop(pkt, ROAM_REASON_NOT_LOCAL);
		if (pkt->local_kind != ROAM_LOCAL_BOUND && !has(pkt, ROAM_PKT_TO_GROUP))
			return drop(pkt, ROAM_REASON_NOT_LOCAL);
		return ROAM_CONTINUE;
	}
}

__noinline enum roam_verdict spoof_check(struct roam_pkt *pkt)
{
	if (!pkt)
		return ROAM_DROP;
	return pkt->dir == ROAM_DIR_OUT ? check_out(pkt) : check_in(pkt);
}
