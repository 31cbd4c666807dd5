/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `roam monitor` tells, as it happens.
 *
 * There may be ROAM_MONITORS listeners at once, each in a place of its own. Map `monitor_conf`:
 * ARRAY by place of struct roam_monitor, what the listener wants (0: there is none). Map
 * `monitor_ring`: ARRAY_OF_MAPS by place; inner RINGBUF of struct roam_event, made and read by the
 * listener. Programs write an event where it is wanted, and where there is no room count it in map
 * `monitor_lost`, ARRAY by place of __u64, atomically: nothing ever waits for a listener, and
 * without one an event costs a test in each place.
 *
 * Program `monitor_say` is for events of user space: it gets a struct roam_event as its context and
 * hands it on.
 */
#ifndef ROAM_MONITOR_H
#define ROAM_MONITOR_H

#include "ct.h"
#include "types.h"

#define ROAM_MONITORS 4

#define ROAM_EVENTS(X)                                                                             \
	X(OPENED, "opened")   /* a flow */                                                         \
	X(CLOSED, "closed")   /* a TCP flow, by FIN or RST; what expires is not noticed */         \
	X(DROPPED, "dropped") /* a packet, for a reason that is none of the next */                \
	X(LIMIT, "limit")     /* a packet, by a rate or a quota */                                 \
	X(BLOCKED, "blocked") /* a source, from now on */                                          \
	X(LOADED, "loaded")   /* an image: the VM is here now */                                   \
	X(LOGGED, "logged")   /* a packet that was matched by a rule with `log` */                 \
	X(AUDITED, "audited") /* a packet that policy would drop, were it not audited */

enum roam_event_type {
#define X(id, text) ROAM_EVENT_##id,
	ROAM_EVENTS(X)
#undef X
		ROAM_EVENT_COUNT
};

#define ROAM_EVENT_BIT(type) (1U << (type))

struct roam_monitor {
	__u32 wants; /* ROAM_EVENT_BIT of each type */
	__u32 vm;    /* slot of the only VM, or ROAM_VM_NONE for all */
};

ROAM_ASSERT_SIZE(struct roam_monitor, 8);

struct roam_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 vm;      /* slot, or ROAM_VM_NONE */
	__u32 rule;    /* that decided, or ROAM_RULE_NONE */
	struct roam_flow_key key;
	__u32 len; /* of the frame */
	__u8 type; /* enum roam_event_type */
	__u8 dir;
	__u8 reason;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 pad[2];
};

ROAM_ASSERT_SIZE(struct roam_event, 72);

#endif
