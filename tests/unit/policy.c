// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Policy files of VMs: what is read from them, that what is shown is read, and what of two is told
 * to be different. policy_host.c has a host's services and sets, policy_refuse.c what is refused.
 */
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include "acl_words.h"
#include "harness.h"
#include "policy_text.h"
#include "policy_tree.h"
#include "text.h"

/* ---- what is understood ---- */

static const char whole[] = "vm:\n"
			    "  name: web-1\n"
			    "  uuid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427\n"
			    "  life: shut\n"
			    "  default: {in: drop, out: allow}\n"
			    "  midstream: pickup\n"
			    "  flows: 1000\n"
			    "  half: 100\n"
			    "  lb: on\n"
			    "ports:\n"
			    "  - dev: tap0\n"
			    "    mac: 52:54:00:aa:bb:10\n"
			    "    addr: [10.0.0.10, fd00::10]\n"
			    "    vlan: [untagged, 10, 10.20]\n"
			    "    dhcp: on\n"
			    "    ra: false\n"
			    "  - {mac: 52:54:00:aa:bb:0f, dev: tap1, zone: blue}\n"
			    "acl:\n"
			    "  - {name: z, dir: out, action: drop, to: 192.0.2.0/24}\n"
			    "  - dport: 443\n"
			    "    name: https\n"
			    "    from: 10.0.0.0/8\n"
			    "    dir: in\n"
			    "    prio: 10\n"
			    "    action: allow\n"
			    "    proto: tcp\n"
			    "qos:\n"
			    "  out: {rate: 10mbit, burst: 64k, dscp: ef}\n"
			    "ips: {rate: 20, block: 10m, max: 1d, prefix6: 56, blocks: 100}\n";

