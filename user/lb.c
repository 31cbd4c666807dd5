// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* `roam lb`: services of the host, their backends, and the VMs that take part. */
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include "cmd.h"
#include "lb.h"
#include "lb_show.h"
#include "lb_tunnel.h"
#include "port.h"
#include "text.h"

/* "addr ADDR" or "vip ADDR" */
static int parse_addr(struct words *words, const char *keyword, struct roam_addr *ret_addr)
{
	const char *text;
	int err;

	if (!words_take(words, keyword))
		return usage("'%s ADDR' is missing", keyword);
	err = words_value(words, keyword, &text);
	return err ? err : text_addr_parse(text, ret_addr);
}

static int parse_number(struct words *words, const char *keyword, uint32_t most, uint32_t *ret)
{
	const char *text;
	uint32_t number = 0;
	int err = words_value(words, keyword, &text);

	if (!err)
		err = text_u32_parse(keyword, text, &number);
	if (!err && (!number || number > most))
		err = fail(-ERANGE, "lb: %s %u is not from 1 to %u", keyword, number, most);
	if (!err)
		*ret = number;
	return err;
}

static int parse_service(struct words *words, struct roam_lb_key *ret_key)
{
	struct roam_lb_key key = {};
	uint32_t port = 0;
	int err = parse_addr(words, "vip", &key.vip);

	if (!err && !words_take(words, "port"))
		return usage("'port N' is missing");
	if (!err)
		err = parse_number(words, "port", UINT16_MAX, &port);
	key.port = htons(port);
	if (words_take(words, "tcp"))
		key.proto = IPPROTO_TCP;
	else if (words_take(words, "udp"))
		key.proto = IPPROTO_UDP;
	else if (!err)
		return usage("'tcp' or 'udp' is missing");
	if (!err)
		err = words_end(words);
	*ret_key = key;
	return err;
}

static int lb_add_cmd(struct cmd *cmd)
{
	struct roam_lb_key key;
	const char *name;
	int err = words_value(&cmd->words, "add", &name);

	if (!err)
		err = parse_service(&cmd->words, &key);
	if (!err)
		err = cmd_host(cmd);
	return err ? err : lb_add(cmd->host, name, &key);
}

static int lb_del_cmd(struct cmd *cmd)
{
	const char *name;
	int err = words_value(&cmd->words, "del", &name);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_host(cmd);
	return err ? err : lb_del(cmd->host, name);
}

/* The one address of the VM that the service can have as backend. */
static int addr_of_vm(struct cmd *cmd, const char *vm, const struct lb_service *service,
		      uint32_t *ret_slot, struct roam_addr *ret_addr)
{
	struct roam_port ports[ROAM_VM_PORTS];
	uint8_t family = addr_family(&service->key.vip);
	uint32_t slot, found = 0;
	int err = cmd_lock_vm(cmd, vm, &slot), count;

	if (err)
		return err;
	count = port_list(cmd->host, slot, ports);
	for (int i = 0; i < count; i++) {
		for (int j = 0; j < ports[i].addr_count; j++) {
			if (addr_family(&ports[i].addr[j]) != family)
				continue;
			*ret_addr = ports[i].addr[j];
			found++;
		}
	}
	if (found != 1)
		return fail(-EINVAL, "lb: vm '%s' has %u addresses of the VIP's family; say 'addr'",
			    vm, found);
	*ret_slot = slot;
	return 0;
}

/* The words of a backend: what it is, and how. */
struct backend_words {
	const char *service;
	const char *vm; /* NULL: by address */
	struct roam_addr addr;
	uint32_t port; /* 0: the service's */
	uint32_t weight;
};

static int parse_backend(struct words *words, struct backend_words *backend)
{
	int err;

	if (words_take(words, "vm"))
		err = words_value(words, "vm", &backend->vm);
	else
		err = parse_addr(words, "addr", &backend->addr);
	while (!err && words_peek(words)) {
		if (words_once(words, "port"))
			err = parse_number(words, "port", UINT16_MAX, &backend->port);
		else if (words_once(words, "weight"))
			err = parse_number(words, "weight", ROAM_LB_WEIGHT_MAX, &backend->weight);
		else
			err = words_end(words);
	}
	return err;
}

static int backend_add(struct cmd *cmd, const char *name)
{
	struct backend_words words = { .service = name, .weight = 1 };
	struct roam_lb_backend row = {};
	struct lb_service service;
	uint32_t slot;
	int err = parse_backend(&cmd->words, &words);

	if (!err)
		err = cmd_lock(cmd);
	if (!err)
		err = lb_find(cmd->host, name, &service);
	if (!err && words.vm)
		err = addr_of_vm(cmd, words.vm, &service, &slot, &words.addr);
	if (!err && words.vm)
		err = lb_use(cmd->host, slot, true);
	if (err)
		return err;
	row.addr = words.addr;
	row.port = words.port ? htons(words.port) : service.key.port;
	row.weight = words.weight;
	return lb_backend_add(cmd->host, name, &row);
}

/* "vm VM" or "addr ADDR" of a backend that is there. */
static int parse_which(struct words *words, struct backend_words *which)
{
	if (words_take(words, "vm"))
		return words_value(words, "vm", &which->vm);
	return parse_addr(words, "addr", &which->addr);
}

