// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* From the words of a packet to its frame: see explain_frame.h. */
#include <string.h>
#include <linux/if_ether.h>
#include <bpf/bpf.h>
#include "explain_frame.h"
#include "port.h"
#include "text.h"

#define QUOTE_LEN 548

/* Who is at the other end of the link: of no weight, but a frame needs one. */
static const uint8_t peer_mac[ROAM_MAC_LEN] = { 0x02, 0, 0, 0, 0, 0x01 };
static const uint8_t router_mac[ROAM_MAC_LEN] = { 0x02, 0, 0, 0, 0, 0x02 };

static bool has_addr(const struct roam_port *port, const struct roam_addr *addr)
{
	for (int i = 0; i < port->addr_count; i++) {
		if (!memcmp(&port->addr[i], addr, sizeof(*addr)))
			return true;
	}
	return false;
}

/* The port that was named, or which has the VM's address in the packet, or the first. */
static int find_port(struct host *host, uint32_t slot, enum roam_dir dir,
		     const struct explain_ask *ask, struct roam_port *ret_port)
{
	const struct roam_addr *local = dir == ROAM_DIR_OUT ? &ask->spec.src : &ask->spec.dst;
	struct roam_port ports[ROAM_VM_PORTS];
	int count = port_list(host, slot, ports), found = 0;

	if (count < 0)
		return count;
	if (!count)
		return fail(-ENOENT, "explain: the VM has no port");
	for (int i = count - 1; i >= 0; i--) {
		if (ask->dev ? !strcmp(ports[i].dev, ask->dev) : has_addr(&ports[i], local))
			found = i;
	}
	if (ask->dev && strcmp(ports[found].dev, ask->dev) != 0)
		return fail(-ENOENT, "explain: the VM has no port on device %.80s", ask->dev);
	if (!port_is_bound(&ports[found]))
		return fail(-ENODEV, "explain: device %s is not there, or not bound",
			    ports[found].dev);
	*ret_port = ports[found];
	return 0;
}

static bool to_all_of_arp(const struct packet_spec *spec)
{
	return spec->ethertype == ETH_P_RARP || (spec->ethertype == ETH_P_ARP && spec->arp_op == 1);
}

/* Of a group, as RFC 1112 and RFC 2464 have it; false if the address is that of one host. */
static bool group_mac(const struct packet_spec *spec, uint8_t ret_mac[ROAM_MAC_LEN])
{
	const uint8_t *last = spec->dst.bytes + 12;

	if (spec->ethertype && !to_all_of_arp(spec))
		return false;
	if (spec->ethertype || (addr_is_ipv4(&spec->dst) && spec->dst.words[3] == UINT32_MAX))
		memset(ret_mac, 0xff, ROAM_MAC_LEN);
	else if (addr_is_ipv4(&spec->dst) && (last[0] & 0xf0) == 0xe0)
		memcpy(ret_mac, (uint8_t[]){ 1, 0, 0x5e, last[1] & 0x7f, last[2], last[3] },
		       ROAM_MAC_LEN);
	else if (spec->dst.bytes[0] == 0xff)
		memcpy(ret_mac, (uint8_t[]){ 0x33, 0x33, last[0], last[1], last[2], last[3] },
		       ROAM_MAC_LEN);
	else
		return false;
	return true;
}

static bool is_zero(const uint8_t mac[ROAM_MAC_LEN])
{
	return !memcmp(mac, (uint8_t[ROAM_MAC_LEN]){}, ROAM_MAC_LEN);
}

/* What no word has given: MACs, and how much of a packet an error quotes (RFC 1812, 4.3.2.3). */
static void fill(struct explain_ask *ask, const uint8_t *here, const uint8_t *there)
{
	struct packet_spec *spec = &ask->spec;

	if (ask->has_about) {
		spec->quote = &ask->about;
		spec->quote_len = QUOTE_LEN;
	}
	if (!ask->has_smac)
		memcpy(spec->smac, here, ROAM_MAC_LEN);
	if (!ask->has_dmac && !group_mac(spec, spec->dmac))
		memcpy(spec->dmac, there, ROAM_MAC_LEN);
	if (is_zero(spec->arp_sender))
		memcpy(spec->arp_sender, spec->smac, ROAM_MAC_LEN);
	if (spec->ethertype == ETH_P_RARP)
		memcpy(spec->arp_target, spec->arp_sender, ROAM_MAC_LEN);
	else if (spec->arp_op != 1)
		memcpy(spec->arp_target, spec->dmac, ROAM_MAC_LEN);
}

int explain_frame(struct host *host, struct explain_at *at, const struct explain_ask *ask,
		  struct packet *ret_packet)
{
	struct explain_ask whole = *ask;
	struct roam_port port;
	int err = find_port(host, at->slot, at->dir, ask, &port);

	if (err)
		return err;
	if (at->dir == ROAM_DIR_OUT)
		fill(&whole, port.mac, peer_mac);
	else
		fill(&whole, peer_mac, port.mac);
	packet_build(&whole.spec, ret_packet);
	at->ifindex = port.ifindex;
	return 0;
}

/* The port of whichever VM has the address. */
static bool find_owner(struct host *host, const struct roam_addr *addr, struct roam_port *ret_port)
{
	struct roam_port ports[ROAM_VM_PORTS];
	uint32_t slot;
	int count;

	if (bpf_map_lookup_elem(host_map(host, HOST_MAP_port_addr), addr, &slot))
		return false;
	count = port_list(host, slot, ports);
	for (int i = 0; i < count; i++) {
		if (!has_addr(&ports[i], addr))
			continue;
		*ret_port = ports[i];
		return true;
	}
	return false;
}

int explain_frame_outside(struct host *host, const struct explain_ask *ask,
			  struct packet *ret_packet)
{
	struct explain_ask whole = *ask;
	struct roam_port port;
	bool found = find_owner(host, &ask->spec.dst, &port);

	if (ask->dev)
		return fail(-EINVAL,
			    "explain: an uplink is a device already: 'dev' is one too many");
	fill(&whole, peer_mac, found ? port.mac : router_mac);
	packet_build(&whole.spec, ret_packet);
	return 0;
}
