// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Images that an enemy wrote, with the right checksum: each lie is refused on a real host with a
 * line that names it, and leaves the host byte for byte as it was; a change that is no lie is
 * loaded exactly. Below that, who may be loaded over whom, and what a save leaves behind.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <roam/frag.h>
#include "ct.h"
#include "harness.h"
#include "twohosts.h"
#include "vm.h"

#define FLOWS 20

struct lies {
	struct twohosts *hosts;
	struct image_parts parts;
};

static void take(struct lies *self, uint32_t flows)
{
	struct image_bytes image;

	image_parts_free(&self->parts);
	twohosts_save(self->hosts, flows, &image);
	CHECK_OK(image_parts_take(image.at, image.len, &self->parts));
	image_bytes_free(&image);
}

static void lies_setup(struct lies *self)
{
	self->hosts = twohosts_get();
	take(self, FLOWS);
}

static void lies_teardown(struct lies *self)
{
	image_parts_free(&self->parts);
}

static uint8_t *at(struct lies *self, const char *table, const char *field, uint32_t row)
{
	return image_parts_at(&self->parts, table, field, row);
}

static void set(struct lies *self, const char *table, const char *field, uint64_t value)
{
	uint16_t size = image_parts_field(&self->parts, table, field)->size;

	memcpy(at(self, table, field, 0), &value, size);
}

static struct image_header *header(struct lies *self)
{
	return (struct image_header *)self->parts.part[0].bytes;
}

/* ---- lies ---- */

static void header_of_another(struct lies *self)
{
	strcpy(header(self)->vm, "other");
}

static void row_of_another(struct lies *self)
{
	strcpy((char *)at(self, "vm", "name", 0), "other");
}

static void another_that_is_active(struct lies *self)
{
	header_of_another(self);
	row_of_another(self);
}

static void another_uuid(struct lies *self)
{
	*at(self, "vm", "uuid", 0) ^= 1;
}

static void a_delta(struct lies *self)
{
	header(self)->sequence = 1;
}

static void vm_twice(struct lies *self)
{
	image_parts_double(&self->parts, "vm", 0);
}

static void no_vm(struct lies *self)
{
	struct image_part *rows = image_parts_rows(&self->parts, "vm");

	image_parts_remove(&self->parts, rows - self->parts.part);
}

static void bad_vm_name(struct lies *self)
{
	memcpy(header(self)->vm, "v/../../m\n", 10);
	memcpy(at(self, "vm", "name", 0), "v/../../m\n", 10);
}

static void tiny_quota(struct lies *self)
{
	set(self, "vm", "quota_flows", 1);
}

static void absurd_quota(struct lies *self)
{
	set(self, "vm", "quota_half", UINT32_MAX);
}

static void absurd_epoch(struct lies *self)
{
	set(self, "vm", "epoch", UINT64_MAX);
}

static void unnamed_action(struct lies *self)
{
	set(self, "vm", "default_action", ROAM_ACTION_COUNT);
}

static void unknown_action(struct lies *self)
{
	struct image_field *field = image_parts_field(&self->parts, "vm", "default_action");

	strcpy((char *)(field + 1) + sizeof(uint16_t) + IMAGE_LIST_NAME_LEN * ROAM_ACTION_ALLOW,
	       "perhaps");
}

static void port_twice(struct lies *self)
{
	image_parts_double(&self->parts, "port", 0);
}

static void seventeen_ports(struct lies *self)
{
	for (int i = 0; i < ROAM_VM_PORTS; i++)
		image_parts_double(&self->parts, "port", 0);
}

static void mac_of_many(struct lies *self)
{
	*at(self, "port", "mac", 0) |= 1;
}

static void unknown_mac(struct lies *self)
{
	*at(self, "port", "mac", 0) ^= 0x80;
}

static void mac_of_another(struct lies *self)
{
	memcpy(at(self, "port", "mac", 0), cast_peer_mac, ROAM_MAC_LEN);
}

static void absurd_addr_count(struct lies *self)
{
	set(self, "port", "addr_count", 255);
}

static void addr_twice(struct lies *self)
{
	uint8_t *addr = at(self, "port", "addr", 0);

	memcpy(addr + 16, addr, 16);
}

static void addr_of_another(struct lies *self)
{
	struct roam_addr addr = cast_stranger_addr(4);

	memcpy(at(self, "port", "addr", 0), &addr, sizeof(addr));
}

/* Nobody's address is anybody's: of the VM's own only the other one is left. */
static void addr_that_is_not_bound(struct lies *self)
{
	set(self, "port", "addr_count", 1);
}

