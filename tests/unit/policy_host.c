// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Policy files of a host: its services and its sets, as policy.c has VMs. */
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include "harness.h"
#include "policy_text.h"
#include "policy_tree.h"

static const char shops[] = "services:\n"
			    "- name: shop\n"
			    "  vip: 198.51.100.9\n"
			    "  port: 80\n"
			    "  proto: tcp\n"
			    "  backends:\n"
			    "  - {addr: 10.0.0.11, port: 8080, weight: 2, state: draining}\n"
			    "  - addr: 10.0.0.10\n"
			    "- {name: dns, vip: '2001:db8::53', port: 53, proto: udp}\n";

TEST(reads_services)
{
	_cleanup_policies_ struct policies policies = {};
	const struct lb_policy_service *shop;

	if (!policy_text_services(shops, &policies) || !CHECK_EQ(policies.services->count, 2))
		return;
	CHECK_STR(policies.services->services[0].service.row.name, "dns"); /* by their names */
	CHECK_EQ(policies.services->services[0].service.key.proto, IPPROTO_UDP);
	CHECK_EQ(policies.services->services[0].count, 0);
	shop = &policies.services->services[1];
	CHECK_EQ(shop->service.key.port, htons(80));
	if (!CHECK_EQ(shop->count, 2))
		return;
	CHECK_EQ(shop->backends[0].row.port, htons(80)); /* the service's */
	CHECK_EQ(shop->backends[0].row.weight, 1);
	CHECK_EQ(shop->backends[0].row.state, ROAM_LB_ACTIVE);
	CHECK_EQ(shop->backends[1].row.port, htons(8080));
	CHECK_EQ(shop->backends[1].row.weight, 2);
	CHECK_EQ(shop->backends[1].row.state, ROAM_LB_DRAINING);
}

static const struct policy_round service_rounds[] = {
	{ "everything", shops },
	{ "none", "services: []" },
	{ "names like words", "services: [{name: 'off', vip: 10.0.0.1, port: 1, proto: udp}, "
			      "{name: '1e3', vip: 10.0.0.1, port: 2, proto: udp}]" },
};

static bool same_services(const struct lb_policy *a, const char *text)
{
	_cleanup_policies_ struct policies again = {};
	json_t *was = policy_services_tree(a), *is;
	unsigned int count = 0;
	bool same = false;

	if (policy_text_services(text, &again)) {
		is = policy_services_tree(again.services);
		CHECK_EQ(policy_services_diff(was, is, policy_text_count, &count), 0);
		same = CHECK(json_equal(was, is));
		json_decref(is);
	}
	json_decref(was);
	return same;
}

TEST_EACH(shows_services_that_it_reads, service_rounds)
{
	_cleanup_policies_ struct policies first = {};
	char *yaml, *json;
	json_t *tree;

	if (!policy_text_services(row->text, &first))
		return;
	tree = policy_services_tree(first.services);
	yaml = policy_text_yaml(tree);
	json = json_dumps(tree, JSON_COMPACT);
	if (!same_services(first.services, yaml))
		note("%s", yaml);
	same_services(first.services, json);
	json_decref(tree);
	free(yaml);
	free(json);
}

#define SHOP "name: s, vip: 10.0.0.1, port: 80, proto: tcp"

static const struct policy_difference service_differences[] = {
	{ "a service more", "services: []", "services: [{" SHOP "}]", "services s", NULL,
	  "name s vip 10.0.0.1 port 80 proto tcp" },
	{ "a service less", "services: [{" SHOP "}]", "services: []", "services s",
	  "name s vip 10.0.0.1 port 80 proto tcp", NULL },
	{ "another port", "services: [{" SHOP "}]",
	  "services: [{name: s, vip: 10.0.0.1, port: 81, proto: tcp}]", "services s port", "80",
	  "81" },
	{ "a backend more", "services: [{" SHOP "}]",
	  "services: [{" SHOP ", backends: [{addr: 10.0.0.2}]}]", "services s backends 10.0.0.2",
	  NULL, "addr 10.0.0.2 port 80 weight 1 state active" },
	{ "a drained one", "services: [{" SHOP ", backends: [{addr: 10.0.0.2}]}]",
	  "services: [{" SHOP ", backends: [{addr: 10.0.0.2, state: draining}]}]",
	  "services s backends 10.0.0.2 state", "active", "draining" },
};

TEST_EACH(tells_of_services, service_differences)
{
	_cleanup_policies_ struct policies first = {}, second = {};
	json_t *was, *is;

	if (!policy_text_services(row->was, &first) || !policy_text_services(row->is, &second))
		return;
	was = policy_services_tree(first.services);
	is = policy_services_tree(second.services);
	CHECK_EQ(policy_services_diff(was, is, policy_text_check, (void *)row), 1);
	json_decref(was);
	json_decref(is);
}

/* ---- sets ---- */

static const struct policy_round set_rounds[] = {
	{ "everything", "sets:\n"
			"- {name: web, ports: [443, 80, 8000-8099]}\n"
			"- name: lab\n"
			"  addrs:\n"
			"  - 192.0.2.0/24\n"
			"  - '2001:db8::/32'\n"
			"  - '::/0'\n"
			"- {name: none, kind: port}\n" },
	{ "none", "sets: []" },
};

TEST_EACH(shows_sets_that_it_reads, set_rounds)
{
	_cleanup_policies_ struct policies first = {}, again = {};
	json_t *was, *is;
	char *text;

	if (!policy_text_sets(row->text, &first))
		return;
	was = policy_sets_tree(first.sets);
	text = json_dumps(was, JSON_COMPACT);
	if (policy_text_sets(text, &again)) {
		is = policy_sets_tree(again.sets);
		CHECK(json_equal(was, is));
		json_decref(is);
	}
	json_decref(was);
	free(text);
}
