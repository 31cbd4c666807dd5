/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The data plane on one page. A front end (tc.bpf.c, xdp.bpf.c) makes a struct roam_pkt and calls
 * one of the lists below with it; the stages know nothing of tc or XDP.
 *
 *   parse   from bytes to struct roam_pkt
 *   port    whose packet? is the VM open, the VLAN the port's? what is known about the addresses?
 *   gate    of a VM that is on its way between hosts: may the packet go on?
 *   view    of a packet toward the VM: the tuple that its application will see (of known flows
 *           the port stage asks for it itself: has_port_view)
 *   spoof   does the VM speak for itself? what the link lives by (ARP, ND, ...) ends here
 *   frag    a later fragment goes as its first one did; the first begins its train before it passes
 *   ct      known flow? then it is judged by its state; otherwise: may this open one? (not from
 *           outside with the VM's own address: spoof's, asked where only openings pay for it)
 *           an ICMP error belongs to the flow of the packet that it quotes, or is dropped
 *   ips     toward the VM: is the source blocked? does it open too many connections?
 *   acl     the rules, for openings, for untracked packets, and for flows of an older policy
 *   limit   of an opening: has its rule as many live connections as it may have?
 *   qos     the VM's rate; the mark that its packets get
 *   lb      of an opening: the backend that it gets
 *   commit  the flow is made or brought up to date: only now, so a dropped packet leaves nothing
 *   rewrite what the stages have decided to change, in the bytes
 *   tell    those who listen, if it is something to be told
 *   count   under one reason, per VM and direction
 *
 * The first verdict other than CONTINUE ends a list. `in` and `out` differ in nothing but the
 * packet's direction, which each stage knows. With dry_run set (explain.bpf.c) a stage says what it
 * would say and leaves every map as it is.
 */
#ifndef ROAM_BPF_PIPELINE_H
#define ROAM_BPF_PIPELINE_H

#include <roam/vm.h>
#include "front.h"
#include "lb_tally.h"
#include "move_flight.h"
#include "note.h"
#include "parse.h"
#include "port_look.h"
#include "qos_take.h"
#include "rewrite.h"
#include "stages.h"
#include "stats_count.h"

/* Not inlined, as its likes below: their stack is free again when the stages need theirs. */
static __noinline enum roam_reason read_frame(frame_ctx *ctx, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);

	return parse(&frame, pkt);
}

static __noinline enum roam_reason read_quote(frame_ctx *ctx, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);

	return parse_quote(&frame, pkt);
}

static __noinline bool write_frame(frame_ctx *ctx, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);

	return rewrite(&frame, pkt);
}

static __always_inline enum roam_verdict ips(struct roam_pkt *pkt)
{
	if (!(pkt->features & ROAM_VM_IPS) || pkt->dir != ROAM_DIR_IN)
		return ROAM_CONTINUE;
	return note(pkt, ROAM_STAGE_IPS, ips_check(pkt));
}

static __always_inline enum roam_verdict qos(struct roam_pkt *pkt)
{
	if (!(pkt->features & ROAM_VM_QOS))
		return ROAM_CONTINUE;
	return note(pkt, ROAM_STAGE_QOS, qos_take(pkt));
}

/* The last word on what passes. */
static __always_inline enum roam_verdict note_train(struct roam_pkt *pkt)
{
	return pkt->frag == ROAM_PKT_FRAG_FIRST ? frag_note(pkt) : ROAM_CONTINUE;
}

/* What belongs to a flow that policy has admitted. */
static __always_inline enum roam_verdict established(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = qos(pkt);

	if (verdict == ROAM_CONTINUE)
		verdict = note_train(pkt);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	return pass(pkt, is_error(pkt) ? ROAM_REASON_RELATED : ROAM_REASON_ESTABLISHED);
}

static __always_inline enum roam_verdict spoof(struct roam_pkt *pkt)
{
	return note(pkt, ROAM_STAGE_SPOOF, is_honest(pkt) ? ROAM_CONTINUE : spoof_check(pkt));
}

static __always_inline void view(struct roam_pkt *pkt)
{
	if (!has_view(pkt))
		return;
	if (!has_port_view(pkt)) {
		ct_view(pkt);
		if (pkt->lb_role == ROAM_LB_ROLE_BACKEND)
			port_local(pkt);
	}
	if (!pkt->lb_role && !pkt->lb_hairpin && !is_error(pkt))
		lb_view(pkt);
	if (pkt->lb_role || pkt->lb_hairpin)
		note(pkt, ROAM_STAGE_VIEW, ROAM_CONTINUE);
}

/* Picks that clash with another flow on the wire before an opening is dropped. */
#define LB_TRIES 4