static void addr_of_many(struct lies *self)
{
	*at(self, "port", "addr", 0) = 0xff;
}

static void absurd_vlan_count(struct lies *self)
{
	set(self, "port", "vlan_count", 9);
}

static void absurd_vlan(struct lies *self)
{
	set(self, "port", "vlan_count", 1);
	set(self, "port", "vlan", 1 << 24);
}

static void unknown_switch(struct lies *self)
{
	set(self, "port", "switches", 0x80);
}

static void bad_zone_name(struct lies *self)
{
	*at(self, "port", "zone_name", 0) = '/';
}

static void rule_twice(struct lies *self)
{
	image_parts_double(&self->parts, "acl", 0);
}

static void too_many_rules(struct lies *self)
{
	struct image_part *rows = image_parts_rows(&self->parts, "acl");
	uint32_t i = rows - self->parts.part;

	/* Two rows a block, and then many blocks; more than a hundred sections are not needed. */
	while (((struct image_rows *)self->parts.part[i].bytes)->rows < 1000)
		image_parts_double(&self->parts, "acl", 0);
	for (int block = 0; block < 17; block++)
		image_parts_insert(&self->parts, i, &self->parts.part[i]);
}

static void bad_rule_name(struct lies *self)
{
	*at(self, "acl", "rule.name", 0) = '-';
}

static void absurd_prefix(struct lies *self)
{
	set(self, "acl", "rule.remote.bits", 129);
}

static void prefix_with_more_bits(struct lies *self)
{
	*at(self, "acl", "rule.local.addr", 0) = 1;
}

static void ports_turned_round(struct lies *self)
{
	set(self, "acl", "rule.lport.first", UINT16_MAX);
}

static void flow_twice(struct lies *self)
{
	image_parts_double(&self->parts, "flow", 3);
}

static void local_of_a_stranger(struct lies *self)
{
	struct roam_addr addr = cast_stranger_addr(4);

	set(self, "flow", "key.family", 4);
	memcpy(at(self, "flow", "key.remote", 0), &addr, sizeof(addr));
	memcpy(at(self, "flow", "key.local", 0), &addr, sizeof(addr));
}

static void link_local_of_another(struct lies *self)
{
	struct roam_addr addr = packet_addr("fe80::5054:ff:fe00:1");

	set(self, "flow", "key.family", 6);
	memcpy(at(self, "flow", "key.remote", 0), &addr, sizeof(addr));
	memcpy(at(self, "flow", "key.local", 0), &addr, sizeof(addr));
}

static void family_of_neither(struct lies *self)
{
	set(self, "flow", "key.family", 5);
}

static void state_of_another_protocol(struct lies *self)
{
	set(self, "flow", "key.proto", IPPROTO_SCTP);
}

static void state_none(struct lies *self)
{
	set(self, "flow", "flow.state", ROAM_CT_NONE);
}

