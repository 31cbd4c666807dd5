// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A process is killed at each point of each change that it can make to a host. Whoever opens the
 * host next must find it as before the change, or as after, with nothing left that belongs to
 * nobody.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "acl.h"
#include "audit.h"
#include "ct.h"
#include "draft.h"
#include "harness.h"
#include "hosts.h"
#include "image_parts.h"
#include "ips.h"
#include "killer.h"
#include "lb.h"
#include "lb_policy.h"
#include "move.h"
#include "policy.h"
#include "port.h"
#include "qos.h"
#include "state.h"
#include "text.h"
#include "vm.h"

#define FLOWS       8
#define CHANGES_MAX 400

static const uint8_t other_mac[ROAM_MAC_LEN] = { 0x52, 0x54, 0, 0, 0, 0x77 };

static struct roam_flow_rec make_flow(unsigned int i)
{
	return (struct roam_flow_rec){
		.key = { .local = cast_vm_addr(4),
			 .remote = cast_peer_addr(4),
			 .lport = htons(1000 + i),
			 .family = 4,
			 .proto = IPPROTO_TCP },
		.flow = { .created_ns = i, .seen_ns = now_ns(), .state = ROAM_CT_ESTABLISHED },
	};
}

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

/* ---- the changes; each by a process of its own, on the VM "vm" in this slot ---- */

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
	struct roam_flow_rec flow = make_flow(100);
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

/* ---- services ---- */

static const struct roam_lb_key web_key = {
	.vip.words = { 0, 0, 0xffff0000, 0x096433c6 }, /* 198.51.100.9 */
	.port = 0x5000,                                /* 80 */
	.proto = IPPROTO_TCP,
};

static struct roam_lb_backend make_backend(const char *addr)
{
	struct roam_lb_backend row = { .port = htons(80), .weight = 1 };

	text_addr_parse(addr, &row.addr);
	return row;
}

static int add_service(struct host *host, uint32_t slot)
{
	struct roam_lb_key key = web_key;

	(void)slot;
	key.port = htons(81);
	return lb_add(host, "new", &key);
}

static int del_service(struct host *host, uint32_t slot)
{
	(void)slot;
	return lb_del(host, "web");
}

static int add_backend(struct host *host, uint32_t slot)
{
	struct roam_lb_backend row = make_backend("192.0.2.102");

	(void)slot;
	return lb_backend_add(host, "web", &row);
}

static int del_backend(struct host *host, uint32_t slot)
{
	struct roam_lb_backend row = make_backend("192.0.2.101");

	(void)slot;
	return lb_backend_del(host, "web", &row.addr);
}

static int drain_backend(struct host *host, uint32_t slot)
{
	struct roam_lb_backend row = make_backend("192.0.2.101");

	(void)slot;
	return lb_backend_set(host, "web", &row.addr, ROAM_LB_DRAINING);
}

/* The one that is there has another VIP and other backends; one comes. */
static int apply_services(struct host *host, uint32_t slot)
{
	static const char *const addrs[] = { "192.0.2.103", "192.0.2.104", "192.0.2.105" };
	_cleanup_lb_policy_ struct lb_policy policy = {};
	struct lb_policy_backend *backend;
	struct lb_policy_service *service;
	int err = lb_policy_add(&policy, &service);

	(void)slot;
	for (int i = 0; i < 2 && !err; i++) {
		snprintf(service->service.row.name, ROAM_NAME_LEN, i ? "web" : "new");
		service->service.key = web_key;
		service->service.key.port = htons(i ? 82 : 83);
		for (int j = i; j < 3 && !err; j++) {
			err = lb_policy_add_backend(service, &backend);
			if (err)
				break;
			backend->row = make_backend(addrs[j]);
			backend->row.state = j == 2 ? ROAM_LB_DRAINING : ROAM_LB_ACTIVE;
		}
		if (!err && !i)
			err = lb_policy_add(&policy, &service);
	}
	return err ? err : lb_policy_apply(host, &policy);
}

/* The backend stays, with another port; the VIP is another one. */
static int apply_service(struct host *host, uint32_t slot)
{
	_cleanup_lb_policy_ struct lb_policy policy = {};
	int err = lb_policy_get(host, &policy);

	(void)slot;
	if (err || policy.count != 1)
		return err ? err : -EINVAL;
	policy.services[0].service.key.port = htons(84);
	policy.services[0].backends[0].row.port = htons(8084);
	return lb_policy_apply(host, &policy);
}

