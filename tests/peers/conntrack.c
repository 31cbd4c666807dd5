// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Connection tracking against the kernel's: random histories of TCP connections go, packet by
 * packet, through nf_conntrack and through roam's programs, and both must say the same of every
 * packet: that it belongs to a connection, or opens one, or is neither. docs/conntrack.md lists the
 * differences; what is excused here is named there.
 *
 * The seed is always the same, unless TEST_SEED says another; 100,000 packets and more under
 * `make soak`.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cast.h"
#include "harness.h"
#include "history.h"
#include "kernel.h"

#define HISTORIES  60
#define SEED       20261128
#define FIRST_PORT 1024
#define PORTS      60000
#define ACK_LAG    66000 /* of an acknowledgement that is judged, at least */
#define TRAIL      20    /* packets before a difference that are printed */

/*
 * Where the two may part, as docs/conntrack.md says: the rest of such a history is not compared.
 */
enum excuse {
	NOT_EXCUSED,
	RST_IN_HANDSHAKE,  /* ends it there by any number, here by the right one */
	RST_WHILE_CLOSING, /* the same */
	WRONG_ANSWER,      /* a SYN that crosses or answers the right one: it is believed there */
	RST_BEHIND_DATA,   /* behind all that was sent; there behind the last segment */
	RST_BELIEVED,      /* moves the windows there */
	AHEAD_AGAIN,       /* what was sent ahead and is again in pieces: has not been sent there */
	CROSSED_SYN_AGAIN, /* it makes it forget there that both ends have opened */
	FIN_TWICE,         /* taken there for one of each end: a SYN opens, where one end is open */
	RST_AFTER_SYN,     /* or a FIN: there the SYN is forgotten */
	OTHER_SYN,       /* from where both ends have opened: begins anew, and does not fit there */
	PICKED_UP_WRONG, /* by a FIN, which opens nothing there, or by what is forged */
	RST_CROSSED,     /* SYNs, and acknowledges 0: it ends it there by any number */
	RST_WITHOUT_ACK, /* but with a number there, which counts */
	SYN_AFTER_CHALLENGE, /* ACK: there the SYN makes it forget that */
	RST_AFTER_EARLY_FIN, /* in the handshake: it is closing there, and any RST ends it */
	SYN_AFTER_RST, /* an opening here; there only if the RST was the last packet, and its own */
	EXCUSES,
};

static const char *const excuse_name[EXCUSES] = {
	[RST_IN_HANDSHAKE] = "rst_in_handshake",
	[RST_WHILE_CLOSING] = "rst_while_closing",
	[WRONG_ANSWER] = "wrong_answer",
	[RST_BEHIND_DATA] = "rst_behind_data",
	[RST_BELIEVED] = "rst_believed",
	[FIN_TWICE] = "fin_twice",
	[RST_AFTER_SYN] = "rst_after_syn",
	[PICKED_UP_WRONG] = "picked_up_wrong",
	[SYN_AFTER_RST] = "syn_after_rst",
	[AHEAD_AGAIN] = "ahead_again",
	[OTHER_SYN] = "other_syn",
	[RST_CROSSED] = "rst_crossed",
	[CROSSED_SYN_AGAIN] = "crossed_syn_again",
	[RST_WITHOUT_ACK] = "rst_without_ack",
	[SYN_AFTER_CHALLENGE] = "syn_after_challenge",
	[RST_AFTER_EARLY_FIN] = "rst_after_early_fin",
};

struct oracle {
	struct fixture fixture;
	struct fixture_vm vm;
	struct kernel kernel;
	struct history history;
	enum kernel_state kernel_said; /* of the last packet, as roam_passed */
	bool roam_passed;
	uint8_t states[HISTORY_MAX]; /* of the flow, after each packet of it */
	bool counts[HISTORY_MAX];    /* for the kernel as the last one, as far as is known here */
	bool vm_opens;
	uint16_t port;
	uint64_t packets, dropped, forged;
	uint64_t excused[EXCUSES]; /* histories that end early */
};

