// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Tells whoever listens what has become of a packet (include/roam/monitor.h). Called at a packet's
 * end, for the few packets that something is to be told of. Owns the listeners' places.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <roam/monitor.h>
#include <roam/pkt.h>
#include <roam/vm.h>
#include "stages.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_MONITORS);
	__type(key, __u32);
	__type(value, struct roam_monitor);
} monitor_conf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ROAM_MONITORS);
	__type(key, __u32);
	__type(value, __u64);
} monitor_lost SEC(".maps");

struct event_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, ROAM_MONITORS);
	__type(key, __u32);
	__array(values, struct event_ring);
} monitor_ring SEC(".maps");

/* Room for an event in the ring of this place, or NULL: nobody is there, or it is full. */
static __always_inline struct roam_event *reserve(__u32 place)
{
	void *ring = bpf_map_lookup_elem(&monitor_ring, &place);
	struct roam_event *event;
	__u64 *lost;

	if (!ring)
		return NULL;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (event)
		return event;
	lost = bpf_map_lookup_elem(&monitor_lost, &place);
	if (lost)
		__sync_fetch_and_add(lost, 1);
	return NULL;
}

static __always_inline void tell(__u32 place, const struct roam_pkt *pkt, __u8 type)
{
	struct roam_event *event = reserve(place);

	if (!event)
		return;
	event->time_ns = pkt->now_ns;
	event->vm = pkt->vm;
	event->rule = pkt->rule;
	event->key = pkt->key;
	event->len = pkt->len;
	event->type = type;
	event->dir = pkt->dir;
	event->reason = pkt->reason;
	event->tcp_flags = pkt->tcp_flags;
	event->icmp_type = pkt->icmp_type;
	event->icmp_code = pkt->icmp_code;
	event->pad[0] = event->pad[1] = 0;
	bpf_ringbuf_submit(event, 0);
}

/* By a rate or a quota, and so by how much there is, not by what it is. */
static __always_inline bool is_limit(enum roam_reason reason)
{
	return reason == ROAM_REASON_CT_FULL || reason == ROAM_REASON_CT_HALF_FULL ||
	       reason == ROAM_REASON_IPS_LIMIT || reason == ROAM_REASON_IPS_FULL ||
	       reason == ROAM_REASON_QOS_RATE || reason == ROAM_REASON_CONN_LIMIT ||
	       reason == ROAM_REASON_CONN_LIMIT_REMOTE || reason == ROAM_REASON_CONN_LIMIT_FULL ||
	       reason == ROAM_REASON_FRAG_FULL;
}

static __always_inline __u32 events_of(const struct roam_pkt *pkt, enum roam_verdict verdict)
{
	__u32 events = pkt->events;

	if (verdict == ROAM_PASS && has_opened(pkt))
		return events | ROAM_EVENT_BIT(ROAM_EVENT_OPENED);
	if (verdict == ROAM_PASS && pkt->reason == ROAM_REASON_AUDITED)
		return events | ROAM_EVENT_BIT(ROAM_EVENT_AUDITED);
	if (verdict == ROAM_PASS)
		return events;
	return events | (is_limit(pkt->reason) ? ROAM_EVENT_BIT(ROAM_EVENT_LIMIT)
					       : ROAM_EVENT_BIT(ROAM_EVENT_DROPPED));
}

__noinline enum roam_verdict monitor_tell(const struct roam_pkt *pkt, enum roam_verdict verdict)
{
	struct roam_monitor *conf;
	__u32 events, wanted;

	if (!pkt)
		return ROAM_DROP;
	if (pkt->dry_run)
		return verdict;
	events = events_of(pkt, verdict);
	for (__u32 place = 0; place < ROAM_MONITORS; place++) {
		__u32 key = place;

		conf = bpf_map_lookup_elem(&monitor_conf, &key);
		wanted = conf ? conf->wants & events : 0;
		if (!wanted || (conf->vm != ROAM_VM_NONE && conf->vm != pkt->vm))
			continue;
		for (__u32 type = 0; type < ROAM_EVENT_COUNT; type++) {
			if (wanted & ROAM_EVENT_BIT(type))
				tell(place, pkt, type);
		}
	}
	return verdict;
}

SEC("syscall")
int monitor_say(struct roam_event *say)
{
	for (__u32 place = 0; place < ROAM_MONITORS; place++) {
		struct roam_monitor *conf;
		struct roam_event *event;
		__u32 key = place;

		conf = bpf_map_lookup_elem(&monitor_conf, &key);
		if (!conf || say->type >= ROAM_EVENT_COUNT ||
		    !(conf->wants & ROAM_EVENT_BIT(say->type)) ||
		    (conf->vm != ROAM_VM_NONE && conf->vm != say->vm))
			continue;
		event = reserve(place);
		if (!event)
			continue;
		*event = *say;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}