static int apply_no_services(struct host *host, uint32_t slot)
{
	(void)slot;
	return lb_policy_apply(host, &(struct lb_policy){});
}

static int move_backend(struct host *host, uint32_t slot)
{
	struct roam_lb_backend row = make_backend("192.0.2.101");
	struct lb_place to = { packet_addr("203.0.113.2"), packet_addr("203.0.113.1") };

	(void)slot;
	return lb_backend_move(host, "web", &row.addr, &to);
}

static int add_peer(struct host *host, uint32_t slot)
{
	struct lb_peer peer = { packet_addr("203.0.113.2"), packet_addr("203.0.113.1") };

	(void)slot;
	return lb_peer_add(host, &peer);
}

static int use_lb(struct host *host, uint32_t slot)
{
	return lb_use(host, slot, true);
}

static int use_no_lb(struct host *host, uint32_t slot)
{
	return lb_use(host, slot, false);
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
	return err ? err : loaded.flows != FLOWS;
}

/* ---- a handover ---- */

static const struct move_source_options moving = { .id = { 7 } };

static int move_begin(struct host *host, uint32_t slot)
{
	_cleanup_move_source_ struct move_source *source = NULL;

	(void)slot;
	return move_source_open(host, "vm", &moving, &source);
}

/* Of a VM that is copied (reset()). */
static int move_abort(struct host *host, uint32_t slot)
{
	_cleanup_move_source_ struct move_source *source = NULL;
	int err = move_source_reopen(host, "vm", &source);

	(void)slot;
	return err ? err : move_source_abort(source);
}

static const struct change {
	const char *name;
	int (*make)(struct host *host, uint32_t slot);
} changes[] = {
	{ "acl add", add_rule },
	{ "acl del", del_rule },
	{ "port add", add_port },
	{ "port del", del_port },
	{ "vm set", set_all },
	{ "vm set quotas", set_quotas },
	{ "vm add", add_vm },
	{ "vm replace", replace_vm },
	{ "vm replace, and the rest", replace_vm_and_rest },
	{ "vm add, refused", drop_draft },
	{ "vm del", del_vm },
	{ "lb add", add_service },
	{ "lb del", del_service },
	{ "lb backend add", add_backend },
	{ "lb backend del", del_backend },
	{ "lb backend drain", drain_backend },
	{ "lb policy apply", apply_services },
	{ "lb policy apply, another VIP", apply_service },
	{ "lb policy apply, nothing", apply_no_services },
	{ "lb backend move", move_backend },
	{ "lb peer add", add_peer },
	{ "lb on", use_lb },
	{ "lb off", use_no_lb },
	{ "qos set", set_qos },
	{ "qos del", del_qos },
	{ "ips set", set_ips },
	{ "ips del", del_ips },
	{ "state load", load_image },
	{ "move begin", move_begin },
	{ "move abort", move_abort },
	{ "policy apply", apply_over },
	{ "policy apply addresses", apply_addrs },
	{ "policy apply, new", apply_anew },
	{ "policy apply, refused", refuse_apply },
};

/* ---- the test ---- */

struct job {
	const struct change *change;
	const char *dir;
};

/* In the process that is killed. */
static int run_job(const void *arg)
{
	const struct job *job = arg;
	_cleanup_host_ struct host *host = NULL;
	uint32_t slot;
	int err = host_open(job->dir, &host);

	if (!err)
		err = vm_find(host, "vm", &slot);
	if (!err)
		err = job->change->make(host, slot);
	if (err)
		note("%s: %d: %s", job->change->name, err, fail_line());
	return err;
}

static int del_any(struct host *host, uint32_t slot, void *arg)
{
	struct roam_vm vm;

	(void)arg;
	return vm_get(host, slot, &vm) ? -ENOENT : vm_del(host, vm.name);
}

static int del_peer(const struct lb_peer *peer, void *host)
{
	return lb_peer_del(host, peer);
}

/* One service "web" with one backend, and nothing else. */
static bool reset_services(struct host *host)
{
	_cleanup_lb_services_ struct lb_services services = {};
	struct roam_lb_backend row = make_backend("192.0.2.101");
	bool good = CHECK_OK(lb_list(host, &services));

	for (uint32_t i = 0; i < services.count; i++)
		good &= CHECK_OK(lb_del(host, services.list[i].row.name));
	lb_peer_each(host, del_peer, host);
	return good && CHECK_OK(lb_add(host, "web", &web_key)) &&
	       CHECK_OK(lb_backend_add(host, "web", &row));
}

