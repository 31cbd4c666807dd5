// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam port`: the ports of VMs. */
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include "cmd.h"
#include "port.h"
#include "port_show.h"
#include "text.h"
#include "vm.h"

static int parse_dev(struct words *words, struct roam_port *port)
{
	const char *text;
	int err = words_value(words, "dev", &text);

	if (err)
		return err;
	if (port->dev[0])
		return usage("port: 'dev' is given twice");
	if (strlen(text) >= sizeof(port->dev))
		return fail(-EINVAL, "port: dev '%.80s' is longer than a device's name can be",
			    text);
	strcpy(port->dev, text);
	return 0;
}

static int parse_mac(struct words *words, uint8_t mac[ROAM_MAC_LEN])
{
	const char *text;
	int err = words_value(words, "mac", &text);

	return err ? err : text_mac_parse(text, mac);
}

static bool mac_is_set(const struct roam_port *port)
{
	return memcmp(port->mac, (uint8_t[ROAM_MAC_LEN]){}, ROAM_MAC_LEN);
}

static int parse_addr(struct words *words, struct roam_port *port)
{
	const char *text;
	int err = words_value(words, "addr", &text);

	if (err)
		return err;
	if (port->addr_count == ROAM_PORT_ADDRS)
		return fail(-E2BIG, "port: more than %d addresses", ROAM_PORT_ADDRS);
	err = text_addr_parse(text, &port->addr[port->addr_count]);
	port->addr_count += !err;
	return err;
}

static int parse_vlan(struct words *words, struct roam_port *port)
{
	const char *text;
	int err = words_value(words, "vlan", &text);

	if (err)
		return err;
	if (port->vlan_count == ROAM_PORT_VLANS)
		return fail(-E2BIG, "port: more than %d vlans", ROAM_PORT_VLANS);
	err = text_vlan_parse(text, &port->vlan[port->vlan_count]);
	port->vlan_count += !err;
	return err;
}

static int parse_zone(struct words *words, struct roam_port *port)
{
	const char *text;
	int err = words_value(words, "zone", &text);

	if (!err && port->zone_name[0])
		return usage("port: 'zone' is given twice");
	return err ? err : text_name_parse("zone", text, port->zone_name);
}

static int parse_switch(struct words *words, const char *keyword, enum roam_port_switch bit,
			struct roam_port *port)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	if (err)
		return err;
	if (!strcmp(text, "on"))
		port->switches |= bit;
	else if (!strcmp(text, "off"))
		port->switches &= ~bit;
	else
		return usage("%s '%.80s' is neither on nor off", keyword, text);
	return 0;
}

static int parse_word(struct words *words, struct roam_port *port)
{
	if (words_take(words, "dev"))
		return parse_dev(words, port);
	if (words_take(words, "mac")) {
		if (mac_is_set(port))
			return usage("port: 'mac' is given twice");
		return parse_mac(words, port->mac);
	}
	if (words_take(words, "addr"))
		return parse_addr(words, port);
	if (words_take(words, "vlan"))
		return parse_vlan(words, port);
	if (words_take(words, "zone"))
		return parse_zone(words, port);
	if (words_take(words, "dhcp"))
		return parse_switch(words, "dhcp", ROAM_PORT_DHCP, port);
	if (words_take(words, "ra"))
		return parse_switch(words, "ra", ROAM_PORT_RA, port);
	return words_end(words);
}

static int parse_port(struct words *words, struct roam_port *port)
{
	int err = 0;

	while (!err && words_peek(words))
		err = parse_word(words, port);
	if (err)
		return err;
	if (!port->dev[0])
		return usage("'dev DEV' is missing");
	if (!mac_is_set(port))
		return usage("'mac MAC' is missing, or all zeros");
	if (!port->zone_name[0])
		text_mac(port->mac, port->zone_name);
	return 0;
}

static int port_add_cmd(struct cmd *cmd)
{
	struct roam_port port = {};
	const char *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &name);

	if (!err)
		err = parse_port(&cmd->words, &port);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	return err ? err : port_add(cmd->host, slot, &port);
}

static int port_del_cmd(struct cmd *cmd)
{
	uint8_t mac[ROAM_MAC_LEN];
	const char *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &name);

	if (!err && !words_take(&cmd->words, "mac"))
		return usage("'mac MAC' is missing");
	if (!err)
		err = parse_mac(&cmd->words, mac);
	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	return err ? err : port_del(cmd->host, slot, mac);
}

static void show_port(struct out *out, const struct roam_vm *vm, const struct roam_port *port)
{
	out_item(out);
	out_text(out, "vm", vm->name);
	out_text(out, "dev", port->dev);
	port_show(out, port);
	/* Its device is not there, or has been made anew since. */
	out_switch(out, "unbound", !port->ifindex || if_nametoindex(port->dev) != port->ifindex);
	out_item_end(out);
}

static int show_ports(struct host *host, uint32_t slot, void *arg)
{
	struct roam_port ports[ROAM_VM_PORTS];
	int count = port_list(host, slot, ports);
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	for (int i = 0; i < count && !err; i++)
		show_port(arg, &vm, &ports[i]);
	return err;
}

static int port_show_cmd(struct cmd *cmd)
{
	const char *name;
	int err = words_vm_maybe(&cmd->words, &name);

	if (!err)
		err = words_end(&cmd->words);
	if (err)
		return err;
	out_list(cmd->out);
	err = cmd_each_vm(cmd, name, show_ports, cmd->out);
	out_list_end(cmd->out);
	return err;
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]", "ports, their devices and what is bound to them", port_show_cmd },
	{ "add",
	  "vm NAME dev DEV mac MAC [addr ADDR]... [vlan ID|ID.ID|untagged]...\n"
	  "                [zone NAME] [dhcp on|off] [ra on|off]",
	  "binds a device to a VM: from now on everything through it is judged", port_add_cmd },
	{ "del", "vm NAME mac MAC", "removes a port; the device is nobody's again", port_del_cmd },
};

const struct object object_port = { "port", "ports of VMs: devices, MACs, addresses", verbs,
				    ARRAY_SIZE(verbs) };
