#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A million openings with forged sources, as fast as the kernel takes them: every connection that the
# VM has goes on, new ones come about, and another VM of the host sees nothing of it.
#
# Runs alone: full speed takes a processor, and others would be late.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

FLOOD=500000 # of each family
OTHER_MAC=52:54:00:00:00:20
OTHER4=10.9.0.20
OTHER6=fd09::20

# A VM that is flooded, and one that is not.
setup()
{
	world_make
	ns_add other
	setting other router_solicitations 0
	setting other addr_gen_mode 1
	link other eth0 host port1
	ns host ip link set port1 master br0
	world_end other "$OTHER_MAC" "$OTHER4" "$OTHER6"
	world_neighbours
	for name in vm other; do # answers to forged sources go to the client, which has no use for them
		ns "$name" ip route add default via "$CLIENT4"
		ns "$name" ip route add default via "$CLIENT6"
	done
	check "setup" world_roam default in drop out allow flows 4096
	check "rule" host acl add vm web name web in allow tcp dport 443
	check "other" host vm add other default in drop out allow
	check "port" host port add vm other dev port1 mac "$OTHER_MAC" addr "$OTHER4" addr "$OTHER6"
	check "rule" host acl add vm other name web in allow tcp dport 443
	serve vm 443
	serve other 443
}

# The rounds of FILE in which not all of $2 connections answered.
short_rounds()
{
	grep '^round' "$1" | grep -vc " alive $2\$"
}

half_used()
{
	host vm show web | sed -n 's/.* half_used \([0-9]*\).*/\1/p'
}

# $1: family. The flood comes in at the uplink; connections are tried until it is over.
flood()
{
	local family=$1 addr=$2
	spawn nsenter --net="$(ns_path host)" "$BUILD/bench/blast" up0 "$family" in syn "$FLOOD"
	while kill -0 "$SPAWNED" 2> "$TMP/gone"; do
		check "a new connection in the flood, $addr" sock client tcp "$addr" 443
		tried=$((tried + 1))
	done
	wait "$SPAWNED" || fail "the flood: $(cat "$TMP/spawn.$SPAWN_COUNT")"
	echo "# $SCRIPT: IPv$family: $(cat "$TMP/spawn.$SPAWN_COUNT") ns an opening, $tried connections meanwhile"
}

test_a_million_openings_harm_nobody()
{
	local held4 held6 other4 other6 before tried
	hold client "$VM4" 443 40 && held4=$HELD
	hold client "$VM6" 443 40 && held6=$HELD
	hold client "$OTHER4" 443 20 && other4=$HELD
	hold client "$OTHER6" 443 20 && other6=$HELD
	count_of other
	before=$(total in)
	count_of web
	for family in 4 6; do
		tried=0
		if [ "$family" = 4 ]; then flood 4 "$VM4"; else flood 6 "$VM6"; fi
		check "there were tries" test "$tried" -ge 1
		check "the table is full" test "$(half_used)" -ge 4000
	done
	check_eq "alive" "$(alive "$held4") $(alive "$held6")" "40 40"
	check_eq "in all rounds" "$(short_rounds "$held4" 40) $(short_rounds "$held6" 40)" "0 0"
	read_stats
	check_eq "all openings were let in" \
		$(($(in_stats in pass opened) + $(in_stats in pass ct_replaced) >= 2 * FLOOD)) 1
	check "most took another's place" test "$(in_stats in pass ct_replaced)" -ge $((19 * FLOOD / 10))
	check_eq "nobody was refused" "$(in_stats in drop ct_half_full) $(in_stats in drop ct_full)" "0 0"
	# Of the other VM: what it has, what it was sent, and nothing more.
	check_eq "the other's" "$(alive "$other4") $(alive "$other6")" "20 20"
	check_eq "in all rounds" "$(short_rounds "$other4" 20) $(short_rounds "$other6" 20)" "0 0"
	count_of other
	check "it goes on" test "$(total in)" -gt "$before"
	check_eq "flows of the other VM" "$(host -j ct show vm other | grep -c '"vm":"other"')" 40
	check_eq "none of it is dropped" "$(in_stats in drop) $(in_stats out drop)" "0 0"
	check_eq "nor replaced" "$(in_stats in pass ct_replaced)" 0
}

run_tests "$@"
