// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A process is killed at each point of each change that it can make to a VM (kill_each.h): its
 * rules, ports, settings and policy, its image, and its copying to another host.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include "acl.h"
#include "draft.h"
#include "harness.h"
#include "image_parts.h"
#include "ips.h"
#include "kill_each.h"
#include "move.h"
#include "policy.h"
#include "port.h"
#include "qos.h"
#include "state.h"
#include "text.h"
#include "vm.h"

static const uint8_t other_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 0x77 };

static struct roam_port other_port(void)
{
	struct roam_port port = { .dev = "peer-kill", .addr_count = 2 };

	memcpy(port.mac, other_mac, sizeof(port.mac));
	text_mac(port.mac, port.zone_name);
	text_addr_parse("192.0.2.77", &port.addr[0]);
	text_addr_parse("2001:db8::77", &port.addr[1]);
	return port;
}

static struct roam_acl_rule make_rule(const char *name, uint16_t port)
{
	struct roam_acl_rule rule = {
		.action = ROAM_ACTION_ALLOW,
		.proto = IPPROTO_TCP,
		.lport = { port, port },
		.rport = { 0, UINT16_MAX },
	};

	snprintf(rule.name, sizeof(rule.name), "%s", name);
	return rule;
}

static int add_rule(struct host *host, uint32_t slot)
{
	struct roam_acl_rule rule = make_rule("new", 25);

	return acl_add(host, slot, &rule);
}

static int del_rule(struct host *host, uint32_t slot)
{
	return acl_del(host, slot, "web");
}

static int add_port(struct host *host, uint32_t slot)
{
	struct roam_port port = other_port();

	return port_add(host, slot, &port);
}

static int del_port(struct host *host, uint32_t slot)
{
	struct roam_port ports[ROAM_VM_PORTS];

	if (port_list(host, slot, ports) < 1)
		return -ENOENT;
	return port_del(host, slot, ports[0].mac);
}

static int set_all(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	vm.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	vm.midstream = ROAM_MIDSTREAM_PICKUP;
	vm.life = ROAM_LIFE_SHUT;
	return err ? err : vm_set(host, slot, &vm);
}

/* More room for flows and less for half-open ones, and a setting at the same time. */
static int set_quotas(struct host *host, uint32_t slot)
{
	struct roam_vm vm;
	int err = vm_get(host, slot, &vm);

	vm.midstream = ROAM_MIDSTREAM_PICKUP;
	vm.quota_flows = 1000;
	vm.quota_half = 70;
	return err ? err : vm_set(host, slot, &vm);
}

static int set_qos(struct host *host, uint32_t slot)
{
	struct roam_qos conf = { .is_set = 1, .rate_Bps = 1000000, .burst = 100000 };

	return qos_set(host, slot, ROAM_DIR_OUT, &conf);
}

static int del_qos(struct host *host, uint32_t slot)
{
	return qos_set(host, slot, ROAM_DIR_IN, &(struct roam_qos){});
}

static int set_ips(struct host *host, uint32_t slot)
{
	struct roam_ips conf = ips_defaults();

	conf.blocks = conf.sources = 2 * ROAM_IPS_QUOTA_MIN;
	return ips_set(host, slot, &conf);
}

static int del_ips(struct host *host, uint32_t slot)
{
	return ips_del(host, slot);
}

static int del_vm(struct host *host, uint32_t slot)
{
	(void)slot;
	return vm_del(host, "vm");
}

/* A VM with everything that a draft can have. */
static int make_vm(struct host *host, const char *name, struct roam_port port,
		   struct draft_rest *ret_rest)
{
	uint32_t replaces = ROAM_VM_NONE;
	_cleanup_draft_ struct draft *draft = NULL;
	struct roam_acl_rule rule = make_rule("other", 99);
	struct roam_flow_rec flow = kill_flow(100);
	struct roam_stats stats = {};
	struct roam_vm vm = {
		.life = ROAM_LIFE_ACTIVE,
		.quota_flows = ROAM_QUOTA_MIN,
		.quota_half = ROAM_QUOTA_MIN,
	};
	int err = text_name_parse("vm", name, vm.name);

	vm_find(host, name, &replaces);
	if (!err)
		err = draft_open(host, &vm, replaces, &draft);
	if (!err)
		err = draft_add_port(draft, &port);
	if (!err)
		err = draft_add_rule(draft, &rule, NULL);
	if (!err)
		err = draft_set_stats(draft, &stats);
	if (!err)
		err = draft_load_flows(draft, ROAM_CT_FLOWS, &flow, 1);
	return err ? err : draft_publish_live(draft, ret_rest);
}

static int add_vm(struct host *host, uint32_t slot)
{
	(void)slot;
	return make_vm(host, "new", other_port(), NULL);
}

static int replace_vm(struct host *host, uint32_t slot)
{
	(void)slot;
	return make_vm(host, "vm", other_port(), NULL);
}

static int replace_vm_and_rest(struct host *host, uint32_t slot)
{
	struct draft_rest rest = { .entry = -1 };
	int err = make_vm(host, "vm", other_port(), &rest);

	(void)slot;
	draft_finish_rest(host, &rest);
	return err;
}

