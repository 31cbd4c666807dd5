#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A change of policy says what it did to live flows, and what it says comes true with their next
# packets, for a rule, a list of them, a set, a default and a policy file.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

# 10 connections to 443 and 5 to 80 over each family, none of which sends.
setup()
{
	local addr port
	world_make
	world_neighbours
	serve vm 80,443
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name https in allow tcp dport 443
	check "rule" host acl add vm web name http in allow tcp dport 80
	HOLDERS=
	FILES=
	for port in 80 443; do
		for addr in "$VM4" "$VM6"; do
			hold client "$addr" "$port" $((port == 80 ? 5 : 10))
			kill -STOP "$SPAWNED"
			HOLDERS="$HOLDERS $SPAWNED"
			FILES="$FILES $HELD"
		done
	done
	sleep 0.3 # what is on its way
}

flows()
{
	host -j ct show vm web | grep -c '"vm":"web"'
}

revoked()
{
	read_stats
	echo $(($(in_stats in drop revoked) + $(in_stats out drop revoked)))
}

# Everybody sends; $1: how many of the connections to 80 and 443, of each family, still answer.
comes_true()
{
	local file now=
	# shellcheck disable=SC2086 # they are several
	kill -CONT $HOLDERS
	for file in $FILES; do
		now="$now $(alive "$file")"
	done
	check_eq "alive" "$now" " $1"
}

test_a_rule_that_goes()
{
	check_eq "what it says" "$(host acl del vm web name http)" "vm web live 30 stay 20 end 10"
	check_eq "and changes nothing" "$(flows) $(revoked)" "30 0"
	comes_true "0 0 10 10"
	check_eq "each ends with one packet" "$(flows) $(revoked)" "20 10"
}

test_a_rule_that_comes()
{
	check_eq "as JSON" "$(host -j acl add vm web name six in prio 1 drop tcp from fd09::/64 dport 443)" \
		'{"vm":"web","live":30,"stay":20,"end":10}'
	check_eq "one that changes nothing" \
		"$(host acl add vm web name more in prio 2 allow tcp dport 80)" \
		"vm web live 30 stay 20 end 10"
	comes_true "5 5 10 0"
	check_eq "each ends with one packet" "$(revoked)" 10
	check_eq "nothing ends any more" "$(host acl del vm web name more)" \
		"vm web live 20 stay 20 end 0"
}

test_rules_of_a_batch()
{
	printf 'acl add vm web name a in prio 1 drop tcp dport 80\nacl add vm web name b in prio 1 drop tcp dport 81\n' \
		> "$TMP/batch"
	check_eq "once for all" "$(host batch "$TMP/batch")" "vm web live 30 stay 20 end 10"
	comes_true "0 0 10 10"
}

# Of each VM whose rules refer to it.
test_a_set()
{
	check "nobody's" host set add ends port 80 port 443
	check_eq "says nothing" "$(cat "$TMP/out")" ""
	check "rule" host acl add vm web name ends in prio 1 allow tcp dport set:ends
	check "rule" host acl del vm web name http
	check "rule" host acl del vm web name https
	check_eq "less in it" "$(host set del ends port 80)" "vm web live 30 stay 20 end 10"
	check_eq "the same again" "$(host set replace ends port 443)" ""
	check_eq "as JSON" "$(host -j set add ends port 81 | tr -d '\n')" \
		'[{"vm":"web","live":30,"stay":20,"end":10}]'
	check_eq "another one" "$(host set add others port 1)" ""
	check "another VM without flows" host vm add other
	check "rule" host acl add vm other name ends in allow tcp dport set:ends
	printf 'sets: [{name: ends, ports: [443]}]\n' > "$TMP/sets.yaml"
	check_eq "a file of them" "$(host policy apply "$TMP/sets.yaml")" \
		"vm web live 30 stay 20 end 10"
	check_eq "and changes nothing" "$(flows) $(revoked)" "30 0"
	comes_true "0 0 10 10"
	check_eq "each ends with one packet" "$(revoked)" 10
}

test_a_default()
{
	check "rule" test -n "$(host acl del vm web name http)"
	check_eq "audit lets them live" "$(host vm set web default in audit)" \
		"vm web live 30 stay 30 end 0"
	check_eq "a setting that is no policy" "$(host vm set web midstream strict)" ""
	check_eq "drop does not" "$(host vm set web default in drop)" "vm web live 30 stay 20 end 10"
	comes_true "0 0 10 10"
}

test_a_policy_file()
{
	host policy show vm web | sed 's/dport: 80/dport: 8080/' > "$TMP/web.yaml"
	check_eq "what it says" "$(host policy apply "$TMP/web.yaml")" "vm web live 30 stay 20 end 10"
	check_eq "the same again says nothing" "$(host policy apply "$TMP/web.yaml")" ""
	comes_true "0 0 10 10"
	check_eq "each ends with one packet" "$(revoked)" 10
}

run_tests "$@"
