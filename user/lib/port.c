// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Ports as policy: see port.h. Binding them to devices is in port_bind.c. */
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include "journal.h"
#include "port.h"
#include "text.h"
#include "vm.h"

static bool is_default_zone(const struct roam_port *port)
{
	char mac[TEXT_MAC_LEN];

	return !strcmp(port->zone_name, text_mac(port->mac, mac));
}

static int validate_addrs(const struct roam_port *port)
{
	char text[TEXT_ADDR_LEN];

	if (port->addr_count > ROAM_PORT_ADDRS)
		return fail(-E2BIG, "port: more than %d addresses", ROAM_PORT_ADDRS);
	for (int i = 0; i < port->addr_count; i++) {
		if (!addr_is_unicast(&port->addr[i]))
			return fail(-EINVAL, "port: addr %s is not a host's address",
				    text_addr(&port->addr[i], text));
		for (int j = 0; j < i; j++) {
			if (!memcmp(&port->addr[i], &port->addr[j], sizeof(port->addr[i])))
				return fail(-EINVAL, "port: addr %s is given twice",
					    text_addr(&port->addr[i], text));
		}
	}
	return 0;
}

static int validate_vlans(const struct roam_port *port)
{
	char text[TEXT_VLAN_LEN];

	if (port->vlan_count > ROAM_PORT_VLANS)
		return fail(-E2BIG, "port: more than %d vlans", ROAM_PORT_VLANS);
	for (int i = 0; i < port->vlan_count; i++) {
		if (port->vlan[i] & ~ROAM_VLAN_MASK)
			return fail(-EINVAL, "port: a vlan that is none");
		for (int j = 0; j < i; j++) {
			if (port->vlan[i] == port->vlan[j])
				return fail(-EINVAL, "port: vlan %s is given twice",
					    text_vlan(port->vlan[i], text));
		}
	}
	return 0;
}

int port_validate(const struct roam_port *port)
{
	char mac[TEXT_MAC_LEN];
	int err;

	if ((port->mac[0] & 1) || !memcmp(port->mac, (uint8_t[ROAM_MAC_LEN]){}, ROAM_MAC_LEN))
		return fail(-EINVAL, "port: mac %s is not a host's", text_mac(port->mac, mac));
	if (!text_name_valid(port->zone_name))
		return fail(-EINVAL, "port: the zone's name is not a name");
	if (port->switches & ~(ROAM_PORT_DHCP | ROAM_PORT_RA))
		return fail(-EINVAL, "port: an unknown switch");
	err = validate_addrs(port);
	return err ? err : validate_vlans(port);
}

static int check_dev(struct host *host, uint32_t slot, const struct roam_port *port)
{
	uint32_t ifindex = if_nametoindex(port->dev);
	struct roam_port other;

	/* It may be declared before it is there. */
	if (ifindex && !bpf_map_lookup_elem(host_map(host, HOST_MAP_port_dev), &ifindex, &other) &&
	    other.vm != slot)
		return fail(-EBUSY, "port: dev %s is a port already", port->dev);
	return 0;
}

/* An address that both have, in the zone that the uplink sees. */
static const struct roam_addr *common_addr(const struct roam_port *a, const struct roam_port *b)
{
	if (!is_default_zone(a) || !is_default_zone(b))
		return NULL;
	for (int i = 0; i < a->addr_count; i++) {
		for (int j = 0; j < b->addr_count; j++) {
			if (!memcmp(&a->addr[i], &b->addr[j], sizeof(a->addr[i])))
				return &a->addr[i];
		}
	}
	return NULL;
}

static int check_other(struct host *host, const struct roam_port *port,
		       const struct roam_port *other)
{
	const struct roam_addr *addr = common_addr(port, other);
	char text[TEXT_ADDR_LEN];
	bool same_dev = !strcmp(port->dev, other->dev);
	struct roam_vm vm;

	if (!addr && !same_dev && memcmp(port->mac, other->mac, ROAM_MAC_LEN) != 0)
		return 0;
	/* A VM in the making is looked at when it is published. */
	if (vm_get(host, other->vm, &vm) || vm.life == ROAM_LIFE_MAKING)
		return 0;
	if (same_dev)
		return fail(-EBUSY, "port: dev %s is a port of VM '%s'", port->dev, vm.name);
	if (!addr)
		return fail(-EEXIST, "port: mac %s belongs to a port of VM '%s'",
			    text_mac(port->mac, text), vm.name);
	return fail(-EEXIST, "port: addr %s belongs to a port of VM '%s' in the same zone",
		    text_addr(addr, text), vm.name);
}

int port_check_free(struct host *host, uint32_t slot, const struct roam_port *port)
{
	int fd = host_map(host, HOST_MAP_port_conf), err = 0;
	struct roam_port_key key, *at = NULL;
	struct roam_port other;

	while (!err && !bpf_map_get_next_key(fd, at, &key)) {
		at = &key;
		if (key.vm != slot && key.vm != port->vm && !bpf_map_lookup_elem(fd, &key, &other))
			err = check_other(host, port, &other);
	}
	return err ? err : check_dev(host, slot, port);
}

int port_list(struct host *host, uint32_t slot, struct roam_port ports[ROAM_VM_PORTS])
{
	struct roam_port_key key = { .vm = slot };
	int count = 0;

	for (key.no = 0; key.no < ROAM_VM_PORTS; key.no++) {
		if (!bpf_map_lookup_elem(host_map(host, HOST_MAP_port_conf), &key, &ports[count]))
			count++;
	}
	return count;
}

