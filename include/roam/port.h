/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A port: one vNIC of a VM, bound to a device (tap or veth) of the host.
 *
 * Map `port_conf`: HASH, struct roam_port_key (VM slot and the port's number within the VM) ->
 * struct roam_port: the policy as written. Map `port_dev`: HASH, __u32 ifindex -> struct roam_port:
 * the same row where programs find it while the device exists. Maps `port_mac` and `port_addr` tell
 * the uplink which MACs and addresses are local (-> __u32 VM slot). Only user space writes, under
 * the host's lock.
 */
#ifndef ROAM_PORT_H
#define ROAM_PORT_H

#include "types.h"

#define ROAM_PORT_ADDRS 16 /* addresses bound to one port */
#define ROAM_PORT_VLANS 8  /* VLANs given to one port */
#define ROAM_VM_PORTS   16 /* ports of one VM */
#define ROAM_DEV_LEN    16 /* IFNAMSIZ */

/* Switches for what a link may carry beyond bound addresses. */
enum roam_port_switch {
	ROAM_PORT_DHCP = 1 << 0, /* the VM may be a DHCP client (DHCPv4, DHCPv6) */
	ROAM_PORT_RA = 1 << 1,   /* router advertisements reach the VM */
};

/* Numbers below ROAM_VM_PORTS, so that a VM's ports are found without looking at anybody else's. */
struct roam_port_key {
	__u32 vm;
	__u32 no;
};

/*
 * The VLANs of a port: an empty list means untagged frames only; otherwise exactly the listed
 * ROAM_VLAN()s pass, 0 standing for untagged. `zone` is the address space of the port, by a number
 * that is the VM's own; ports with the same zone_name share it. Each VLAN is a space of its own
 * within (flow keys hold the zone and the VLAN).
 */
struct roam_port {
	__u32 vm;
	__u8 mac[ROAM_MAC_LEN] ROAM_CARRY("mac", "required");
	__u8 zone; /* number within the VM; the name travels */
	__u8 switches ROAM_CARRY("uint", "required");
	__u8 addr_count ROAM_CARRY("uint", "required");
	__u8 vlan_count ROAM_CARRY("uint", "required");
	__u8 pad[2];
	struct roam_addr addr[ROAM_PORT_ADDRS] ROAM_CARRY("addr", "required");
	__u32 vlan[ROAM_PORT_VLANS] ROAM_CARRY("uint", "required");
	char zone_name[ROAM_NAME_LEN] ROAM_CARRY("name", "required");
	char dev[ROAM_DEV_LEN]; /* device name on this host */
	__u32 ifindex;          /* 0 while the device does not exist */
	__u32 pad2;
};

ROAM_ASSERT_SIZE(struct roam_port_key, 8);
ROAM_ASSERT_SIZE(struct roam_port, 392);

#endif