static void check_vm(const struct roam_vm *vm)
{
	char uuid[TEXT_UUID_LEN];

	CHECK_STR(vm->name, "web-1");
	CHECK_STR(text_uuid(vm->uuid, uuid), "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
	CHECK_EQ(vm->life, ROAM_LIFE_SHUT);
	CHECK_EQ(vm->default_action[ROAM_DIR_IN], ROAM_ACTION_DROP);
	CHECK_EQ(vm->default_action[ROAM_DIR_OUT], ROAM_ACTION_ALLOW);
	CHECK_EQ(vm->midstream, ROAM_MIDSTREAM_PICKUP);
	CHECK_EQ(vm->quota_flows, 1000);
	CHECK_EQ(vm->quota_half, 100);
	CHECK_EQ(vm->lb, 1);
}

static void check_ports(const struct roam_port *ports)
{
	char text[TEXT_ADDR_LEN];

	CHECK_STR(ports[0].dev, "tap1"); /* by their MACs */
	CHECK_STR(ports[0].zone_name, "blue");
	CHECK_EQ(ports[0].addr_count, 0);
	CHECK_STR(ports[1].dev, "tap0");
	CHECK_STR(ports[1].zone_name, "52:54:00:aa:bb:10");
	CHECK_EQ(ports[1].addr_count, 2);
	CHECK_STR(text_addr(&ports[1].addr[1], text), "fd00::10");
	CHECK_EQ(ports[1].vlan_count, 3);
	CHECK_EQ(ports[1].vlan[2], ROAM_VLAN(10, 20));
	CHECK_EQ(ports[1].switches, ROAM_PORT_DHCP);
}

static void check_ips(const struct roam_ips *ips)
{
	CHECK(ips->is_set);
	CHECK_EQ(ips->rate, 20);
	CHECK_EQ(ips->burst, 20); /* as many at once, if nothing else is said */
	CHECK_EQ(ips->block_s, 600);
	CHECK_EQ(ips->block_max_s, 86400);
	CHECK_EQ(ips->prefix4, 32);
	CHECK_EQ(ips->prefix6, 56);
	CHECK_EQ(ips->sources, ROAM_IPS_SOURCES_DEFAULT);
	CHECK_EQ(ips->blocks, 100);
}

TEST(reads_everything)
{
	_cleanup_policies_ struct policies policies = {};
	const struct policy *policy;

	if (!policy_text_vm(whole, &policies))
		return;
	policy = &policies.all[0];
	check_vm(&policy->vm);
	if (CHECK_EQ(policy->port_count, 2))
		check_ports(policy->ports);
	if (CHECK_EQ(policy->rule_count, 2)) {
		CHECK_STR(policy->rules[0].name, "https"); /* as they are matched */
		CHECK_EQ(policy->rules[0].lport.first, 443);
		CHECK_EQ(policy->rules[0].remote.bits, 96 + 8);
		CHECK_EQ(policy->rules[0].proto, IPPROTO_TCP);
		CHECK_EQ(policy->rules[1].any_proto, 1);
		CHECK_EQ(policy->rules[1].prio, 1000);
		CHECK_EQ(policy->rules[1].remote.bits, 96 + 24);
	}
	CHECK(!policy->qos[ROAM_DIR_IN].is_set);
	CHECK(policy->qos[ROAM_DIR_OUT].is_set);
	CHECK_EQ(policy->qos[ROAM_DIR_OUT].rate_Bps, 1250000);
	CHECK_EQ(policy->qos[ROAM_DIR_OUT].burst, 65536);
	CHECK_EQ(policy->qos[ROAM_DIR_OUT].dscp, 46);
	check_ips(&policy->ips);
}

static const struct many {
	const char *name;
	const char *text;
	unsigned int count;
} many[] = {
	{ "the least", "vm: {name: a}", 1 },
	{ "documents", "vm: {name: a}\n---\nvm: {name: b}\n---\nvm: {name: c}\n", 3 },
	{ "a list", "- vm: {name: a}\n- vm: {name: b}\n", 2 },
	{ "JSON", "[{\"vm\":{\"name\":\"a\",\"flows\":100}},\n\t{\"vm\":{\"name\":\"b\"}}]", 2 },
	{ "empty lists", "vm: {name: a}\nports: []\nacl: []\n", 1 },
	{ "an alias", "vm: {name: a}\nports:\n- {mac: &m 52:54:00:00:00:01, dev: t, zone: *m}\n",
	  1 },
	{ "a comment and a mark", "# of a\n%YAML 1.1\n---\nvm: # this\n  name: a\n...\n", 1 },
	{ "standard tags", "vm: !!map {name: !!str a}", 1 },
	{ "services beside VMs", "- vm: {name: a}\n- services: []\n- vm: {name: b}\n", 2 },
};

TEST_EACH(reads, many)
{
	_cleanup_policies_ struct policies policies = {};

	CHECK_OK(policy_read("test", row->text, strlen(row->text), &policies));
	CHECK_EQ(policies.count, row->count);
}

/* What the default of everything is: what `vm add` and the others take. */
TEST(defaults)
{
	_cleanup_policies_ struct policies policies = {};
	const struct roam_vm *vm;

	if (!policy_text_vm("vm: {name: a}", &policies))
		return;
	vm = &policies.all[0].vm;
	CHECK_EQ(vm->life, ROAM_LIFE_ACTIVE);
	CHECK_EQ(vm->default_action[ROAM_DIR_IN], ROAM_ACTION_DROP);
	CHECK_EQ(vm->default_action[ROAM_DIR_OUT], ROAM_ACTION_DROP);
	CHECK_EQ(vm->midstream, ROAM_MIDSTREAM_STRICT);
	CHECK_EQ(vm->quota_flows, ROAM_QUOTA_FLOWS_DEFAULT);
	CHECK_EQ(vm->quota_half, ROAM_QUOTA_HALF_DEFAULT);
	CHECK(!policies.all[0].has_uuid);
}

/* ---- what is shown is read ---- */

static bool same_trees(const struct policy *a, const struct policy *b)
{
	json_t *was = policy_tree(a), *is = policy_tree(b);
	unsigned int count = 0;

	CHECK_EQ(policy_diff(was, is, policy_text_count, &count), 0);
	CHECK_EQ(count, 0);
	count = json_equal(was, is);
	json_decref(was);
	json_decref(is);
	return CHECK(count);
}

/* The rules themselves, not what is said of them. */
static void same_rules(const struct policy *a, const struct policy *b)
{
	if (CHECK_EQ(a->rule_count, b->rule_count) && a->rule_count)
		CHECK_MEM(a->rules, b->rules, a->rule_count * sizeof(*a->rules));
}

/* Names and values that other readers of YAML take for something else. */
static const struct policy_round rounds[] = {
	{ "everything", whole },
	{ "the least", "vm: {name: a}" },
	{ "names like words", "vm: {name: 'null'}\nports: [{mac: 52:54:00:00:00:01, dev: 'on'}]\n"
			      "acl: [{name: 'yes', dir: in, action: drop}, "
			      "{name: '1e3', dir: out, action: allow, proto: 47}, "
			      "{name: 'a:', dir: out, action: allow, from: any6}]" },
	{ "icmp", "vm: {name: a}\nacl: [{name: p, dir: in, action: allow, proto: icmp6}, "
		  "{name: q, dir: out, action: allow, proto: icmp, to: 10.0.0.0/8}]" },
	{ "protocols", "vm: {name: a}\nacl: [{name: p, dir: in, action: allow, proto: sctp, "
		       "dport: 36412}, {name: q, dir: in, action: allow, proto: gre}, "
		       "{name: r, dir: in, action: allow, proto: esp}, "
		       "{name: s, dir: in, action: allow, proto: ah}]" },
	{ "protocols by number",
	  "vm: {name: a}\nacl: [{name: p, dir: in, action: allow, proto: 99}, "
	  "{name: q, dir: in, action: allow, proto: 1}, "
	  "{name: r, dir: in, action: allow, proto: 1, from: any6}, "
	  "{name: s, dir: out, action: allow, proto: 58, to: 'fd00::/8'}]" },
	{ "any4", "vm: {name: a}\nacl: [{name: p, dir: in, action: allow, to: any4}]" },
	{ "all IPv4", "vm: {name: a}\nacl: [{name: p, dir: out, action: allow, to: 0.0.0.0/0}]" },
	{ "ranges", "vm: {name: a}\nacl: [{name: p, dir: out, action: allow, proto: udp, "
		    "sport: 53, dport: 1024-65535}]" },
	{ "flags", "vm: {name: a}\nacl: [{name: p, dir: in, action: drop, proto: tcp, "
		   "flags: 'none/syn,ack'}, {name: q, dir: in, action: drop, proto: tcp, "
		   "flags: syn}]" },
	{ "audit", "vm: {name: a, default: {in: audit}}\nacl: [{name: p, dir: in, action: audit, "
		   "log: 20}]" },
	{ "stateless", "vm: {name: a}\nacl: [{name: p, dir: in, action: drop, stateless: on}]" },
	{ "limits", "vm: {name: a}\nacl: [{name: p, dir: in, action: allow, conns: 100, "
		    "perremote: 4}, {name: q, dir: out, action: allow, perremote: 1}]" },
	{ "types", "vm: {name: a}\nacl: [{name: p, dir: in, action: allow, proto: icmp, type: 8}, "
		   "{name: q, dir: in, action: allow, proto: icmp6, type: 1/4}, "
		   "{name: r, dir: in, action: allow, proto: icmp, type: 200}, "
		   "{name: s, dir: in, action: allow, proto: icmp, type: 200/0}]" },
	{ "marks", "vm: {name: a}\nqos: {in: {dscp: 7}, out: {dscp: cs1}}" },
	{ "only in", "vm: {name: a}\nqos: {in: {rate: 8kbit}}" },
	{ "empty profiles", "vm: {name: a}\nqos: {in: {dscp: 1}, out: {}}" },
	{ "ips", "vm: {name: a}\nips: {rate: 5, burst: 50, block: 90s, max: 2h, sources: 64}" },
};

TEST_EACH(shows_what_it_reads, rounds)
{
	_cleanup_policies_ struct policies first = {}, yaml = {}, json = {};
	json_t *tree;
	char *text;

	if (!policy_text_vm(row->text, &first))
		return;
	tree = policy_tree(&first.all[0]);
	text = policy_text_yaml(tree);
	if (policy_text_vm(text, &yaml)) {
		same_trees(&first.all[0], &yaml.all[0]);
		same_rules(&first.all[0], &yaml.all[0]);
	} else {
		note("%s", text);
	}
	free(text);
	text = json_dumps(tree, JSON_COMPACT);
	if (policy_text_vm(text, &json)) {
		same_trees(&first.all[0], &json.all[0]);
		same_rules(&first.all[0], &json.all[0]);
	}
	free(text);
	json_decref(tree);
}

/* A rule in a file is the one that the command makes of the same words. */
static const struct as_command {
	const char *name;
	const char *file; /* behind name, dir and action */
	char *words[12];  /* the same */
} as_commands[] = {
	{ "nothing", "", {} },
	{ "any", ", proto: any", { "any" } },
	{ "a protocol", ", proto: tcp", { "tcp" } },
	{ "a number", ", proto: 99", { "proto", "99" } },
	{ "0", ", proto: 0", { "proto", "0" } },
	{ "a number with a name", ", proto: 47", { "proto", "47" } },
	{ "ICMP by number", ", proto: 1", { "proto", "1" } },
	{ "TCP by number", ", proto: 6, dport: 80", { "proto", "6", "dport", "80" } },
	{ "a type", ", proto: icmp6, type: 2", { "icmp6", "type", "2" } },
	{ "flags", ", proto: tcp, flags: 'syn/syn,ack'", { "tcp", "flags", "syn/syn,ack" } },
	{ "ends",
	  ", prio: 7, proto: udp, from: 10.0.0.0/8, to: any4, sport: 1-2, dport: 53",
	  { "udp", "from", "10.0.0.0/8", "to", "any4", "sport", "1-2", "dport", "53" } },
	{ "sets",
	  ", proto: tcp, from: 'set:a', dport: 'set:b'",
	  { "tcp", "from", "set:a", "dport", "set:b" } },
	{ "the rest",
	  ", log: 5, conns: 9, perremote: 3",
	  { "log", "5", "conns", "9", "perremote", "3" } },
	{ "stateless", ", stateless: on", { "stateless" } },
};

TEST_EACH(a_rule_is_the_command_s, as_commands)
{
	char *word[24] = { "name", "r", "in" }, text[256];
	struct words words = { .word = word, .count = 3 };
	_cleanup_policies_ struct policies policies = {};
	struct roam_acl_rule rule;

	if (strstr(row->file, "prio: 7")) {
		word[words.count++] = "prio";
		word[words.count++] = "7";
	}
	word[words.count++] = "allow";
	for (int i = 0; row->words[i]; i++)
		word[words.count++] = row->words[i];
	snprintf(text, sizeof(text), "vm: {name: a}\nacl: [{name: r, dir: in, action: allow%s}]",
		 row->file);
	if (CHECK_OK(acl_words_rule(&words, &rule)) && policy_text_vm(text, &policies) &&
	    CHECK_EQ(policies.all[0].rule_count, 1))
		CHECK_MEM(&policies.all[0].rules[0], &rule, sizeof(rule));
}

/* ---- differences ---- */

static const struct policy_difference differences[] = {
	{ "a setting", "vm: {name: a, default: {in: drop}}", "vm: {name: a, default: {in: allow}}",
	  "vm default in", "drop", "allow" },
	{ "a rule more", "vm: {name: a}", "vm: {name: a}\nacl: [{" RULE "}]", "acl r", NULL,
	  "name r dir in prio 1000 action allow proto any" },
	{ "a rule less", "vm: {name: a}\nacl: [{" RULE "}]", "vm: {name: a}", "acl r",
	  "name r dir in prio 1000 action allow proto any", NULL },
	{ "a rule's field", "vm: {name: a}\nacl: [{" RULE ", proto: tcp, dport: 80}]",
	  "vm: {name: a}\nacl: [{" RULE ", proto: tcp, dport: 80-90}]", "acl r dport", "80",
	  "80-90" },
	{ "an address more", "vm: {name: a}\nports: [{" PORT ", addr: [10.0.0.1]}]",
	  "vm: {name: a}\nports: [{" PORT ", addr: [10.0.0.1, 'fd00::1']}]",
	  "ports 52:54:00:00:00:01 addr", "10.0.0.1", "10.0.0.1,fd00::1" },
	{ "a switch", "vm: {name: a}\nports: [{" PORT "}]",
	  "vm: {name: a}\nports: [{" PORT ", dhcp: on}]", "ports 52:54:00:00:00:01 dhcp", NULL,
	  "on" },
	{ "a mark", "vm: {name: a}\nqos: {in: {dscp: ef}}", "vm: {name: a}\n", "qos in dscp", "ef",
	  NULL },
};

TEST_EACH(tells, differences)
{
	_cleanup_policies_ struct policies first = {}, second = {};
	json_t *was, *is;

	if (!policy_text_vm(row->was, &first) || !policy_text_vm(row->is, &second))
		return;
	was = policy_tree(&first.all[0]);
	is = policy_tree(&second.all[0]);
	CHECK_EQ(policy_diff(was, is, policy_text_check, (void *)row), 1);
	json_decref(was);
	json_decref(is);
}
