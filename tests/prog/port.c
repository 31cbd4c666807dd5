// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The port and spoof stages: whose packet it is, and whether the VM speaks for itself only. */
#include <string.h>
#include "cast.h"
#include "harness.h"

#define ND_NS 135
#define ND_NA 136
#define ND_RA 134
#define ND_RS 133

struct port_test {
	struct fixture fixture;
};

static void port_test_setup(struct port_test *self)
{
	struct fixture_vm vm = cast_vm();

	self->fixture.with_stages = true;
	fixture_open(&self->fixture);
	fixture_make_vm(&self->fixture, &vm);
}

static void port_test_teardown(struct port_test *self)
{
	fixture_close(&self->fixture);
}

TEST_46_F(port_test, own_source_passes)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);

	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_OPENED);
}

TEST_46_F(port_test, foreign_source_is_dropped)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);

	syn.src = cast_stranger_addr(family);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_SPOOF_ADDR);
}

TEST_46_F(port_test, foreign_mac_is_dropped)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);

	syn.smac[5]++;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_SPOOF_MAC);
}

/* At the port, too: an uplink there need not be, nor does it know a VM that is only coming. */
TEST_46_F(port_test, own_source_from_outside_is_dropped)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);

	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_ACL_DEFAULT);
	memcpy(syn.smac, syn.dmac, sizeof(syn.smac));
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_OUTSIDE_MAC);
	syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	syn.src = syn.dst;
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_OUTSIDE_ADDR);
}

TEST_46_F(port_test, not_for_the_vm_is_dropped)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);

	syn.dst = cast_stranger_addr(family);
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_NOT_LOCAL);
	syn = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN);
	syn.dmac[5]++;
	cast_expect(&self->fixture, ROAM_DIR_IN, &syn, ROAM_REASON_NOT_LOCAL);
}

TEST_46_F(port_test, shut_vm_passes_nothing)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct fixture_vm vm = cast_vm();

	vm.conf.life = ROAM_LIFE_SHUT;
	fixture_set_conf(&self->fixture, CAST_SLOT, &vm.conf);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_VM_SHUT);
}

TEST_F(port_test, unknown_device_is_dropped)
{
	struct roam_pkt pkt = { .ifindex = 4711, .dir = ROAM_DIR_OUT };

	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_port", &pkt), ROAM_DROP);
	CHECK_EQ(pkt.reason, ROAM_REASON_PORT_UNKNOWN);
	CHECK_EQ(pkt.vm, ROAM_VM_NONE);
}

static void set_vlans(struct port_test *self, uint32_t first, uint32_t second)
{
	struct fixture_vm vm = cast_vm();

	vm.port.vlan[0] = first;
	vm.port.vlan[1] = second;
	vm.port.vlan_count = 2;
	fixture_make_vm(&self->fixture, &vm);
}

TEST_46_F(port_test, vlans_by_list)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);

	syn.vlan[0] = 10;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_VLAN);
	set_vlans(self, ROAM_VLAN(10, 0), ROAM_VLAN(20, 30));
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_OPENED);
	syn.vlan[0] = 11;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_VLAN);
	syn.vlan[0] = 20;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_VLAN);
	syn.vlan[1] = 30;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_OPENED);
	syn.vlan[0] = syn.vlan[1] = 0;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_VLAN);
}

TEST_46_F(port_test, each_vlan_is_a_zone_of_its_own)
{
	struct packet_spec syn = cast_tcp(family, ROAM_DIR_OUT, ROAM_TCP_SYN);
	struct packet_spec reply = cast_tcp(family, ROAM_DIR_IN, ROAM_TCP_SYN | ROAM_TCP_ACK);

	set_vlans(self, ROAM_VLAN(10, 0), ROAM_VLAN(11, 0));
	syn.vlan[0] = 10;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &syn, ROAM_REASON_OPENED);
	reply.vlan[0] = 11;
	cast_expect(&self->fixture, ROAM_DIR_IN, &reply, ROAM_REASON_MIDSTREAM);
	reply.vlan[0] = 10;
	cast_expect(&self->fixture, ROAM_DIR_IN, &reply, ROAM_REASON_ESTABLISHED);
}

static struct packet_spec arp(uint16_t ethertype, uint16_t op, const char *sender,
			      const char *target)
{
	struct packet_spec spec = {
		.ethertype = ethertype,
		.arp_op = op,
		.src = packet_addr(sender),
		.dst = packet_addr(target),
		.dmac = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	};

	memcpy(spec.smac, cast_vm_mac, ROAM_MAC_LEN);
	memcpy(spec.arp_sender, cast_vm_mac, ROAM_MAC_LEN);
	memcpy(spec.arp_target, cast_vm_mac, ROAM_MAC_LEN);
	return spec;
}

TEST_F(port_test, arp_for_own_binding)
{
	struct packet_spec request = arp(0x0806, 1, "10.0.0.10", "10.0.0.1");
	struct packet_spec probe = arp(0x0806, 1, "0.0.0.0", "10.0.0.10");
	struct packet_spec forged = arp(0x0806, 2, "10.0.0.66", "10.0.0.1");
	struct packet_spec foreign_probe = arp(0x0806, 1, "0.0.0.0", "10.0.0.66");
	struct packet_spec foreign_mac = request;

	foreign_mac.arp_sender[5]++;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &request, ROAM_REASON_ARP);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &probe, ROAM_REASON_ARP);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &forged, ROAM_REASON_SPOOF_ARP);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &foreign_probe, ROAM_REASON_SPOOF_ARP);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &foreign_mac, ROAM_REASON_SPOOF_ARP);
}

