/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The states of a flow and what a packet makes of them: pure functions, used by ct.bpf.c. The TCP
 * states are nf_conntrack's, with directions counted from the end that opened the connection; its
 * windows are judged in ct_tcp.h.
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
#include "ct_tcp.h"

enum ct_event {
	CT_KEEP,    /* passes, and changes nothing: not even the time it was last seen */
	CT_UPDATE,  /* passes; the flow goes to the given state */
	CT_NOTE,    /* passes, and is noted: its answer will tell whether it was right (ct_tcp.h) */
	CT_AHEAD,   /* passes; only how far its sender has come is noted */
	CT_RESYNC,  /* passes; the flow goes on with the connection that was noted */
	CT_DELETE,  /* passes, and the flow is gone: a handshake that was refused */
	CT_INVALID, /* does not fit the state: dropped */
	CT_OUTSIDE, /* does not fit the windows: dropped */
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

/* Before the handshake is complete. `both`: both ends have sent a SYN. */
static __always_inline struct ct_step syn_sent_step(__u8 flags, bool from_opener, bool both)
{
	__u8 state = ROAM_CT_SYN_SENT;

	if (is_syn(flags)) /* again, or from both ends at once (RFC 9293, 3.5) */
		return step(CT_UPDATE, state);
	if (flags & ROAM_TCP_SYN)
		return from_opener && !both ? step(CT_INVALID, state)
					    : step(CT_UPDATE, ROAM_CT_SYN_RECV);
	/* A challenge ACK of an end that still has an older connection must reach the opener, or
	 * that one never resets it (RFC 5961, 4). */
	if (from_opener || (flags & ROAM_TCP_FIN))
		return step(CT_INVALID, state);
	return step(CT_NOTE, state);
}

static __always_inline struct ct_step syn_recv_step(__u8 flags, bool from_opener, bool both,
						    bool fin_seen)
{
	__u8 state = ROAM_CT_SYN_RECV;

	if (is_syn(flags))
		return step(from_opener ? CT_NOTE : CT_INVALID, state);
	if (flags & ROAM_TCP_SYN && from_opener) /* who has sent a FIN needs no other answer */
		return step(fin_seen ? CT_INVALID : CT_UPDATE, state);
	if (flags & ROAM_TCP_SYN)
		return step(CT_NOTE, state);
	if (!from_opener && !both) /* it may send before it knows that its SYN has come */
		return step(CT_UPDATE, state);
	if (flags & ROAM_TCP_FIN)
		return step(CT_UPDATE, fin_seen ? ROAM_CT_LAST_ACK : ROAM_CT_FIN_WAIT);
	return step(CT_UPDATE, fin_seen ? ROAM_CT_CLOSE_WAIT : ROAM_CT_ESTABLISHED);
}

/* A SYN when there has been one from both ends (and ct_reopens has said no). To one within a
 * connection the other end answers with a challenge ACK. */
static __always_inline struct ct_step late_syn_step(__u8 state, __u8 flags, bool from_opener)
{
	/* The opener's SYN may begin a connection anew, and the other end's answer tells; the other
	 * way around it is nobody's. */
	return step(is_syn(flags) == from_opener ? CT_NOTE : CT_INVALID, state);
}

/* After it. `fin_sent`, `fin_seen`: the packet's sender, the other end has sent a FIN before. */
static __always_inline struct ct_step tcp_full_step(__u8 state, __u8 flags, bool fin_sent,
						    bool fin_seen)
{
	if (state == ROAM_CT_CLOSE)
		return step(CT_UPDATE, state);
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

/* Whether it is the very number that the other end waits for, or may wait for. */
static __always_inline bool rst_is_exact(const struct roam_tcp_end *sender,
					 const struct roam_tcp_end *receiver,
					 const struct roam_pkt *pkt, __u8 state)
{
	if (!(sender->flags & ROAM_TCP_END_SEEN)) /* an answer to the first SYN */
		return state == ROAM_CT_SYN_SENT && (pkt->tcp_flags & ROAM_TCP_ACK) &&
		       pkt->tcp_ack == receiver->end;
	return pkt->tcp_seq == sender->end ||
	       ((receiver->flags & ROAM_TCP_END_ACKED) && pkt->tcp_seq == receiver->maxack);
}

/*
 * RFC 5961, 3: a RST ends a connection only with the exact number; one that is merely in the window
 * passes, and the end that gets it asks by a challenge ACK. So nobody who has to guess gets a flow
 * to its end.
 */
static __always_inline struct ct_step rst_step(const struct roam_flow *flow,
					       const struct roam_pkt *pkt, bool from_opener)
{
	const struct roam_tcp_end *sender = &flow->side[pkt->dir & 1].tcp;
	const struct roam_tcp_end *receiver = &flow->side[!(pkt->dir & 1)].tcp;
	struct roam_tcp_note note = flow->tcp_note;
	__u8 state = flow->state;
	struct ct_step ends = tcp_is_half(state) ? step(CT_DELETE, state)
						 : step(CT_UPDATE, ROAM_CT_CLOSE);
	struct tcp_view view;
	enum tcp_fit fit;
	bool exact;

	/* Answers to what was noted: there is no such connection. */
	if (note.flags & ROAM_TCP_NOTE_SYN && !from_opener && (pkt->tcp_flags & ROAM_TCP_ACK) &&
	    pkt->tcp_ack == note.value)
		return ends;
	if (note.flags & ROAM_TCP_NOTE_ACK && from_opener) {
		if (pkt->tcp_seq == note.value)
			return ends;
		/* The RST of that older connection itself, which the new SYN has overtaken. */
		if ((pkt->tcp_flags & ROAM_TCP_ACK) && (__u16)pkt->tcp_ack == note.window)
			return step(CT_KEEP, state);
	}
	exact = rst_is_exact(sender, receiver, pkt, state);
	/* A connection that ends may have been followed by another that we do not know. */
	if (!tcp_is_half(state) && state != ROAM_CT_ESTABLISHED)
		return exact ? ends : step(CT_KEEP, state);
	if ((receiver->flags & ROAM_TCP_END_ACKED) && !(note.flags & ROAM_TCP_NOTE_SYN) &&
	    (pkt->tcp_seq || state == ROAM_CT_ESTABLISHED) &&
	    seq_after(receiver->maxack, pkt->tcp_seq))
		return step(CT_OUTSIDE, state);
	fit = tcp_judge(sender, receiver, pkt, state, true, &view);
	if (pkt->tcp_liberal || flow->flags & ROAM_FLOW_PICKED_UP)
		fit = TCP_FITS;
	if (fit == TCP_OUT)
		return step(CT_OUTSIDE, state);
	return exact && fit == TCP_FITS ? ends : step(CT_KEEP, state);
}

static __always_inline struct ct_step tcp_state_step(const struct roam_flow *flow,
						     const struct roam_pkt *pkt, bool from_opener)
{
	bool fin_sent = flow->side[pkt->dir & 1].tcp.flags & ROAM_TCP_END_FIN;
	bool fin_seen = flow->side[!(pkt->dir & 1)].tcp.flags & ROAM_TCP_END_FIN;
	bool both = flow->flags & ROAM_FLOW_BOTH_OPEN;
	__u8 state = flow->state, flags = pkt->tcp_flags;

	if (state == ROAM_CT_SYN_SENT)
		return syn_sent_step(flags, from_opener, both);
	if (state == ROAM_CT_SYN_RECV)
		return syn_recv_step(flags, from_opener, both, fin_seen);
	if (flags & ROAM_TCP_SYN)
		return late_syn_step(state, flags, from_opener);
	return tcp_full_step(state, flags, fin_sent, fin_seen);
}

/* By state and numbers; `view` is the packet's if it is to be tracked (CT_UPDATE). */
static __always_inline struct ct_step tcp_step(const struct roam_flow *flow,
					       const struct roam_pkt *pkt, bool from_opener,
					       struct tcp_view *view)
{
	const struct roam_tcp_end *sender = &flow->side[pkt->dir & 1].tcp;
	const struct roam_tcp_end *receiver = &flow->side[!(pkt->dir & 1)].tcp;
	bool expected = flow->tcp_note.flags & ROAM_TCP_NOTE_SYN && !from_opener;
	struct ct_step next = tcp_state_step(flow, pkt, from_opener);

	if (next.event == CT_NOTE && expected && (pkt->tcp_flags & ROAM_TCP_SYN) &&
	    pkt->tcp_ack == flow->tcp_note.value)
		return step(CT_RESYNC, ROAM_CT_SYN_RECV);
	/* A challenge ACK to that SYN does not acknowledge the last FIN. */
	if (next.state == ROAM_CT_TIME_WAIT && flow->state == ROAM_CT_LAST_ACK && expected &&
	    !(pkt->tcp_flags & ROAM_TCP_FIN))
		return step(CT_NOTE, flow->state);
	if (next.event != CT_UPDATE)
		return next;
	switch (tcp_judge(sender, receiver, pkt, flow->state, false, view)) {
	case TCP_FITS:
		return next;
	case TCP_PAST:
		return step(CT_KEEP, flow->state);
	case TCP_AHEAD:
		return step(CT_AHEAD, flow->state);
	default:
		/* Of one that was picked up, nobody knows how its windows are scaled. */
		if (pkt->tcp_liberal || pkt->frag || (flow->flags & ROAM_FLOW_PICKED_UP))
			return next;
		return step(CT_OUTSIDE, flow->state);
	}
}

/* What the packet leaves in the flow, but for the state. */
static __always_inline void tcp_leave(struct roam_flow *flow, const struct roam_pkt *pkt,
				      struct ct_step next, struct tcp_view *view)
{
	struct roam_tcp_end *sender = &flow->side[pkt->dir & 1].tcp;
	struct roam_tcp_end *receiver = &flow->side[!(pkt->dir & 1)].tcp;

	if (pkt->dry_run)
		return;
	/* How long a segment is that comes in fragments, nobody says: from here on it is as if it
	 * had been picked up. */
	if (pkt->frag == ROAM_PKT_FRAG_FIRST)
		flow->flags |= ROAM_FLOW_PICKED_UP;
	switch (next.event) {
	case CT_NOTE:
		flow->tcp_note = tcp_note(pkt, flow->state);
		return;
	case CT_AHEAD: /* and it may be sent again in pieces */
		tcp_raise(&sender->end, sender->end, view->end);
		return;
	case CT_RESYNC:
		tcp_resync(flow, sender, receiver);
		tcp_judge(sender, receiver, pkt, flow->state, false, view);
		break;
	case CT_UPDATE:
		break;
	default:
		return;
	}
	/* A SYN that is sent again leaves the challenge ACK noted: its RST may be on its way. */
	if (flow->tcp_note.flags && next.state != ROAM_CT_SYN_SENT)
		flow->tcp_note.flags = 0;
	if (is_syn(pkt->tcp_flags) && pkt->dir != flow->open_dir)
		flow->flags |= ROAM_FLOW_BOTH_OPEN;
	tcp_track(sender, receiver, pkt, view);
}

/* An exchange that has gone both ways and on for longer than this is more than a question. */
#define UDP_STREAM_NS ((__s64)(2 * NS_PER_S))

static __always_inline struct ct_step udp_step(const struct roam_flow *flow, __u64 now_ns,
					       bool from_opener)
{
	__u8 state = flow->state;

	if (state == ROAM_CT_UDP_NEW && from_opener)
		return step(CT_UPDATE, state);
	/* It has been seen in this tick, so the answer is the one of then. */
	if (state == ROAM_CT_UDP_REPLIED && flow->seen_ns == now_ns)
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
		return step(CT_KEEP, state);
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

/*
 * Judges a segment, and leaves in the flow what it leaves there. One function for both, because the
 * second needs what the first found; global, because the verifier follows such a one once, and not
 * for every way to each of its calls. Returns a struct ct_step, event and state.
 */
__noinline __u32 ct_tcp(struct roam_flow *flow, const struct roam_pkt *pkt)
{
	struct tcp_view view;
	struct ct_step next;
	bool from_opener;

	if (!flow || !pkt)
		return CT_INVALID;
	from_opener = pkt->dir == flow->open_dir;
	if (pkt->tcp_flags & ROAM_TCP_RST) {
		/* What was noted stays: the SYN of the next connection may have overtaken it. */
		next = rst_step(flow, pkt, from_opener);
	} else {
		next = tcp_step(flow, pkt, from_opener, &view);
		tcp_leave(flow, pkt, next, &view);
	}
	return next.event | (__u32)next.state << 8;
}

/* The flow is over, and this would open one in its place. */
static __always_inline bool ct_reopens(const struct roam_flow *flow, const struct roam_pkt *pkt)
{
	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		return is_syn(pkt->tcp_flags) &&
		       (flow->state == ROAM_CT_TIME_WAIT || flow->state == ROAM_CT_CLOSE);
	case IPPROTO_SCTP:
		return pkt->sctp_chunk == ROAM_SCTP_INIT && flow->state == ROAM_CT_SCTP_CLOSED;
	default:
		return false;
	}
}

static __always_inline struct ct_step ct_step(struct roam_flow *flow, const struct roam_pkt *pkt)
{
	bool from_opener = pkt->dir == flow->open_dir;
	__u32 next;

	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		next = ct_tcp(flow, pkt);
		return step(next & 0xff, next >> 8 & 0xff);
	case IPPROTO_UDP:
		return udp_step(flow, pkt->now_ns, from_opener);
	case IPPROTO_SCTP:
		return sctp_step(flow->state, pkt->sctp_chunk, from_opener);
	default:
		return reply_step(flow->state, from_opener);
	}
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

#endif