/* Another policy for a VM in every respect: a rule goes, one changes, one stays, one comes. */
static int apply(struct host *host, const char *name, uint32_t quota)
{
	_cleanup_policy_ struct policy policy;
	static const char *const names[] = { "web", "mail", "dns" };
	struct roam_acl_rule *rule;
	int err;

	policy_init(&policy);
	err = text_name_parse("vm", name, policy.vm.name);
	policy.vm.default_action[ROAM_DIR_IN] = ROAM_ACTION_ALLOW;
	policy.vm.midstream = ROAM_MIDSTREAM_PICKUP;
	policy.vm.quota_flows = quota;
	policy.vm.quota_half = ROAM_QUOTA_MIN;
	policy.vm.lb = 1;
	for (size_t i = 0; i < ARRAY_SIZE(names) && !err; i++) {
		err = policy_add_rule(&policy, &rule);
		if (!err)
			*rule = make_rule(names[i], 8000 + i);
	}
	policy.ports[policy.port_count++] = other_port();
	policy.qos[ROAM_DIR_OUT] = (struct roam_qos){ .is_set = 1, .rate_Bps = 1000000 };
	qos_fill_burst(&policy.qos[ROAM_DIR_OUT]);
	policy.ips = ips_defaults();
	policy.ips.rate = policy.ips.burst = 30;
	policy.ips.sources = ROAM_IPS_QUOTA_MIN;
	policy.ips.blocks = ROAM_IPS_QUOTA_MIN;
	return err ? err : policy_apply(host, &policy);
}

static int apply_anew(struct host *host, uint32_t slot)
{
	(void)slot;
	return apply(host, "new", ROAM_QUOTA_MIN);
}

/* With quotas, whose tables change banks on the way. */
static int apply_over(struct host *host, uint32_t slot)
{
	(void)slot;
	return apply(host, "vm", 1000);
}

/* The port keeps its MAC and its device, and gets other addresses; of the rules one is left. */
static int apply_addrs(struct host *host, uint32_t slot)
{
	_cleanup_policy_ struct policy policy = {};
	int err = policy_get(host, slot, &policy);

	if (err)
		return err;
	policy.rule_count = 1;
	policy.vm.life = ROAM_LIFE_SHUT;
	policy.ports[0].addr_count = 1;
	policy.ports[0].vlan_count = 2;
	policy.ports[0].vlan[0] = ROAM_VLAN(5, 0);
	policy.ports[0].vlan[1] = ROAM_VLAN(6, 0);
	return policy_apply(host, &policy);
}

/* Refused when all of it is there already: the MAC is another VM's. */
static int refuse_apply(struct host *host, uint32_t slot)
{
	_cleanup_policy_ struct policy policy = {};
	int err = policy_get(host, slot, &policy);

	if (!err)
		err = text_name_parse("vm", "new", policy.vm.name);
	if (!err)
		err = policy_apply(host, &policy);
	return err == -EEXIST || err == -EBUSY ? 0 : -EINVAL;
}

static int drop_draft(struct host *host, uint32_t slot)
{
	struct roam_port ports[ROAM_VM_PORTS], port = other_port();

	/* Refused when it is published: the MAC is taken. */
	if (port_list(host, slot, ports) < 1)
		return -ENOENT;
	memcpy(port.mac, ports[0].mac, sizeof(port.mac));
	return make_vm(host, "new", port, NULL) == -EEXIST ? 0 : -EINVAL;
}

/* The VM's own image over the VM, as it is after a move there and back. */
static int load_image(struct host *host, uint32_t slot)
{
	struct image_bytes image = {};
	struct state_dev dev = { .mac = { 0x52, 0x54, 0, 0xaa, 0xbb, 0x10 }, .dev = "dev-kill" };
	struct state_save save = { .vm = "vm", .write = image_bytes_write, .arg = &image };
	struct state_load load = {
		.devs = &dev,
		.dev_count = 1,
		.replace = true,
		.read = image_bytes_read,
		.arg = &image,
	};
	struct state_loaded loaded;
	int err = state_save(host, &save);

	(void)slot;
	if (!err)
		err = state_load(host, &load, &loaded);
	image_bytes_free(&image);
	return err ? err : loaded.flows != KILL_FLOWS;
}

/* ---- a handover ---- */

static const struct move_source_options moving = { .id = { 7 } };

static int move_begin(struct host *host, uint32_t slot)
{
	_cleanup_move_source_ struct move_source *source = NULL;

	(void)slot;
	return move_source_open(host, "vm", &moving, &source);
}

/* Of a VM that is copied. */
static int move_abort(struct host *host, uint32_t slot)
{
	_cleanup_move_source_ struct move_source *source = NULL;
	int err = move_source_reopen(host, "vm", &source);

	(void)slot;
	return err ? err : move_source_abort(source);
}

static const struct kill_change changes[] = {
	{ "acl add", add_rule, NULL },
	{ "acl del", del_rule, NULL },
	{ "port add", add_port, NULL },
	{ "port del", del_port, NULL },
	{ "vm set", set_all, NULL },
	{ "vm set quotas", set_quotas, NULL },
	{ "vm add", add_vm, NULL },
	{ "vm replace", replace_vm, NULL },
	{ "vm replace, and the rest", replace_vm_and_rest, NULL },
	{ "vm add, refused", drop_draft, NULL },
	{ "vm del", del_vm, NULL },
	{ "qos set", set_qos, NULL },
	{ "qos del", del_qos, NULL },
	{ "ips set", set_ips, NULL },
	{ "ips del", del_ips, NULL },
	{ "state load", load_image, NULL },
	{ "move begin", move_begin, NULL },
	{ "move abort", move_abort, move_begin },
	{ "policy apply", apply_over, NULL },
	{ "policy apply addresses", apply_addrs, NULL },
	{ "policy apply, new", apply_anew, NULL },
	{ "policy apply, refused", refuse_apply, NULL },
};

TEST_EACH(before_or_after, changes)
{
	kill_each(row);
}
