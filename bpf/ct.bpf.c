// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Connection tracking: the ct stage, and what follows the list for packets that it sent on. It owns
 * the flow tables. ct_check judges a packet of a known flow and brings the flow up to date;
 * ct_related an ICMP error by the flow of what it quotes;
 * ct_commit makes the flow of a packet that policy has admitted; ct_revoke removes one that policy
 * no longer admits. A program for user space loads rows in bulk.
 */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_helpers.h>
#include <roam/monitor.h>
#include <roam/pkt.h>
#include "ct_quote.h"
#include "ct_state.h"
#include "ct_table.h"
#include "ct_view.h"
#include "limit.h"
#include "ct_move.h"
#include "ct_elder.h"
#include "stages.h"

/* Rules see what is not tracked packet by packet: errors and queries of ICMP, and groups. */
static __always_inline bool is_tracked(const struct roam_pkt *pkt)
{
	if (pkt->facts & ROAM_PKT_TO_GROUP)
		return false;
	switch (pkt->key.proto) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return pkt->key.lport || pkt->key.rport;
	default:
		return true;
	}
}

static __always_inline enum roam_verdict full(struct roam_pkt *pkt, __u32 kind, int err)
{
	switch (err) {
	case -ENOMEM:
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	case -ENOSPC:
		return drop(pkt,
			    kind == ROAM_CT_HALF ? ROAM_REASON_CT_HALF_FULL : ROAM_REASON_CT_FULL);
	default:
		return drop(pkt, ROAM_REASON_NO_TABLE);
	}
}

/*
 * The opener's SYN again does not keep the flow: who tries from the same port all the time would
 * have it forever, with whatever belongs to it.
 */
static __always_inline bool keeps_alive(const struct roam_flow *flow, __u8 state)
{
	return state != ROAM_CT_SYN_SENT || flow->state != state || !flow->seen_ns;
}

static __always_inline void update_row(struct roam_flow *flow, const struct roam_pkt *pkt,
				       __u8 state)
{
	__u32 dir = pkt->dir & 1;
	bool ended = is_over(flow->state);

	if (pkt->dry_run)
		return;
	/* Written once a tick: the other direction's CPU would have to fetch the line each time. */
	if (keeps_alive(flow, state) && flow->seen_ns != pkt->now_ns)
		flow->seen_ns = pkt->now_ns;
	__sync_fetch_and_add(&flow->side[dir].packets, 1);
	__sync_fetch_and_add(&flow->side[dir].bytes, pkt->len);
	if (flow->state == state)
		return;
	flow->state = state;
	if (ended != is_over(state)) /* from now on it does not count, or does again */
		limit_follow(pkt->vm, &pkt->key, flow);
}

/* The row moves to the table of established flows: it is there before it leaves the other. */
static __always_inline enum roam_verdict promote(struct roam_pkt *pkt, struct ct_ref *ref,
						 const struct roam_flow_key *key, __u8 state)
{
	struct ct_insert how = {
		.now_ns = pkt->now_ns,
		.table = ref->table - ROAM_CT_HALF + ROAM_CT_FLOWS,
		.candidates = CT_CANDIDATES,
		.dry_run = pkt->dry_run,
		.no_log = !pkt->round,
	};
	__u8 before = ref->flow->state;
	int err;

	if (pkt->dry_run) {
		err = ct_insert(&how, key, ref->flow);
		return err && err != -EEXIST ? full(pkt, ROAM_CT_FLOWS, err) : ROAM_CONTINUE;
	}
	ref->flow->state = state;
	err = ct_carry(&how, key, ref);
	if (err && err != -EBUSY) {
		ref->flow->state = before;
		return full(pkt, ROAM_CT_FLOWS, err);
	}
	ref->flow = ct_lookup(how.table, key);
	if (ref->flow)
		update_row(ref->flow, pkt, state);
	return ROAM_CONTINUE;
}

/* Whether that is a connection's end, as its listeners understand it. */
static __always_inline bool closes(__u32 before, __u32 after)
{
	return is_over(after) && !is_over(before);
}

