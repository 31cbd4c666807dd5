// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Binding ports to devices (port.h). Everything here is derived from the rows of port_conf and can
 * be run again at any time: vm_sync() and recovery do. A row leaves port_conf last, so that nothing
 * is ever bound that no row tells of.
 */
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include <bpf/bpf.h>
#include "attach.h"
#include "journal.h"
#include "move_own.h"
#include "port.h"
#include "text.h"
#include "vm.h"

struct mac_key {
	uint8_t bytes[ROAM_MAC_LEN];
	uint8_t pad[2];
};

static struct mac_key mac_key(const uint8_t *mac)
{
	struct mac_key key = {};

	memcpy(key.bytes, mac, ROAM_MAC_LEN);
	return key;
}

/* Removes a row of an uplink's map if it is this VM's. */
static void forget(struct host *host, enum host_map map, const void *key, uint32_t slot)
{
	uint32_t owner;

	if (!bpf_map_lookup_elem(host_map(host, map), key, &owner) && owner == slot)
		host_delete(host, map, key);
}

void port_withdraw(struct host *host, const struct roam_port *port)
{
	struct mac_key mac = mac_key(port->mac);

	forget(host, HOST_MAP_port_mac, &mac, port->vm);
	for (int i = 0; i < port->addr_count; i++)
		forget(host, HOST_MAP_port_addr, &port->addr[i], port->vm);
}

/*
 * What the uplink takes for this VM's own. An address of a port with a zone of its own may well
 * exist outside, too: only its MAC is claimed.
 */
static int make_claims(struct host *host, const struct roam_port *port)
{
	struct mac_key mac = mac_key(port->mac);
	char text[TEXT_MAC_LEN];
	int err = host_put(host, HOST_MAP_port_mac, &mac, &port->vm);

	if (strcmp(port->zone_name, text_mac(port->mac, text)) != 0)
		return err;
	for (int i = 0; i < port->addr_count && !err; i++)
		err = host_put(host, HOST_MAP_port_addr, &port->addr[i], &port->vm);
	return err;
}

static void unbind_dev(struct host *host, const struct roam_port *port)
{
	struct roam_port now;

	if (!port->ifindex ||
	    bpf_map_lookup_elem(host_map(host, HOST_MAP_port_dev), &port->ifindex, &now) ||
	    now.vm != port->vm)
		return;
	/* The program first: without its row it would drop the last packets as port_unknown. */
	detach_port(host, port->ifindex);
	host_delete(host, HOST_MAP_port_dev, &port->ifindex);
}

void port_unbind(struct host *host, const struct roam_port *port)
{
	port_withdraw(host, port);
	unbind_dev(host, port);
}

/* Writes the row as programs read it and attaches; `port` is the row of policy. */
static int bind_port(struct host *host, uint32_t no, struct roam_port *port)
{
	struct roam_port_key key = { .vm = port->vm, .no = no };
	uint32_t ifindex = if_nametoindex(port->dev);
	int err;

	if (port->ifindex && port->ifindex != ifindex)
		unbind_dev(host, port);
	port->ifindex = ifindex;
	err = host_put(host, HOST_MAP_port_conf, &key, port);
	if (err || !ifindex)
		return err;
	err = host_put(host, HOST_MAP_port_dev, &ifindex, port);
	if (!err)
		err = attach_port(host, ifindex);
	return err && if_nametoindex(port->dev) == ifindex ? err : 0; /* or it is gone again */
}

int port_bind_all(struct host *host, uint32_t slot)
{
	struct roam_port_key key = { .vm = slot };
	struct roam_port ports[ROAM_VM_PORTS];
	struct roam_vm vm;
	int count = 0, err = vm_get(host, slot, &vm), failed = 0;

	if (err)
		return err;
	/* One that cannot be bound leaves no other open. */
	for (; key.no < ROAM_VM_PORTS; key.no++) {
		if (bpf_map_lookup_elem(host_map(host, HOST_MAP_port_conf), &key, &ports[count]))
			continue;
		err = bind_port(host, key.no, &ports[count++]);
		failed = failed ? failed : err;
	}
	err = failed;
	/* The frames of a VM that is shut here may well come from outside. */
	for (int i = 0; i < count && !err; i++) {
		if (vm.life == ROAM_LIFE_ACTIVE ||
		    (vm.life == ROAM_LIFE_GATED && move_runs_here(host, slot)))
			err = make_claims(host, &ports[i]);
		else
			port_withdraw(host, &ports[i]);
	}
	return err;
}

bool port_is_bound(const struct roam_port *port)
{
	return port->ifindex && if_nametoindex(port->dev) == port->ifindex;
}

static bool is_missing(const struct roam_port *port, const char *dev)
{
	return (!dev || !strcmp(port->dev, dev)) && !port_is_bound(port) &&
	       if_nametoindex(port->dev);
}

/* The journal, because a row tells of the binding before the program is attached. */
static int bind_locked(struct host *host, uint32_t slot)
{
	int entry, err = journal_begin_any(host, slot, &entry);

	if (err)
		return err;
	err = port_bind_all(host, slot);
	journal_end(host, slot, &entry);
	return err;
}

int port_bind_missing(struct host *host, uint32_t slot, const char *dev)
{
	struct roam_port ports[ROAM_VM_PORTS];
	bool missing = false;
	int count, err = host_lock(host);

	if (err)
		return err;
	_cleanup_unlock_ struct host *locked = host;

	count = port_list(locked, slot, ports);
	for (int i = 0; i < count; i++)
		missing |= is_missing(&ports[i], dev);
	return missing ? bind_locked(host, slot) : 0;
}

void port_unbind_all(struct host *host, uint32_t slot)
{
	struct roam_port_key key = { .vm = slot };
	struct roam_port port;

	for (key.no = 0; key.no < ROAM_VM_PORTS; key.no++) {
		if (bpf_map_lookup_elem(host_map(host, HOST_MAP_port_conf), &key, &port))
			continue;
		port_unbind(host, &port);
		host_delete(host, HOST_MAP_port_conf, &key);
	}
}