bool port_has_addr(const struct roam_port *ports, int count, uint32_t zone_no,
		   const struct roam_addr *addr)
{
	for (int i = 0; i < count; i++) {
		if (ports[i].zone != zone_no)
			continue;
		for (int j = 0; j < ports[i].addr_count; j++) {
			if (!memcmp(&ports[i].addr[j], addr, sizeof(*addr)))
				return true;
		}
	}
	return false;
}

uint8_t port_zone_number(const struct roam_port *ports, int count, const char *zone_name)
{
	uint32_t used = 0;
	uint8_t no = 0;

	for (int i = 0; i < count; i++) {
		if (!strcmp(ports[i].zone_name, zone_name))
			return ports[i].zone;
		used |= 1U << ports[i].zone;
	}
	while (used & (1U << no))
		no++;
	return no;
}

static int check_siblings(const struct roam_port *ports, int count, const struct roam_port *port)
{
	char text[TEXT_ADDR_LEN];

	if (count == ROAM_VM_PORTS)
		return fail(-E2BIG, "port: the VM has %d ports, the most there can be", count);
	for (int i = 0; i < count; i++) {
		if (!memcmp(ports[i].mac, port->mac, ROAM_MAC_LEN))
			return fail(-EEXIST, "port: the VM has a port with mac %s already",
				    text_mac(port->mac, text));
		if (!strcmp(ports[i].dev, port->dev))
			return fail(-EEXIST, "port: dev %s is a port of the VM already", port->dev);
	}
	return 0;
}

int port_store(struct host *host, uint32_t slot, uint32_t zones_of, struct roam_port *port)
{
	struct roam_port ports[2 * ROAM_VM_PORTS], row;
	struct roam_port_key key = { .vm = slot };
	int count = port_list(host, slot, ports), err;
	int others = zones_of == slot ? 0 : port_list(host, zones_of, ports + count);

	err = check_siblings(ports, count, port);
	if (err)
		return err;
	port->vm = slot;
	port->ifindex = 0; /* until it is bound */
	port->zone = port_zone_number(ports, count + others, port->zone_name);
	while (!bpf_map_lookup_elem(host_map(host, HOST_MAP_port_conf), &key, &row))
		key.no++;
	return host_put(host, HOST_MAP_port_conf, &key, port);
}

/* The number under which the VM has the port with this MAC; ROAM_VM_PORTS if it has none. */
static uint32_t find_mac(struct host *host, uint32_t slot, const uint8_t *mac,
			 struct roam_port *ret_port)
{
	struct roam_port_key key = { .vm = slot };

	for (key.no = 0; key.no < ROAM_VM_PORTS; key.no++) {
		if (!bpf_map_lookup_elem(host_map(host, HOST_MAP_port_conf), &key, ret_port) &&
		    !memcmp(ret_port->mac, mac, ROAM_MAC_LEN))
			break;
	}
	return key.no;
}

/* With an entry in the journal. */
static int delete_row(struct host *host, uint32_t slot, const uint8_t *mac)
{
	struct roam_port port;
	struct roam_port_key key = { .vm = slot, .no = find_mac(host, slot, mac, &port) };
	char text[TEXT_MAC_LEN];
	int err;

	if (key.no == ROAM_VM_PORTS)
		return fail(-ENOENT, "port: the VM has none with mac %s", text_mac(mac, text));
	port_unbind(host, &port);
	err = host_delete(host, HOST_MAP_port_conf, &key);
	return err ? err : vm_sync_ports(host, slot);
}

/* Of a port that could not be added; the line that says why stays. */
static void drop_row(struct host *host, uint32_t slot, const struct roam_port *port)
{
	_cleanup_free_ char *why = strdup(fail_line());

	delete_row(host, slot, port->mac);
	if (why)
		fail_set(0, "%s", why);
}

/* Before the device is bound, so that no packet comes first. Without nf_conntrack the VM's
 * connections are learned by sight alone. */
static int begin_learning(struct host *host, uint32_t slot, struct port_learning *learning)
{
	struct roam_vm vm;
	int err = ct_import(host, slot, &learning->imported);

	learning->has_imported = !err;
	if (err == -ENOSPC || err == -ENOMEM)
		return err;
	err = vm_get(host, slot, &vm);
	if (err)
		return err;
	vm.learn_until_ns = now_ns() + learning->seconds * NS_PER_S;
	return vm_put(host, slot, &vm);
}

static int add_locked(struct host *host, uint32_t slot, struct roam_port *port,
		      struct port_learning *learning)
{
	int err = port_check_free(host, slot, port), entry;

	if (!err)
		err = journal_begin(host, slot, &entry);
	if (err)
		return err;
	err = port_store(host, slot, slot, port);
	if (!err) {
		if (learning)
			err = begin_learning(host, slot, learning);
		if (!err)
			err = vm_sync_ports(host, slot);
		if (err)
			drop_row(host, slot, port);
	}
	journal_end(host, slot, &entry);
	return err;
}

int port_add_learning(struct host *host, uint32_t slot, struct roam_port *port,
		      struct port_learning *learning)
{
	int err = port_validate(port);

	if (!err)
		err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	return add_locked(locked, slot, port, learning);
}

int port_add(struct host *host, uint32_t slot, struct roam_port *port)
{
	return port_add_learning(host, slot, port, NULL);
}

int port_del(struct host *host, uint32_t slot, const uint8_t mac[ROAM_MAC_LEN])
{
	int err, entry;

	err = host_lock(host);
	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	err = journal_begin(locked, slot, &entry);
	if (err)
		return err;
	err = delete_row(host, slot, mac);
	journal_end(host, slot, &entry);
	return err;
}
