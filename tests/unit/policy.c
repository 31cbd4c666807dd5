// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* Policy files: what is read from them, what is refused and where, and that what is shown is read.
 */
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include "harness.h"
#include "policy_diff.h"
#include "policy_read.h"
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

static bool read_one(const char *text, struct policies *policies)
{
	return CHECK_OK(policy_read("test", text, strlen(text), policies)) &&
	       CHECK_EQ(policies->count, 1);
}

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

	if (!read_one(whole, &policies))
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

	if (!read_one("vm: {name: a}", &policies))
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

/* ---- what is refused ---- */

#define PORT "mac: 52:54:00:00:00:01, dev: t"
#define RULE "name: r, dir: in, action: allow"

static const struct refusal {
	const char *name;
	const char *text;
	const char *line;
} refusals[] = {
	{ "an unknown key",
	  "vm: {name: a}\nacl:\n  - name: r\n    dir: in\n    action: drop\n    prioo: 5\n",
	  "f:6:5: a rule: unknown key 'prioo', did you mean 'prio'?" },
	{ "a key of the file", "vm: {name: a}\nport: []\n",
	  "f:2:1: a policy: unknown key 'port', did you mean 'ports'?" },
	{ "a key like no other", "vm: {name: a}\nqos: {in: {bandwidth: 1}}\n",
	  "f:2:12: a profile: unknown key 'bandwidth' (known: rate, burst, dscp)" },
	{ "a key of another mapping", "vm: {name: a, dport: 5}",
	  "f:1:15: vm: unknown key 'dport'" },
	{ "a merge", "vm: {<<: {name: a}}", "f:1:6: vm: unknown key '<<'" },
	{ "a key twice", "vm:\n  name: a\n  half: 100\n  name: b\n",
	  "f:4:3: vm: 'name' is there already, in line 2" },
	{ "a key that is a list", "? [a]\n: b\n", "f:1:3: a policy: a plain value is expected" },
	{ "no vm", "acl: []\n", "f:1:1: a policy: 'vm' is missing" },
	{ "no name", "vm: {half: 100}\n", "f:1:5: vm: 'name' is missing" },
	{ "no mac", "vm: {name: a}\nports:\n  - dev: tap0\n", "f:3:5: a port: 'mac' is missing" },
	{ "no device", "vm: {name: a}\nports:\n  - mac: 52:54:00:00:00:01\n",
	  "f:3:5: a port: 'dev' is missing" },
	{ "no direction", "vm: {name: a}\nacl: [{name: r, action: drop}]",
	  "f:2:7: a rule: 'dir' is missing" },
	{ "no action", "vm: {name: a}\nacl: [{name: r, dir: in}]",
	  "f:2:7: a rule: 'action' is missing" },
	{ "a list for a mapping", "vm: []\n", "f:1:5: vm: a mapping is expected, not a list" },
	{ "a mapping for a list", "vm: {name: a}\nacl: {name: r}\n",
	  "f:2:6: acl: a list is expected, not a mapping" },
	{ "a value for a list", "vm: {name: a}\nports: [{" PORT ", addr: 10.0.0.1}]\n",
	  "f:2:48: addr: a list is expected, not a plain value" },
	{ "a list for a value", "vm: {name: [a]}\n",
	  "f:1:12: name: a plain value is expected, not a list" },
	{ "a value for a rule", "vm: {name: a}\nacl: [drop]\n",
	  "f:2:7: a rule: a mapping is expected, not a plain value" },
	{ "a plain file", "hello\n", "f:1:1: a policy: a mapping is expected, not a plain value" },
	{ "nothing behind a key", "vm:\n  name:\n", "f:2:8: name: has no value" },
	{ "nothing behind a list", "vm: {name: a}\nacl:\n",
	  "f:2:5: acl: a list is expected, not a plain value" },
	{ "a NUL", "vm: {name: \"a\\0b\"}", "f:1:12: name: a NUL in a value" },
	{ "a tag", "vm: {name: !secret a}", "f:1:12: name: the tag '!secret' is not understood" },
	{ "a bad name", "vm: {name: -a}", "f:1:12: vm '-a' is not a name" },
	{ "a bad uuid", "vm: {name: a, uuid: 12}", "f:1:21: uuid '12' is not of the form" },
	{ "a life", "vm: {name: a, life: making}", "f:1:21: life 'making' is neither" },
	{ "a default", "vm: {name: a, default: {in: deny}}", "f:1:29: 'deny' is no action" },
	{ "a midstream", "vm: {name: a, midstream: lax}", "f:1:26: 'lax' is no" },
	{ "a quota that is none", "vm: {name: a, flows: many}",
	  "f:1:22: flows 'many' is not a number" },
	{ "a small quota", "vm: {name: a, flows: 5}", "f:1:22: flows 5 is not from 64 to" },
	{ "lb is no switch", "vm: {name: a, lb: maybe}",
	  "f:1:19: lb 'maybe' is neither on nor off" },
	{ "a large quota", "vm: {name: a, half: 4194305}", "f:1:21: half 4194305 is not from" },
	{ "a bad mac", "vm: {name: a}\nports: [{mac: 1, dev: t}]", "f:2:15: mac '1' is not" },
	{ "a group's mac", "vm: {name: a}\nports: [{mac: 01:00:5e:00:00:01, dev: t}]",
	  "f:2:9: port: mac 01:00:5e:00:00:01 is not a host's" },
	{ "a long device",
	  "vm: {name: a}\nports: [{mac: 52:54:00:00:00:01, dev: tap0123456789012}]",
	  "f:2:39: port: dev 'tap0123456789012' is longer" },
	{ "no device's name", "vm: {name: a}\nports: [{mac: 52:54:00:00:00:01, dev: a/b}]",
	  "f:2:39: port: dev 'a/b' is not a device's name" },
	{ "a bad address", "vm: {name: a}\nports: [{" PORT ", addr: [10.0.0.1, 10.0.0.256]}]",
	  "f:2:59: '10.0.0.256' is not an IPv4 or IPv6 address" },
	{ "an address twice", "vm: {name: a}\nports: [{" PORT ", addr: [10.0.0.1, 10.0.0.1]}]",
	  "f:2:9: port: addr 10.0.0.1 is given twice" },
	{ "a bad vlan", "vm: {name: a}\nports: [{" PORT ", vlan: [4095]}]", "f:2:49: vlan '4095'" },
	{ "a bad zone", "vm: {name: a}\nports: [{" PORT ", zone: a b}]", "f:2:48: zone 'a b'" },
	{ "a bad switch", "vm: {name: a}\nports: [{" PORT ", ra: maybe}]",
	  "f:2:46: ra 'maybe' is neither on nor off" },
	{ "a mac twice",
	  "vm: {name: a}\nports:\n- {" PORT "}\n- {mac: 52:54:00:00:00:01, dev: u}\n",
	  "f:4:3: a port with mac 52:54:00:00:00:01, as in line 3" },
	{ "a device twice",
	  "vm: {name: a}\nports:\n- {" PORT "}\n- {mac: 52:54:00:00:00:02, dev: t}\n",
	  "f:4:3: a port with dev t, as in line 3" },
	{ "a rule's bad name", "vm: {name: a}\nacl: [{name: '', dir: in, action: drop}]",
	  "f:2:14: name: has no value" },
	{ "a rule twice", "vm: {name: a}\nacl:\n- {" RULE "}\n- {" RULE ", prio: 5}\n",
	  "f:4:3: a rule with name r, as in line 3" },
	{ "a bad direction", "vm: {name: a}\nacl: [{name: r, dir: up, action: drop}]",
	  "f:2:22: 'up' is no direction" },
	{ "a bad priority", "vm: {name: a}\nacl: [{" RULE ", prio: -1}]", "f:2:47: prio '-1'" },
	{ "a bad protocol", "vm: {name: a}\nacl: [{" RULE ", proto: dccp}]",
	  "f:2:48: proto 'dccp' is neither" },
	{ "a protocol above 255", "vm: {name: a}\nacl: [{" RULE ", proto: 256}]",
	  "f:2:48: proto 256 is above 255" },
	{ "a bad prefix", "vm: {name: a}\nacl: [{" RULE ", from: 10.0.0.1/8}]",
	  "f:2:47: prefix '10.0.0.1/8'" },
	{ "both families", "vm: {name: a}\nacl: [{" RULE ", from: 10.0.0.1, to: 'fd00::1'}]",
	  "f:2:61: acl 'r': IPv4 and IPv6 in one rule" },
	{ "bad ports", "vm: {name: a}\nacl: [{" RULE ", proto: udp, sport: 9-4}]",
	  "f:2:60: port range '9-4' ends before it begins" },
	{ "a type without a protocol", "vm: {name: a}\nacl: [{" RULE ", type: 8}]",
	  "f:2:47: acl 'r': a type without icmp or icmp6" },
	{ "a flag", "vm: {name: a}\nacl: [{" RULE ", proto: tcp, flags: sin}]",
	  "f:2:60: flags: 'sin' is none of" },
	{ "half a switch", "vm: {name: a}\nacl: [{" RULE ", stateless: half}]",
	  "f:2:52: stateless 'half' is neither on nor off" },
	{ "a limit of none", "vm: {name: a}\nacl: [{" RULE ", conns: 0}]",
	  "f:2:48: conns 0 is not from 1 to 32768" },
	{ "a limit of what is stateless",
	  "vm: {name: a}\nacl: [{" RULE ", stateless: on, perremote: 1}]",
	  "f:2:7: acl 'r': a limit on connections, of a rule that is stateless" },
	{ "a limit of what is dropped",
	  "vm: {name: a}\nacl: [{name: r, dir: in, action: drop, conns: 1}]",
	  "f:2:7: acl 'r': a limit on connections, of a rule that is not allow" },
	{ "nearly a limit", "vm: {name: a}\nacl: [{" RULE ", perremot: 1}]",
	  "f:2:41: a rule: unknown key 'perremot', did you mean 'perremote'?" },
	{ "ports of anything", "vm: {name: a}\nacl: [{" RULE ", dport: 80}]",
	  "f:2:7: acl 'r': ports without tcp, udp or sctp" },
	{ "a bad rate", "vm: {name: a}\nqos: {in: {rate: fast}}", "f:2:18: rate 'fast'" },
	{ "a bad burst", "vm: {name: a}\nqos: {in: {rate: 1mbit, burst: 5x}}",
	  "f:2:32: burst '5x'" },
	{ "a small burst", "vm: {name: a}\nqos: {in: {rate: 1mbit, burst: 5}}",
	  "f:2:11: qos: burst 5 is not from" },
	{ "a burst alone", "vm: {name: a}\nqos: {in: {burst: 64k}}",
	  "f:2:11: qos: a burst without a rate" },
	{ "a bad dscp", "vm: {name: a}\nqos: {out: {dscp: 64}}", "f:2:19: dscp '64'" },
	{ "a limit", "vm: {name: a}\nips: {rate: 1s}", "f:2:13: rate '1s' is not a number" },
	{ "a time", "vm: {name: a}\nips: {block: soon}", "f:2:14: block 'soon'" },
	{ "a block too long", "vm: {name: a}\nips: {block: 2h, max: 1h}", "f:2:6: ips: a block" },
	{ "a prefix", "vm: {name: a}\nips: {prefix6: 129}", "f:2:16: prefix6 129" },
	{ "a quota of blocks", "vm: {name: a}\nips: {blocks: 1}", "f:2:6: ips: blocks 1 is not" },
	{ "a VM twice", "vm: {name: a}\n---\nvm: {name: b}\n---\nvm: {name: a}\n",
	  "f:5:1: vm 'a' is there already" },
	{ "nothing", "", "f:1:1: there is no policy in it" },
	{ "only a comment", "# vm\n", "f:1:1: there is no policy in it" },
	{ "an empty list", "[]", "f:1:1: there is no policy in it" },
	{ "an open bracket", "vm: {name: a\nacl: [", "f:2:4: did not find" },
	{ "a wrong indent", "vm:\n  name: a\n half: 100\n", "f:3:2:" },
	{ "a tab", "vm:\n\tname: a\n", "f:2:1: found character that cannot start any token" },
	{ "an unknown alias", "vm: {name: *who}", "f:1:12: found undefined alias" },
	{ "not UTF-8", "vm: {name: \xff}", "f:1:" },
};

