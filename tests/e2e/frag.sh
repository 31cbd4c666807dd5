#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Datagrams that are larger than a frame: real sockets, IPv4 and IPv6, both ways. All fragments of
# what policy admits arrive, and none of what it does not.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

SIZE=8000
LATER=5 # fragments behind the first, by either family

setup()
{
	world_make
	world_neighbours
	serve vm 443,5300
	serve client 443,5300
}

# $1: who sends, $2: to, $3: port; all of ten come back
large()
{
	check_eq "ten datagrams from $1 to $2, port $3" \
		"$(PATIENT=1 sock "$1" large "$2" "$3" 10 "$SIZE")" 10
}

large_not()
{
	check_eq "ten datagrams from $1 to $2, port $3" "$(sock "$1" large "$2" "$3" 10 "$SIZE")" 0
}

test_large_datagrams()
{
	local rounds=0 addr
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name dns in allow udp dport 5300
	for addr in "$VM4" "$VM6"; do
		large client "$addr" 5300
		rounds=$((rounds + 10))
		check_eq "in, $addr" "$(counter in frag_later)" $((rounds * LATER))
		check_eq "out, $addr" "$(counter out frag_later)" $((rounds * LATER))
	done
	for addr in "$CLIENT4" "$CLIENT6"; do
		large vm "$addr" 5300
		rounds=$((rounds + 10))
		check_eq "out, $addr" "$(counter out frag_later)" $((rounds * LATER))
		check_eq "in, $addr" "$(counter in frag_later)" $((rounds * LATER))
	done
	check_eq "nothing was dropped, in" "$(total in)" "$(passed in)"
	check_eq "nothing was dropped, out" "$(total out)" "$(passed out)"
}

test_what_is_not_admitted_does_not_arrive()
{
	local addr
	check "setup" world_roam default in drop out drop
	check "rule" host acl add vm web name dns in allow udp dport 5300
	for addr in "$VM4" "$VM6"; do
		large_not client "$addr" 443
	done
	for addr in "$CLIENT4" "$CLIENT6"; do
		large_not vm "$addr" 443
	done
	for dir in in out; do
		check_eq "first ones, $dir" "$(counter $dir acl_default)" 20
		check_eq "later ones, $dir" "$(counter $dir frag_no_first)" $((20 * LATER))
		check_eq "none passed, $dir" "$(passed $dir)" 0
	done
}

test_rates_and_marks_are_of_every_fragment()
{
	check "setup" world_roam default in allow out allow
	check "rate" host qos set vm web in rate 1gbit dscp 46
	large client "$VM4" 5300
	check_has "all of them" "$(host qos show vm web)" "passed_packets $((10 * (LATER + 1))) "
}

run_tests "$@"