/* Judges the packet by its flow, and brings that to where the packet takes it. */
static __always_inline enum roam_verdict advance(struct roam_pkt *pkt, struct ct_ref *ref,
						 const struct roam_flow_key *key)
{
	struct ct_step next = ct_step(ref->flow, pkt);
	__u32 state = next.state;

	if (next.event == CT_DELETE || (next.event == CT_UPDATE && closes(ref->flow->state, state)))
		pkt->events |= ROAM_EVENT_BIT(ROAM_EVENT_CLOSED);
	switch (next.event) {
	case CT_KEEP:
	case CT_NOTE:
	case CT_AHEAD:
		return ROAM_CONTINUE;
	case CT_DELETE:
		if (!pkt->dry_run)
			ct_delete(ref->table, key);
		return ROAM_CONTINUE;
	case CT_UPDATE:
	case CT_RESYNC:
		if (state >= ROAM_CT_STATE_COUNT)
			return drop(pkt, ROAM_REASON_CT_INVALID);
		if (ref->kind == ROAM_CT_HALF && home_kind[state] == ROAM_CT_FLOWS)
			return promote(pkt, ref, key, state);
		update_row(ref->flow, pkt, state);
		return ROAM_CONTINUE;
	case CT_OUTSIDE:
		return drop(pkt, ROAM_REASON_TCP_WINDOW);
	default:
		return drop(pkt, ROAM_REASON_CT_INVALID);
	}
}

/* What of a flow tells the log that a write was urgent; the rest is soft (include/roam/move.h). */
static __always_inline __u32 marks(const struct roam_flow *flow)
{
	return flow->state | (__u32)flow->flags << 8;
}

/* The packet has written to the flow's row, which it may have moved or deleted. */
static __always_inline void log_write(const struct roam_pkt *pkt, const struct ct_ref *ref,
				      const struct roam_flow_key *key, bool urgent)
{
	struct roam_flow *flow = ref->flow;

	if (pkt->dry_run || !flow || (!urgent && flow->side[ROAM_DIR_IN].tcp.logged == pkt->round))
		return;
	flow->side[ROAM_DIR_IN].tcp.logged = pkt->round;
	ct_note(ref->table, key, urgent);
}

/* advance(), and its writes are logged. `urgent`: the caller has written something that is. */
static __always_inline enum roam_verdict advance_logged(struct roam_pkt *pkt, struct ct_ref *ref,
							const struct roam_flow_key *key,
							bool urgent)
{
	__u32 before = marks(ref->flow);
	enum roam_verdict verdict = advance(pkt, ref, key);

	if (pkt->round)
		log_write(pkt, ref, key, urgent || (ref->flow && marks(ref->flow) != before));
	return verdict;
}

/* A connection that begins is no old one; of protocols that have none nobody can tell. */
static __always_inline bool may_be_learned(const struct roam_pkt *pkt)
{
	if (!(pkt->features & ROAM_VM_LEARN))
		return false;
	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		return !(pkt->tcp_flags & (ROAM_TCP_SYN | ROAM_TCP_RST));
	case IPPROTO_SCTP:
		return !opens(pkt) && !ends(pkt);
	default:
		return true;
	}
}

/* Opens nothing. Where a VM has rules without tracking, they are asked first. */
static __always_inline enum roam_verdict stray(struct roam_pkt *pkt)
{
	if (!(pkt->features & ROAM_VM_STATELESS))
		return drop(pkt, ROAM_REASON_MIDSTREAM);
	pkt->ct = ROAM_PKT_CT_STRAY;
	return ROAM_CONTINUE;
}

/* No live flow: whether this packet may open one, as far as its protocol goes. */
static __always_inline enum roam_verdict opening(struct roam_pkt *pkt)
{
	pkt->open_dir = pkt->dir;
	pkt->open_tcp_flags = pkt->tcp_flags;
	pkt->open_icmp_type = pkt->icmp_type;
	pkt->open_icmp_code = pkt->icmp_code;
	pkt->ct = ROAM_PKT_CT_OPENING;
	unview(pkt);
	if (may_be_learned(pkt)) {
		pkt->ct = ROAM_PKT_CT_LEARN;
		return ROAM_CONTINUE;
	}
	if (!opens(pkt)) {
		if (pkt->midstream != ROAM_MIDSTREAM_PICKUP || ends(pkt) ||
		    (pkt->key.proto == IPPROTO_TCP && (pkt->tcp_flags & ROAM_TCP_SYN)))
			return stray(pkt);
		pkt->ct = ROAM_PKT_CT_MIDSTREAM;
		pkt->either_dir = 1;
	}
	return ROAM_CONTINUE;
}