TEST_EACH(refuses, refusals)
{
	_cleanup_policies_ struct policies policies = {};

	CHECK_NE(policy_read("f", row->text, strlen(row->text), &policies), 0);
	if (CHECK(!strncmp(fail_line(), row->line, strlen(row->line))))
		return;
	note("expected: %s", row->line);
	note("got:      %s", fail_line());
}

#define SERVICE "name: s, vip: 192.0.2.1, port: 80, proto: tcp"

static const struct refusal service_refusals[] = {
	{ "an unknown key", "services:\n- {" SERVICE ", backend: []}\n",
	  "f:2:51: a service: unknown key 'backend', did you mean 'backends'?" },
	{ "a backend's unknown key",
	  "services:\n- {" SERVICE ", backends: [{addr: 10.0.0.1, wait: 5}]}\n",
	  "f:2:79: a backend: unknown key 'wait', did you mean 'weight'?" },
	{ "a misspelt file", "service: []\n",
	  "f:1:1: services of the host: unknown key 'service', did you mean 'services'?" },
	{ "a VM in the same document", "services: []\nvm: {name: a}\n",
	  "f:2:1: services of the host: unknown key 'vm' (known: services)" },
	{ "services in the VM's document", "vm: {name: a}\nservices: []\n",
	  "f:2:1: a policy: unknown key 'services'" },
	{ "nothing behind it", "services:\n", "f:1:10: services: a list is expected" },
	{ "twice", "services: []\n---\nservices: []\n",
	  "f:3:1: the host's services are there already" },
	{ "no vip", "services: [{name: s, port: 80, proto: tcp}]",
	  "f:1:12: a service: 'vip' is missing" },
	{ "no proto", "services: [{name: s, vip: 10.0.0.1, port: 80}]",
	  "f:1:12: a service: 'proto' is missing" },
	{ "no addr", "services: [{" SERVICE ", backends: [{port: 80}]}]",
	  "f:1:71: a backend: 'addr' is missing" },
	{ "a name twice",
	  "services:\n- {" SERVICE "}\n- {name: s, vip: 192.0.2.2, port: 80, proto: tcp}\n",
	  "f:3:3: a service with name s, as in line 2" },
	{ "a VIP twice",
	  "services:\n- {" SERVICE "}\n- {name: t, vip: 192.0.2.1, port: 80, proto: tcp}\n",
	  "f:3:3: lb 't': service 's' has that address and port" },
	{ "a backend twice",
	  "services:\n- {" SERVICE ", backends: [{addr: 10.0.0.1}, {addr: 10.0.0.1, port: 1}]}",
	  "f:2:80: a backend with addr 10.0.0.1, as in line 2" },
	{ "another family", "services:\n- {" SERVICE ", backends: [{addr: 'fd00::1'}]}",
	  "f:2:62: lb 's': a backend of another family than the VIP" },
	{ "the VIP as backend", "services:\n- {" SERVICE ", backends: [{addr: 192.0.2.1}]}",
	  "f:2:62: lb 's': the VIP cannot be a backend" },
	{ "a bad name", "services: [{name: -s, vip: 10.0.0.1, port: 80, proto: tcp}]",
	  "f:1:19: lb '-s' is not a name" },
	{ "a bad vip", "services: [{name: s, vip: here, port: 80, proto: tcp}]",
	  "f:1:27: 'here' is not an IPv4 or IPv6 address" },
	{ "a bad port", "services: [{name: s, vip: 10.0.0.1, port: 65536, proto: tcp}]",
	  "f:1:43: lb: port 65536 is not from 1 to 65535" },
	{ "a bad protocol", "services: [{name: s, vip: 10.0.0.1, port: 80, proto: icmp}]",
	  "f:1:54: proto 'icmp' is neither tcp nor udp" },
	{ "a backend's port 0", "services: [{" SERVICE ", backends: [{addr: 10.0.0.1, port: 0}]}]",
	  "f:1:94: lb: port 0 is not from 1 to" },
	{ "too heavy", "services: [{" SERVICE ", backends: [{addr: 10.0.0.1, weight: 101}]}]",
	  "f:1:96: lb: weight 101 is not from 1 to 100" },
	{ "free", "services: [{" SERVICE ", backends: [{addr: 10.0.0.1, state: free}]}]",
	  "f:1:95: state 'free' is neither active nor draining" },
};

