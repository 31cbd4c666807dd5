// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * What is refused in policy files: the line that says what, where and why. Also the bounds of what
 * one may have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <roam/acl.h>
#include <roam/lb.h>
#include <roam/port.h>
#include "harness.h"
#include "policy_text.h"
#include "text.h"

static const struct policy_refusal refusals[] = {
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
	policy_text_refused(row);
}

#define SERVICE "name: s, vip: 192.0.2.1, port: 80, proto: tcp"

static const struct policy_refusal service_refusals[] = {
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
	policy_text_refused(row);
}

static const struct policy_refusal set_refusals[] = {
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
	policy_text_refused(row);
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