/* What policy is asked with, for a flow that it has to be asked about again. */
static __always_inline void note_opening(struct roam_pkt *pkt, const struct roam_flow *flow)
{
	pkt->open_dir = flow->open_dir;
	pkt->open_tcp_flags = flow->open_tcp_flags;
	pkt->open_icmp_type = flow->open_icmp_type;
	pkt->open_icmp_code = flow->open_icmp_code;
	pkt->either_dir = !!(flow->flags & ROAM_FLOW_EITHER_DIR);
}

/* By the policy of today, or to be asked about once the VM has learned enough. */
static __always_inline bool is_admitted(const struct roam_pkt *pkt, const struct roam_flow *flow)
{
	return flow->gen == pkt->gen ||
	       ((flow->flags & ROAM_FLOW_LEARNED) && (pkt->features & ROAM_VM_LEARN));
}

/* Of its flow, as far as policy goes. */
static __always_inline void note_policy(struct roam_pkt *pkt, const struct roam_flow *flow)
{
	pkt->rule = flow->rule;
	pkt->ct = ROAM_PKT_CT_FLOW;
	if (is_admitted(pkt, flow))
		return;
	note_opening(pkt, flow);
	pkt->ct = ROAM_PKT_CT_STALE;
}

/* Finds the packet's live flow. */
static __always_inline bool find_flow(struct roam_pkt *pkt, struct roam_flow_key *key,
				      struct ct_ref *ref)
{
	*key = pkt->key;
	if (!ct_find(pkt, key, ref))
		return false;
	if (!ct_expired(pkt->vm, ref->flow, pkt->now_ns))
		return true;
	pkt->ct_replaces = 1;
	return false;
}

/* An ICMP error: it belongs to the flow of the packet that it quotes, and changes nothing of it. */
__noinline enum roam_verdict ct_related(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	struct ct_ref ref;

	if (!pkt)
		return ROAM_DROP;
	pkt->ct = ROAM_PKT_CT_NONE;
	pkt->ct_replaces = 0;
	if (!find_flow(pkt, &key, &ref) || !quote_fits_state(ref.flow, pkt) ||
	    !note_translation(pkt, ref.flow))
		return drop(pkt, ROAM_REASON_UNRELATED);
	if (!quote_fits_window(ref.flow, pkt))
		return drop(pkt, ROAM_REASON_QUOTE);
	if (pkt->lb_role && !pkt->can_translate)
		return drop(pkt, ROAM_REASON_LB_FRONT);
	note_policy(pkt, ref.flow);
	return ROAM_CONTINUE;
}

__noinline enum roam_verdict ct_check(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	struct ct_ref ref;

	if (!pkt)
		return ROAM_DROP;
	pkt->ct = ROAM_PKT_CT_NONE;
	pkt->ct_replaces = 0;
	if (!is_tracked(pkt)) {
		note_untracked(pkt);
		return ROAM_CONTINUE;
	}
	if (!find_flow(pkt, &key, &ref))
		return is_elders(pkt) ? drop(pkt, ROAM_REASON_NONE) : opening(pkt);
	pkt->ct_replied = ref.kind == ROAM_CT_FLOWS;
	if (ct_reopens(ref.flow, pkt)) {
		pkt->ct_replaces = 1;
		return opening(pkt);
	}
	if (!note_translation(pkt, ref.flow))
		return drop(pkt, ROAM_REASON_LB_CLASH);
	if (pkt->lb_role && !pkt->can_translate)
		return drop(pkt, ROAM_REASON_LB_FRONT);
	note_policy(pkt, ref.flow);
	if (pkt->ct == ROAM_PKT_CT_STALE)
		return ROAM_CONTINUE;
	return advance_logged(pkt, &ref, &key, false);
}

/* What else changes in a flow's flags does so before policy can have changed, or with this. */
static __always_inline void note_audit(const struct roam_pkt *pkt, struct roam_flow *flow)
{
	__u8 flags = flow->flags & ~ROAM_FLOW_AUDITED;

	if (pkt->dry_run)
		return;
	if (pkt->audited)
		flags |= ROAM_FLOW_AUDITED;
	if (flow->flags != flags)
		flow->flags = flags;
}

