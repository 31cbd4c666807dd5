/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The states of a flow and what a packet makes of them: pure functions, used by ct.bpf.c. The TCP
 * states are nf_conntrack's, with directions counted from the end that opened the connection.
 */
#ifndef ROAM_BPF_CT_STATE_H
#define ROAM_BPF_CT_STATE_H

#include <stdbool.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "bucket.h"
#include "ct_sctp.h"

enum ct_event {
	CT_KEEP,    /* passes, and changes nothing: not even the time it was last seen */
	CT_UPDATE,  /* passes; the flow goes to the given state */
	CT_REOPEN,  /* the flow is over and this would open a new one with the same key */
	CT_DELETE,  /* passes, and the flow is gone: a handshake that was refused */
	CT_INVALID, /* does not fit: dropped */
};

struct ct_step {
	__u8 event; /* enum ct_event */
	__u8 state; /* enum roam_ct_state after it */
};

static __always_inline bool is_syn(__u8 flags)
{
	return (flags & (ROAM_TCP_SYN | ROAM_TCP_ACK)) == ROAM_TCP_SYN;
}

static __always_inline struct ct_step step(enum ct_event event, enum roam_ct_state state)
{
	return (struct ct_step){ event, state };
}

/* Before the handshake is complete. */
static __always_inline struct ct_step tcp_half_step(__u8 state, __u8 flags, bool from_opener)
{
	if (flags & ROAM_TCP_RST)
		return step(CT_DELETE, state);
	if (is_syn(flags)) /* again, or from both ends at once (RFC 9293, 3.5) */
		return step(CT_UPDATE, from_opener ? state : ROAM_CT_SYN_RECV);
	if (flags & ROAM_TCP_SYN)
		return step(CT_UPDATE, from_opener ? ROAM_CT_ESTABLISHED : ROAM_CT_SYN_RECV);
	if (state == ROAM_CT_SYN_SENT)
		/* A challenge ACK of an end that still has an older connection must reach the
		 * opener, or that one never resets it (RFC 5961, 4). */
		return from_opener ? step(CT_INVALID, state) : step(CT_KEEP, state);
	if (!from_opener)
		return step(CT_KEEP, state);
	return step(CT_UPDATE, flags & ROAM_TCP_FIN ? ROAM_CT_FIN_WAIT : ROAM_CT_ESTABLISHED);
}

/* After it. `fin_sent`, `fin_seen`: the packet's sender, the other end has sent a FIN before. */
static __always_inline struct ct_step tcp_full_step(__u8 state, __u8 flags, bool fin_sent,
						    bool fin_seen)
{
	if (flags & ROAM_TCP_RST)
		return step(CT_UPDATE, ROAM_CT_CLOSE);
	if (is_syn(flags) && (state == ROAM_CT_TIME_WAIT || state == ROAM_CT_CLOSE))
		return step(CT_REOPEN, state);
	if ((flags & ROAM_TCP_SYN) || state == ROAM_CT_CLOSE)
		/* To a SYN within a connection the other end answers with a challenge ACK. */
		return step(CT_KEEP, state);
	if (flags & ROAM_TCP_FIN) {
		if (fin_seen)
			return step(CT_UPDATE,
				    state == ROAM_CT_TIME_WAIT ? state : ROAM_CT_LAST_ACK);
		return step(CT_UPDATE, ROAM_CT_FIN_WAIT);
	}
	if (fin_sent && fin_seen)
		return step(CT_UPDATE, ROAM_CT_TIME_WAIT);
	if (fin_seen)
		return step(CT_UPDATE, ROAM_CT_CLOSE_WAIT);
	return step(CT_UPDATE, state);
}

/* An exchange that has gone both ways and on for longer than this is more than a question. */
#define UDP_STREAM_NS ((__s64)(2 * NS_PER_S))

static __always_inline struct ct_step udp_step(const struct roam_flow *flow, __u64 now_ns,
					       bool from_opener)
{
	__u8 state = flow->state;

	if (state == ROAM_CT_UDP_NEW && from_opener)
		return step(CT_UPDATE, state);
	if (state == ROAM_CT_UDP_STREAM || (__s64)(now_ns - flow->created_ns) > UDP_STREAM_NS)
		return step(CT_UPDATE, ROAM_CT_UDP_STREAM);
	return step(CT_UPDATE, ROAM_CT_UDP_REPLIED);
}

static __always_inline struct ct_step sctp_step(__u8 state, __u8 chunk, bool from_opener)
{
	enum roam_ct_state next = sctp_next(state, chunk, from_opener);

	if (next == ROAM_CT_NONE)
		return step(CT_INVALID, state);
	if (state == ROAM_CT_SCTP_CLOSED)
		return step(chunk == ROAM_SCTP_INIT ? CT_REOPEN : CT_KEEP, state);
	if (next == ROAM_CT_SCTP_CLOSED &&
	    (state == ROAM_CT_SCTP_COOKIE_WAIT || state == ROAM_CT_SCTP_COOKIE_ECHOED ||
	     state == ROAM_CT_SCTP_HEARTBEAT_SENT)) /* refused */
		return step(CT_DELETE, state);
	return step(CT_UPDATE, next);
}

