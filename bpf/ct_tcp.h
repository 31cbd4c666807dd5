/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sequence numbers and windows of TCP, for ct_state.h: how a packet
 * lies to a flow's two ends, and what becomes of them. After G. van Rooij, "Real Stateful TCP
 * Packet Filtering in IP Filter" (2001), with the bounds that nf_conntrack uses, so that both come
 * to the same verdict (tests/peers/conntrack.c; docs/conntrack.md lists where they do not).
 *
 * What is known of an end is what has passed here: it may have been lost behind us, so every bound
 * is one of what the other end may have seen, never tighter.
 */
#ifndef ROAM_BPF_CT_TCP_H
#define ROAM_BPF_CT_TCP_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>

/* How far an acknowledgement may lag behind, whatever the window. */
#define TCP_ACK_LAG 66000
/* Data that a SYN may carry (RFC 7413) and its answer need not acknowledge. */
#define TCP_SYN_DATA 1500

/* How a segment lies to the windows. */
enum tcp_fit {
	TCP_FITS,
	TCP_PAST,  /* of what was acknowledged long ago: passes, and changes nothing */
	TCP_AHEAD, /* a little more than the receiver offered: passes, and its end is noted */
	TCP_OUT,
};

/* The packet's numbers, and the two ends' as it finds them. */
struct tcp_view {
	__u32 seq;
	__u32 end;
	__u32 ack;
	__u32 sack;   /* the highest edge that it acknowledges */
	__u32 window; /* scaled */
	__u32 sent;   /* sender's end, maxend, maxwin */
	__u32 allowed;
	__u32 offered;
	__u32 awaited; /* receiver's end */
	__u32 room;    /* receiver's maxwin; 0: nothing is known of it */
	bool begins;   /* nothing holds that was known of the sender */
};

static __always_inline bool seq_after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

static __always_inline bool tcp_is_half(__u8 state)
{
	return state == ROAM_CT_SYN_SENT || state == ROAM_CT_SYN_RECV;
}

static __always_inline __u32 tcp_seq_end(const struct roam_pkt *pkt)
{
	return pkt->tcp_seq + pkt->payload + !!(pkt->tcp_flags & ROAM_TCP_SYN) +
	       !!(pkt->tcp_flags & ROAM_TCP_FIN);
}

/* RFC 7323, 2.2: only if both ends offer it. */
static __always_inline __u32 tcp_scale(const struct roam_tcp_end *sender,
				       const struct roam_tcp_end *receiver)
{
	return sender->flags & receiver->flags & ROAM_TCP_END_SCALE ? sender->scale & 15 : 0;
}

/* The sender's numbers begin with this packet: with a SYN, or in the middle of a connection. */
static __always_inline void tcp_begin(struct tcp_view *view, bool syn, bool receiver_known)
{
	view->begins = true;
	view->sent = view->end;
	view->offered = view->window ? view->window : 1;
	view->allowed = syn ? view->end : view->end + view->offered;
	if (syn)
		return;
	if (!receiver_known || view->sack == view->awaited + 1) /* or it answers a keep-alive */
		view->awaited = view->sack;
}

/*
 * A SYN beyond the last one begins the handshake anew (RFC 9293, 3.5). So does the very answer to
 * the other end's SYN: what came before it may have been forged by somebody who guesses, unless it
 * was the same SYN. Where both have sent a SYN, a SYN-ACK that answers neither is his.
 */
static __always_inline bool tcp_begins_anew(const struct roam_tcp_end *sender,
					    const struct roam_tcp_end *receiver,
					    const struct roam_pkt *pkt, __u8 state)
{
	if (state == ROAM_CT_SYN_SENT && (pkt->tcp_flags & ROAM_TCP_ACK))
		return pkt->tcp_ack == receiver->end && tcp_seq_end(pkt) != sender->end;
	return seq_after(tcp_seq_end(pkt), sender->end);
}

/*
 * Of a RST in `syn_sent` whose number is 0: its sender knows of no connection. Where SYNs have
 * crossed, he knows at least the SYN that he answers.
 */
static __always_inline bool tcp_needs_no_number(const struct roam_tcp_end *sender,
						const struct roam_tcp_end *receiver,
						const struct roam_pkt *pkt)
{
	if (!(sender->flags & receiver->flags & ROAM_TCP_END_SEEN))
		return true;
	return (pkt->tcp_flags & ROAM_TCP_ACK) && pkt->tcp_ack == receiver->end;
}