/* Policy of today admits the flow: it is as good as new. */
static __always_inline enum roam_verdict renew(struct roam_pkt *pkt)
{
	struct roam_flow_key key = pkt->key;
	enum roam_verdict verdict;
	struct ct_ref ref;

	if (!ct_find(pkt, &key, &ref))
		return drop(pkt, ROAM_REASON_CT_INVALID);
	if (!pkt->dry_run) {
		ref.flow->gen = pkt->gen;
		ref.flow->rule = pkt->rule;
		if (pkt->limited || ref.flow->counted)
			limit_follow(pkt->vm, &key, ref.flow);
	}
	if (pkt->either_dir && !pkt->dry_run) {
		ref.flow->open_dir = pkt->open_dir;
		ref.flow->flags &= ~ROAM_FLOW_EITHER_DIR;
	}
	note_audit(pkt, ref.flow);
	verdict = advance_logged(pkt, &ref, &key, true);
	if (verdict != ROAM_CONTINUE)
		return verdict;
	return pass(pkt, ROAM_REASON_ESTABLISHED);
}

static __always_inline enum roam_verdict open_flow(struct roam_pkt *pkt)
{
	__u32 state = ct_first_state(pkt);
	__u32 kind = home_kind[state];
	struct ct_insert how = {
		.now_ns = pkt->now_ns,
		.candidates = CT_CANDIDATES,
		.opener = pkt->open_dir,
		.replaces = kind == ROAM_CT_HALF,
		.dry_run = pkt->dry_run,
		.no_log = !pkt->round,
	};
	struct roam_flow_key key = pkt->key;
	struct ct_scratch *scratch = ct_scratch_get(pkt->dry_run);
	int err;

	if (!scratch)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	scratch->flow = (struct roam_flow){
		.created_ns = pkt->now_ns,
		.gen = pkt->gen,
		.rule = pkt->rule,
		.open_dir = pkt->open_dir,
		.open_tcp_flags = pkt->open_tcp_flags,
		.open_icmp_type = pkt->open_icmp_type,
		.open_icmp_code = pkt->open_icmp_code,
		.lb_role = pkt->lb_role,
		.lb_addr = pkt->lb_addr,
		.lb_service = pkt->lb_service,
		.lb_port = pkt->lb_port,
		.lb_backend = pkt->lb_backend,
		.counted = counted_word(pkt),
	};

	how.table = ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, kind);
	if (pkt->ct == ROAM_PKT_CT_MIDSTREAM)
		scratch->flow.flags = ROAM_FLOW_PICKED_UP;
	if (pkt->ct == ROAM_PKT_CT_LEARN) {
		scratch->flow.flags = ROAM_FLOW_PICKED_UP | ROAM_FLOW_LEARNED |
				      ROAM_FLOW_EITHER_DIR;
		scratch->flow.gen = 0; /* older than all policy */
	}
	note_audit(pkt, &scratch->flow);
	scratch->flow.state = state;
	if (key.proto == IPPROTO_TCP)
		ct_tcp(&scratch->flow, pkt);
	update_row(&scratch->flow, pkt, state);
	scratch->flow.side[ROAM_DIR_IN].tcp.logged = pkt->round;
	if (pkt->ct_replaces)
		delete_flow(pkt, &key);
	err = ct_insert(&how, &key, &scratch->flow);
	if (err && err != -EEXIST) { /* -EEXIST: another CPU saw an opening of the same flow */
		unclaim(pkt, &key);
		return full(pkt, kind, err);
	}
	if (!err)
		pkt->counted_for = 0; /* it is the flow's now */
	if (pkt->audited)
		return pass(pkt, ROAM_REASON_AUDITED);
	return pass(pkt, how.replaced ? ROAM_REASON_CT_REPLACED : ROAM_REASON_OPENED);
}

__noinline enum roam_verdict ct_commit(struct roam_pkt *pkt)
{
	if (!pkt)
		return ROAM_DROP;
	switch (pkt->ct) {
	case ROAM_PKT_CT_NONE:
		return pass(pkt, pkt->audited ? ROAM_REASON_AUDITED : ROAM_REASON_UNTRACKED);
	case ROAM_PKT_CT_STALE:
		if (is_error(pkt)) /* policy still admits the flow, but this is none of its packets
				    */
			return pass(pkt, ROAM_REASON_RELATED);
		return renew(pkt);
	case ROAM_PKT_CT_OPENING:
	case ROAM_PKT_CT_MIDSTREAM:
	case ROAM_PKT_CT_LEARN:
		return open_flow(pkt);
	default:
		return drop(pkt, ROAM_REASON_CT_INVALID);
	}
}

