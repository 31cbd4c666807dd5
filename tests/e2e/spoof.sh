#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM speaks for itself only, and nobody outside speaks for it: frames that claim otherwise, from
# either side. None arrives, each is counted under its reason, and what is honest passes.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
	# The firewall itself lets everything pass.
	check "setup" world_roam default in allow out allow
}

# $1: what may have arrived, as "KIND COUNT" lines in any order; all else that did is a leak
check_caught()
{
	stop_catching
	sed 1d "$CAUGHT" | sort > "$TMP/got"
	echo "$1" | sed '/^$/d' | sort > "$TMP/want"
	cmp -s "$TMP/got" "$TMP/want" ||
		fail "arrived: $(tr '\n' ',' < "$TMP/got") expected: $(tr '\n' ',' < "$TMP/want")"
}

test_vm_forges_addresses()
{
	catch client
	judged out spoof_mac 3 vm-mac4 vm-mac6 vm-arp-mac
	judged out spoof_addr 3 vm-addr4 vm-addr6 vm-no-addr4 vm-no-addr6
	judged out opened 1 vm-udp4 vm-udp6
	check_caught "vm-udp4 1
vm-udp6 1"
}

test_vm_forges_bindings()
{
	catch client
	judged out spoof_arp 3 vm-arp-addr vm-arp-hw vm-arp-request vm-arp-op vm-rarp-hw
	judged out spoof_nd 3 vm-na-target vm-na-hw vm-na-hops vm-ns-addr
	judged out arp 2 vm-arp
	judged out rarp 2 vm-rarp
	judged out nd 2 vm-na
	check_caught "vm-arp 2
vm-rarp 2
vm-na 2"
}

test_vm_plays_router_and_server()
{
	catch client
	judged out ra_from_vm 3 vm-ra vm-redirect
	judged out dhcp_server 3 vm-dhcp-server4 vm-dhcp-server6
	judged out dhcp_off 3 vm-dhcp4 vm-dhcp6
	check_caught ""
}

test_vm_sends_what_cannot_be_judged()
{
	catch client
	judged out ethertype 3 vm-lldp
	judged out frag_no_first 3 vm-later4 vm-later6
	judged out frag_tiny 3 vm-tiny4 vm-tiny6
	judged out fragment 3 vm-ra-first6 vm-ra-atomic6
	judged out ext_headers 3 vm-too-many6
	judged out tcp_flags 3 vm-flags4 vm-flags6
	judged out malformed 3 vm-arp-type vm-long4 vm-long6 vm-version4 vm-version6 \
		vm-udp-long4 vm-udp-long6 vm-tcp-short4 vm-tcp-short6
	judged out opened 1 vm-options6
	check_caught "vm-options6 1"
}

test_switches()
{
	catch vm
	judged in ra_off 2 in-ra
	judged in dhcp_off 2 in-dhcp-server4 in-dhcp-server6
	check_caught ""
	check "del" host port del vm web mac "$VM_MAC"
	check "add" host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6" dhcp on ra on
	catch vm
	judged in ra 2 in-ra
	judged in dhcp 2 in-dhcp-server4 in-dhcp-server6
	check_caught "in-ra 2
in-dhcp-server4 2
in-dhcp-server6 2"
	catch client
	judged out dhcp 2 vm-dhcp4 vm-dhcp6
	judged out ra_from_vm 2 vm-ra
	judged out dhcp_server 2 vm-dhcp-server4
	check_caught "vm-dhcp4 2
vm-dhcp6 2"
}

test_not_for_this_vm()
{
	# The bridge floods what it has not learned: the VM is not to see it.
	catch vm
	judged in not_local 3 in-other4 in-other6 in-other-mac4
	judged in spoof_nd 3 in-na-hops
	check_caught ""
}

# XDP drops at the uplink, before the bridge learns that the VM were outside.
test_outside_claims_to_be_the_vm()
{
	local before
	catch vm
	before=$(device host port0 tx_packets)
	judged in outside_mac 3 in-mac4 in-mac6 in-arp-mac
	judged in outside_addr 3 in-addr4 in-addr6
	check_eq "the port saw none of it" "$(device host port0 tx_packets)" "$before"
	check_caught ""
	check_has "the VM is where it was" "$(ns host bridge fdb show br br0)" "$VM_MAC dev port0"
}

test_outside_sends_what_cannot_be_judged()
{
	local before
	count_of -
	catch vm
	before=$(device host port0 tx_packets)
	judged in malformed 3 in-long4 in-long6 in-version4 in-version6 in-udp-long4 in-udp-long6 \
		in-tcp-short4 in-tcp-short6
	check_eq "the port saw none of it" "$(device host port0 tx_packets)" "$before"
	check_caught ""
}

# The claim is the VM's only as long as it is here and open.
test_claims_end_with_the_vm()
{
	check "shut" host vm set web shut
	judged in vm_shut 2 in-addr4 in-addr6
	check "active" host vm set web active
	judged in outside_mac 2 in-mac4
	check "del" host vm del web
	count_of -
	judged in uplink 2 in-mac4 in-addr6
}

# What a real stack does to live on a link goes on, with the strictest switches.
test_own_traffic_passes()
{
	local addr
	serve vm 443
	serve client 443
	ns client ip neigh flush all nud permanent
	ns vm ip neigh flush all nud permanent
	for addr in "$VM4" "$VM6"; do
		check "in $addr" sock client tcp "$addr" 443
	done
	ns client ip neigh flush all
	ns vm ip neigh flush all
	for addr in "$CLIENT4" "$CLIENT6"; do
		check "out $addr" sock vm tcp "$addr" 443
	done
	check "ARP was needed" test "$(counter out arp)" -gt 0
	check "and ND" test "$(counter out nd)" -gt 0
	check "no forgery was seen" counted out spoof_arp 0
	check "nor that" counted out spoof_nd 0
}

run_tests "$@"
