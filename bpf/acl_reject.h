/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What acl.bpf.c (its only includer) knows of rejecting: whether a packet may be answered, how many
 * a VM's may be in a second, and which frames are such answers on their way.
 *
 * An answer is the packet itself, turned around by the front end (answer.h), and comes by the same
 * device again in the other direction. It is known by a mark that no frame can carry and that
 * nobody can guess: a random number of the VM's slot in skb->mark.
 */
#ifndef ROAM_BPF_ACL_REJECT_H
#define ROAM_BPF_ACL_REJECT_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <roam/acl.h>
#include <roam/pkt.h>
#include "bucket.h"
#include "stages.h"

#define ECHO_REQUEST  8
#define ECHO_REQUEST6 128

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_VM_MAX);
	__type(key, __u32);
	__type(value, struct roam_acl_reject);
} acl_reject SEC(".maps");

/* Of one host: not a group, not everybody, not nobody. */
static __always_inline bool is_one_host(const struct roam_addr *addr)
{
	if (addr_is_ipv4(addr))
		return addr->bytes[12] && addr->bytes[12] < 0xe0;
	return addr->bytes[0] != 0xff &&
	       (addr->words[0] || addr->words[1] || addr->words[2] || addr->words[3]);
}

/* RFC 1122, 3.2.2, and RFC 4443, 2.4 (e): never an error about an error, or to more than one. */
static __always_inline bool may_answer(const struct roam_pkt *pkt)
{
	if (!pkt->can_translate || is_error(pkt) || pkt->frag || (pkt->facts & ROAM_PKT_TO_GROUP) ||
	    (pkt->smac[0] & 1) || !is_one_host(&pkt->key.remote) || !is_one_host(&pkt->key.local))
		return false;
	switch (pkt->key.proto) {
	case IPPROTO_TCP:
		return !(pkt->tcp_flags & ROAM_TCP_RST);
	case IPPROTO_ICMP:
		return pkt->icmp_type == ECHO_REQUEST;
	case IPPROTO_ICMPV6:
		return pkt->icmp_type == ECHO_REQUEST6;
	default:
		return true;
	}
}

/* Of CPUs that race here one sets it. */
static __always_inline __u32 mark_of(struct roam_acl_reject *row)
{
	__u32 mark = row->mark;

	if (mark)
		return mark;
	mark = bpf_get_prandom_u32() | 1;
	__sync_val_compare_and_swap(&row->mark, 0, mark);
	return row->mark;
}

static __always_inline enum roam_verdict reject(struct roam_pkt *pkt)
{
	struct bucket_take take = {
		.now_ns = pkt->now_ns,
		.burst_ns = NS_PER_S,
		.cost_ns = NS_PER_S / ROAM_ACL_ANSWERS,
	};
	__u32 slot = pkt->vm;
	struct roam_acl_reject *row = bpf_map_lookup_elem(&acl_reject, &slot);

	if (pkt->dry_run)
		return drop(pkt, ROAM_REASON_REJECTED);
	if (row && may_answer(pkt) && bucket_take(&row->paid_ns, &take)) {
		pkt->mark = mark_of(row);
		pkt->answer = 1;
	}
	return drop(pkt, ROAM_REASON_REJECTED);
}

/* PASS for an answer, which was made of a packet that had been judged. */
__noinline enum roam_verdict acl_answer(struct roam_pkt *pkt)
{
	const struct roam_acl_reject *row;
	__u32 slot;

	if (!pkt)
		return ROAM_DROP;
	slot = pkt->vm;
	row = bpf_map_lookup_elem(&acl_reject, &slot);
	if (!row || !row->mark || row->mark != pkt->mark)
		return ROAM_CONTINUE;
	return pass(pkt, ROAM_REASON_ANSWERED);
}

#endif