/* `rst`: it is one, as the caller knows: so the verifier follows no other way. */
static __always_inline void tcp_look(const struct roam_tcp_end *sender,
				     const struct roam_tcp_end *receiver,
				     const struct roam_pkt *pkt, __u8 state, bool rst,
				     struct tcp_view *view)
{
	bool syn = !rst && pkt->tcp_flags & ROAM_TCP_SYN;

	view->seq = pkt->tcp_seq;
	view->end = tcp_seq_end(pkt);
	view->ack = pkt->tcp_ack;
	view->sack = receiver->flags & ROAM_TCP_END_SACK ? pkt->tcp_sack : pkt->tcp_ack;
	view->window = (__u32)pkt->tcp_window << (syn ? 0 : tcp_scale(sender, receiver));
	view->sent = sender->end;
	view->allowed = sender->maxend;
	view->offered = sender->maxwin;
	view->awaited = receiver->end;
	view->room = receiver->flags & ROAM_TCP_END_SEEN ? receiver->maxwin : 0;
	view->begins = false;
	if (!(sender->flags & ROAM_TCP_END_SEEN) ||
	    (syn && tcp_is_half(state) && tcp_begins_anew(sender, receiver, pkt, state)))
		tcp_begin(view, syn, receiver->flags & ROAM_TCP_END_SEEN);
	/* Some set ACK in a RST without a number. */
	if (!(pkt->tcp_flags & ROAM_TCP_ACK) || (rst && !view->ack))
		view->ack = view->sack = view->awaited;
	if (rst && !view->seq && state == ROAM_CT_SYN_SENT &&
	    tcp_needs_no_number(sender, receiver, pkt))
		view->seq = view->end = view->sent;
}

static __always_inline enum tcp_fit tcp_compare(const struct tcp_view *view,
						const struct roam_pkt *pkt)
{
	__u32 lag = view->offered > TCP_ACK_LAG ? view->offered : TCP_ACK_LAG;
	bool fresh = !view->room || seq_after(view->end, view->sent - view->room - 1), recent;

	if (view->begins && pkt->tcp_flags & ROAM_TCP_SYN)
		lag = TCP_SYN_DATA;
	recent = seq_after(view->sack, view->awaited - lag - 1);
	if (view->begins && (pkt->tcp_flags & (ROAM_TCP_SYN | ROAM_TCP_ACK)) == ROAM_TCP_SYN)
		return TCP_FITS;
	if (seq_after(view->sack, view->awaited)) /* of what has not been sent */
		return TCP_OUT;
	if (seq_after(view->seq, view->allowed))
		return recent && fresh && view->end - view->allowed < view->room ? TCP_AHEAD
										 : TCP_OUT;
	return recent && fresh ? TCP_FITS : TCP_PAST;
}

/*
 * Both together. Of an end that may have gone on elsewhere, what does not fit is learned instead,
 * until both have been seen.
 */
static __always_inline enum tcp_fit tcp_judge(const struct roam_tcp_end *sender,
					      const struct roam_tcp_end *receiver,
					      const struct roam_pkt *pkt, __u8 state, bool rst,
					      struct tcp_view *view)
{
	enum tcp_fit fit;

	tcp_look(sender, receiver, pkt, state, rst, view);
	fit = tcp_compare(view, pkt);
	if (fit == TCP_FITS || !((sender->flags | receiver->flags) & ROAM_TCP_END_STALE))
		return fit;
	tcp_begin(view, false, true);
	if (receiver->flags & ROAM_TCP_END_STALE && seq_after(view->sack, view->awaited))
		view->awaited = view->sack;
	return TCP_FITS;
}

/* What its SYN offers. */
static __always_inline void tcp_offer(struct roam_tcp_end *sender, const struct roam_pkt *pkt)
{
	bool scale = pkt->tcp_scale != ROAM_PKT_NO_SCALE;

	sender->scale = scale ? pkt->tcp_scale : 0;
	sender->flags = ROAM_TCP_END_SEEN | (scale ? ROAM_TCP_END_SCALE : 0) |
			(pkt->tcp_sack_ok ? ROAM_TCP_END_SACK : 0);
}

static __always_inline void tcp_track_begin(struct roam_tcp_end *sender,
					    struct roam_tcp_end *receiver,
					    const struct roam_pkt *pkt, const struct tcp_view *view)
{
	sender->end = view->sent;
	sender->maxend = view->allowed;
	sender->maxwin = view->offered;
	if (pkt->tcp_flags & ROAM_TCP_SYN)
		tcp_offer(sender, pkt);
	if (receiver->end == view->awaited)
		return;
	receiver->end = view->awaited;
	if (!(receiver->flags & ROAM_TCP_END_SEEN))
		receiver->maxend = view->awaited;
}

#define TCP_RAISE_TRIES 8