/* A session of it, as a VM that is to have no more of it has one. */
static bool add_session(struct host *host, uint32_t slot)
{
	struct roam_flow_rec flow = make_flow(FLOWS);

	flow.flow.lb_role = ROAM_LB_ROLE_CLIENT;
	flow.flow.lb_addr = make_backend("192.0.2.101").addr;
	flow.flow.lb_port = htons(80);
	return CHECK_OK(lb_use(host, slot, true)) &&
	       CHECK_OK(ct_load(host, ROAM_CT_TABLE(slot, 0, ROAM_CT_FLOWS), &flow, 1));
}

/* A rate toward the VM, and a block. */
static bool add_features(struct test_host *host, uint32_t slot)
{
	struct roam_qos conf = { .is_set = 1, .rate_Bps = 2000000, .burst = 200000 };
	struct roam_ips ips = ips_defaults();
	struct roam_addr from = { .words = { 1, 2, 0, 0 } };

	ips.sources = ips.blocks = ROAM_IPS_QUOTA_MIN;
	return CHECK_OK(qos_set(host->host, slot, ROAM_DIR_IN, &conf)) &&
	       CHECK_OK(ips_set(host->host, slot, &ips)) &&
	       CHECK_OK(ips_block_add(host->host, slot, &from, 0));
}

/* One VM "vm" with a port, two rules, some flows and the features, and nothing else. */
static bool reset(struct test_host *host, const struct change *change)
{
	struct roam_flow_rec flows[FLOWS];
	uint32_t slot;

	vm_each(host->host, del_any, NULL);
	hosts_add_vm(host);
	for (unsigned int i = 0; i < FLOWS; i++)
		flows[i] = make_flow(i);
	return CHECK_OK(vm_find(host->host, "vm", &slot)) && add_features(host, slot) &&
	       CHECK_OK(ct_load(host->host, ROAM_CT_TABLE(slot, 0, ROAM_CT_FLOWS), flows, FLOWS)) &&
	       (strncmp(change->name, "lb", 2) != 0 || reset_services(host->host)) &&
	       (change->make != use_no_lb || add_session(host->host, slot)) &&
	       (change->make != move_abort || CHECK_OK(move_begin(host->host, slot)));
}

/* As the next process finds the host. */
static char *look(const char *dir)
{
	_cleanup_host_ struct host *host = NULL;

	return CHECK_OK(host_open(dir, &host)) ? audit(host) : NULL;
}

static void say_difference(const char *found, const char *before, const char *after)
{
	char *copy = strdup(found), *rest;

	for (char *at = strtok_r(copy, "\n", &rest); at; at = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(before, at) || !strstr(after, at))
			note("found: %s", at);
	}
	free(copy);
}

/* Kills at each change in turn until there are no more. */
static void kill_everywhere(struct test_host *host, const struct job *job, const char *before,
			    const char *after)
{
	/* Where it takes long, some points have to stand for all. */
	unsigned int rounds = harness_rounds(CHANGES_MAX);
	unsigned int step = rounds < CHANGES_MAX ? CHANGES_MAX / (rounds + 1) : 1;
	bool used = true;

	for (unsigned int nth = 1 + harness_seed() % step; nth < CHANGES_MAX; nth += step) {
		int result = 0, killed;
		char *found;
		bool good;

		if (used && !reset(host, job->change))
			return;
		killed = killer_run(run_job, job, nth, &result);
		if (!killed) {
			CHECK_EQ(result, 0);
			note("up to %u points", nth - 1);
			return;
		}
		found = look(job->dir);
		good = found && (!strcmp(found, before) || !strcmp(found, after));
		if (!CHECK(good)) {
			note("killed before its change %u", nth);
			say_difference(found ? found : "", before, after);
		}
		used = found && strcmp(found, before) != 0;
		free(found);
		if (!good)
			return;
	}
	CHECK(!"a change that never ends");
}

/* One host for all tests: it is as good as new after each of them. */
static struct test_host *kill_host(void)
{
	static struct test_host host;

	if (!host.host) {
		hosts_enter();
		hosts_make("kill", &host);
	}
	return &host;
}

TEST_EACH(before_or_after, changes)
{
	struct test_host *host = kill_host();
	struct job job = { row, host_dir(host->host) };
	char *before, *after;
	int result = -1;

	if (!reset(host, row))
		return;
	before = look(job.dir);
	CHECK_EQ(killer_run(run_job, &job, 0, &result), 0);
	CHECK_EQ(result, 0);
	after = look(job.dir);
	if (CHECK(before && after))
		kill_everywhere(host, &job, before, after);
	free(before);
	free(after);
}
