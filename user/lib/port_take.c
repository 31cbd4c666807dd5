// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A VM's ports become those of another policy, in two steps of a takeover (takeover.h): before its
 * rules change, what the new policy does not give; after them, what it adds. Each can be repeated.
 */
#include <string.h>
#include <bpf/bpf.h>
#include "port.h"

/* Ports of a VM, each under its number. */
struct numbered {
	struct roam_port port[ROAM_VM_PORTS];
	bool used[ROAM_VM_PORTS];
};

static void read_ports(struct host *host, uint32_t slot, struct numbered *ret_ports)
{
	struct roam_port_key key = { .vm = slot };

	for (key.no = 0; key.no < ROAM_VM_PORTS; key.no++)
		ret_ports->used[key.no] = !bpf_map_lookup_elem(host_map(host, HOST_MAP_port_conf),
							       &key, &ret_ports->port[key.no]);
}

/* The number of the port with this MAC; ROAM_VM_PORTS if there is none. */
static uint32_t find_mac(const struct numbered *ports, const uint8_t *mac)
{
	uint32_t no = 0;

	while (no < ROAM_VM_PORTS &&
	       (!ports->used[no] || memcmp(ports->port[no].mac, mac, ROAM_MAC_LEN) != 0))
		no++;
	return no;
}

static bool has_addr(const struct roam_port *port, const struct roam_addr *addr)
{
	for (int i = 0; i < port->addr_count; i++) {
		if (!memcmp(&port->addr[i], addr, sizeof(*addr)))
			return true;
	}
	return false;
}

/* An empty list is untagged frames. */
static bool has_vlan(const struct roam_port *port, uint32_t vlan)
{
	for (int i = 0; i < port->vlan_count; i++) {
		if (port->vlan[i] == vlan)
			return true;
	}
	return !port->vlan_count && !vlan;
}

/* What of port `a` port `b` has, too; false: no frame can be right for both. */
static bool intersect(const struct roam_port *a, const struct roam_port *b,
		      struct roam_port *ret_both)
{
	struct roam_port both = *a;

	if (strcmp(a->zone_name, b->zone_name) != 0)
		return false;
	both.switches &= b->switches;
	both.addr_count = 0;
	both.vlan_count = 0;
	for (int i = 0; i < a->addr_count; i++) {
		if (has_addr(b, &a->addr[i]))
			both.addr[both.addr_count++] = a->addr[i];
	}
	for (int i = 0; i < a->vlan_count; i++) {
		if (has_vlan(b, a->vlan[i]))
			both.vlan[both.vlan_count++] = a->vlan[i];
	}
	if (!a->vlan_count && has_vlan(b, 0))
		both.vlan[both.vlan_count++] = 0;
	*ret_both = both;
	return both.vlan_count;
}

/* Only what programs read: the row of policy tells of the old port until the new one is there. */
static int narrow(struct host *host, const struct roam_port *port, const struct roam_port *wanted)
{
	struct roam_port both;

	if (!port->ifindex)
		return 0;
	if (strcmp(port->dev, wanted->dev) != 0) {
		port_unbind(host, port);
		return 0;
	}
	if (intersect(port, wanted, &both))
		return host_put(host, HOST_MAP_port_dev, &port->ifindex, &both);
	return host_delete(host, HOST_MAP_port_dev, &port->ifindex);
}

int port_narrow(struct host *host, uint32_t slot, uint32_t from)
{
	struct roam_port_key key = { .vm = slot };
	struct numbered now, wanted;
	int err = 0;

	read_ports(host, slot, &now);
	read_ports(host, from, &wanted);
	for (; key.no < ROAM_VM_PORTS && !err; key.no++) {
		const struct roam_port *port = &now.port[key.no];
		uint32_t no = now.used[key.no] ? find_mac(&wanted, port->mac) : 0;

		if (!now.used[key.no])
			continue;
		if (no < ROAM_VM_PORTS) {
			err = narrow(host, port, &wanted.port[no]);
		} else {
			port_unbind(host, port);
			err = host_delete(host, HOST_MAP_port_conf, &key);
		}
	}
	return err;
}

/* Under the number of the port with its MAC, or the first free one; binding comes later. */
static int take(struct host *host, uint32_t slot, struct numbered *now, struct roam_port row)
{
	struct roam_port_key key = { .vm = slot, .no = find_mac(now, row.mac) };

	row.vm = slot;
	row.ifindex = 0;
	if (key.no < ROAM_VM_PORTS) {
		if (!strcmp(now->port[key.no].dev, row.dev))
			row.ifindex = now->port[key.no].ifindex;
		port_withdraw(host, &now->port[key.no]);
	} else {
		key.no = 0;
		while (now->used[key.no])
			key.no++;
	}
	now->used[key.no] = true;
	now->port[key.no] = row;
	return host_put(host, HOST_MAP_port_conf, &key, &row);
}

int port_take(struct host *host, uint32_t slot, uint32_t from)
{
	struct numbered now, wanted;
	int err = 0;

	read_ports(host, slot, &now);
	read_ports(host, from, &wanted);
	for (uint32_t no = 0; no < ROAM_VM_PORTS && !err; no++) {
		if (wanted.used[no])
			err = take(host, slot, &now, wanted.port[no]);
	}
	return err;
}
