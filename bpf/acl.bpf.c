// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The acl stage: a VM's rules in priority order, first match. It sees what the ct stage could not
 * judge: openings, packets that are not tracked, and flows that an older policy admitted, which are
 * matched again as their opening, without counting as a hit. Of VMs that have rules without
 * tracking, acl_stateless says before which openings are none. Owns the rules and their counters.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <roam/acl.h>
#include <roam/monitor.h>
#include <roam/pkt.h>
#include "acl_reject.h"
#include "acl_search.h"
#include "bucket.h"
#include "stages.h"

struct acl_policy_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_ACL_RULES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_acl_rule));
};

/* Written and read by user space only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct acl_policy_rows);
} acl_policy SEC(".maps");

struct acl_match_list {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP); /* lists differ in length */
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_acl_row));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX *ROAM_DIR_COUNT);
	__type(key, __u32);
	__array(values, struct acl_match_list);
} acl_match SEC(".maps");

struct acl_hit_rows {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROAM_ACL_RULES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct roam_acl_hits));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__array(values, struct acl_hit_rows);
} acl_hits SEC(".maps");

/* What a list says of a packet. */
struct decision {
	__u32 rule; /* that matched, or ROAM_RULE_NONE */
	__u8 action;
	__u8 log;
	__u8 track; /* enum roam_acl_track */
};

/* A search of one list for one packet. */
struct walk {
	struct acl_search search; /* first: acl_fits() gets it */
	struct roam_flow_key key;
	struct acl_ports ports;
	struct decision got; /* out */
	__u8 tcp_flags;      /* of the opening, or of a packet that is not tracked */
	__u8 icmp_type;
	__u8 icmp_code;
};

/*
 * One a CPU; programs run with softirqs off, so no other packet comes between. The second one is
 * for dry runs, which real packets may interrupt.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct walk);
} acl_walk SEC(".maps");

static __always_inline bool prefix_match(const struct roam_addr *addr, const __be32 *value,
					 const __be32 *mask)
{
	return (addr->words[3] & mask[3]) == value[3] && (addr->words[2] & mask[2]) == value[2] &&
	       (addr->words[1] & mask[1]) == value[1] && (addr->words[0] & mask[0]) == value[0];
}

static __always_inline bool range_match(const struct walk *walk, __u16 port,
					struct roam_port_range range)
{
	if (range.first == 0 && range.last == 0xffff)
		return true;
	return walk->ports.has_ports && port >= range.first && port <= range.last;
}

static __always_inline bool rule_matches(const struct walk *walk, const struct roam_acl_match *rule)
{
	if (rule->family && rule->family != walk->key.family)
		return false;
	if (!rule->any_proto && rule->proto != walk->key.proto)
		return false;
	if ((walk->tcp_flags & rule->tcp_mask) != rule->tcp_flags ||
	    (walk->icmp_type & rule->icmp_type_mask) != rule->icmp_type ||
	    (walk->icmp_code & rule->icmp_code_mask) != rule->icmp_code)
		return false;
	return range_match(walk, walk->ports.local, rule->lport) &&
	       range_match(walk, walk->ports.remote, rule->rport) &&
	       prefix_match(&walk->key.remote, rule->remote, rule->remote_mask) &&
	       prefix_match(&walk->key.local, rule->local, rule->local_mask);
}

static __always_inline bool acl_fits(const struct acl_search *search,
				     const struct roam_acl_match *rule)
{
	return rule_matches((const struct walk *)search, rule);
}

static __always_inline void acl_found(struct acl_search *search, const struct roam_acl_match *rule)
{
	struct walk *walk = (struct walk *)search;

	walk->got.rule = rule->id;
	walk->got.action = rule->action;
	walk->got.log = rule->log;
	walk->got.track = rule->track;
}

static __always_inline struct walk *walk_here(const struct roam_pkt *pkt)
{
	__u32 dry_run = pkt->dry_run;

	return bpf_map_lookup_elem(&acl_walk, &dry_run);
}

/*
 * Matches the packet's tuple as an opening in `dir`, into walk_here(); false if the VM has no list.
 * Global, so that the verifier checks it once for both times that it may be called.
 */
__noinline bool acl_match_as(const struct roam_pkt *pkt, __u32 dir)
{
	struct walk *walk = pkt ? walk_here(pkt) : NULL;
	bool tracked;
	void *list;
	__u32 index;

	if (!walk)
		return false;
	index = pkt->vm * ROAM_DIR_COUNT + (dir & 1);
	list = bpf_map_lookup_elem(&acl_match, &index);
	if (!list)
		return false;
	walk->key = pkt->key;
	walk->ports.local = bpf_ntohs(pkt->key.lport);
	walk->ports.remote = bpf_ntohs(pkt->key.rport);
	walk->ports.has_ports = pkt->key.proto == IPPROTO_TCP || pkt->key.proto == IPPROTO_UDP ||
				pkt->key.proto == IPPROTO_SCTP;
	tracked = pkt->ct != ROAM_PKT_CT_NONE;
	walk->tcp_flags = tracked ? pkt->open_tcp_flags : pkt->tcp_flags;
	walk->icmp_type = tracked ? pkt->open_icmp_type : pkt->icmp_type;
	walk->icmp_code = tracked ? pkt->open_icmp_code : pkt->icmp_code;
	walk->got = (struct decision){
		.rule = ROAM_RULE_NONE,
		.action = dir == ROAM_DIR_IN ? pkt->default_action[ROAM_DIR_IN]
					     : pkt->default_action[ROAM_DIR_OUT],
	};
	acl_search(list, &walk->search, &walk->key, &walk->ports);
	return true;
}

