/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What becomes of a packet, explained: the one row of explain_run holds what is asked, and after
 * the run what each stage has said (bpf/explain.bpf.c, user/lib/explain.h). Nothing of it travels.
 */
#ifndef ROAM_EXPLAIN_H
#define ROAM_EXPLAIN_H

#include "pkt.h"
#include "types.h"

/* The stages, as pipeline.h names them, which says what each does: X(id, name) */
#define ROAM_STAGES(X)                                                                             \
	X(PARSE, "parse")                                                                          \
	X(PORT, "port")                                                                            \
	X(GATE, "gate")                                                                            \
	X(VIEW, "view")                                                                            \
	X(SPOOF, "spoof")                                                                          \
	X(FRAG, "frag")                                                                            \
	X(ANSWER, "answer")                                                                        \
	X(STATELESS, "stateless")                                                                  \
	X(CT, "ct")                                                                                \
	X(IPS, "ips")                                                                              \
	X(ACL, "acl")                                                                              \
	X(QOS, "qos")                                                                              \
	X(LB, "lb")                                                                                \
	X(CLAIM, "claim")                                                                          \
	X(LIMIT, "limit")                                                                          \
	X(COMMIT, "commit")                                                                        \
	X(REWRITE, "rewrite")                                                                      \
	X(UPLINK, "uplink")                                                                        \
	X(FORWARD, "forward")

enum roam_stage {
#define X(id, name) ROAM_STAGE_##id,
	ROAM_STAGES(X)
#undef X
		ROAM_STAGE_COUNT
};

struct roam_explain_step {
	__u8 stage;   /* enum roam_stage */
	__u8 verdict; /* enum roam_verdict */
	__u8 reason;  /* enum roam_reason, where the verdict is an end */
	__u8 ct;      /* enum roam_pkt_ct, then */
	__u32 rule;   /* then: that decided, or ROAM_RULE_NONE */
};

/* More than any packet has: a balancer's tries have two each. */
#define ROAM_EXPLAIN_STEPS 32

struct roam_explain {
	struct roam_pkt
		pkt; /* as the list has left it; first: the stages' notes find the rest by it */
	__u32 steps;
	__u8 dir;        /* asked: enum roam_dir */
	__u8 verdict;    /* enum roam_verdict of the whole list */
	__u8 turns_back; /* it passes, and goes back to the VM (hairpin) */
	__u8 pad;
	struct roam_explain_step step[ROAM_EXPLAIN_STEPS];
};

ROAM_ASSERT_SIZE(struct roam_explain_step, 8);
ROAM_ASSERT_SIZE(struct roam_explain, sizeof(struct roam_pkt) + 264);

#endif