static struct packet_spec to_spec(const struct oracle *oracle, const struct segment *segment,
				  int family)
{
	enum roam_dir dir = segment->of_opener == oracle->vm_opens ? ROAM_DIR_OUT : ROAM_DIR_IN;
	struct packet_spec spec = cast_packet(family, dir, IPPROTO_TCP);

	*(segment->of_opener ? &spec.sport : &spec.dport) = oracle->port;
	*(segment->of_opener ? &spec.dport : &spec.sport) = 443;
	spec.tcp_flags = segment->flags;
	spec.seq = segment->seq;
	spec.ack = segment->ack;
	spec.window = segment->window;
	spec.no_window = !segment->window;
	spec.payload = segment->len;
	spec.tcp_has_scale = segment->scale >= 0;
	spec.tcp_scale = segment->scale >= 0 ? segment->scale : 0;
	spec.tcp_sack_ok = segment->sack_ok;
	spec.tcp_timestamp = segment->seq & 1; /* as good as any */
	spec.tcp_sack[0] = segment->sack[0];
	spec.tcp_sack[1] = segment->sack[1];
	return spec;
}

static void print(const struct segment *segment, const char *what)
{
	note("%s %c%c%c%c%c seq %u len %u ack %u sack %u-%u win %u scale %d%s %s",
	     segment->of_opener ? ">" : "<", segment->flags & ROAM_TCP_SYN ? 'S' : '.',
	     segment->flags & ROAM_TCP_ACK ? 'A' : '.', segment->flags & ROAM_TCP_FIN ? 'F' : '.',
	     segment->flags & ROAM_TCP_RST ? 'R' : '.', segment->flags & ROAM_TCP_PSH ? 'P' : '.',
	     segment->seq, segment->len, segment->ack, segment->sack[0], segment->sack[1],
	     segment->window, segment->scale, segment->forged ? " forged" : "", what);
}

/* The flow, or one of state 0. */
static void find_flow(struct oracle *oracle, int family, struct roam_flow *ret_flow)
{
	struct roam_flow_key key = cast_key(family, IPPROTO_TCP);

	key.lport = htons(oracle->vm_opens ? oracle->port : 443);
	key.rport = htons(oracle->vm_opens ? 443 : oracle->port);
	if (fixture_flow(&oracle->fixture, CAST_SLOT, &key, ret_flow) < 0)
		memset(ret_flow, 0, sizeof(*ret_flow));
}

/*
 * Of a RST: it is beyond what was sent, or what was allowed, which there is then the end of all
 * that was sent, or it acknowledges or allows more than was.
 */
static bool moves_windows(const struct segment *rst, const struct roam_flow *flow,
			  enum roam_dir dir)
{
	uint32_t ack = rst->flags & ROAM_TCP_ACK ? rst->ack : flow->side[!dir].tcp.end;

	return (int32_t)(rst->seq - flow->side[dir].tcp.end) > 0 ||
	       (int32_t)(rst->seq - flow->side[dir].tcp.maxend) > 0 ||
	       (rst->flags & ROAM_TCP_ACK && (int32_t)(ack - flow->side[dir].tcp.maxack) > 0) ||
	       (int32_t)(ack + rst->window - flow->side[!dir].tcp.maxend) >= 0;
}

/* Of a segment, or a keep-alive, within what has been sent and beyond what was allowed. */
static bool is_ahead_again(const struct segment *segment, const struct roam_tcp_end *sender)
{
	uint32_t end = segment->seq + segment->len + !!(segment->flags & ROAM_TCP_FIN);

	return sender->flags & ROAM_TCP_END_SEEN && (int32_t)(segment->seq - sender->maxend) > 0 &&
	       (int32_t)(end - sender->end) < 0;
}

/* Of a SYN: both ends have sent one, and it is beyond the last one of its sender. */
static bool is_other_syn(const struct segment *syn, const struct roam_flow *flow, enum roam_dir dir)
{
	return flow->state == ROAM_CT_SYN_SENT && flow->flags & ROAM_FLOW_BOTH_OPEN &&
	       (int32_t)(syn->seq + 1 - flow->side[dir].tcp.end) > 0;
}