TEST_F(port_test, rarp_announces_own_mac_only)
{
	struct packet_spec rarp = arp(0x8035, 3, "0.0.0.0", "0.0.0.0");
	struct packet_spec forged = rarp;

	forged.arp_target[5]++;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &rarp, ROAM_REASON_RARP);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &forged, ROAM_REASON_SPOOF_ARP);
}

static struct packet_spec nd(uint8_t type, const char *src, const char *target)
{
	struct packet_spec spec = cast_packet(6, ROAM_DIR_OUT, IPPROTO_ICMPV6);

	spec.icmp_type = type;
	spec.src = packet_addr(src);
	spec.dst = packet_addr("ff02::1");
	spec.target = packet_addr(target);
	spec.lladdr_option = type == ND_NA ? 2 : 1;
	memcpy(spec.lladdr, cast_vm_mac, ROAM_MAC_LEN);
	return spec;
}

TEST_F(port_test, neighbour_discovery_for_own_bindings)
{
	struct packet_spec na = nd(ND_NA, "fd00::10", "fd00::10");
	struct packet_spec forged = nd(ND_NA, "fd00::10", "fd00::66");
	struct packet_spec foreign_mac = na, far = na;
	struct packet_spec own_link_local = nd(ND_NS, "fe80::5054:ff:feaa:bb10", "fd00::1");
	struct packet_spec other_link_local = nd(ND_NS, "fe80::1", "fd00::1");
	struct packet_spec dad = nd(ND_NS, "::", "fd00::10");
	struct packet_spec foreign_dad = nd(ND_NS, "::", "fd00::66");

	dad.lladdr_option = foreign_dad.lladdr_option = 0;
	foreign_mac.lladdr[5]++;
	far.hop_limit = 64;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &na, ROAM_REASON_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &forged, ROAM_REASON_SPOOF_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &foreign_mac, ROAM_REASON_SPOOF_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &far, ROAM_REASON_SPOOF_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &own_link_local, ROAM_REASON_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &other_link_local, ROAM_REASON_SPOOF_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &dad, ROAM_REASON_ND);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &foreign_dad, ROAM_REASON_SPOOF_ND);
}

TEST_F(port_test, router_advertisements_by_switch)
{
	struct packet_spec from_vm = nd(ND_RA, "fe80::5054:ff:feaa:bb10", "::");
	struct packet_spec to_vm = nd(ND_RA, "fe80::1", "::");
	struct fixture_vm vm = cast_vm();

	memcpy(to_vm.smac, cast_peer_mac, ROAM_MAC_LEN);
	memcpy(to_vm.dmac, (uint8_t[]){ 0x33, 0x33, 0, 0, 0, 1 }, ROAM_MAC_LEN);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &from_vm, ROAM_REASON_RA_FROM_VM);
	cast_expect(&self->fixture, ROAM_DIR_IN, &to_vm, ROAM_REASON_RA_OFF);
	vm.port.switches = ROAM_PORT_RA;
	fixture_make_vm(&self->fixture, &vm);
	cast_expect(&self->fixture, ROAM_DIR_IN, &to_vm, ROAM_REASON_RA);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &from_vm, ROAM_REASON_RA_FROM_VM);
}

TEST_46_F(port_test, dhcp_by_switch)
{
	struct packet_spec ask = cast_packet(family, ROAM_DIR_OUT, IPPROTO_UDP);
	struct packet_spec serve = ask;
	struct fixture_vm vm = cast_vm();

	ask.sport = family == 4 ? 68 : 546;
	ask.dport = family == 4 ? 67 : 547;
	ask.src = family == 4 ? packet_addr("0.0.0.0") : packet_addr("fe80::5054:ff:feaa:bb10");
	serve.sport = ask.dport;
	serve.dport = ask.sport;
	cast_expect(&self->fixture, ROAM_DIR_OUT, &ask, ROAM_REASON_DHCP_OFF);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &serve, ROAM_REASON_DHCP_SERVER);
	vm.port.switches = ROAM_PORT_DHCP;
	fixture_make_vm(&self->fixture, &vm);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &ask, ROAM_REASON_DHCP);
	cast_expect(&self->fixture, ROAM_DIR_OUT, &serve, ROAM_REASON_DHCP_SERVER);
}

TEST_F(port_test, uplink_drops_what_claims_to_be_local)
{
	struct roam_pkt pkt = { .dir = ROAM_DIR_IN, .key = { .family = 4 } };

	pkt.key.remote = cast_vm_addr(4);
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_uplink", &pkt), ROAM_CONTINUE);
	fixture_claim(&self->fixture, CAST_SLOT, cast_vm_mac, &pkt.key.remote);
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_uplink", &pkt), ROAM_DROP);
	CHECK_EQ(pkt.reason, ROAM_REASON_OUTSIDE_ADDR);
	CHECK_EQ(pkt.vm, CAST_SLOT);
	pkt = (struct roam_pkt){ .dir = ROAM_DIR_IN };
	memcpy(pkt.smac, cast_vm_mac, ROAM_MAC_LEN);
	CHECK_EQ(fixture_run_stage(&self->fixture, "stage_uplink", &pkt), ROAM_DROP);
	CHECK_EQ(pkt.reason, ROAM_REASON_OUTSIDE_MAC);
}
