// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A port's fields from text: see port_fields.h. */
#include <ctype.h>
#include <string.h>
#include "cmd.h"
#include "port_fields.h"
#include "text.h"

/* As the kernel's dev_valid_name(). */
int port_set_dev(struct roam_port *port, const char *text)
{
	size_t len = strlen(text);
	bool good = strcmp(text, ".") != 0 && strcmp(text, "..") != 0;

	if (!len)
		return usage("'dev DEV' is missing");
	if (len >= sizeof(port->dev))
		return fail(-EINVAL, "port: dev '%.80s' is longer than a device's name can be",
			    text);
	for (size_t i = 0; i < len; i++)
		good = good && isgraph((unsigned char)text[i]) && !strchr("/:", text[i]);
	if (!good)
		return fail(-EINVAL, "port: dev '%.80s' is not a device's name", text);
	if (port->dev[0])
		return usage("port: 'dev' is given twice");
	memcpy(port->dev, text, len);
	return 0;
}

bool port_has_mac(const struct roam_port *port)
{
	return memcmp(port->mac, (uint8_t[ROAM_MAC_LEN]){}, ROAM_MAC_LEN) != 0;
}

int port_set_mac(struct roam_port *port, const char *text)
{
	if (port_has_mac(port))
		return usage("port: 'mac' is given twice");
	return text_mac_parse(text, port->mac);
}

int port_add_addr(struct roam_port *port, const char *text)
{
	int err;

	if (port->addr_count == ROAM_PORT_ADDRS)
		return fail(-E2BIG, "port: more than %d addresses", ROAM_PORT_ADDRS);
	err = text_addr_parse(text, &port->addr[port->addr_count]);
	port->addr_count += !err;
	return err;
}

int port_add_vlan(struct roam_port *port, const char *text)
{
	int err;

	if (port->vlan_count == ROAM_PORT_VLANS)
		return fail(-E2BIG, "port: more than %d vlans", ROAM_PORT_VLANS);
	err = text_vlan_parse(text, &port->vlan[port->vlan_count]);
	port->vlan_count += !err;
	return err;
}

int port_set_zone(struct roam_port *port, const char *text)
{
	if (port->zone_name[0])
		return usage("port: 'zone' is given twice");
	return text_name_parse("zone", text, port->zone_name);
}

static int set_switch(struct roam_port *port, enum roam_port_switch bit, const char *keyword,
		      const char *text)
{
	if (!strcmp(text, "on"))
		port->switches |= bit;
	else if (!strcmp(text, "off"))
		port->switches &= ~bit;
	else
		return usage("%s '%.80s' is neither on nor off", keyword, text);
	return 0;
}

int port_set_dhcp(struct roam_port *port, const char *text)
{
	return set_switch(port, ROAM_PORT_DHCP, "dhcp", text);
}

int port_set_ra(struct roam_port *port, const char *text)
{
	return set_switch(port, ROAM_PORT_RA, "ra", text);
}

void port_fill_zone(struct roam_port *port)
{
	if (!port->zone_name[0])
		text_mac(port->mac, port->zone_name);
}