/* What an opening takes part in, and that its tuple on the wire is its own. */
static __always_inline enum roam_verdict balance(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = ROAM_CONTINUE;

	if (!(pkt->features & ROAM_VM_LB) || !pkt->l4_off || pkt->ct == ROAM_PKT_CT_STALE)
		return ROAM_CONTINUE;
	/* Answers to what is not tracked would not find back. */
	if (pkt->ct == ROAM_PKT_CT_NONE && pkt->dir == ROAM_DIR_OUT)
		return ROAM_CONTINUE;
	for (int i = 0; i < LB_TRIES; i++) {
		pkt->lb_try = i;
		verdict = note(pkt, ROAM_STAGE_LB, lb_check(pkt));
		if (verdict == ROAM_CONTINUE && pkt->ct)
			verdict = note(pkt, ROAM_STAGE_CLAIM, ct_claim(pkt));
		if (verdict == ROAM_CONTINUE || pkt->reason != ROAM_REASON_LB_CLASH ||
		    pkt->lb_role != ROAM_LB_ROLE_CLIENT)
			break;
	}
	return verdict;
}

/* An opening that is one too many. */
static __always_inline enum roam_verdict limit(struct roam_pkt *pkt)
{
	if (!pkt->limited || pkt->ct == ROAM_PKT_CT_NONE || pkt->ct == ROAM_PKT_CT_STALE)
		return ROAM_CONTINUE;
	return note(pkt, ROAM_STAGE_LIMIT, limit_check(pkt));
}

/* What would open a flow, but is not to be tracked. */
static __always_inline enum roam_verdict stateless(struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	if (!(pkt->features & ROAM_VM_STATELESS) || pkt->ct == ROAM_PKT_CT_NONE ||
	    pkt->ct == ROAM_PKT_CT_FLOW || pkt->ct == ROAM_PKT_CT_STALE)
		return ROAM_CONTINUE;
	verdict = note(pkt, ROAM_STAGE_STATELESS, acl_stateless(pkt));
	if (verdict == ROAM_CONTINUE && pkt->ct == ROAM_PKT_CT_NONE && pkt->ct_replaces)
		return ct_forget(pkt);
	return verdict;
}

/* What a known flow's packet is told from, while a VM's last rows are on their way here. */
static __always_inline enum roam_verdict grace(struct roam_pkt *pkt)
{
	if (pkt->gate != ROAM_PKT_GATE_GRACE || pkt->ct == ROAM_PKT_CT_FLOW ||
	    pkt->ct == ROAM_PKT_CT_STALE || pkt->ct == ROAM_PKT_CT_NONE)
		return ROAM_CONTINUE;
	return note(pkt, ROAM_STAGE_GATE, drop(pkt, ROAM_REASON_GRACE));
}

/* What opens a flow, or is of none: has the VM itself sent it, and it is back from outside? */
static __always_inline enum roam_verdict sender(struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	if (pkt->dir != ROAM_DIR_IN || pkt->ct == ROAM_PKT_CT_FLOW || pkt->ct == ROAM_PKT_CT_STALE)
		return ROAM_CONTINUE;
	verdict = port_sender(pkt);
	return verdict == ROAM_DROP ? note(pkt, ROAM_STAGE_SPOOF, verdict) : verdict;
}

