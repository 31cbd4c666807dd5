// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * A process is killed at each point of each change that it can make to a host's services
 * (kill_each.h), and to a VM's use of them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include "ct.h"
#include "harness.h"
#include "kill_each.h"
#include "lb.h"
#include "lb_policy.h"
#include "packet.h"
#include "text.h"

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

static int del_peer(const struct lb_peer *peer, void *host)
{
	return lb_peer_del(host, peer);
}

/* One service "web" with one backend, and nothing else. */
static int reset_services(struct host *host, uint32_t slot)
{
	_cleanup_lb_services_ struct lb_services services = {};
	struct roam_lb_backend row = make_backend("192.0.2.101");
	int err = lb_list(host, &services);

	(void)slot;
	for (uint32_t i = 0; i < services.count && !err; i++)
		err = lb_del(host, services.list[i].row.name);
	if (!err)
		err = lb_peer_each(host, del_peer, host);
	if (!err)
		err = lb_add(host, "web", &web_key);
	return err ? err : lb_backend_add(host, "web", &row);
}

/* And a session of it, as a VM that is to have no more of it has one. */
static int reset_session(struct host *host, uint32_t slot)
{
	struct roam_flow_rec flow = kill_flow(KILL_FLOWS);
	int err = reset_services(host, slot);

	flow.flow.lb_role = ROAM_LB_ROLE_CLIENT;
	flow.flow.lb_addr = make_backend("192.0.2.101").addr;
	flow.flow.lb_port = htons(80);
	if (!err)
		err = lb_use(host, slot, true);
	return err ? err : ct_load(host, ROAM_CT_TABLE(slot, 0, ROAM_CT_FLOWS), &flow, 1);
}

static const struct kill_change changes[] = {
	{ "lb add", add_service, reset_services },
	{ "lb del", del_service, reset_services },
	{ "lb backend add", add_backend, reset_services },
	{ "lb backend del", del_backend, reset_services },
	{ "lb backend drain", drain_backend, reset_services },
	{ "lb policy apply", apply_services, reset_services },
	{ "lb policy apply, another VIP", apply_service, reset_services },
	{ "lb policy apply, nothing", apply_no_services, reset_services },
	{ "lb backend move", move_backend, reset_services },
	{ "lb peer add", add_peer, reset_services },
	{ "lb on", use_lb, reset_services },
	{ "lb off", use_no_lb, reset_session },
};

TEST_EACH(before_or_after, changes)
{
	kill_each(row);
}
