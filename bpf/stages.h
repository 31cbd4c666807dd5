/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a stage is: a global function that the verifier checks once, linked from its own object. It
 * gets the packet as plain data and says CONTINUE, PASS or DROP; with the latter two it has set the
 * reason. pipeline.h calls them in order.
 *
 * Inside a stage, keys are copied to its own stack before a look-up: Linux 6.1 refuses a pointer
 * into the argument as map key ("R2 type=mem expected=fp").
 */
#ifndef ROAM_BPF_STAGES_H
#define ROAM_BPF_STAGES_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

enum roam_verdict uplink_check(struct roam_pkt *pkt);
enum roam_verdict port_check(struct roam_pkt *pkt);
enum roam_verdict spoof_check(struct roam_pkt *pkt);
enum roam_verdict ct_check(struct roam_pkt *pkt);
enum roam_verdict ips_early(struct roam_pkt *pkt);
enum roam_verdict ips_check(struct roam_pkt *pkt);
enum roam_verdict acl_check(struct roam_pkt *pkt);
enum roam_verdict qos_check(struct roam_pkt *pkt);

/* After the list: a flow for a packet that would open one and may; passes or drops. */
enum roam_verdict ct_commit(struct roam_pkt *pkt);

/* After the list: the flow of a packet that policy no longer admits is gone. */
enum roam_verdict ct_revoke(struct roam_pkt *pkt);

/* The end of every packet: counts it under its reason. Returns its argument's verdict. */
enum roam_verdict stats_count(struct roam_pkt *pkt, enum roam_verdict verdict);

static __always_inline enum roam_verdict drop(struct roam_pkt *pkt, enum roam_reason reason)
{
	pkt->reason = reason;
	return ROAM_DROP;
}

static __always_inline enum roam_verdict pass(struct roam_pkt *pkt, enum roam_reason reason)
{
	pkt->reason = reason;
	return ROAM_PASS;
}

#endif