static __always_inline enum roam_verdict firewall(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = note(pkt, ROAM_STAGE_CT,
					 is_error(pkt) ? ct_related(pkt) : ct_check(pkt));

	if (verdict == ROAM_CONTINUE)
		verdict = sender(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = grace(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = stateless(pkt);
	if (verdict == ROAM_CONTINUE && !pkt->elder)
		verdict = ips(pkt);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	if (pkt->ct == ROAM_PKT_CT_FLOW)
		return established(pkt);
	if (pkt->ct != ROAM_PKT_CT_LEARN) /* policy is asked when the VM has learned enough */
		verdict = note(pkt, ROAM_STAGE_ACL, acl_check(pkt));
	if (verdict == ROAM_DROP && pkt->ct == ROAM_PKT_CT_STALE)
		return note(pkt, ROAM_STAGE_COMMIT, ct_revoke(pkt));
	if (verdict == ROAM_CONTINUE && pkt->elder) /* what policy refuses may be known there */
		verdict = ips(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = limit(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = qos(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = balance(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = note_train(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = note(pkt, ROAM_STAGE_COMMIT, ct_commit(pkt));
	if (pkt->counted_for)
		limit_give(pkt);
	return verdict;
}

/* A later fragment: its first one has been through all of the above. */
static __always_inline enum roam_verdict later(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = ips(pkt);

	if (verdict == ROAM_CONTINUE)
		verdict = qos(pkt);
	return verdict == ROAM_CONTINUE ? pass(pkt, ROAM_REASON_FRAG_LATER) : verdict;
}

static __always_inline enum roam_verdict judge(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = ROAM_CONTINUE;

	if (pkt->frag >= ROAM_PKT_FRAG_FIRST)
		verdict = note(pkt, ROAM_STAGE_FRAG, frag_check(pkt));
	if (verdict != ROAM_CONTINUE)
		return verdict;
	return pkt->frag == ROAM_PKT_FRAG_LATER ? later(pkt) : firewall(pkt);
}

/* The end of every packet. */
static __always_inline enum roam_verdict end(struct roam_pkt *pkt, enum roam_verdict verdict)
{
	if (verdict != ROAM_PASS || has_opened(pkt) || pkt->reason == ROAM_REASON_AUDITED ||
	    pkt->events)
		monitor_tell(pkt, verdict);
	if (pkt->gate)
		verdict = flight_end(pkt, verdict);
	return stats_count(pkt, verdict);
}

/* May it go on? PASS: it is late, and goes to another host (late_frame.h). */
static __always_inline enum roam_verdict gate(frame_ctx *ctx, struct roam_pkt *pkt)
{
	enum roam_verdict verdict = note(pkt, ROAM_STAGE_GATE, gate_check(pkt));

	if (verdict == ROAM_PASS && !pkt->dry_run && !frame_carry(ctx, pkt))
		verdict = note(pkt, ROAM_STAGE_GATE, drop(pkt, ROAM_REASON_NO_MEMORY));
	return verdict;
}

/* The list of a port, in either direction, up to its end(). */
static __always_inline enum roam_verdict port_judge(frame_ctx *ctx, struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	pkt->reason = read_frame(ctx, pkt);
	if (!pkt->reason && is_error(pkt))
		pkt->reason = read_quote(ctx, pkt);
	note(pkt, ROAM_STAGE_PARSE, pkt->reason ? ROAM_DROP : ROAM_CONTINUE);
	verdict = note(pkt, ROAM_STAGE_PORT, port_look(pkt, NULL));
	if (verdict == ROAM_CONTINUE && pkt->gate)
		verdict = gate(ctx, pkt);
	if (verdict == ROAM_CONTINUE && pkt->mark)
		verdict = note(pkt, ROAM_STAGE_ANSWER, acl_answer(pkt));
	if (verdict == ROAM_CONTINUE && pkt->frag)
		verdict = note(pkt, ROAM_STAGE_FRAG, frag_view(pkt));
	if (verdict == ROAM_CONTINUE) {
		view(pkt);
		verdict = spoof(pkt);
		if (pkt->gate && pkt->dir == ROAM_DIR_OUT && verdict != ROAM_DROP &&
		    gate_heard(pkt) == ROAM_DROP)
			verdict = note(pkt, ROAM_STAGE_GATE, ROAM_DROP);
	}
	if (verdict == ROAM_CONTINUE)
		verdict = judge(pkt);
	if (verdict == ROAM_PASS && needs_rewrite(pkt)) {
		if (!write_frame(ctx, pkt))
			verdict = drop(pkt, ROAM_REASON_NO_MEMORY);
		note(pkt, ROAM_STAGE_REWRITE, verdict);
	}
	if (verdict == ROAM_PASS && pkt->lb_role && !is_error(pkt))
		lb_tally(pkt);
	if (verdict != ROAM_PASS && pkt->frag_noted)
		frag_forget(pkt);
	return verdict;
}

static __always_inline enum roam_verdict port_pipeline(frame_ctx *ctx, struct roam_pkt *pkt)
{
	return end(pkt, port_judge(ctx, pkt));
}

/* What comes from outside, or has come in a tunnel from there. */
static __always_inline enum roam_verdict early(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = note(pkt, ROAM_STAGE_UPLINK, uplink_check(pkt));

	if (verdict != ROAM_CONTINUE || !(pkt->features & ROAM_VM_IPS))
		return verdict;
	if (pkt->gate)
		flight_begin(pkt);
	verdict = note(pkt, ROAM_STAGE_IPS, ips_early(pkt));
	if (pkt->gate)
		verdict = flight_end(pkt, verdict);
	pkt->gate = ROAM_PKT_GATE_NONE;
	return verdict;
}

/* Who gets what comes for a VIP. */
static __always_inline enum roam_verdict balance_uplink(struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	if (!pkt->l4_off) {
		bool lost = pkt->frag == ROAM_PKT_FRAG_LATER ||
			    pkt->reason == ROAM_REASON_FRAG_TINY;

		return lost ? note(pkt, ROAM_STAGE_LB, lb_frag_find(pkt)) : ROAM_CONTINUE;
	}
	verdict = note(pkt, ROAM_STAGE_LB, lb_uplink(pkt));
	/* What follows one that goes through a tunnel would not be known at the tunnel's end. */
	if (verdict == ROAM_CONTINUE && pkt->lb_backend && pkt->frag == ROAM_PKT_FRAG_FIRST &&
	    addr_is_zero(&pkt->lb_host))
		lb_frag_note(pkt);
	return verdict;
}

/* Of an uplink, but for tunnels and forwarding, which are XDP's own, and the count. */
static __always_inline enum roam_verdict uplink_pipeline(frame_ctx *ctx, struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	pkt->reason = read_frame(ctx, pkt);
	if (!pkt->reason && is_error(pkt))
		pkt->reason = read_quote(ctx, pkt);
	note(pkt, ROAM_STAGE_PARSE, pkt->reason ? ROAM_DROP : ROAM_CONTINUE);
	verdict = early(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = balance_uplink(pkt);
	if (verdict == ROAM_CONTINUE) {
		pkt->vm = ROAM_VM_NONE; /* the VM counts it at its port */
		verdict = pass(pkt, ROAM_REASON_UPLINK);
	}
	return verdict;
}

#endif
