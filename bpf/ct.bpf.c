// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Connection tracking: the ct stage, and what follows the list for packets that it sent on. It owns
 * the flow tables. ct_check judges a packet of a known flow and brings the flow up to date;
 * ct_commit makes the flow of a packet that policy has admitted; ct_revoke removes one that policy
 * no longer admits. A program for user space loads rows in bulk.
 */
#include <linux/errno.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_helpers.h>
#include <roam/pkt.h>
#include "ct_state.h"
#include "ct_table.h"
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ROAM_CT_XFER_ROWS);
	__type(key, __u32);
	__type(value, struct roam_flow_rec);
} ct_xfer SEC(".maps");

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

static __always_inline void update_row(struct roam_flow *flow, const struct roam_pkt *pkt,
				       __u8 state)
{
	bool out = pkt->dir == ROAM_DIR_OUT;

	flow->seen_ns = pkt->now_ns;
	if (flow->state != state)
		flow->state = state;
	if (out) {
		__sync_fetch_and_add(&flow->packets[ROAM_DIR_OUT], 1);
		__sync_fetch_and_add(&flow->bytes[ROAM_DIR_OUT], pkt->len);
		if (pkt->key.proto == IPPROTO_TCP)
			tcp_track(&flow->tcp[ROAM_DIR_OUT], &flow->tcp[ROAM_DIR_IN], pkt);
	} else {
		__sync_fetch_and_add(&flow->packets[ROAM_DIR_IN], 1);
		__sync_fetch_and_add(&flow->bytes[ROAM_DIR_IN], pkt->len);
		if (pkt->key.proto == IPPROTO_TCP)
			tcp_track(&flow->tcp[ROAM_DIR_IN], &flow->tcp[ROAM_DIR_OUT], pkt);
	}
}

/* The row moves to the table of established flows: it is there before it leaves the other. */
static __always_inline enum roam_verdict promote(struct roam_pkt *pkt, struct ct_ref *ref,
						 const struct roam_flow_key *key, __u8 state)
{
	struct ct_insert how = {
		.now_ns = pkt->now_ns,
		.table = ref->table - ROAM_CT_HALF + ROAM_CT_FLOWS,
		.candidates = CT_CANDIDATES,
	};
	__u8 before = ref->flow->state;
	int err;

	ref->flow->state = state;
	err = ct_insert(&how, key, ref->flow);
	if (err && err != -EEXIST) { /* -EEXIST: the other direction was faster */
		ref->flow->state = before;
		return full(pkt, ROAM_CT_FLOWS, err);
	}
	ct_unlink(ref->table, key);
	ref->flow = ct_lookup(how.table, key);
	if (ref->flow)
		update_row(ref->flow, pkt, state);
	return ROAM_CONTINUE;
}

/* Brings the flow to where this packet takes it. */
static __always_inline enum roam_verdict advance(struct roam_pkt *pkt, struct ct_ref *ref,
						 const struct roam_flow_key *key,
						 struct ct_step next)
{
	__u32 state = next.state;

	switch (next.event) {
	case CT_KEEP:
		return ROAM_CONTINUE;
	case CT_DELETE:
		ct_delete(ref->table, key);
		return ROAM_CONTINUE;
	case CT_UPDATE:
		if (state >= ROAM_CT_STATE_COUNT)
			return drop(pkt, ROAM_REASON_CT_INVALID);
		if (ref->kind == ROAM_CT_HALF && home_kind[state] == ROAM_CT_FLOWS)
			return promote(pkt, ref, key, state);
		update_row(ref->flow, pkt, state);
		return ROAM_CONTINUE;
	default:
		return drop(pkt, ROAM_REASON_CT_INVALID);
	}
}

/* The flow is gone or over: nobody but that one has translated the packet. */
static __always_inline void unview(struct roam_pkt *pkt)
{
	if (pkt->dir != ROAM_DIR_IN || pkt->lb_role != ROAM_LB_ROLE_CLIENT)
		return;
	pkt->key.remote = pkt->lb_addr;
	pkt->key.rport = pkt->lb_port;
	pkt->lb_role = ROAM_LB_ROLE_NONE;
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
	if (pkt->key.proto == IPPROTO_TCP && !is_syn(pkt->tcp_flags)) {
		if (pkt->midstream != ROAM_MIDSTREAM_PICKUP || (pkt->tcp_flags & ROAM_TCP_RST))
			return drop(pkt, ROAM_REASON_MIDSTREAM);
		pkt->ct = ROAM_PKT_CT_MIDSTREAM;
	}
	return ROAM_CONTINUE;
}