/*
 * A bound that only rises. One direction's packets may be on several CPUs at once: of two plain
 * stores the lower may come last, and then all that the other end acknowledges is refused as never
 * sent, for good. Each try that fails means that another CPU has raised it.
 */
static __always_inline void tcp_raise(__u32 *bound, __u32 was, __u32 to)
{
	for (int i = 0; i < TCP_RAISE_TRIES && seq_after(to, was); i++) {
		__u32 found = __sync_val_compare_and_swap(bound, was, to);

		if (found == was)
			return;
		was = found;
	}
}

/* Of a packet that fits, and is no RST. */
static __always_inline void tcp_track(struct roam_tcp_end *sender, struct roam_tcp_end *receiver,
				      const struct roam_pkt *pkt, const struct tcp_view *view)
{
	__u32 window = view->window + (view->sack - view->ack);
	__u32 edge = view->sack + view->window + !view->window;
	__u8 flags;

	if (view->begins)
		tcp_track_begin(sender, receiver, pkt, view);
	flags = sender->flags | ROAM_TCP_END_SEEN;
	flags &= ~ROAM_TCP_END_STALE;
	if (pkt->tcp_flags & ROAM_TCP_FIN)
		flags |= ROAM_TCP_END_FIN;
	if (pkt->tcp_flags & ROAM_TCP_ACK) {
		if (!(flags & ROAM_TCP_END_ACKED))
			sender->maxack = view->ack;
		else
			tcp_raise(&sender->maxack, sender->maxack, view->ack);
		flags |= ROAM_TCP_END_ACKED;
	}
	if (sender->flags != flags)
		sender->flags = flags;
	if (view->begins && (pkt->tcp_flags & (ROAM_TCP_SYN | ROAM_TCP_ACK)) == ROAM_TCP_SYN)
		return;
	if (view->offered < window)
		sender->maxwin = window;
	tcp_raise(&sender->end, view->sent, view->end);
	if (view->room && seq_after(view->end, view->allowed))
		receiver->maxwin += view->end - view->allowed;
	tcp_raise(&receiver->maxend, receiver->maxend, edge);
}

/* What a packet that was let through leaves behind; no flags: nothing. */
static __always_inline struct roam_tcp_note tcp_note(const struct roam_pkt *pkt, __u8 state)
{
	bool scale = pkt->tcp_scale != ROAM_PKT_NO_SCALE;

	switch (pkt->tcp_flags & (ROAM_TCP_SYN | ROAM_TCP_ACK)) {
	case ROAM_TCP_SYN:
		return (struct roam_tcp_note){
			.value = tcp_seq_end(pkt),
			.window = pkt->tcp_window,
			.scale = scale ? pkt->tcp_scale : 0,
			.flags = ROAM_TCP_NOTE_SYN | (scale ? ROAM_TCP_NOTE_SCALE : 0) |
				 (pkt->tcp_sack_ok ? ROAM_TCP_NOTE_SACK : 0),
		};
	case ROAM_TCP_ACK:
		if (state == ROAM_CT_SYN_SENT)
			return (struct roam_tcp_note){ .value = pkt->tcp_ack,
						       .window = (__u16)tcp_seq_end(pkt),
						       .flags = ROAM_TCP_NOTE_ACK };
	}
	return (struct roam_tcp_note){};
}

/*
 * Both ends are in a connection that began with the SYN which was noted; we were not. Its sender is
 * as that SYN said, and nothing is known of the other one, whose SYN this is.
 */
static __always_inline void tcp_resync(struct roam_flow *flow, struct roam_tcp_end *sender,
				       struct roam_tcp_end *receiver)
{
	struct roam_tcp_note note = flow->tcp_note;

	*receiver = (struct roam_tcp_end){
		.end = note.value,
		.maxend = note.value,
		.maxwin = note.window ? note.window : 1,
		.scale = note.scale,
		.flags = ROAM_TCP_END_SEEN |
			 (note.flags & ROAM_TCP_NOTE_SCALE ? ROAM_TCP_END_SCALE : 0) |
			 (note.flags & ROAM_TCP_NOTE_SACK ? ROAM_TCP_END_SACK : 0),
	};
	*sender = (struct roam_tcp_end){};
}

/* Whether an end has sent what the other has not acknowledged, or has not been answered at all. */
static __always_inline bool tcp_is_waiting(const struct roam_tcp_end *end,
					   const struct roam_tcp_end *other)
{
	if (!(end->flags & ROAM_TCP_END_SEEN))
		return false;
	if (!(other->flags & ROAM_TCP_END_SEEN))
		return true;
	return (other->flags & ROAM_TCP_END_ACKED) && other->maxack != end->end;
}

#endif
