// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The qos stage: the VM's rate in this direction, and the mark that its packets get. Last of the
 * list, so that only what everybody else lets pass takes tokens. Owns the profiles and buckets.
 */
#include "carry.h"
#include "qos_take.h"

__noinline enum roam_verdict qos_check(struct roam_pkt *pkt)
{
	return pkt ? qos_take(pkt) : ROAM_DROP;
}

/*
 * What comes over from another layout (include/roam/carry.h). A sender has two buckets then, and is
 * to get no more than one holds: what the old one has let pass since the last time is taken from
 * the new one, too, and may leave it in debt. That the old one was idle in between, its own time
 * tells.
 */
SEC("syscall")
int qos_merge(struct roam_carry_run *run)
{
	struct roam_qos_state old = run->old.qos, *state;
	struct roam_carry_sums more = { { old.passed_packets, old.passed_bytes, old.dropped_packets,
					  old.dropped_bytes } };
	struct roam_carry_key key = run->key;
	__u32 index = ROAM_QOS(key.vm, key.row & 1);

	state = bpf_map_lookup_elem(&qos_state, &index);
	run->error = state ? carry_more(&key, &more) : -ENOENT;
	if (!state || run->error)
		return 0;
	__sync_fetch_and_add(&state->passed_packets, more.sum[0]);
	__sync_fetch_and_add(&state->passed_bytes, more.sum[1]);
	__sync_fetch_and_add(&state->dropped_packets, more.sum[2]);
	__sync_fetch_and_add(&state->dropped_bytes, more.sum[3]);
	if (state->paid_ns)
		__sync_fetch_and_add(&state->paid_ns, run->cost_ns);
	carry_later(&state->paid_ns, old.paid_ns, CARRY_ZERO_FIRST);
	return 0;
}
