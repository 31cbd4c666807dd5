#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Intrusion prevention as an attacker meets it: too many connections get a source blocked, others
# go on, an operator can block and release, and a move of the VM releases nobody.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

FOE4=10.9.0.66
FOE6=fd09:0:0:1::66

setup()
{
	world_make
	world_neighbours
	ns client ip addr add "$FOE4/24" dev eth0
	ns client ip addr add "$FOE6/64" dev eth0 nodad
	ns client ip -6 route add fd09::/64 dev eth0 metric 1 src "$CLIENT6"
	ns vm ip -6 route add fd09:0:0:1::/64 dev eth0
	ns vm ip neigh replace "$FOE4" lladdr "$CLIENT_MAC" dev eth0 nud permanent
	ns vm ip neigh replace "$FOE6" lladdr "$CLIENT_MAC" dev eth0 nud permanent
	serve vm 443
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name web in allow tcp dport 443
}

# $1: source, $2: address of the VM: all at once, so that the bucket gets nothing meanwhile.
attack()
{
	check_eq "$1 gets what the burst allows" "$(sock client tries "$2" 443 "$1" 8)" 5
}

test_who_exceeds_the_limit_is_blocked()
{
	check "set" host ips set vm web rate 1 burst 5 block 1h max 1d
	attack "$FOE4" "$VM4"
	attack "$FOE6" "$VM6"
	check_has "listed" "$(host ips blocks vm web)" "from $FOE4 blocked"
	check_has "by /64" "$(host ips blocks vm web)" "from fd09:0:0:1:: blocked"
	check "others go on" sock client tcp "$VM4" 443 "$CLIENT4"
	check "others go on, IPv6" sock client tcp "$VM6" 443 "$CLIENT6"
	check "the openings that were too many" counted in ips_limit 2
	check "and the rest" test "$(counter in ips_blocked)" -ge 4
	check "release" host ips release vm web from "$FOE4"
	check "it may again" sock client tcp "$VM4" 443 "$FOE4"
	check_not "the other one may not" sock client tcp "$VM6" 443 "$FOE6"
}

test_by_hand()
{
	local alive
	hold client "$VM4" 443 3 && alive=$HELD
	check "block" host ips block vm web from "$CLIENT4"
	check_eq "it ends what there is" "$(alive "$alive")" 0
	check_not "and begins nothing" sock client tcp "$VM4" 443 "$CLIENT4"
	check "somebody else" sock client tcp "$VM4" 443 "$FOE4"
	check "release" host ips release vm web from "$CLIENT4"
	check "again" sock client tcp "$VM4" 443 "$CLIENT4"
	check "block for a second" host ips block vm web from "$CLIENT4" for 1s
	check_not "blocked" sock client tcp "$VM4" 443 "$CLIENT4"
	wait_for 5 sock client tcp "$VM4" 443 "$CLIENT4" || fail "it does not end"
}

# Without what still grows: connections that are blocked send on for a while.
blocks()
{
	host ips blocks vm web | sed 's/ age_s .*//; s/_s [0-9]*/_s N/' | sort
}

test_a_move_releases_nobody()
{
	local before
	check "set" host ips set vm web rate 1 burst 5 block 1h max 1d
	attack "$FOE4" "$VM4"
	attack "$FOE6" "$VM6"
	before=$(blocks)
	check "save" host state save web "$TMP/web.img"
	check "del" host vm del web
	check "load" host state load "$TMP/web.img" dev "$VM_MAC=port0"
	check_eq "the same blocks" "$(blocks)" "$before"
	check_not "blocked" sock client tcp "$VM4" 443 "$FOE4"
	check_not "blocked, IPv6" sock client tcp "$VM6" 443 "$FOE6"
	check "others go on" sock client tcp "$VM4" 443 "$CLIENT4"
}

run_tests "$@"