/* It passes there and changes nothing: it is too old, or ahead, whose end alone is noted. */
static bool is_ignored(const struct segment *segment, const struct roam_flow *flow,
		       enum roam_dir dir)
{
	const struct roam_tcp_end *sender = &flow->side[dir].tcp, *receiver = &flow->side[!dir].tcp;
	uint32_t end = segment->seq + segment->len + !!(segment->flags & ROAM_TCP_FIN);
	uint32_t lag = sender->maxwin > ACK_LAG ? sender->maxwin : ACK_LAG;

	if ((int32_t)(segment->seq - sender->maxend) > 0 ||
	    (int32_t)(end - sender->end + receiver->maxwin) < 0)
		return true;
	return segment->flags & ROAM_TCP_ACK &&
	       (segment->ack || !(segment->flags & ROAM_TCP_RST)) &&
	       (int32_t)(segment->ack - receiver->end + lag) < 0;
}

/* Of a SYN-ACK: it is right, and its number is not that of the SYN of its sender that was seen. */
static bool is_other_answer(const struct segment *synack, const struct roam_flow *before,
			    const struct roam_flow *after, enum roam_dir dir)
{
	return before->state == ROAM_CT_SYN_SENT && before->flags & ROAM_FLOW_BOTH_OPEN &&
	       after->state == ROAM_CT_SYN_RECV && synack->ack == before->side[!dir].tcp.end &&
	       synack->seq + 1 != before->side[dir].tcp.end;
}

/* Of a RST: it comes next to a segment of its sender, and begins where that one ended. */
static bool is_behind_segment(const struct oracle *oracle, const struct segment *rst)
{
	const struct segment *first = oracle->history.segments, *last = rst;

	do {
		if (last-- == first)
			return false;
	} while (!oracle->counts[last - first]);
	return last->of_opener == rst->of_opener && (last->flags & ~ROAM_TCP_PSH) == ROAM_TCP_ACK &&
	       last->seq + last->len == rst->seq;
}

/*
 * Of a SYN-ACK of the opener's that changes nothing: there it has set the windows before that was
 * found.
 */
static bool is_believed_answer(const struct segment *synack, const struct roam_flow *before,
			       const struct roam_flow *after, enum roam_dir dir)
{
	uint32_t end = before->side[dir].tcp.end;

	return before->state == ROAM_CT_SYN_RECV && dir == before->open_dir &&
	       !(before->side[!dir].tcp.flags & ROAM_TCP_END_FIN) &&
	       (int32_t)(synack->seq + 1 - end) > 0 && after->side[dir].tcp.end == end;
}

/* Of a RST: it acknowledges the other end's SYN. */
static bool answers_syn(const struct segment *rst, const struct roam_tcp_end *receiver)
{
	return rst->flags & ROAM_TCP_ACK && rst->ack == receiver->end;
}

/* Of a RST: it has the number that an ACK has asked for, and the SYN was sent again since. */
static bool answers_challenge(const struct segment *rst, const struct roam_flow *flow,
			      enum roam_dir dir)
{
	return flow->state == ROAM_CT_SYN_SENT && dir == flow->open_dir &&
	       flow->tcp_note.flags & ROAM_TCP_NOTE_ACK && rst->seq == flow->tcp_note.value;
}

/* Of a RST without ACK: where the acknowledgement would be is what answers the ACK noted. */
static bool has_end_of_note(const struct segment *rst, const struct roam_flow *flow)
{
	return flow->state == ROAM_CT_SYN_SENT && flow->tcp_note.flags & ROAM_TCP_NOTE_ACK &&
	       !(rst->flags & ROAM_TCP_ACK) && (uint16_t)rst->ack == flow->tcp_note.window;
}

/*
 * Of an ACK: SYNs have crossed, the opener has answered the other's and sent its own again, and
 * this answers it. There the latter has cleared the mark without which such an ACK is no answer.
 */
