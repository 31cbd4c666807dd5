// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Ports in a policy file: see policy_keys.h. */
#include <string.h>
#include "policy.h"
#include "policy_keys.h"
#include "port.h"
#include "port_fields.h"
#include "text.h"

static int read_mac(void *object, const char *text)
{
	return port_set_mac(object, text);
}

static bool show_mac(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	text_mac(((const struct roam_port *)object)->mac, text);
	return true;
}

static int read_dev(void *object, const char *text)
{
	return port_set_dev(object, text);
}

static bool show_dev(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return policy_say(text, ((const struct roam_port *)object)->dev);
}

static int read_addr(void *object, const char *text)
{
	return port_add_addr(object, text);
}

static bool show_addr(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_port *port = object;

	return i < port->addr_count && text_addr(&port->addr[i], text);
}

static int read_vlan(void *object, const char *text)
{
	return port_add_vlan(object, text);
}

static bool show_vlan(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_port *port = object;

	return i < port->vlan_count && text_vlan(port->vlan[i], text);
}

static int read_zone(void *object, const char *text)
{
	return port_set_zone(object, text);
}

static bool show_zone(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	const struct roam_port *port = object;
	char mac[TEXT_MAC_LEN];

	(void)i;
	return strcmp(port->zone_name, text_mac(port->mac, mac)) != 0 &&
	       policy_say(text, port->zone_name);
}

static int read_dhcp(void *object, const char *text)
{
	return port_set_dhcp(object, text);
}

static bool show_dhcp(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return ((const struct roam_port *)object)->switches & ROAM_PORT_DHCP &&
	       policy_say(text, "on");
}

static int read_ra(void *object, const char *text)
{
	return port_set_ra(object, text);
}

static bool show_ra(const void *object, uint32_t i, char text[POLICY_TEXT_LEN])
{
	(void)i;
	return ((const struct roam_port *)object)->switches & ROAM_PORT_RA &&
	       policy_say(text, "on");
}

static const struct policy_key port_keys[] = {
	{ "mac", POLICY_TEXT, .required = true, .unique = true, .read = read_mac,
	  .show = show_mac },
	{ "dev", POLICY_TEXT, .required = true, .unique = true, .read = read_dev,
	  .show = show_dev },
	{ "addr", POLICY_TEXTS, .read = read_addr, .show = show_addr },
	{ "vlan", POLICY_TEXTS, .read = read_vlan, .show = show_vlan },
	{ "zone", POLICY_TEXT, .read = read_zone, .show = show_zone },
	{ "dhcp", POLICY_SWITCH, .read = read_dhcp, .show = show_dhcp },
	{ "ra", POLICY_SWITCH, .read = read_ra, .show = show_ra },
};

static int check_port(void *object)
{
	port_fill_zone(object);
	return port_validate(object);
}

const struct policy_map policy_port = { "a port", port_keys, ARRAY_SIZE(port_keys), check_port };

void *policy_port_at(void *object, uint32_t i)
{
	struct policy *policy = object;

	return i < policy->port_count ? &policy->ports[i] : NULL;
}

int policy_port_add(void *object, void **ret_object)
{
	struct policy *policy = object;

	if (policy->port_count == ROAM_VM_PORTS)
		return fail(-E2BIG, "ports: more than %d for one VM", ROAM_VM_PORTS);
	*ret_object = &policy->ports[policy->port_count++];
	return 0;
}
