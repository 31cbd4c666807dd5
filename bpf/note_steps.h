/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What each stage has said, written down for explain.bpf.c: note.h's twin. Its packets are part of
 * a struct roam_explain.
 */
#ifndef ROAM_BPF_NOTE_H
#define ROAM_BPF_NOTE_H

#include <roam/explain.h>
#include <bpf/bpf_helpers.h>

static __noinline enum roam_verdict note(struct roam_pkt *pkt, enum roam_stage stage,
					 enum roam_verdict verdict)
{
	struct roam_explain *run = (struct roam_explain *)pkt;
	__u32 at = run->steps;

	barrier_var(at);
	if (at >= ROAM_EXPLAIN_STEPS)
		return verdict;
	run->step[at] = (struct roam_explain_step){
		.stage = stage,
		.verdict = verdict,
		.reason = pkt->reason,
		.ct = pkt->ct,
		.rule = pkt->rule,
	};
	run->steps = at + 1;
	return verdict;
}

#endif