static bool answers_syn_again(const struct oracle *oracle, const struct segment *ack,
			      const struct roam_flow *before, const struct roam_flow *after)
{
	const struct segment *first = oracle->history.segments, *syn = ack;

	if (before->state != ROAM_CT_SYN_RECV || after->state != ROAM_CT_ESTABLISHED ||
	    !(before->flags & ROAM_FLOW_BOTH_OPEN) || (ack->flags & ~ROAM_TCP_PSH) != ROAM_TCP_ACK)
		return false;
	while (syn > first && oracle->states[syn - 1 - first] == ROAM_CT_SYN_RECV) {
		syn--;
		if (syn->flags == ROAM_TCP_SYN && syn->of_opener != ack->of_opener)
			return true;
	}
	return false;
}

/* Of a RST: the handshake is not complete, and its answer was followed by a FIN. */
static bool is_after_early_fin(const struct roam_flow *flow)
{
	return flow->state == ROAM_CT_SYN_RECV &&
	       flow->side[!flow->open_dir].tcp.flags & ROAM_TCP_END_FIN;
}

/* In CLOSE; a segment has one before it, or there would be no such flow. */
static bool opens_there(const struct segment *syn, const struct roam_flow *flow, enum roam_dir dir)
{
	const struct segment *last = syn - 1;

	return dir == flow->open_dir && last->flags & ROAM_TCP_RST &&
	       last->of_opener == syn->of_opener;
}

/* Of a RST; `before`, `after`: as below. */
static enum excuse rst_excuse(const struct oracle *oracle, const struct segment *segment,
			      const struct roam_flow *before, const struct roam_flow *after)
{
	bool passed = oracle->roam_passed;
	bool closing = before->state >= ROAM_CT_FIN_WAIT && before->state <= ROAM_CT_LAST_ACK;
	enum roam_dir dir = segment->of_opener == oracle->vm_opens ? ROAM_DIR_OUT : ROAM_DIR_IN;
	const struct roam_tcp_end *receiver = &before->side[!dir].tcp;

	if (before->tcp_note.flags & ROAM_TCP_NOTE_SYN && after->state == before->state)
		return RST_AFTER_SYN;
	if (closing || before->state == ROAM_CT_TIME_WAIT)
		return after->state != ROAM_CT_CLOSE ? RST_WHILE_CLOSING : NOT_EXCUSED;
	if (before->state == ROAM_CT_SYN_SENT && before->flags & ROAM_FLOW_BOTH_OPEN &&
	    (passed ? !segment->seq && answers_syn(segment, receiver) : !segment->ack))
		return RST_CROSSED;
	if (answers_challenge(segment, before, dir) && oracle->kernel_said == KERNEL_INVALID)
		return SYN_AFTER_CHALLENGE;
	if (has_end_of_note(segment, before) && !passed)
		return RST_WITHOUT_ACK;
	if (is_after_early_fin(before) && !passed)
		return RST_AFTER_EARLY_FIN;
	switch (before->state) {
	case ROAM_CT_SYN_SENT:
	case ROAM_CT_SYN_RECV:
		return RST_IN_HANDSHAKE;
	case ROAM_CT_ESTABLISHED:
		if (passed && before->flags & ROAM_FLOW_BOTH_OPEN &&
		    !(receiver->flags & ROAM_TCP_END_ACKED))
			return RST_IN_HANDSHAKE;
		if (after->state == ROAM_CT_CLOSE && segment->seq != receiver->maxack &&
		    segment->seq == before->side[dir].tcp.end)
			return RST_BEHIND_DATA;
		if (passed && after->state != ROAM_CT_CLOSE && is_behind_segment(oracle, segment))
			return RST_BEHIND_DATA;
		return moves_windows(segment, before, dir) ? RST_BELIEVED : NOT_EXCUSED;
	default:
		return NOT_EXCUSED;
	}
}

