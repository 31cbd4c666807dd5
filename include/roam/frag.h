/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Fragments: a datagram that comes in several packets, of which only the first has ports. The first
 * one goes through all stages as its datagram; where it passes, a row notes that (a train), and the
 * later ones are judged by it. Nothing is held back and nothing is put together.
 *
 * Map `frag_table`: ARRAY_OF_MAPS by VM slot; inner HASH (not preallocated), struct roam_frag_key
 * -> struct roam_frag, with room for ROAM_FRAG_TRAINS. A row goes when its datagram is complete.
 * Map `frag_clock`: ARRAY_OF_MAPS by VM slot; inner QUEUE of struct roam_frag_tick, from which room
 * is made. Programs write both; user space when it loads an image.
 */
#ifndef ROAM_FRAG_H
#define ROAM_FRAG_H

#include "ct.h"
#include "types.h"

/* Incomplete datagrams of one VM. A train of an opening outlives at least so many newer ones. */
#define ROAM_FRAG_TRAINS 512

/* Linux's own: net.ipv4.ipfrag_time, net.ipv6.ip6frag_time. */
#define ROAM_FRAG_TIMEOUT4_S 30
#define ROAM_FRAG_TIMEOUT6_S 60

/* Parts of a datagram, with a gap between each, that are kept track of. */
#define ROAM_FRAG_RANGES 4

/* The addresses are those on the wire; a later fragment has nothing else. */
struct roam_frag_key {
	struct roam_addr local ROAM_CARRY("addr", "required");
	struct roam_addr remote ROAM_CARRY("addr", "required");
	__u32 zone ROAM_CARRY("zone", "required");
	__be32 id ROAM_CARRY("be", "required"); /* of IPv4: in the first two bytes */
	__u8 family ROAM_CARRY("uint", "required");
	__u8 proto ROAM_CARRY("uint", "required"); /* IPv6: 0, the fragments may differ in it */
	__u8 dir ROAM_CARRY("enum/DIR", "required");
	__u8 pad;
};

ROAM_ASSERT_SIZE(struct roam_frag_key, 44);

/* Bytes lo to hi - 1 of a datagram in one word, so that CPUs share it by compare-and-swap. */
#define ROAM_FRAG_RANGE(lo, hi) ((__u64)(hi) << 32 | (__u32)(lo))
#define ROAM_FRAG_LO(range)     ((__u32)(range))
#define ROAM_FRAG_HI(range)     ((__u32)((range) >> 32))

struct roam_frag {
	/* When the first fragment passed; its low 32 bits are the clock's stamp. */
	__u64 since_ns ROAM_CARRY("age", "required");
	/* What has passed, disjoint; 0: unused. The first one always holds the first fragment. */
	__u64 range[ROAM_FRAG_RANGES] ROAM_CARRY("uint", "required");
	/* Of a translated flow: the other address, on the other side of the port (ct.h). */
	struct roam_addr addr ROAM_CARRY("addr", "required");
	/* Bytes of the datagram; 0: its last fragment has not come. */
	__u32 size ROAM_CARRY("uint", "required");
	__u8 lb_role ROAM_CARRY("enum/LB_ROLE", "required");
	/* 1: a fragment overlapped others, nothing more of the datagram passes (RFC 5722). */
	__u8 is_dead ROAM_CARRY("uint", "required");
	/* 1: of a flow whose both ends have been heard; others' trains do not replace it. */
	__u8 established ROAM_CARRY("uint", "optional");
	__u8 pad;
};

ROAM_ASSERT_SIZE(struct roam_frag, 64);

struct roam_frag_rec {
	struct roam_frag_key key;
	__u32 pad;
	struct roam_frag frag;
};

ROAM_ASSERT_SIZE(struct roam_frag_rec, 112);

/* An entry of a clock: it stands for the row of that key if the stamp is the row's. */
struct roam_frag_tick {
	struct roam_frag_key key;
	__u32 stamp;
};

ROAM_ASSERT_SIZE(struct roam_frag_tick, 48);

#endif