__noinline enum roam_verdict ct_revoke(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	struct ct_ref ref;

	if (!pkt)
		return ROAM_DROP;
	key = pkt->key;
	if (ct_find(pkt, &key, &ref) && !pkt->dry_run)
		ct_delete(ref.table, &key);
	return drop(pkt, ROAM_REASON_REVOKED);
}

__noinline enum roam_verdict ct_forget(struct roam_pkt *pkt)
{
	struct roam_flow_key key;

	if (!pkt)
		return ROAM_DROP;
	key = pkt->key;
	delete_flow(pkt, &key);
	pkt->ct_replaces = 0;
	return ROAM_CONTINUE;
}

/* The flow goes on here, with what it was counted as in the other bank of the VM: it leaves that.
 */
static __always_inline void leave_bank(__u32 table, const struct roam_flow_key *key)
{
	__u32 other = table ^ ROAM_CT_KINDS;
	void *rows = bpf_map_lookup_elem(&ct_table, &other);
	struct roam_flow *flow = rows ? bpf_map_lookup_elem(rows, key) : NULL;
	__u64 counted;

	if (!flow)
		return;
	counted = ct_take(rows, key, flow);
	if (counted & ROAM_COUNTED_TAKEN)
		return;
	ct_unlink(other, key);
	limit_lay(table / ROAM_CT_TABLES, key, ct_lookup(table, key), counted);
}

static long load_row(__u32 i, struct roam_ct_load *load)
{
	/* No candidates: nothing is replaced. */
	struct ct_insert how = { .table = load->table, .uncounted = !load->skip_existing };
	__u32 at = load->first + i;
	struct roam_flow_rec *row = bpf_map_lookup_elem(&ct_xfer, &at);
	struct roam_flow_key key;
	int err;

	if (!row) {
		load->error = -E2BIG;
		return 1;
	}
	key = row->key;
	if (load->skip_existing && ct_lookup(how.table, &key)) {
		leave_bank(how.table, &key);
		load->done++;
		return 0;
	}
	row->flow.counted = 0;
	err = load_wire(how.table, &key, &row->flow);
	if (!err)
		err = ct_insert(&how, &key, &row->flow);
	if (err && !(err == -EEXIST && load->skip_existing)) {
		load->error = err;
		return 1;
	}
	if (load->skip_existing)
		leave_bank(how.table, &key);
	load->done++;
	return 0;
}

/*
 * All at once, because two CPUs that load would fight for the gauge at every row; but not of a
 * table that packets use: they take rows out again, and the gauge must not be behind.
 */
static __always_inline void count_loaded(const struct roam_ct_load *load)
{
	struct roam_ct_fill *fill = bpf_map_lookup_elem(&ct_fill, &load->table);

	if (!fill || load->skip_existing)
		return;
	__sync_fetch_and_add(&fill->used, load->done);
	__sync_fetch_and_add(&fill->clocked, load->done);
}

static long drop_flow(__u32 i, struct roam_ct_load *load)
{
	__u32 at = load->first + i;
	const struct roam_flow_rec *row = bpf_map_lookup_elem(&ct_xfer, &at);
	struct roam_flow_key key;

	if (!row) {
		load->error = -E2BIG;
		return 1;
	}
	key = row->key;
	load->done += !ct_delete(load->table, &key);
	return 0;
}

SEC("syscall")
int ct_load(struct roam_ct_load *arg)
{
	struct roam_ct_load load = *arg;

	load.done = 0;
	load.error = 0;
	bpf_loop(load.count, load_row, &load, 0);
	count_loaded(&load);
	arg->done = load.done;
	arg->error = load.error;
	return 0;
}

SEC("syscall")
int ct_drop(struct roam_ct_load *arg)
{
	struct roam_ct_load load = *arg;

	load.done = 0;
	load.error = 0;
	bpf_loop(load.count, drop_flow, &load, 0);
	arg->done = load.done;
	arg->error = load.error;
	return 0;
}