/* Judged by the flow as it was before the packet (none: state 0) and as it is after it. */
static enum excuse excuse(const struct oracle *oracle, const struct segment *segment,
			  const struct roam_flow *before, const struct roam_flow *after)
{
	bool passed = oracle->roam_passed;
	bool closing = before->state >= ROAM_CT_FIN_WAIT && before->state <= ROAM_CT_LAST_ACK;
	/* Where a SYN begins something. */
	bool begins = before->state <= ROAM_CT_SYN_RECV || before->state == ROAM_CT_TIME_WAIT ||
		      before->state == ROAM_CT_CLOSE;
	enum roam_dir dir = segment->of_opener == oracle->vm_opens ? ROAM_DIR_OUT : ROAM_DIR_IN;

	/* A challenge ACK to a SYN, when all else has been acknowledged: as the kernel thinks. */
	if ((segment->flags & ~ROAM_TCP_PSH) == ROAM_TCP_ACK && closing &&
	    dir != before->open_dir && before->tcp_note.flags & ROAM_TCP_NOTE_SYN &&
	    oracle->kernel_said == KERNEL_ESTABLISHED)
		return FIN_TWICE;
	if (segment->flags == ROAM_TCP_SYN && closing && oracle->kernel_said == KERNEL_NEW)
		return FIN_TWICE;
	if (segment->flags == ROAM_TCP_SYN && before->state == ROAM_CT_CLOSE &&
	    !opens_there(segment, before, dir))
		return SYN_AFTER_RST;
	if (segment->flags == ROAM_TCP_SYN && passed && is_other_syn(segment, before, dir) &&
	    oracle->kernel_said == KERNEL_INVALID)
		return OTHER_SYN;
	if (segment->flags & ROAM_TCP_SYN && begins && segment->forged)
		return WRONG_ANSWER;
	if (segment->flags == ROAM_TCP_SYN)
		return NOT_EXCUSED;
	if (segment->flags & ROAM_TCP_SYN && before->state == ROAM_CT_CLOSE &&
	    after->state == ROAM_CT_SYN_RECV)
		return RST_AFTER_SYN;
	if (segment->flags & ROAM_TCP_SYN && is_other_answer(segment, before, after, dir))
		return OTHER_SYN;
	if (segment->flags & ROAM_TCP_SYN)
		return (before->state == ROAM_CT_SYN_SENT && after->state == ROAM_CT_SYN_SENT) ||
				       is_believed_answer(segment, before, after, dir)
			       ? WRONG_ANSWER
			       : NOT_EXCUSED;
	if (!before->state && after->state && (segment->forged || segment->flags & ROAM_TCP_FIN))
		return PICKED_UP_WRONG;
	if (segment->flags & ROAM_TCP_FIN && before->tcp_note.flags & ROAM_TCP_NOTE_SYN && !passed)
		return RST_AFTER_SYN;
	if (dir != before->open_dir && answers_syn_again(oracle, segment, before, after))
		return CROSSED_SYN_AGAIN;
	if (!(segment->flags & ROAM_TCP_RST))
		return passed && is_ahead_again(segment, &before->side[dir].tcp) ? AHEAD_AGAIN
										 : NOT_EXCUSED;
	return rst_excuse(oracle, segment, before, after);
}

static void print_difference(struct oracle *oracle, int at, int family, enum kernel_state kernel,
			     bool passed)
{
	char what[64];
	struct roam_flow flow;

	for (int i = at < TRAIL ? 0 : at - TRAIL; i < at; i++) {
		snprintf(what, sizeof(what), "state %u", oracle->states[i]);
		print(&oracle->history.segments[i], what);
	}
	snprintf(what, sizeof(what), "kernel: %s, roam: %s",
		 kernel == KERNEL_INVALID ? "invalid"
		 : kernel == KERNEL_NEW   ? "new"
					  : "established",
		 passed ? "passed" : "dropped");
	print(&oracle->history.segments[at], what);
	find_flow(oracle, family, &flow);
	note("state %u flags %u note %u/%u", flow.state, flow.flags, flow.tcp_note.flags,
	     flow.tcp_note.value);
	for (int i = 0; i < 2; i++) {
		const struct roam_tcp_end *end = &flow.side[oracle->vm_opens ? !i : i].tcp;

		note("%s end %u maxend %u maxwin %u maxack %u scale %u flags %x", i ? "<" : ">",
		     end->end, end->maxend, end->maxwin, end->maxack, end->scale, end->flags);
	}
}