/* The rest: a reply completes the flow. */
static __always_inline struct ct_step reply_step(__u8 state, bool from_opener)
{
	if (from_opener)
		return step(CT_UPDATE, state);
	switch (state) {
	case ROAM_CT_ICMP_NEW:
		return step(CT_UPDATE, ROAM_CT_ICMP_REPLIED);
	case ROAM_CT_OTHER_NEW:
		return step(CT_UPDATE, ROAM_CT_OTHER_REPLIED);
	default:
		return step(CT_UPDATE, state);
	}
}

static __always_inline struct ct_step ct_step(const struct roam_flow *flow,
					      const struct roam_pkt *pkt)
{
	bool out = pkt->dir == ROAM_DIR_OUT;
	bool from_opener = pkt->dir == flow->open_dir;
	__u8 state = flow->state;
	__u8 sender, other;

	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		break;
	case IPPROTO_UDP:
		return udp_step(flow, pkt->now_ns, from_opener);
	case IPPROTO_SCTP:
		return sctp_step(state, pkt->sctp_chunk, from_opener);
	default:
		return reply_step(state, from_opener);
	}
	if (state == ROAM_CT_SYN_SENT || state == ROAM_CT_SYN_RECV)
		return tcp_half_step(state, pkt->tcp_flags, from_opener);
	sender = out ? flow->tcp[ROAM_DIR_OUT].flags : flow->tcp[ROAM_DIR_IN].flags;
	other = out ? flow->tcp[ROAM_DIR_IN].flags : flow->tcp[ROAM_DIR_OUT].flags;
	return tcp_full_step(state, pkt->tcp_flags, sender & ROAM_TCP_END_FIN,
			     other & ROAM_TCP_END_FIN);
}

/* Whether a connection, or an exchange of what has none, begins so. */
static __always_inline bool opens(const struct roam_pkt *pkt)
{
	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		return is_syn(pkt->tcp_flags);
	case IPPROTO_SCTP:
		return sctp_opens(pkt->sctp_chunk);
	default:
		return true;
	}
}

static __always_inline bool ends(const struct roam_pkt *pkt)
{
	return pkt->key.proto == IPPROTO_SCTP ? sctp_ends(pkt->sctp_chunk)
					      : pkt->tcp_flags & ROAM_TCP_RST;
}

/* The state that a packet opens a flow in. */
static __always_inline enum roam_ct_state ct_first_state(const struct roam_pkt *pkt)
{
	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		if (pkt->ct == ROAM_PKT_CT_MIDSTREAM || pkt->ct == ROAM_PKT_CT_LEARN)
			return ROAM_CT_ESTABLISHED;
		return ROAM_CT_SYN_SENT;
	case IPPROTO_UDP:
		return ROAM_CT_UDP_NEW;
	case IPPROTO_SCTP:
		if (pkt->ct == ROAM_PKT_CT_MIDSTREAM || pkt->ct == ROAM_PKT_CT_LEARN)
			return ROAM_CT_SCTP_ESTABLISHED;
		return pkt->sctp_chunk == ROAM_SCTP_INIT ? ROAM_CT_SCTP_COOKIE_WAIT
							 : ROAM_CT_SCTP_HEARTBEAT_SENT;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return ROAM_CT_ICMP_NEW;
	default:
		return ROAM_CT_OTHER_NEW;
	}
}

static __always_inline bool seq_after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

/*
 * Window bookkeeping after G. van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001),
 * as nf_conntrack does it. Nothing is judged by it yet; it is kept so that a flow that moves to a
 * host that does has what it needs.
 */
static __always_inline void tcp_track(struct roam_tcp_end *sender, struct roam_tcp_end *receiver,
				      const struct roam_pkt *pkt)
{
	__u32 end = pkt->tcp_seq + pkt->payload;
	__u32 window = pkt->tcp_window;

	if (pkt->tcp_flags & ROAM_TCP_RST)
		return;
	if (pkt->tcp_flags & (ROAM_TCP_SYN | ROAM_TCP_FIN))
		end++;
	if (pkt->tcp_flags & ROAM_TCP_SYN) {
		sender->scale = 0;
		sender->flags &= ~ROAM_TCP_END_SCALE;
		if (pkt->tcp_scale != ROAM_PKT_NO_SCALE) {
			sender->scale = pkt->tcp_scale;
			sender->flags |= ROAM_TCP_END_SCALE;
		}
	} else {
		window <<= sender->scale & 15;
	}
	if (pkt->tcp_flags & ROAM_TCP_FIN)
		sender->flags |= ROAM_TCP_END_FIN;
	if (!(sender->flags & ROAM_TCP_END_SEEN) || seq_after(end, sender->end))
		sender->end = end;
	sender->flags |= ROAM_TCP_END_SEEN;
	if (window > sender->maxwin)
		sender->maxwin = window;
	if ((pkt->tcp_flags & ROAM_TCP_ACK) && seq_after(pkt->tcp_ack + window, receiver->maxend))
		receiver->maxend = pkt->tcp_ack + window;
}

#endif
