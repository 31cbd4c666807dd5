// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The gate of a VM that is on its way between two hosts, and the log of rows that are written while
 * it is copied: include/roam/move.h, docs/handover.md. Called for no other VM. It owns the gates,
 * the logs, and the counts of packets that are under way.
 *
 * The VM's first frame opens it at the destination, or thaws it at the source: a paused VM sends
 * none, and what the host itself sends on that device goes the other way. Each of these transitions
 * is one compare-and-exchange, so one packet makes it, and never over one of user space.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/move.h>
#include <roam/pkt.h>
#include <roam/vm.h>
#include "move_flight.h"
#include "stages.h"

struct move_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct move_ring);
} move_log SEC(".maps");

/* As it is now, not as it was when this was compiled. */
static __always_inline __u32 state_of(const struct roam_gate *gate)
{
	return *(const volatile __u32 *)&gate->state;
}

/* What comes for a VM that has left, or is about to: carried after it while it may, or dropped. */
static __always_inline enum roam_verdict move_late(struct roam_pkt *pkt,
						   const struct roam_gate *gate,
						   enum roam_reason reason)
{
	__u64 until_ns = *(const volatile __u64 *)&gate->late_until_ns;
	enum roam_verdict verdict = ROAM_CONTINUE;

	if (until_ns && (__s64)(pkt->now_ns - until_ns) < 0)
		verdict = late_carry(pkt);
	return verdict == ROAM_CONTINUE ? drop(pkt, reason) : verdict;
}

__noinline enum roam_verdict gate_leaves(const struct roam_pkt *pkt)
{
	const struct roam_gate *gate = pkt ? gate_of(pkt->vm) : NULL;
	__u32 state;

	if (!gate)
		return ROAM_DROP;
	state = state_of(gate);
	return state == ROAM_GATE_FROZEN || state == ROAM_GATE_MOVED ? ROAM_DROP : ROAM_CONTINUE;
}

/* The VM runs here: whatever else there is to know of it. */
static __always_inline enum roam_verdict run_here(struct roam_pkt *pkt,
						  const struct roam_gate *gate)
{
	__u64 opened_ns = gate->opened_ns;

	if (!gate->grace || (opened_ns && (__s64)(pkt->now_ns - opened_ns) >= (__s64)ROAM_GRACE_NS))
		return ROAM_CONTINUE;
	pkt->gate = ROAM_PKT_GATE_GRACE;
	pkt->tcp_liberal = 1; /* what is known of windows may be old */
	return ROAM_CONTINUE;
}

/* From the VM: who is heard is looked at behind spoof. */
static __always_inline enum roam_verdict check_out(struct roam_pkt *pkt,
						   const struct roam_gate *gate)
{
	switch (state_of(gate)) {
	case ROAM_GATE_COPYING:
	case ROAM_GATE_FROZEN:
	case ROAM_GATE_MOVED:
	case ROAM_GATE_STAGED:
		return ROAM_CONTINUE;
	case ROAM_GATE_PREPARED:
		return drop(pkt, ROAM_REASON_PREPARED);
	case ROAM_GATE_OPEN:
		return run_here(pkt, gate);
	default:
		return drop(pkt, ROAM_REASON_VM_SHUT);
	}
}

static __always_inline enum roam_verdict check_in(struct roam_pkt *pkt,
						  const struct roam_gate *gate)
{
	switch (state_of(gate)) {
	case ROAM_GATE_COPYING:
		return ROAM_CONTINUE;
	case ROAM_GATE_FROZEN:
		return move_late(pkt, gate, ROAM_REASON_FROZEN);
	case ROAM_GATE_MOVED:
		return move_late(pkt, gate, ROAM_REASON_MOVED);
	case ROAM_GATE_PREPARED:
		return drop(pkt, ROAM_REASON_PREPARED);
	case ROAM_GATE_STAGED:
		return gate->in_open ? ROAM_CONTINUE : drop(pkt, ROAM_REASON_STAGED);
	case ROAM_GATE_OPEN:
		return run_here(pkt, gate);
	default:
		return drop(pkt, ROAM_REASON_VM_SHUT);
	}
}

__noinline enum roam_verdict gate_check(struct roam_pkt *pkt)
{
	const struct roam_gate *gate;

	if (!pkt)
		return ROAM_DROP;
	gate = gate_of(pkt->vm);
	if (!gate || flight_begin(pkt) != ROAM_CONTINUE)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	return pkt->dir == ROAM_DIR_OUT ? check_out(pkt, gate) : check_in(pkt, gate);
}

/* The time is there before anybody can see that it is open. */
static __always_inline void open_gate(struct roam_gate *gate, __u64 now_ns)
{
	__sync_val_compare_and_swap(&gate->opened_ns, 0, now_ns);
	__sync_val_compare_and_swap(&gate->state, ROAM_GATE_STAGED, ROAM_GATE_OPEN);
}

static __always_inline void thaw(struct roam_gate *gate, __u32 from, __u32 *count)
{
	if (__sync_val_compare_and_swap(&gate->state, from, ROAM_GATE_COPYING) == from)
		__sync_fetch_and_add(count, 1);
}

__noinline enum roam_verdict gate_heard(struct roam_pkt *pkt)
{
	struct roam_gate *gate;
	__u32 state;

	if (!pkt)
		return ROAM_DROP;
	gate = gate_of(pkt->vm);
	if (!gate)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	state = state_of(gate);
	if (pkt->dry_run)
		return state == ROAM_GATE_STAGED ? run_here(pkt, gate) : ROAM_CONTINUE;
	if (state == ROAM_GATE_STAGED)
		open_gate(gate, pkt->now_ns);
	else if (state == ROAM_GATE_FROZEN)
		thaw(gate, ROAM_GATE_FROZEN, &gate->thawed);
	else if (state == ROAM_GATE_MOVED)
		thaw(gate, ROAM_GATE_MOVED, &gate->two_senders);
	/* Whoever was faster since gate_check, here or in user space, has the last word. */
	return check_out(pkt, gate);
}

__noinline int move_note(__u32 vm, const struct roam_log_rec *rec)
{
	struct roam_log_rec *room;
	struct roam_gate *gate;
	void *ring;

	if (!rec)
		return 0;
	ring = bpf_map_lookup_elem(&move_log, &vm);
	gate = gate_of(vm);
	if (!ring || !gate)
		return 0;
	room = bpf_ringbuf_reserve(ring, sizeof(*room), 0);
	if (!room) {
		__sync_fetch_and_add(&gate->lost, 1);
		return 0;
	}
	*room = *rec;
	room->round = *(volatile __u16 *)&gate->round;
	bpf_ringbuf_submit(room, BPF_RB_NO_WAKEUP);
	return 0;
}
