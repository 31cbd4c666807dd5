// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam port`: the ports of VMs. */
#include <stdio.h>
#include <string.h>
#include <net/if.h>
#include "cmd.h"
#include "ct_show.h"
#include "port.h"
#include "port_fields.h"
#include "port_show.h"
#include "text.h"
#include "text_units.h"
#include "vm.h"

/* The word behind the keyword, into a field. */
static int parse_field(struct words *words, const char *keyword,
		       int (*set)(struct roam_port *port, const char *text), struct roam_port *port)
{
	const char *text;
	int err = words_value(words, keyword, &text);

	return err ? err : set(port, text);
}

/* What `port add` is told. */
struct new_port {
	struct roam_port port;
	struct port_learning learning; /* seconds 0: it does not learn */
};

static int parse_learn(struct words *words, struct port_learning *learning)
{
	const char *text;
	int err = words_value(words, "learn", &text);

	if (!err)
		err = text_duration_parse("learn", text, &learning->seconds);
	if (err)
		return err;
	if (!learning->seconds || learning->seconds > PORT_LEARN_MAX_S)
		return fail(-ERANGE, "port: learn %s is not from 1s to 1h", text);
	return 0;
}

static int parse_word(struct words *words, struct new_port *new)
{
	struct roam_port *port = &new->port;

	if (words_take(words, "dev"))
		return parse_field(words, "dev", port_set_dev, port);
	if (words_take(words, "mac"))
		return parse_field(words, "mac", port_set_mac, port);
	if (words_take(words, "addr"))
		return parse_field(words, "addr", port_add_addr, port);
	if (words_take(words, "vlan"))
		return parse_field(words, "vlan", port_add_vlan, port);
	if (words_once(words, "zone"))
		return parse_field(words, "zone", port_set_zone, port);
	if (words_once(words, "dhcp"))
		return parse_field(words, "dhcp", port_set_dhcp, port);
	if (words_once(words, "ra"))
		return parse_field(words, "ra", port_set_ra, port);
	if (words_once(words, "learn"))
		return parse_learn(words, &new->learning);
	return words_end(words);
}

static int parse_port(struct words *words, struct new_port *new)
{
	struct roam_port *port = &new->port;
	int err = 0;

	while (!err && words_peek(words))
		err = parse_word(words, new);
	if (err)
		return err;
	if (!port->dev[0])
		return usage("'dev DEV' is missing");
	if (!port_has_mac(port))
		return usage("'mac MAC' is missing, or all zeros");
	port_fill_zone(port);
	return 0;
}

static int add_port(struct cmd *cmd, uint32_t slot, struct new_port *new)
{
	int err;

	if (!new->learning.seconds)
		return port_add(cmd->host, slot, &new->port);
	err = port_add_learning(cmd->host, slot, &new->port, &new->learning);
	if (err)
		return err;
	if (new->learning.has_imported)
		ct_show_imported(cmd->out, &new->learning.imported);
	else
		cmd_note("%s; connections are learned as they are seen", fail_line());
	return 0;
}

static int port_add_cmd(struct cmd *cmd)
{
	struct new_port new = {};
	const char *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &name);

	if (!err)
		err = parse_port(&cmd->words, &new);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	if (!err)
		err = add_port(cmd, slot, &new);
	if (!err && !if_nametoindex(new.port.dev))
		cmd_note("port: dev %s is not there yet: the port waits for it", new.port.dev);
	return err;
}

static int port_del_cmd(struct cmd *cmd)
{
	struct roam_port port = {};
	const char *name;
	uint32_t slot;
	int err = words_vm(&cmd->words, &name);

	if (!err && !words_take(&cmd->words, "mac"))
		return usage("'mac MAC' is missing");
	if (!err)
		err = parse_field(&cmd->words, "mac", port_set_mac, &port);
	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, name, &slot);
	return err ? err : port_del(cmd->host, slot, port.mac);
}

static int bind_vm(struct host *host, uint32_t slot, void *arg)
{
	return port_bind_missing(host, slot, arg);
}

static int port_bind_cmd(struct cmd *cmd)
{
	const char *dev = NULL;
	int err = 0;

	if (words_take(&cmd->words, "dev"))
		err = words_value(&cmd->words, "dev", &dev);
	if (!err)
		err = words_end(&cmd->words);
	return err ? err : cmd_each_vm(cmd, NULL, bind_vm, (void *)dev);
}

static void show_port(struct out *out, const struct roam_vm *vm, const struct roam_port *port)
{
	out_item(out);
	out_text(out, "vm", vm->name);
	out_text(out, "dev", port->dev);
	port_show(out, port);
	/* For its device, or, where that was made anew, to be bound to it. */
	out_switch(out, "unbound", !port_is_bound(port));
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
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[vm NAME]", "ports, their devices and what is bound to them", port_show_cmd },
	{ "add",
	  "vm NAME dev DEV mac MAC [addr ADDR]... [vlan ID|ID.ID|untagged]...\n"
	  "                [zone NAME] [dhcp on|off] [ra on|off] [learn TIME]",
	  "binds a device to a VM: from now on everything through it is judged", port_add_cmd },
	{ "bind", "[dev DEV]", "binds ports whose device has appeared, or was made anew, since",
	  port_bind_cmd },
	{ "del", "vm NAME mac MAC", "removes a port; the device is nobody's again", port_del_cmd },
};

const struct object object_port = { "port", "ports of VMs: devices, MACs, addresses", verbs,
				    ARRAY_SIZE(verbs) };
