// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A port's fields: see port_show.h. */
#include "port_show.h"
#include "text.h"

void port_show(struct out *out, const struct roam_port *port)
{
	char text[TEXT_ADDR_LEN];

	out_text(out, "mac", text_mac(port->mac, text));
	out_array(out, "addr");
	for (int i = 0; i < port->addr_count; i++)
		out_array_text(out, text_addr(&port->addr[i], text));
	out_array_end(out);
	out_array(out, "vlan");
	for (int i = 0; i < port->vlan_count; i++)
		out_array_text(out, text_vlan(port->vlan[i], text));
	out_array_end(out);
	out_text(out, "zone", port->zone_name);
	out_text(out, "dhcp", port->switches & ROAM_PORT_DHCP ? "on" : "off");
	out_text(out, "ra", port->switches & ROAM_PORT_RA ? "on" : "off");
}
