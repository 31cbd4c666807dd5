/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether an ICMP error can be about a packet of the flow, for ct.bpf.c (its only includer): the
 * quoted one went in the direction opposite to the error's own. Who is not on the path has to guess
 * (RFC 5927).
 */
#ifndef ROAM_BPF_CT_QUOTE_H
#define ROAM_BPF_CT_QUOTE_H

#include <stdbool.h>
#include <linux/in.h>
#include <roam/pkt.h>
#include "ct_state.h"

/* Window of an end that has not been seen to offer one: the largest without scaling. */
#define QUOTE_WINDOW 0xffff

/* While only the opener has been heard, there is nothing else that an error could be about. */
static __always_inline bool quote_fits_state(const struct roam_flow *flow,
					     const struct roam_pkt *pkt)
{
	switch (flow->state) {
	case ROAM_CT_SYN_SENT:
	case ROAM_CT_UDP_NEW:
	case ROAM_CT_ICMP_NEW:
	case ROAM_CT_OTHER_NEW:
	case ROAM_CT_SCTP_COOKIE_WAIT:
	case ROAM_CT_SCTP_HEARTBEAT_SENT:
		return pkt->dir != flow->open_dir;
	default:
		return true;
	}
}

/*
 * Nothing that the sender has not sent, nothing that has long been acknowledged. Liberal where the
 * sender's place is not known: an image may come without it.
 */
static __always_inline bool seq_was_sent(const struct roam_tcp_end *sender,
					 const struct roam_tcp_end *receiver, __u32 seq)
{
	__u32 window = QUOTE_WINDOW;

	if (!(sender->flags & ROAM_TCP_END_SEEN))
		return true;
	if ((receiver->flags & ROAM_TCP_END_SEEN) && receiver->maxwin > window)
		window = receiver->maxwin;
	return !seq_after(seq, sender->end) && !seq_after(sender->end - window - 1, seq);
}

static __always_inline bool quote_fits_window(const struct roam_flow *flow,
					      const struct roam_pkt *pkt)
{
	if (pkt->key.proto != IPPROTO_TCP)
		return true;
	if (pkt->dir == ROAM_DIR_OUT)
		return seq_was_sent(&flow->side[ROAM_DIR_IN].tcp, &flow->side[ROAM_DIR_OUT].tcp,
				    pkt->tcp_seq);
	return seq_was_sent(&flow->side[ROAM_DIR_OUT].tcp, &flow->side[ROAM_DIR_IN].tcp,
			    pkt->tcp_seq);
}

#endif
