/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The data plane on one page. A front end (tc.bpf.c, xdp.bpf.c) makes a struct roam_pkt and calls
 * one of the lists below with it; the stages know nothing of tc or XDP.
 *
 *   parse   from bytes to struct roam_pkt
 *   port    whose packet? is the VM open, the VLAN the port's? what is known about the addresses?
 *   view    of a packet toward the VM: the tuple that its application will see
 *   spoof   does the VM speak for itself? what the link lives by (ARP, ND, ...) ends here
 *   ct      known flow? then it is judged by its state; otherwise: may this open one?
 *   ips     toward the VM: is the source blocked? does it open too many connections?
 *   acl     the rules, for openings, for untracked packets, and for flows of an older policy
 *   qos     the VM's rate; the mark that its packets get
 *   lb      of an opening: the backend that it gets
 *   commit  the flow is made or brought up to date: only now, so a dropped packet leaves nothing
 *   rewrite what the stages have decided to change, in the bytes
 *   tell    those who listen, if it is something to be told
 *   count   under one reason, per VM and direction
 *
 * The first verdict other than CONTINUE ends a list. `in` and `out` differ in nothing but the
 * packet's direction, which each stage knows.
 */
#ifndef ROAM_BPF_PIPELINE_H
#define ROAM_BPF_PIPELINE_H

#include <roam/vm.h>
#include "parse.h"
#include "rewrite.h"
#include "stages.h"

/*
 * The packet at hand, one a CPU: on the stack it would take most of the 512 bytes that a program
 * and the stages that it calls share, and the verifier would follow every value in it. Programs run
 * with softirqs off, so no other packet comes between. Weak, because each front end brings the same
 * one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct roam_pkt);
} front_pkt __weak SEC(".maps");

/* Empty, but for where it is. Never NULL; the verifier does not know that. */
static __always_inline struct roam_pkt *front_start(__u32 ifindex, enum roam_dir dir, __u64 now_ns)
{
	__u32 zero = 0;
	struct roam_pkt *pkt = bpf_map_lookup_elem(&front_pkt, &zero);

	if (pkt)
		*pkt = (struct roam_pkt){ .now_ns = now_ns, .ifindex = ifindex, .dir = dir };
	return pkt;
}

/* Not inlined, nor is write_frame: their stack is free again when the stages need theirs. */
static __noinline enum roam_reason read_frame(frame_ctx *ctx, struct roam_pkt *pkt)
{
	struct frame frame = frame_open(ctx);

	return parse(&frame, pkt);
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
	return ips_check(pkt);
}

static __always_inline enum roam_verdict qos(struct roam_pkt *pkt)
{
	return pkt->features & ROAM_VM_QOS ? qos_check(pkt) : ROAM_CONTINUE;
}

/* What belongs to a flow that policy has admitted. */
static __always_inline enum roam_verdict established(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = qos(pkt);

	return verdict == ROAM_CONTINUE ? pass(pkt, ROAM_REASON_ESTABLISHED) : verdict;
}

static __always_inline void view(struct roam_pkt *pkt)
{
	if (!(pkt->features & ROAM_VM_LB) || pkt->dir == ROAM_DIR_OUT || !pkt->l4_off)
		return;
	ct_view(pkt);
	if (!pkt->lb_role && !pkt->lb_hairpin)
		lb_view(pkt);
	if (pkt->lb_role == ROAM_LB_ROLE_BACKEND)
		port_local(pkt);
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
		verdict = lb_check(pkt);
		if (verdict == ROAM_CONTINUE && pkt->ct)
			verdict = ct_claim(pkt);
		if (verdict == ROAM_CONTINUE || pkt->reason != ROAM_REASON_LB_CLASH ||
		    pkt->lb_role != ROAM_LB_ROLE_CLIENT)
			break;
	}
	return verdict;
}

/* What would open a flow, but is not to be tracked. */
static __always_inline enum roam_verdict stateless(struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	if (!(pkt->features & ROAM_VM_STATELESS) || pkt->ct == ROAM_PKT_CT_NONE ||
	    pkt->ct == ROAM_PKT_CT_FLOW || pkt->ct == ROAM_PKT_CT_STALE)
		return ROAM_CONTINUE;
	verdict = acl_stateless(pkt);
	if (verdict == ROAM_CONTINUE && pkt->ct == ROAM_PKT_CT_NONE && pkt->ct_replaces)
		return ct_forget(pkt);
	return verdict;
}

static __always_inline enum roam_verdict firewall(struct roam_pkt *pkt)
{
	enum roam_verdict verdict = ct_check(pkt);

	if (verdict == ROAM_CONTINUE)
		verdict = stateless(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = ips(pkt);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	if (pkt->ct == ROAM_PKT_CT_FLOW)
		return established(pkt);
	if (pkt->ct != ROAM_PKT_CT_LEARN) /* policy is asked when the VM has learned enough */
		verdict = acl_check(pkt);
	if (verdict == ROAM_DROP && pkt->ct == ROAM_PKT_CT_STALE)
		return ct_revoke(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = qos(pkt);
	if (verdict == ROAM_CONTINUE)
		verdict = balance(pkt);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	return ct_commit(pkt);
}

/* The end of every packet. */
static __always_inline enum roam_verdict end(struct roam_pkt *pkt, enum roam_verdict verdict)
{
	if (verdict != ROAM_PASS || pkt->reason == ROAM_REASON_OPENED ||
	    pkt->reason == ROAM_REASON_AUDITED || pkt->events)
		monitor_tell(pkt, verdict);
	return stats_count(pkt, verdict);
}

/* The whole list of a port, in either direction. */
static __always_inline enum roam_verdict port_pipeline(frame_ctx *ctx, struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	pkt->reason = read_frame(ctx, pkt);
	verdict = port_check(pkt);
	if (verdict == ROAM_CONTINUE && pkt->mark)
		verdict = acl_answer(pkt);
	if (verdict == ROAM_CONTINUE) {
		view(pkt);
		verdict = spoof_check(pkt);
	}
	if (verdict == ROAM_CONTINUE)
		verdict = firewall(pkt);
	if (verdict == ROAM_PASS && needs_rewrite(pkt) && !write_frame(ctx, pkt))
		verdict = drop(pkt, ROAM_REASON_NO_MEMORY);
	if (verdict == ROAM_PASS && pkt->lb_role)
		lb_count(pkt);
	return end(pkt, verdict);
}

/* Of an uplink, but for forwarding, which is XDP's own, and the count. */
static __always_inline enum roam_verdict uplink_pipeline(frame_ctx *ctx, struct roam_pkt *pkt)
{
	enum roam_verdict verdict;

	pkt->reason = read_frame(ctx, pkt);
	verdict = uplink_check(pkt);
	if (verdict == ROAM_CONTINUE && pkt->features & ROAM_VM_IPS)
		verdict = ips_early(pkt);
	if (verdict == ROAM_CONTINUE && pkt->l4_off)
		verdict = lb_uplink(pkt);
	if (verdict == ROAM_CONTINUE) {
		pkt->vm = ROAM_VM_NONE; /* the VM counts it at its port */
		verdict = pass(pkt, ROAM_REASON_UPLINK);
	}
	return verdict;
}

#endif
