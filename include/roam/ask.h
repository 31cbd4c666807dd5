/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Asking policy about live flows, as their next packets will: what a change of it has done to them.
 * The real rules are asked, by a program of their own, and nothing changes.
 *
 * Map `ask_run`: ARRAY of one struct roam_ask_run. User space writes it, holding the host's lock,
 * runs program `ask_flows`, and reads it.
 */
#ifndef ROAM_ASK_H
#define ROAM_ASK_H

#include "ct.h"
#include "pkt.h"

/* Packets wait for as long as one run takes. */
#define ROAM_ASK_FLOWS 256U

/* What the opening of a flow was matched on (struct roam_flow). */
struct roam_ask_flow {
	struct roam_flow_key key;
	__u8 open_dir;
	__u8 open_tcp_flags;
	__u8 open_icmp_type;
	__u8 open_icmp_code;
	__u8 either_dir; /* 1: who opened it is not known */
	__u8 admitted;   /* out: 1: policy admits it, if only to audit it */
	__u8 pad[2];
};

ROAM_ASSERT_SIZE(struct roam_ask_flow, 52);

struct roam_ask_run {
	struct roam_pkt pkt; /* for the program: a flow as the stages see it */
	__u32 vm;            /* slot */
	__u32 count;         /* of flows */
	__u8 default_action[ROAM_DIR_COUNT];
	__u8 pad[6];
	struct roam_ask_flow flows[ROAM_ASK_FLOWS];
};

#endif
