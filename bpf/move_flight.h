/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A packet of a VM with a gate is under way (include/roam/move.h): for move.bpf.c, whose maps these
 * are, and for pipeline.h: all packets of a VM that is copied pay for it.
 */
#ifndef ROAM_BPF_MOVE_FLIGHT_H
#define ROAM_BPF_MOVE_FLIGHT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/move.h>
#include <roam/pkt.h>
#include <roam/vm.h>
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__type(value, struct roam_gate);
} move_gate __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ROAM_FLIGHT_CPUS);
	__type(key, __u32);
	__type(value, struct roam_flight);
} move_flight __weak SEC(".maps");

static __always_inline struct roam_gate *gate_of(__u32 slot)
{
	return bpf_map_lookup_elem(&move_gate, &slot);
}

static __always_inline struct roam_flight *flight(void)
{
	__u32 cpu = bpf_get_smp_processor_id() & (ROAM_FLIGHT_CPUS - 1);

	return bpf_map_lookup_elem(&move_flight, &cpu);
}

/*
 * An atomic operation that returns something is a full barrier: what is read behind it is as new as
 * whoever waits for this packet to leave has written it.
 */
static __always_inline enum roam_verdict flight_begin(struct roam_pkt *pkt)
{
	struct roam_flight *here = flight();
	struct roam_gate *gate = gate_of(pkt->vm);

	if (!here || !gate)
		return ROAM_DROP;
	if (!pkt->dry_run && __sync_fetch_and_add(&here->entered, 1) == ~0ULL)
		return ROAM_DROP; /* never: so that what it returns is used */
	pkt->round = *(volatile __u16 *)&gate->round;
	return ROAM_CONTINUE;
}

/* Returns its argument's verdict. */
static __always_inline enum roam_verdict flight_end(const struct roam_pkt *pkt,
						    enum roam_verdict verdict)
{
	struct roam_flight *here = flight();

	if (here && !pkt->dry_run && __sync_fetch_and_add(&here->left, 1) == ~0ULL)
		return ROAM_DROP; /* never, as above: what the packet has written comes first */
	return verdict;
}

#endif