static __always_inline void note_opening(struct roam_pkt *pkt, const struct roam_flow *flow)
{
	pkt->open_dir = flow->open_dir;
	pkt->open_tcp_flags = flow->open_tcp_flags;
	pkt->open_icmp_type = flow->open_icmp_type;
	pkt->open_icmp_code = flow->open_icmp_code;
	pkt->rule = flow->rule;
}

/* What the flow does to its packets; false if this one is not as the flow's are on the wire. */
static __always_inline bool note_translation(struct roam_pkt *pkt, const struct roam_flow *flow)
{
	bool translated = flow->lb_role == ROAM_LB_ROLE_CLIENT ||
			  flow->lb_role == ROAM_LB_ROLE_BACKEND;

	if (pkt->dir == ROAM_DIR_IN) {
		if (pkt->lb_role != (translated ? flow->lb_role : ROAM_LB_ROLE_NONE))
			return false;
		if (translated &&
		    (pkt->lb_port != flow->lb_port || !addr_equal(&pkt->lb_addr, &flow->lb_addr)))
			return false;
	}
	pkt->lb_role = flow->lb_role;
	pkt->lb_addr = flow->lb_addr;
	pkt->lb_port = flow->lb_port;
	pkt->lb_service = flow->lb_service;
	pkt->lb_backend = flow->lb_backend;
	return true;
}

/*
 * A packet toward the VM, seen as its application does: with the key of the flow whose tuple on the
 * wire it has. lb_addr and lb_port are what it had there. The server's end of a hairpin has the
 * same tuple on both sides; its opening must know the other end.
 */
static __always_inline void view(struct roam_pkt *pkt, const struct roam_ct_wire *row)
{
	pkt->lb_role = row->role;
	switch (row->role) {
	case ROAM_LB_ROLE_CLIENT:
		pkt->lb_addr = pkt->key.remote;
		pkt->lb_port = pkt->key.rport;
		break;
	case ROAM_LB_ROLE_BACKEND:
		pkt->lb_addr = pkt->key.local;
		pkt->lb_port = pkt->key.lport;
		break;
	default:
		pkt->lb_role = ROAM_LB_ROLE_NONE;
		pkt->lb_hairpin = 1;
		pkt->lb_addr = row->key.local;
		pkt->lb_port = row->key.rport;
		return;
	}
	pkt->key = row->key;
}

__noinline enum roam_verdict ct_view(struct roam_pkt *pkt)
{
	const struct roam_ct_wire *row = NULL;
	struct roam_flow_key key;

	if (!pkt)
		return ROAM_DROP;
	key = pkt->key;
	for (__u32 i = 0; i < ROAM_CT_BANKS && !row; i++) {
		__u32 index = ROAM_CT_WIRE(pkt->vm, (pkt->ct_bank + i) & 1);
		void *rows = bpf_map_lookup_elem(&ct_wire, &index);

		row = rows ? bpf_map_lookup_elem(rows, &key) : NULL;
	}
	if (row)
		view(pkt, row);
	return ROAM_CONTINUE;
}

/* Whether a live flow of the VM has this key; of both banks, since flows may be on the way. */
static __always_inline struct roam_flow *find_live(const struct roam_pkt *pkt,
						   const struct roam_flow_key *key)
{
	for (__u32 i = 0; i < ROAM_CT_TABLES; i++) {
		struct roam_flow *flow = ct_lookup(ROAM_CT_TABLE(pkt->vm, 0, 0) + i, key);

		if (flow && !ct_expired(flow, pkt->now_ns))
			return flow;
	}
	return NULL;
}

/* In whichever table of the bank in use. */
static __always_inline void delete_flow(const struct roam_pkt *pkt, const struct roam_flow_key *key)
{
	ct_delete(ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, ROAM_CT_FLOWS), key);
	ct_delete(ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, ROAM_CT_HALF), key);
}

/* False if the row is that of a live flow. One that is over gives up its tuple, and goes. */
static __always_inline bool wire_is_free(const struct roam_pkt *pkt, const struct roam_ct_wire *row)
{
	struct ct_scratch *scratch = ct_scratch_get();
	struct roam_flow *flow;

	if (!scratch)
		return false;
	scratch->owner = row->key;
	flow = find_live(pkt, &scratch->owner);
	if (flow)
		return flow->lb_role != row->role;
	delete_flow(pkt, &scratch->owner);
	return true;
}

