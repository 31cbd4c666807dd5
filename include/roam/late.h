/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Late packets: what reaches the source of a handover for a VM that is paused there, or runs at the
 * destination already, is carried to the destination in UDP (docs/handover.md). The frame travels
 * whole, behind this header:
 *
 *   outer IPv4 or IPv6 │ UDP, port ROAM_LATE_PORT │ struct roam_late_header │ Ethernet frame
 *
 * Map `late_to`: HASH by slot of struct roam_late_to, at the source: the way. When late packets may
 * take it, the VM's gate says (move.h). Map `late_from`: HASH by the handover's id of struct
 * roam_late_from, at the destination: what is taken out, and from whom. User space makes and
 * removes the rows; programs count in them.
 */
#ifndef ROAM_LATE_H
#define ROAM_LATE_H

#include "port.h"
#include "types.h"

#define ROAM_LATE_PORT 4790

/* "roam", and its version. What does not begin so is none of roam's: it passes. */
#define ROAM_LATE_MAGIC   0x726f616dU
#define ROAM_LATE_VERSION 1

/* Byte order: network. */
struct roam_late_header {
	__be32 magic;
	__be32 version;
	__u8 id[16]; /* of the handover */
	__be64 epoch;
};

ROAM_ASSERT_SIZE(struct roam_late_header, 32);

/* What is round an IP packet of the VM: outer IP and UDP, that header, the frame's own. */
#define ROAM_LATE_ROOM_IPV4 (20 + 8 + 32 + 14)
#define ROAM_LATE_ROOM_IPV6 (40 + 8 + 32 + 14)

struct roam_late_key {
	__u8 id[16]; /* of the handover */
};

/* Packets that were carried or taken, with what was round them. */
struct roam_late_count {
	__u64 packets;
	__u64 bytes;
};

struct roam_late_to {
	struct roam_addr from; /* this host's end; the family of `to` */
	struct roam_addr to;
	__u8 id[16];
	__u64 epoch;
	__u32 ifindex; /* of the device that the way begins with */
	__u32 mtu;     /* of the whole way, as far as it is known */
	struct roam_late_count count;
};

struct roam_late_mac {
	__u8 bytes[ROAM_MAC_LEN];
	__u8 pad[2];
};

struct roam_late_from {
	struct roam_addr from; /* the source's end */
	struct roam_addr to;   /* this host's */
	__u64 epoch;
	__u64 until_ns; /* CLOCK_MONOTONIC; 0: while the handover lives */
	__u32 vm;       /* slot */
	__u32 mac_count;
	struct roam_late_mac mac[ROAM_VM_PORTS]; /* its ports': for no other frame is taken */
	struct roam_late_count count;
};

ROAM_ASSERT_SIZE(struct roam_late_key, 16);
ROAM_ASSERT_SIZE(struct roam_late_to, 80);
ROAM_ASSERT_SIZE(struct roam_late_from, 200);

/* Handovers at once of a host, and those that are just over. */
#define ROAM_LATE_WAYS 1024

/* The destination takes late packets for so long when the handover is over, and no longer. */
#define ROAM_LATE_MOST_S 60

#endif
