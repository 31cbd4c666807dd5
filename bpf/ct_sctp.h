/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a packet of SCTP (RFC 9260) makes of its flow's state, by its first chunk, for ct_state.h:
 * pure functions. States and transitions are nf_conntrack's, with directions counted from the end
 * that opened the association.
 */
#ifndef ROAM_BPF_CT_SCTP_H
#define ROAM_BPF_CT_SCTP_H

#include <stdbool.h>
#include <roam/pkt.h>

/* An association begins with INIT; with HEARTBEAT one of its other paths (RFC 9260, 5.4). */
static __always_inline bool sctp_opens(__u8 chunk)
{
	return chunk == ROAM_SCTP_INIT || chunk == ROAM_SCTP_HEARTBEAT;
}

/* What no association goes on with. */
static __always_inline bool sctp_ends(__u8 chunk)
{
	return chunk == ROAM_SCTP_ABORT || chunk == ROAM_SCTP_SHUTDOWN_COMPLETE;
}

/* A path of an association whose INIT went another way: NONE is what does not fit. */
static __always_inline enum roam_ct_state sctp_path_next(__u8 chunk, bool from_opener)
{
	switch (chunk) {
	case ROAM_SCTP_HEARTBEAT:
		return ROAM_CT_SCTP_HEARTBEAT_SENT;
	case ROAM_SCTP_HEARTBEAT_ACK:
		return from_opener ? ROAM_CT_SCTP_HEARTBEAT_SENT : ROAM_CT_SCTP_ESTABLISHED;
	case ROAM_SCTP_INIT:
		return from_opener ? ROAM_CT_SCTP_COOKIE_WAIT : ROAM_CT_NONE;
	case ROAM_SCTP_ABORT:
		return from_opener ? ROAM_CT_SCTP_CLOSED : ROAM_CT_NONE;
	default:
		return from_opener ? ROAM_CT_SCTP_HEARTBEAT_SENT : ROAM_CT_NONE;
	}
}

static __always_inline enum roam_ct_state sctp_established_next(__u8 chunk, bool from_opener)
{
	if (chunk != ROAM_SCTP_SHUTDOWN)
		return ROAM_CT_SCTP_ESTABLISHED;
	return from_opener ? ROAM_CT_SCTP_SHUTDOWN_SENT : ROAM_CT_SCTP_SHUTDOWN_RECD;
}

/* The state after a packet with this chunk; NONE if it does not fit. */
static __always_inline enum roam_ct_state sctp_next(enum roam_ct_state state, __u8 chunk,
						    bool from_opener)
{
	if (state == ROAM_CT_SCTP_HEARTBEAT_SENT)
		return sctp_path_next(chunk, from_opener);
	if (chunk == ROAM_SCTP_ABORT)
		return ROAM_CT_SCTP_CLOSED;
	switch (state) {
	case ROAM_CT_SCTP_COOKIE_WAIT:
		return chunk == ROAM_SCTP_COOKIE_ECHO ? ROAM_CT_SCTP_COOKIE_ECHOED : state;
	case ROAM_CT_SCTP_COOKIE_ECHOED:
		if (chunk == ROAM_SCTP_ERROR && !from_opener) /* a stale cookie */
			return ROAM_CT_SCTP_CLOSED;
		return chunk == ROAM_SCTP_COOKIE_ACK ? ROAM_CT_SCTP_ESTABLISHED : state;
	case ROAM_CT_SCTP_ESTABLISHED:
		return sctp_established_next(chunk, from_opener);
	case ROAM_CT_SCTP_SHUTDOWN_SENT:
	case ROAM_CT_SCTP_SHUTDOWN_RECD:
		return chunk == ROAM_SCTP_SHUTDOWN_ACK ? ROAM_CT_SCTP_SHUTDOWN_ACK_SENT : state;
	case ROAM_CT_SCTP_SHUTDOWN_ACK_SENT:
		return chunk == ROAM_SCTP_SHUTDOWN_COMPLETE ? ROAM_CT_SCTP_CLOSED : state;
	case ROAM_CT_SCTP_CLOSED:
		return state;
	default:
		return ROAM_CT_NONE;
	}
}

#endif