static void icmp_of_the_other_family(struct lies *self)
{
	set(self, "flow", "flow.state", ROAM_CT_ICMP_NEW);
	set(self, "flow", "key.proto",
	    *at(self, "flow", "key.family", 0) == 4 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static void unknown_flow_flag(struct lies *self)
{
	set(self, "flow", "flow.flags", 0x40);
}

static void zone_of_nobody(struct lies *self)
{
	set(self, "flow", "key.zone", ROAM_ZONE(1, 0));
}

static void rule_of_nobody(struct lies *self)
{
	set(self, "flow", "flow.rule", 3);
}

static void absurd_age(struct lies *self)
{
	set(self, "flow", "flow.seen_ns", (uint64_t)INT64_MAX);
}

static void more_than_the_quota(struct lies *self)
{
	set(self, "vm", "quota_flows", ROAM_QUOTA_MIN);
	take(self, 2 * ROAM_QUOTA_MIN); /* more than a walk under traffic finds */
	set(self, "vm", "quota_flows", ROAM_QUOTA_MIN);
}

static void train_twice(struct lies *self)
{
	image_parts_double(&self->parts, "frag", 0);
}

static void train_of_another_family(struct lies *self)
{
	set(self, "frag", "key.family", 6);
}

static void train_without_a_first(struct lies *self)
{
	uint64_t range = ROAM_FRAG_RANGE(8, 800);

	memcpy(at(self, "frag", "frag.range", 0), &range, sizeof(range));
}

static void parts_that_overlap(struct lies *self)
{
	uint64_t range = ROAM_FRAG_RANGE(0, 1608);

	memcpy(at(self, "frag", "frag.range", 0), &range, sizeof(range));
}

static void part_behind_the_end(struct lies *self)
{
	set(self, "frag", "frag.size", 1999);
}

static void train_to_nowhere(struct lies *self)
{
	set(self, "frag", "frag.lb_role", ROAM_LB_ROLE_BACKEND);
}

static void train_of_an_unknown_zone(struct lies *self)
{
	set(self, "frag", "key.zone", ROAM_ZONE(1, 0));
}

static void absurd_train_flag(struct lies *self)
{
	set(self, "frag", "frag.is_dead", 2);
}

static void counter_twice(struct lies *self)
{
	image_parts_double(&self->parts, "stats", 0);
}

static const struct lie {
	const char *name;
	void (*tell)(struct lies *self);
	const char *line;
} lies[] = {
	{ "header of another VM", header_of_another, "the header is of another VM than the rows" },
	{ "row of another VM", row_of_another, "the header is of another VM than the rows" },
	{ "another VM that is active", another_that_is_active,
	  "vm 'other' is active on this host" },
	{ "another uuid", another_uuid, "the header is of another VM than the rows" },
	{ "a delta", a_delta, "the image is a delta" },
	{ "VM twice", vm_twice, "more than one row in table vm" },
	{ "no VM", no_vm, "without the VM's row" },
	{ "VM's name", bad_vm_name, "the header's names are none" },
	{ "tiny quota", tiny_quota, "flows 1 is not from" },
	{ "absurd quota", absurd_quota, "half 4294967295 is not from" },
	{ "absurd epoch", absurd_epoch, "the epoch is absurd" },
	{ "action without a name", unnamed_action, "vm.default_action is 4, which has no name" },
	{ "unknown action", unknown_action, "is 'perhaps', which is unknown here" },
	{ "port twice", port_twice, "a port with mac 52:54:00:aa:bb:10 already" },
	{ "too many ports", seventeen_ports, "more than 16 ports" },
	{ "MAC of a group", mac_of_many, "is not a host's" },
	{ "MAC without a device", unknown_mac, "which device is the port with mac" },
	{ "MAC of another VM", mac_of_another, "which device is the port with mac" },
	{ "absurd number of addresses", absurd_addr_count, "more than 16 addresses" },
	{ "address twice", addr_twice, "is given twice" },
	{ "address of another VM", addr_of_another, "no address of the VM" },
	{ "address not bound", addr_that_is_not_bound, "no address of the VM" },
	{ "address of a group", addr_of_many, "is not a host's address" },
	{ "absurd number of VLANs", absurd_vlan_count, "more than 8 vlans" },
	{ "absurd VLAN", absurd_vlan, "a vlan that is none" },
	{ "unknown switch", unknown_switch, "an unknown switch" },
	{ "zone's name", bad_zone_name, "the zone's name is not a name" },
	{ "rule twice", rule_twice, "twice" },
	{ "too many rules", too_many_rules, "more than 16384 rules" },
	{ "rule's name", bad_rule_name, "acl" },
	{ "absurd prefix", absurd_prefix, "acl" },
	{ "prefix with more bits", prefix_with_more_bits, "acl" },
	{ "ports turned round", ports_turned_round, "acl" },
	{ "flow twice", flow_twice, "the same flow twice" },
	{ "flow of a stranger", local_of_a_stranger, "a flow of 10.0.0.66, which is no address" },
	{ "link-local of another", link_local_of_another, "a flow of fe80::5054:ff:fe00:1" },
	{ "absurd family", family_of_neither, "addresses are not of its family" },
	{ "state of another protocol", state_of_another_protocol,
	  "a flow of protocol 132 in state" },
	{ "no state", state_none, "in state none" },
	{ "ICMP of the other family", icmp_of_the_other_family, "that its family does not have" },
	{ "unknown flag", unknown_flow_flag, "a flow with unknown flags" },
	{ "unknown zone", zone_of_nobody, "flow.key.zone names a port that is not in it" },
	{ "unknown rule", rule_of_nobody, "flow.flow.rule names a rule that is not in it" },
	{ "absurd age", absurd_age, "flow.flow.seen_ns is absurd" },
	{ "more flows than the quota", more_than_the_quota, "more flows than the VM's quota" },
	{ "fragments twice", train_twice, "fragments of a datagram with 192.0.2.7 twice" },
	{ "fragments of another family", train_of_another_family, "are not of their family" },
	{ "fragments without the first", train_without_a_first, "absurd ranges" },
	{ "fragments that overlap", parts_that_overlap, "absurd ranges" },
	{ "fragments behind the end", part_behind_the_end, "absurd ranges" },
	{ "fragments to nowhere", train_to_nowhere, "a translation that makes no sense" },
	{ "fragments of an unknown zone", train_of_an_unknown_zone, "key.zone names a port" },
	{ "fragments' flags", absurd_train_flag, "fragments with absurd flags" },
	{ "counter twice", counter_twice, "twice" },
};

TEST_EACH_F(lies, is_refused, lies)
{
	row->tell(self);
	CHECK(twohosts_load_parts(self->hosts, &self->parts, NULL) < 0);
	CHECK_HAS(fail_line(), row->line);
	twohosts_unchanged(self->hosts);
}

TEST_F(lies, address_of_another_vm_and_no_flows)
{
	struct image_part *rows = image_parts_rows(&self->parts, "flow");

	addr_of_another(self);
	image_parts_remove(&self->parts, rows - self->parts.part);
	CHECK(twohosts_load_parts(self->hosts, &self->parts, NULL) < 0);
	CHECK_HAS(fail_line(), "belongs to a port of VM 'other'");
	twohosts_unchanged(self->hosts);
}

TEST_F(lies, mac_and_device_of_another_vm)
{
	struct state_dev dev = { .dev = "peer-to" };
	struct state_load load = { .devs = &dev, .dev_count = 1 };

	memcpy(dev.mac, cast_vm_mac, sizeof(dev.mac));
	CHECK(twohosts_load_parts(self->hosts, &self->parts, &load) < 0);
	CHECK_HAS(fail_line(), "dev peer-to is a port of VM 'other'");
	memcpy(dev.mac, cast_peer_mac, sizeof(dev.mac));
	mac_of_another(self);
	dev.dev = self->hosts->to.dev;
	CHECK(twohosts_load_parts(self->hosts, &self->parts, &load) < 0);
	CHECK_HAS(fail_line(), "belongs to a port of VM 'other'");
	twohosts_unchanged(self->hosts);
}

TEST_F(lies, another_vm_by_word)
{
	struct state_load load = { .vm = "vn" };

	CHECK(twohosts_load_parts(self->hosts, &self->parts, &load) < 0);
	CHECK_STR(fail_line(), "state: the image is of vm 'vm', not of 'vn'");
	load = (struct state_load){ .replace = true };
	another_that_is_active(self);
	CHECK(twohosts_load_parts(self->hosts, &self->parts, &load) < 0);
	CHECK_STR(fail_line(), "state: vm 'other' of this host has another uuid");
	twohosts_unchanged(self->hosts);
}

/* ---- what is no lie ---- */

static int find_flow(const struct roam_flow_rec *rows, uint32_t count, void *arg)
{
	struct roam_flow_rec *wanted = arg;

	for (uint32_t i = 0; i < count; i++) {
		if (!memcmp(&rows[i].key, &wanted->key, sizeof(wanted->key)))
			*wanted = rows[i];
	}
	return 0;
}

TEST_F(lies, what_it_says_is_what_is_there)
{
	struct host *to = self->hosts->to.host;
	struct roam_flow_rec flow = { .key = { .local = cast_vm_addr(4),
					       .remote = packet_addr("203.0.113.9"),
					       .lport = htons(80),
					       .rport = htons(7),
					       .family = 4,
					       .proto = IPPROTO_TCP } };
	struct roam_vm vm;
	uint32_t slot;

	memcpy(at(self, "flow", "key.local", 0), &flow.key.local, 16);
	memcpy(at(self, "flow", "key.remote", 0), &flow.key.remote, 16);
	memcpy(at(self, "flow", "key.rport", 0), &flow.key.rport, 2);
	set(self, "flow", "key.family", 4);
	set(self, "flow", "key.proto", IPPROTO_TCP);
	set(self, "flow", "flow.state", ROAM_CT_LAST_ACK);
	set(self, "flow", "flow.packets", UINT64_MAX);
	set(self, "vm", "epoch", 41);
	if (!CHECK_OK(twohosts_load_parts(self->hosts, &self->parts, NULL)) ||
	    !CHECK_OK(vm_find(to, "vm", &slot)))
		return;
	CHECK_OK(vm_get(to, slot, &vm));
	CHECK_EQ(vm.epoch, 42);
	CHECK_OK(ct_dump(to, slot, find_flow, &flow));
	CHECK_EQ(flow.flow.side[0].packets, UINT64_MAX);
	CHECK_EQ(flow.flow.state, ROAM_CT_LAST_ACK);
	CHECK_OK(vm_del(to, "vm"));
	twohosts_unchanged(self->hosts);
}
