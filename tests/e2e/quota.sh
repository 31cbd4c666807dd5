#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM's quotas of flows: they change under live connections, a full table says so by name and
# hurts nobody who has a flow already, and what has expired makes room by itself.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
	serve vm 443,5300
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name web in allow tcp dport 443
	check "rule" host acl add vm web name dns in allow udp dport 5300-5301
}

# $1: field of `vm show`
gauge()
{
	host vm show web | sed -n "s/.* $1 \([0-9]*\).*/\1/p"
}

dropped()
{
	read_stats
	echo $(($(in_stats in drop) + $(in_stats out drop)))
}

# An emulated processor that makes a table of a million rows answers seconds later.
hold_patiently()
{
	PATIENT=1
	export PATIENT
	hold "$@"
	unset PATIENT
}

test_live_connections_stay_while_quotas_change()
{
	local v4 v6 flows
	hold_patiently client "$VM4" 443 40 && v4=$HELD
	hold_patiently client "$VM6" 443 40 && v6=$HELD
	for flows in 100 65536 96 1000000 128 4096 90 16384; do
		check "flows $flows" host vm set web flows "$flows" half $((flows + 64))
		check_eq "the quota is new" "$(gauge flows)/$(gauge half)" "$flows/$((flows + 64))"
		check_eq "flows after $flows" "$(gauge flows_used)" 80
	done
	check_eq "alive" "$(alive "$v4") $(alive "$v6")" "40 40"
	check_eq "no packet was dropped" "$(dropped)" 0
	check_eq "no flow was made twice" "$(counter in opened)" 80
}

test_too_small_a_quota_is_refused()
{
	local before
	hold client "$VM4" 443 70
	before=$(host vm show web)
	check_not "too few" host vm set web flows 64
	check_has "it says how many there are" "$(cat "$TMP/out")" "flows 64 is too few: it holds 70"
	check_eq "nothing changed" "$(host vm show web)" "$before"
	check_eq "alive" "$(alive "$HELD")" 70
}

test_full_table_refuses_by_name()
{
	local addr
	check "set" host vm set web flows 64
	hold client "$VM4" 443 64
	check_eq "full" "$(gauge flows_used)" 64
	for addr in "$VM4" "$VM6"; do
		check_not "one more, $addr" sock client tcp "$addr" 443
	done
	check "counted" test "$(counter in ct_full)" -ge 2
	check_eq "alive" "$(alive "$HELD")" 64
	check "more" host vm set web flows 66
	for addr in "$VM4" "$VM6"; do
		check "there is room for $addr" sock client tcp "$addr" 443
	done
}

# Half-open flows have a quota of their own: a flood of them costs no other flow anything.
test_flood_of_openings()
{
	local addr
	check "set" host vm set web flows 128 half 64
	hold client "$VM4" 443 30
	check_eq "no answer to any" "$(sock client fill "$VM4" 5301 100)" 0
	check_eq "half full" "$(gauge half_used)" 64
	check "the rest takes their places" counted in ct_replaced 36
	check_eq "nor here" "$(sock client fill "$VM6" 5301 50)" 0
	check "the rest takes their places" counted in ct_replaced 86
	check_eq "alive" "$(alive "$HELD")" 30
	for addr in "$VM4" "$VM6"; do
		check "connections come about, $addr" sock client tcp "$addr" 443
		check_eq "and exchanges" "$(sock client udp "$addr" 5300 3)" 3
	done
}

# A connection that was reset expires after 10 s, of a full table after a tenth of that; new ones
# take its place by themselves.
test_expired_flows_make_room()
{
	local addr
	check "set" host vm set web flows 64
	check "reset" sock client reset "$VM4" 443 32
	check "reset" sock client reset "$VM6" 443 32
	check_eq "full" "$(gauge flows_used)" 64
	check "nobody is there to help" test -z "$(roams)"
	sleep 2
	hold client "$VM4" 443 25
	check_eq "room" "$(alive "$HELD")" 25
	hold client "$VM6" 443 25
	check_eq "room" "$(alive "$HELD")" 25
	check "the quota still holds" test "$(gauge flows_used)" -le 64
}

run_tests "$@"