static void one_history(struct oracle *oracle, int family)
{
	struct history *history = &oracle->history;

	history_make(history);
	oracle->vm_opens = random() & 1;
	oracle->port = FIRST_PORT + (oracle->port + 1) % PORTS;
	for (int i = 0; i < history->count; i++) {
		struct packet_spec spec = to_spec(oracle, &history->segments[i], family);
		enum roam_dir dir = spec.smac[5] == cast_vm_mac[5] ? ROAM_DIR_OUT : ROAM_DIR_IN;
		struct roam_flow before, after;
		enum kernel_state kernel;
		struct packet packet;
		enum excuse why;
		bool passed;

		packet_build(&spec, &packet);
		oracle->fixture.now_ns += 1000;
		find_flow(oracle, family, &before);
		kernel = oracle->kernel_said = kernel_run(&oracle->kernel, dir, &packet);
		passed = oracle->roam_passed = fixture_run(&oracle->fixture, FRONT_TC, dir,
							   &packet) == ROAM_PASS;
		find_flow(oracle, family, &after);
		oracle->states[i] = after.state;
		oracle->counts[i] = kernel != KERNEL_INVALID &&
				    (history->segments[i].flags & ROAM_TCP_SYN ||
				     !is_ignored(&history->segments[i], &before, dir));
		oracle->packets++;
		oracle->dropped += !passed;
		oracle->forged += history->segments[i].forged;
		why = excuse(oracle, &history->segments[i], &before, &after);
		/* The flow of the other excuses differs, and not yet the packet's verdict. */
		if (why < FIN_TWICE && !CHECK_EQ(passed, kernel != KERNEL_INVALID)) {
			print_difference(oracle, i, family, kernel, passed);
			return;
		}
		if (why) {
			oracle->excused[why]++;
			return;
		}
	}
}

static void oracle_setup(struct oracle *self)
{
	const char *lacks = kernel_lacks();

	if (lacks) {
		skip("%s", lacks);
		return;
	}
	kernel_open(&self->kernel);
	self->vm = cast_vm();
	self->vm.conf.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	self->vm.quota_flows = self->vm.quota_half = 65536;
	fixture_open(&self->fixture);
}

static void oracle_teardown(struct oracle *self)
{
	if (!self->fixture.skel)
		return;
	fixture_close(&self->fixture);
	kernel_close(&self->kernel);
}

static void compare(struct oracle *self, int family, bool pickup)
{
	const char *given = getenv("TEST_SEED");
	unsigned long seed = given ? strtoul(given, NULL, 0) : SEED;

	self->vm.conf.midstream = pickup ? ROAM_MIDSTREAM_PICKUP : ROAM_MIDSTREAM_STRICT;
	fixture_make_vm(&self->fixture, &self->vm);
	kernel_set_loose(pickup);
	srandom(seed * 4 + 2 * pickup + (family == 6)); /* each test its own histories */
	note("TEST_SEED=%lu", seed);
	for (unsigned i = 0; i < harness_rounds(HISTORIES) && !harness_stopped(); i++)
		one_history(self, family);
	note("%llu packets, %llu of them forged, %llu dropped", (unsigned long long)self->packets,
	     (unsigned long long)self->forged, (unsigned long long)self->dropped);
	for (int i = 1; i < EXCUSES; i++)
		note("histories that end early: %s %llu", excuse_name[i],
		     (unsigned long long)self->excused[i]);
}

TEST_46_F(oracle, as_nf_conntrack_strict)
{
	compare(self, family, false);
}

TEST_46_F(oracle, as_nf_conntrack_pickup)
{
	compare(self, family, true);
}