/*
 * A flow without a second key, whose first may be another's on the wire. A row of a flow that is
 * over would hide this one from its packets: it goes. The server's end of a hairpin is in the
 * client's way by nature.
 */
static __always_inline enum roam_verdict claim_plain(struct roam_pkt *pkt, void *rows,
						     const struct roam_flow_key *key)
{
	struct roam_ct_wire *row = bpf_map_lookup_elem(rows, key);

	if (!row || pkt->lb_role == ROAM_LB_ROLE_HAIRPIN_SERVER)
		return ROAM_CONTINUE;
	if (!wire_is_free(pkt, row))
		return drop(pkt, ROAM_REASON_LB_CLASH);
	bpf_map_delete_elem(rows, key);
	return ROAM_CONTINUE;
}

static __always_inline enum roam_verdict claim_wire(struct roam_pkt *pkt, void *rows,
						    const struct roam_flow_key *key)
{
	struct wire_end end = { &pkt->lb_addr, pkt->lb_port, pkt->lb_role };
	struct roam_ct_wire row = { .key = *key, .role = pkt->lb_role }, *old;
	struct roam_flow_key wire;
	struct roam_flow *plain;
	int err;

	wire_key(key, end, &wire);
	plain = find_live(pkt, &wire);
	if (plain && plain->lb_role != ROAM_LB_ROLE_HAIRPIN_SERVER)
		return drop(pkt, ROAM_REASON_LB_CLASH);
	old = bpf_map_lookup_elem(rows, &wire);
	if (old && !key_equal(&old->key, key) && !wire_is_free(pkt, old))
		return drop(pkt, ROAM_REASON_LB_CLASH);
	err = bpf_map_update_elem(rows, &wire, &row, BPF_ANY);
	if (err == -ENOMEM)
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	return err ? drop(pkt, ROAM_REASON_CT_FULL) : ROAM_CONTINUE;
}

__noinline enum roam_verdict ct_claim(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	__u32 index;
	void *rows;

	if (!pkt)
		return ROAM_DROP;
	key = pkt->key;
	index = ROAM_CT_WIRE(pkt->vm, pkt->ct_bank & 1);
	rows = bpf_map_lookup_elem(&ct_wire, &index);
	if (!rows)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	if (pkt->ct_replaces) /* now, or the claim would go with the dead row */
		delete_flow(pkt, &key);
	return has_wire_key(pkt->lb_role) ? claim_wire(pkt, rows, &key)
					  : claim_plain(pkt, rows, &key);
}

/* Gives back what ct_claim took: the flow has not been made. */
static __always_inline void unclaim(const struct roam_pkt *pkt, const struct roam_flow_key *key)
{
	struct wire_end end = { &pkt->lb_addr, pkt->lb_port, pkt->lb_role };

	wire_delete(pkt->vm, key, end);
}

/* Finds the packet's live flow. */
static __always_inline bool find_flow(struct roam_pkt *pkt, struct roam_flow_key *key,
				      struct ct_ref *ref)
{
	*key = pkt->key;
	if (!ct_find(pkt, key, ref))
		return false;
	if (!ct_expired(ref->flow, pkt->now_ns))
		return true;
	pkt->ct_replaces = 1;
	return false;
}

__noinline enum roam_verdict ct_check(struct roam_pkt *pkt)
{
	struct roam_flow_key key;
	struct ct_step next;
	struct ct_ref ref;

	if (!pkt)
		return ROAM_DROP;
	pkt->ct = ROAM_PKT_CT_NONE;
	pkt->ct_replaces = 0;
	if (!is_tracked(pkt))
		return ROAM_CONTINUE;
	if (!find_flow(pkt, &key, &ref))
		return opening(pkt);
	next = ct_step(ref.flow, pkt);
	if (next.event == CT_REOPEN) {
		pkt->ct_replaces = 1;
		return opening(pkt);
	}
	if (!note_translation(pkt, ref.flow))
		return drop(pkt, ROAM_REASON_LB_CLASH);
	if (pkt->lb_role && !pkt->can_translate)
		return drop(pkt, ROAM_REASON_LB_FRONT);
	note_opening(pkt, ref.flow);
	if (ref.flow->gen != pkt->gen) {
		pkt->ct = ROAM_PKT_CT_STALE;
		return ROAM_CONTINUE;
	}
	pkt->ct = ROAM_PKT_CT_FLOW;
	return advance(pkt, &ref, &key, next);
}