TEST_EACH(refuses_services, service_refusals)
{
	_cleanup_policies_ struct policies policies = {};

	CHECK_NE(policy_read("f", row->text, strlen(row->text), &policies), 0);
	if (CHECK(!strncmp(fail_line(), row->line, strlen(row->line))))
		return;
	note("expected: %s", row->line);
	note("got:      %s", fail_line());
}

/* The file's name, and the other documents, are said right as well. */
TEST(names_the_file)
{
	_cleanup_policies_ struct policies policies = {};

	CHECK_EQ(policy_read_file("/nonexistent/vm.yaml", &policies), -ENOENT);
	CHECK_HAS(fail_line(), "/nonexistent/vm.yaml");
}

static const struct bound {
	const char *name;
	const char *head;
	const char *each; /* with its number, twice */
	const char *tail;
	unsigned int most;
	const char *line;
} bounds[] = {
	{ "addresses", "vm: {name: a}\nports: [{" PORT ", addr: [", "10.0.%u.%u, ", "]}]",
	  ROAM_PORT_ADDRS, "more than 16 addresses" },
	{ "vlans", "vm: {name: a}\nports: [{" PORT ", vlan: [", "1%u.1%u, ", "]}]", ROAM_PORT_VLANS,
	  "more than 8 vlans" },
	{ "ports", "vm: {name: a}\nports: [", "{mac: '52:54:00:00:01:%02x', dev: d%u}, ", "]",
	  ROAM_VM_PORTS, "more than 16 for one VM" },
	{ "rules", "vm: {name: a}\nacl: [", "{name: r%u, dir: in, prio: %u, action: drop}, ", "]",
	  ROAM_ACL_RULES, "more than 16384 rules" },
	{ "services", "services: [", "{name: s%u, vip: 10.0.0.1, port: 1%u, proto: udp}, ", "]",
	  ROAM_LB_SERVICES, "more than 1024 services" },
	{ "backends", "services: [{name: s, vip: '2001:db8::', port: 1, proto: tcp, backends: [",
	  "{addr: 'fd00::%x', port: 1%u}, ", "]}]", ROAM_LB_BACKENDS - 1,
	  "more than 8191 backends" },
};

