// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The front end of `roam explain` at a port: the list of pipeline.h over the real maps, on a packet
 * that user space hands to BPF_PROG_TEST_RUN. It sets dry_run, which no frame can: the stages say
 * what they would say, and change nothing. Nobody attaches it. explain_xdp.bpf.c is its twin.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "frame_skb.h"
#include "late_frame.h"
#include "note_steps.h"
#include "pipeline.h"
#include "explain_run.h"

SEC("tc")
int explain_port(struct __sk_buff *skb)
{
	struct roam_explain *run = explain_start(skb->ifindex);

	if (!run)
		return TC_ACT_SHOT;
	run->pkt.can_translate = 1;
	run->verdict = port_pipeline(skb, &run->pkt);
	run->turns_back = run->verdict == ROAM_PASS && turns_back(&run->pkt);
	return TC_ACT_SHOT;
}