/* With the host's lock, when all words are read. */
static int find_which(struct cmd *cmd, struct backend_words *which)
{
	struct lb_service service;
	uint32_t slot;
	int err = cmd_lock(cmd);

	if (!err)
		err = lb_find(cmd->host, which->service, &service);
	if (!err && which->vm)
		err = addr_of_vm(cmd, which->vm, &service, &slot, &which->addr);
	return err;
}

static int backend_set(struct cmd *cmd, const char *name, enum roam_lb_state state)
{
	struct backend_words which = { .service = name };
	int err = parse_which(&cmd->words, &which);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = find_which(cmd, &which);
	return err ? err : lb_backend_set(cmd->host, name, &which.addr, state);
}

static int backend_move(struct cmd *cmd, const char *name)
{
	struct backend_words which = { .service = name };
	struct lb_place place;
	int err = parse_which(&cmd->words, &which);

	if (!err)
		err = lb_place_parse(&cmd->words, &place);
	if (!err)
		err = find_which(cmd, &which);
	return err ? err : lb_backend_move(cmd->host, name, &which.addr, &place);
}

static int lb_backend_cmd(struct cmd *cmd)
{
	const char *name;
	int err = words_value(&cmd->words, "backend", &name);

	if (err)
		return err;
	if (words_take(&cmd->words, "add"))
		return backend_add(cmd, name);
	if (words_take(&cmd->words, "del"))
		return backend_set(cmd, name, ROAM_LB_FREE);
	if (words_take(&cmd->words, "drain"))
		return backend_set(cmd, name, ROAM_LB_DRAINING);
	if (words_take(&cmd->words, "resume"))
		return backend_set(cmd, name, ROAM_LB_ACTIVE);
	if (words_take(&cmd->words, "move"))
		return backend_move(cmd, name);
	return usage("what to do with the backend is missing: add, del, drain, resume or move");
}

static int use(struct cmd *cmd, bool on)
{
	const char *vm;
	uint32_t slot;
	int err = words_vm(&cmd->words, &vm);

	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_lock_vm(cmd, vm, &slot);
	return err ? err : lb_use(cmd->host, slot, on);
}

static int lb_on_cmd(struct cmd *cmd)
{
	return use(cmd, true);
}

static int lb_off_cmd(struct cmd *cmd)
{
	return use(cmd, false);
}

static int show_service(struct cmd *cmd, const struct lb_service *service)
{
	_cleanup_lb_backends_ struct lb_backends backends = {};
	int err = lb_list_backends(cmd->host, service, &backends);

	if (err)
		return err;
	out_item(cmd->out);
	lb_show_service(cmd->out, service);
	out_number(cmd->out, "backends", backends.count);
	out_item_end(cmd->out);
	for (uint32_t i = 0; i < backends.count; i++) {
		out_item(cmd->out);
		out_text(cmd->out, "backend", service->row.name);
		lb_show_backend(cmd->out, &backends.list[i]);
		out_item_end(cmd->out);
	}
	return 0;
}

static int lb_show_cmd(struct cmd *cmd)
{
	_cleanup_lb_services_ struct lb_services services = {};
	const char *name = NULL;
	uint32_t shown = 0;
	int err = 0;

	if (words_take(&cmd->words, "service"))
		err = words_value(&cmd->words, "service", &name);
	if (!err)
		err = words_end(&cmd->words);
	if (!err)
		err = cmd_host(cmd);
	if (!err)
		err = lb_list(cmd->host, &services);
	if (err)
		return err;
	out_list(cmd->out);
	for (uint32_t i = 0; i < services.count && !err; i++) {
		if (name && strcmp(services.list[i].row.name, name) != 0)
			continue;
		err = show_service(cmd, &services.list[i]);
		shown++;
	}
	if (!err && name && !shown)
		err = fail(-ENOENT, "lb '%s': the host has no service of that name", name);
	if (!err && !name)
		err = lb_peer_each(cmd->host, lb_show_peer, cmd->out);
	return out_list_end(cmd->out, err);
}

static const struct verb verbs[] = {
	{ "show", "[service NAME]", "services, their backends, and what those got; peers",
	  lb_show_cmd },
	{ "add", "NAME vip ADDR port N tcp|udp", "adds a service to the host", lb_add_cmd },
	{ "del", "NAME", "removes a service with its backends; its sessions go on", lb_del_cmd },
	{ "backend",
	  "NAME add|del|drain|resume|move vm VM|addr ADDR [port N] [weight N] "
	  "[to HOST|local] [from ADDR]",
	  "changes the set of a service; sessions stay where they are, a draining backend gets no "
	  "new ones, and what is for one that has moved to another host is tunnelled there",
	  lb_backend_cmd },
	{ "peer", "add|del ADDR [at ADDR]",
	  "a balancer whose tunnels this host takes, at that address of its own", lb_peer_cmd },
	{ "on", "vm VM", "lets the VM use services, and be a backend", lb_on_cmd },
	{ "off", "vm VM", "the opposite; its sessions with services end", lb_off_cmd },
};

const struct object object_lb = { "lb", "services over backends", verbs, ARRAY_SIZE(verbs) };