static int read_many(const struct bound *bound, unsigned int count)
{
	_cleanup_policies_ struct policies policies = {};
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	fputs(bound->head, to);
	for (unsigned int i = 0; i < count; i++)
		fprintf(to, bound->each, i, i);
	fprintf(to, "%s\n", bound->tail);
	fclose(to);
	return policy_read("f", text, size, &policies);
}

TEST_EACH(bounded, bounds)
{
	CHECK_OK(read_many(row, row->most));
	CHECK_EQ(read_many(row, row->most + 1), -EINVAL);
	CHECK_HAS(fail_line(), row->line);
}

/* ---- what is shown is read ---- */

static void count_change(const struct policy_change *change, void *arg)
{
	unsigned int *count = arg;

	note("%s: '%s', '%s'", change->where, change->was ? change->was : "-",
	     change->is ? change->is : "-");
	(*count)++;
}

static bool same_trees(const struct policy *a, const struct policy *b)
{
	json_t *was = policy_tree(a), *is = policy_tree(b);
	unsigned int count = 0;

	CHECK_EQ(policy_diff(was, is, count_change, &count), 0);
	CHECK_EQ(count, 0);
	count = json_equal(was, is);
	json_decref(was);
	json_decref(is);
	return CHECK(count);
}

static char *shown_yaml(const struct policy *policy)
{
	json_t *tree = policy_tree(policy);
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	policy_yaml(to, tree);
	fclose(to);
	json_decref(tree);
	return text;
}