/* Policy of today admits the flow: it is as good as new. */
static __always_inline enum roam_verdict renew(struct roam_pkt *pkt)
{
	struct roam_flow_key key = pkt->key;
	enum roam_verdict verdict;
	struct ct_ref ref;

	if (!ct_find(pkt, &key, &ref))
		return drop(pkt, ROAM_REASON_CT_INVALID);
	ref.flow->gen = pkt->gen;
	ref.flow->rule = pkt->rule;
	verdict = advance(pkt, &ref, &key, ct_step(ref.flow, pkt));
	if (verdict != ROAM_CONTINUE)
		return verdict;
	return pass(pkt, ROAM_REASON_ESTABLISHED);
}

static __always_inline enum roam_verdict open_flow(struct roam_pkt *pkt)
{
	struct ct_insert how = { .now_ns = pkt->now_ns, .candidates = CT_CANDIDATES };
	struct roam_flow_key key = pkt->key;
	__u32 state = ct_first_state(pkt);
	__u32 kind = home_kind[state];
	struct ct_scratch *scratch = ct_scratch_get();
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
	};

	how.table = ROAM_CT_TABLE(pkt->vm, pkt->ct_bank & 1, kind);
	if (pkt->ct == ROAM_PKT_CT_MIDSTREAM)
		scratch->flow.flags = ROAM_FLOW_PICKED_UP;
	update_row(&scratch->flow, pkt, state);
	if (pkt->ct_replaces)
		delete_flow(pkt, &key);
	err = ct_insert(&how, &key, &scratch->flow);
	if (err && err != -EEXIST) { /* -EEXIST: another CPU saw an opening of the same flow */
		unclaim(pkt, &key);
		return full(pkt, kind, err);
	}
	return pass(pkt, ROAM_REASON_OPENED);
}

__noinline enum roam_verdict ct_commit(struct roam_pkt *pkt)
{
	if (!pkt)
		return ROAM_DROP;
	switch (pkt->ct) {
	case ROAM_PKT_CT_NONE:
		return pass(pkt, ROAM_REASON_UNTRACKED);
	case ROAM_PKT_CT_STALE:
		return renew(pkt);
	case ROAM_PKT_CT_OPENING:
	case ROAM_PKT_CT_MIDSTREAM:
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
	if (ct_find(pkt, &key, &ref))
		ct_delete(ref.table, &key);
	return drop(pkt, ROAM_REASON_REVOKED);
}

/* The second key of a row that is loaded; a tuple that is another flow's on the wire is refused. */
static __always_inline int load_wire(__u32 table, const struct roam_flow_key *key,
				     const struct roam_flow *flow)
{
	struct wire_end end = { &flow->lb_addr, flow->lb_port, flow->lb_role };
	struct roam_ct_wire row = { .key = *key, .role = flow->lb_role }, *old;
	__u32 index = table / ROAM_CT_KINDS;
	void *rows = bpf_map_lookup_elem(&ct_wire, &index);
	struct roam_flow_key wire;
	int err;

	if (!has_wire_key(flow->lb_role))
		return 0;
	if (!rows)
		return -ENOENT;
	wire_key(key, end, &wire);
	err = bpf_map_update_elem(rows, &wire, &row, BPF_NOEXIST);
	if (err != -EEXIST)
		return err == -E2BIG ? -ENOSPC : err;
	old = bpf_map_lookup_elem(rows, &wire);
	return old && key_equal(&old->key, key) ? 0 : -EEXIST;
}

static long load_row(__u32 i, struct roam_ct_load *load)
{
	struct ct_insert how = { .table = load->table }; /* no candidates: nothing is replaced */
	const struct roam_flow_rec *row = bpf_map_lookup_elem(&ct_xfer, &i);
	struct roam_flow_key key;
	int err;

	if (!row) {
		load->error = -E2BIG;
		return 1;
	}
	key = row->key;
	if (load->skip_existing && ct_lookup(how.table, &key)) {
		load->done++;
		return 0;
	}
	err = load_wire(how.table, &key, &row->flow);
	if (!err)
		err = ct_insert(&how, &key, &row->flow);
	if (err && !(err == -EEXIST && load->skip_existing)) {
		load->error = err;
		return 1;
	}
	load->done++;
	return 0;
}

SEC("syscall")
int ct_load(struct roam_ct_load *arg)
{
	struct roam_ct_load load = *arg;

	load.done = 0;
	load.error = 0;
	bpf_loop(load.count, load_row, &load, 0);
	arg->done = load.done;
	arg->error = load.error;
	return 0;
}