/* Tells the match to those who listen, unless the rule has told as many as it may. */
static __always_inline void log_match(struct roam_pkt *pkt, struct roam_acl_hits *hits, __u8 rate)
{
	struct bucket_take take = {
		.now_ns = pkt->now_ns,
		.burst_ns = NS_PER_S,
		.cost_ns = NS_PER_S / rate,
	};

	if (bucket_take(&hits->log_paid_ns, &take))
		pkt->events |= ROAM_EVENT_BIT(ROAM_EVENT_LOGGED);
	else
		__sync_fetch_and_add(&hits->log_lost, 1);
}

static __always_inline void count_hit(struct roam_pkt *pkt, __u8 log)
{
	__u32 slot = pkt->vm, rule = pkt->rule;
	struct roam_acl_hits *hits;
	void *rows;

	rows = bpf_map_lookup_elem(&acl_hits, &slot);
	hits = rows ? bpf_map_lookup_elem(rows, &rule) : NULL;
	if (!hits)
		return;
	__sync_fetch_and_add(&hits->packets, 1);
	__sync_fetch_and_add(&hits->bytes, pkt->len);
	hits->last_ns = pkt->now_ns;
	if (log)
		log_match(pkt, hits, log);
}

/*
 * What policy says of the packet as an opening; false if the VM has no list. Who opened what is
 * picked up in the middle is not known: the opening may have come from the other end.
 */
static __always_inline bool decide(struct roam_pkt *pkt)
{
	struct walk *walk = walk_here(pkt);
	__u8 dir = pkt->ct == ROAM_PKT_CT_NONE ? pkt->dir : pkt->open_dir;
	struct decision first;

	if (!walk || !acl_match_as(pkt, dir))
		return false;
	if (walk->got.action == ROAM_ACTION_ALLOW || !pkt->either_dir)
		return true;
	first = walk->got;
	if (!acl_match_as(pkt, !dir))
		return false;
	if (first.action == ROAM_ACTION_AUDIT && walk->got.action != ROAM_ACTION_ALLOW)
		walk->got = first;
	else
		pkt->open_dir = !dir;
	return true;
}

__noinline enum roam_verdict acl_check(struct roam_pkt *pkt)
{
	const struct walk *walk = pkt ? walk_here(pkt) : NULL;

	if (!walk)
		return ROAM_DROP;
	if (!decide(pkt))
		return drop(pkt, ROAM_REASON_NO_TABLE);
	pkt->rule = walk->got.rule;
	pkt->limited = walk->got.track == ROAM_ACL_LIMITED;
	if (pkt->elder && walk->got.action != ROAM_ACTION_ALLOW &&
	    walk->got.action != ROAM_ACTION_AUDIT)
		return drop(pkt, ROAM_REASON_NONE);
	if (pkt->rule != ROAM_RULE_NONE && pkt->ct != ROAM_PKT_CT_STALE && !pkt->dry_run)
		count_hit(pkt, walk->got.log);
	switch (walk->got.action) {
	case ROAM_ACTION_AUDIT:
		pkt->audited = 1;
		return ROAM_CONTINUE;
	case ROAM_ACTION_ALLOW:
		return ROAM_CONTINUE;
	case ROAM_ACTION_REJECT:
		return reject(pkt);
	default:
		return drop(pkt, pkt->rule != ROAM_RULE_NONE ? ROAM_REASON_ACL_RULE
							     : ROAM_REASON_ACL_DEFAULT);
	}
}

/*
 * For packets of no known flow, before anything asks for a new one: where the first match is a rule
 * without tracking, the packet becomes one that is not tracked, and is judged as such. What comes
 * for a service is tracked all the same, or answers could not be translated.
 */
__noinline enum roam_verdict acl_stateless(struct roam_pkt *pkt)
{
	const struct walk *walk = pkt ? walk_here(pkt) : NULL;

	if (!walk)
		return ROAM_DROP;
	if (!pkt->lb_role && !pkt->lb_hairpin) {
		if (!acl_match_as(pkt, pkt->dir))
			return drop(pkt, ROAM_REASON_NO_TABLE);
		if (walk->got.track == ROAM_ACL_STATELESS) {
			pkt->ct = ROAM_PKT_CT_NONE;
			return ROAM_CONTINUE;
		}
	}
	return pkt->ct == ROAM_PKT_CT_STRAY ? drop(pkt, ROAM_REASON_MIDSTREAM) : ROAM_CONTINUE;
}

#include "acl_carry.h"