static char *shown_json(const struct policy *policy)
{
	json_t *tree = policy_tree(policy);
	char *text = json_dumps(tree, JSON_COMPACT);

	json_decref(tree);
	return text;
}

/* Names and values that other readers of YAML take for something else. */
static const struct round {
	const char *name;
	const char *text;
} rounds[] = {
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
	char *text;

	if (!read_one(row->text, &first))
		return;
	text = shown_yaml(&first.all[0]);
	if (read_one(text, &yaml))
		same_trees(&first.all[0], &yaml.all[0]);
	else
		note("%s", text);
	free(text);
	text = shown_json(&first.all[0]);
	if (read_one(text, &json))
		same_trees(&first.all[0], &json.all[0]);
	free(text);
}

/* ---- differences ---- */

static const struct difference {
	const char *name;
	const char *was;
	const char *is;
	const char *where; /* of the only one */
	const char *old, *new;
} differences[] = {
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

/* ---- services ---- */

static const char shops[] = "services:\n"
			    "- name: shop\n"
			    "  vip: 198.51.100.9\n"
			    "  port: 80\n"
			    "  proto: tcp\n"
			    "  backends:\n"
			    "  - {addr: 10.0.0.11, port: 8080, weight: 2, state: draining}\n"
			    "  - addr: 10.0.0.10\n"
			    "- {name: dns, vip: '2001:db8::53', port: 53, proto: udp}\n";

static bool read_services(const char *text, struct policies *policies)
{
	return CHECK_OK(policy_read("test", text, strlen(text), policies)) &&
	       CHECK_EQ(policies->count, 0) && CHECK(policies->services);
}

TEST(reads_services)
{
	_cleanup_policies_ struct policies policies = {};
	const struct lb_policy_service *shop;

	if (!read_services(shops, &policies) || !CHECK_EQ(policies.services->count, 2))
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

static const struct round service_rounds[] = {
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

	if (read_services(text, &again)) {
		is = policy_services_tree(again.services);
		CHECK_EQ(policy_services_diff(was, is, count_change, &count), 0);
		same = CHECK(json_equal(was, is));
		json_decref(is);
	}
	json_decref(was);
	return same;
}

TEST_EACH(shows_services_that_it_reads, service_rounds)
{
	_cleanup_policies_ struct policies first = {};
	char *yaml = NULL, *json;
	json_t *tree;
	size_t size;
	FILE *to;

	if (!read_services(row->text, &first))
		return;
	tree = policy_services_tree(first.services);
	to = open_memstream(&yaml, &size);
	policy_yaml(to, tree);
	fclose(to);
	json = json_dumps(tree, JSON_COMPACT);
	if (!same_services(first.services, yaml))
		note("%s", yaml);
	same_services(first.services, json);
	json_decref(tree);
	free(yaml);
	free(json);
}

/* ---- sets ---- */

static const struct round set_rounds[] = {
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

static bool read_sets(const char *text, struct policies *policies)
{
	return CHECK_OK(policy_read("test", text, strlen(text), policies)) &&
	       CHECK_EQ(policies->count, 0) && CHECK(policies->sets);
}

TEST_EACH(shows_sets_that_it_reads, set_rounds)
{
	_cleanup_policies_ struct policies first = {}, again = {};
	json_t *was, *is;
	char *text;

	if (!read_sets(row->text, &first))
		return;
	was = policy_sets_tree(first.sets);
	text = json_dumps(was, JSON_COMPACT);
	if (read_sets(text, &again)) {
		is = policy_sets_tree(again.sets);
		CHECK(json_equal(was, is));
		json_decref(is);
	}
	json_decref(was);
	free(text);
}

static const struct refusal set_refusals[] = {
	{ "twice", "sets: []\n---\nsets: []\n", "f:3:1: the host's sets are there already" },
	{ "both", "sets: [{name: s, addrs: [10.0.0.1], ports: [1]}]",
	  "f:1:45: set 's': is of addrs, not of ports" },
	{ "of what?", "sets: [{name: s}]", "f:1:8: set 's': of addrs or of ports?" },
	{ "an entry twice", "sets: [{name: s, ports: [1, 1]}]",
	  "f:1:8: set 's': 1 is in it already" },
	{ "a name twice", "sets:\n- {name: s, ports: [1]}\n- {name: s, ports: [2]}\n",
	  "f:3:3: a set with name s, as in line 2" },
	{ "an unknown key", "sets: [{name: s, addr: []}]",
	  "f:1:18: a set: unknown key 'addr', did you mean 'addrs'?" },
};

TEST_EACH(refuses_sets, set_refusals)
{
	_cleanup_policies_ struct policies policies = {};

	CHECK_NE(policy_read("f", row->text, strlen(row->text), &policies), 0);
	CHECK_STR(fail_line(), row->line);
}

static void check_change(const struct policy_change *change, void *arg)
{
	const struct difference *row = arg;

	CHECK_STR(change->where, row->where);
	CHECK_STR(change->was ? change->was : "nothing", row->old ? row->old : "nothing");
	CHECK_STR(change->is ? change->is : "nothing", row->new ? row->new : "nothing");
}

TEST_EACH(tells, differences)
{
	_cleanup_policies_ struct policies first = {}, second = {};
	json_t *was, *is;

	if (!read_one(row->was, &first) || !read_one(row->is, &second))
		return;
	was = policy_tree(&first.all[0]);
	is = policy_tree(&second.all[0]);
	CHECK_EQ(policy_diff(was, is, check_change, (void *)row), 1);
	json_decref(was);
	json_decref(is);
}

#define SHOP "name: s, vip: 10.0.0.1, port: 80, proto: tcp"

static const struct difference service_differences[] = {
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

	if (!read_services(row->was, &first) || !read_services(row->is, &second))
		return;
	was = policy_services_tree(first.services);
	is = policy_services_tree(second.services);
	CHECK_EQ(policy_services_diff(was, is, check_change, (void *)row), 1);
	json_decref(was);
	json_decref(is);
}
