#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The firewall as its users see it: real sockets on both sides of a host, IPv4 and IPv6, and the
# counters that say what became of every packet.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	serve vm 443,22,5300
	serve client 443,22,5300
}

# Neighbours are known, so that only what a test sends is on the wire.
warm_up()
{
	local addr
	for addr in "$VM4" "$VM6"; do
		ns client ip neigh replace "$addr" lladdr "$VM_MAC" dev eth0 nud permanent
	done
	for addr in "$CLIENT4" "$CLIENT6"; do
		ns vm ip neigh replace "$addr" lladdr "$CLIENT_MAC" dev eth0 nud permanent
	done
}

test_without_roam_everything_arrives()
{
	local addr
	for addr in "$VM4" "$VM6"; do
		check "tcp $addr" sock client tcp "$addr" 22
		check_eq "udp $addr" "$(sock client udp "$addr" 5300 3)" 3
	done
}

test_default_drop_in_allow_out()
{
	local addr
	warm_up
	check "setup" world_roam default in drop out allow
	for addr in "$VM4" "$VM6"; do
		check_not "tcp $addr" sock client tcp "$addr" 443
		check_eq "udp $addr" "$(sock client udp "$addr" 5300 3)" 0
		counted in established 0 || fail "something in was taken for a reply"
	done
	check "2 SYNs and 6 datagrams" counted in acl_default 8
	for addr in "$CLIENT4" "$CLIENT6"; do
		check "tcp $addr" sock vm tcp "$addr" 443
		check_eq "udp $addr" "$(sock vm udp "$addr" 5300 3)" 3
	done
	check "openings" counted out opened 4
}

run_tests "$@"
