// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The ips stage, toward the VM only: drops what comes from a blocked source, counts the connections
 * that each source opens, and blocks a source that opens too many. Behind ct, so that it knows an
 * opening; before acl, so that scanning closed ports counts. At the uplink it enforces blocks that
 * are known already. Owns profiles, sources and blocks.
 */
#include <roam/monitor.h>
#include "ips_table.h"
#include "stages.h"

static __always_inline struct roam_addr source_of(const struct roam_pkt *pkt,
						  const struct roam_ips *conf)
{
	bool ipv4 = pkt->key.family == ROAM_FAMILY_IPV4;
	struct roam_addr source = sender_of(pkt);

	for (int i = 0; i < 4; i++)
		source.words[i] &= ipv4 ? conf->mask4[i] : conf->mask6[i];
	return source;
}

static __always_inline struct roam_ips_block *find_block(const struct roam_pkt *pkt,
							 const struct roam_addr *source)
{
	__u32 slot = pkt->vm;
	void *rows = bpf_map_lookup_elem(&ips_block, &slot);

	return rows ? bpf_map_lookup_elem(rows, source) : NULL;
}

static __always_inline bool is_blocked(const struct roam_pkt *pkt, const struct roam_addr *source,
				       struct roam_ips_block *block)
{
	if (!block || block_is_over(block, pkt->now_ns))
		return false;
	if (pkt->dry_run)
		return true;
	__sync_fetch_and_add(&block->packets, 1);
	__sync_fetch_and_add(&block->bytes, pkt->len);
	block->last_ns = pkt->now_ns;
	if (pkt->round && block->logged != pkt->round) {
		block->logged = pkt->round;
		ips_note(pkt, ROAM_LOG_BLOCK, source, false);
	}
	return true;
}

/* How long the block of so many strikes is: twice as long each time. */
static __always_inline __u64 block_ns(const struct roam_ips *conf, __u32 strikes)
{
	__u64 seconds = conf->block_s;

	if (strikes > 1)
		seconds <<= strikes - 1 < 31 ? strikes - 1 : 31;
	return (seconds < conf->block_max_s ? seconds : conf->block_max_s) * NS_PER_S;
}

/* A block that is over, once more; of CPUs that race here one counts the strike. */
static __always_inline void block_again(struct roam_pkt *pkt, const struct roam_ips *conf,
					const struct roam_addr *source,
					struct roam_ips_block *block)
{
	__u64 forget = (__u64)conf->block_max_s * ROAM_IPS_FORGET_FACTOR * NS_PER_S;
	__u64 until = block->until_ns;
	__u32 strikes = block->strikes + 1;

	if ((__s64)(pkt->now_ns - until) > (__s64)forget)
		strikes = 1;
	if (__sync_val_compare_and_swap(&block->until_ns, until,
					pkt->now_ns + block_ns(conf, strikes)) != until)
		return;
	block->strikes = strikes;
	block->logged = pkt->round;
	if (pkt->round)
		ips_note(pkt, ROAM_LOG_BLOCK, source, true);
	pkt->events |= ROAM_EVENT_BIT(ROAM_EVENT_BLOCKED);
}

/* The source has opened too many. */
static __always_inline enum roam_verdict exceeded(struct roam_pkt *pkt, const struct roam_ips *conf,
						  const struct roam_addr *source,
						  struct roam_ips_block *block)
{
	struct roam_ips_block fresh = {
		.since_ns = pkt->now_ns,
		.until_ns = pkt->now_ns + block_ns(conf, 1),
		.strikes = 1,
		.logged = pkt->round,
	};

	if (conf->block_s && block) {
		if (!pkt->dry_run)
			block_again(pkt, conf, source, block);
	} else if (conf->block_s) {
		if (!ips_block_insert(pkt, source, &fresh))
			return drop(pkt, ROAM_REASON_IPS_FULL);
		pkt->events |= ROAM_EVENT_BIT(ROAM_EVENT_BLOCKED);
	}
	return drop(pkt, ROAM_REASON_IPS_LIMIT);
}

static __always_inline bool is_opening(const struct roam_pkt *pkt)
{
	return pkt->ct == ROAM_PKT_CT_OPENING || pkt->ct == ROAM_PKT_CT_MIDSTREAM;
}

__noinline enum roam_verdict ips_check(struct roam_pkt *pkt)
{
	struct roam_ips_source *window;
	struct roam_ips_block *block;
	const struct roam_ips *conf;
	struct bucket_take take;
	struct roam_addr source;
	__u32 slot;

	if (!pkt)
		return ROAM_DROP;
	slot = pkt->vm;
	conf = bpf_map_lookup_elem(&ips_conf, &slot);
	if (!conf)
		return drop(pkt, ROAM_REASON_NO_TABLE);
	source = source_of(pkt, conf);
	block = find_block(pkt, &source);
	if (is_blocked(pkt, &source, block))
		return drop(pkt, ROAM_REASON_IPS_BLOCKED);
	if (!conf->rate || !is_opening(pkt))
		return ROAM_CONTINUE;
	window = ips_source_of(pkt, &source);
	if (!window && pkt->dry_run)
		return ROAM_CONTINUE; /* it would be made, and its bucket be full */
	if (!window)
		return drop(pkt, ROAM_REASON_NO_MEMORY);
	/* Openings are few and expensive: of a burst of five the fifth is not to miss by a tick. */
	take = (struct bucket_take){
		.now_ns = pkt->lag_ms ? bpf_ktime_get_ns() : pkt->now_ns,
		.burst_ns = conf->burst_ns,
		.cost_ns = conf->cost_ns,
		.dry_run = pkt->dry_run,
	};
	if (bucket_take(&window->paid_ns, &take)) {
		if (pkt->round && !pkt->dry_run)
			ips_note(pkt, ROAM_LOG_SOURCE, &source, false);
		return ROAM_CONTINUE;
	}
	return exceeded(pkt, conf, &source, block);
}

/* At the uplink, before the host's stack has spent anything on the packet. */
__noinline enum roam_verdict ips_early(struct roam_pkt *pkt)
{
	const struct roam_ips *conf;
	struct roam_addr source;
	__u32 slot;

	if (!pkt)
		return ROAM_DROP;
	slot = pkt->vm;
	conf = bpf_map_lookup_elem(&ips_conf, &slot);
	if (!conf)
		return ROAM_CONTINUE; /* the port judges */
	source = source_of(pkt, conf);
	if (is_blocked(pkt, &source, find_block(pkt, &source)))
		return drop(pkt, ROAM_REASON_IPS_BLOCKED);
	return ROAM_CONTINUE;
}

#include "ips_carry.h"
