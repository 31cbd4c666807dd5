#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Sets by name: rules of several VMs share them, and what they hold changes under live connections.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
}

set_()
{
	check "set $*" host set "$@"
}

acl()
{
	check "acl $*" host acl "$@"
}

refused()
{
	local wanted=$1
	shift
	check_not "$*" host "$@"
	check_has "$*: its line" "$(cat "$TMP/out")" "$wanted"
}

test_rules_follow_sets()
{
	check "setup" world_roam default in drop out allow
	serve vm 22,443,5300,8080
	set_ add friends addr "$CLIENT4" addr fd09::/64
	set_ add web port 443 port 8000-8099
	acl add vm web name web in allow tcp from set:friends dport set:web
	acl add vm web name dns in allow udp from set:friends dport 5300
	for addr in "$VM4" "$VM6"; do
		check "443 at $addr" sock client tcp "$addr" 443
		check "8080 at $addr" sock client tcp "$addr" 8080
		check_not "22 at $addr" sock client tcp "$addr" 22
		check_eq "udp at $addr" "$(sock client udp "$addr" 5300 3)" 3
	done
	set_ del web port 8000-8099
	set_ add web port 22
	check_not "8080 no more" sock client tcp "$VM4" 8080
	check "22 from now on" sock client tcp "$VM6" 22
	set_ replace friends addr 192.0.2.1
	check_not "nobody's friend" sock client tcp "$VM4" 443
	check_not "of either family" sock client tcp "$VM6" 443
	check_eq "rules are as they were" "$(rule_hits web)" 5
	set_ del friends addr 192.0.2.1
	check_not "nor of an empty set" sock client tcp "$VM4" 443
	check_has "which is there" "$(host set show friends)" "set friends kind addr entries 0"
}

# A connection lives as long as the set has its end.
test_live_flows_are_matched_again()
{
	check "setup" world_roam default in drop out allow
	set_ add friends addr "$CLIENT4"
	acl add vm web name all in allow udp from set:friends
	judged in opened 1 in-udp4
	judged in established 2 in-udp4
	set_ add friends addr 192.0.2.0/24
	judged in established 2 in-udp4
	set_ replace friends addr 192.0.2.0/24
	judged in revoked 1 in-udp4
	judged in acl_default 1 in-udp4
	check_eq "a match that is none of an opening's is no hit" "$(rule_hits all)" 1
}

test_refusals()
{
	check "setup" world_roam
	refused "the host has no set 'friends'" acl add vm web name r in allow tcp from set:friends
	set_ add friends addr 192.0.2.1
	set_ add web port 80
	refused "set 'friends' is of addrs, not of ports" acl add vm web name r in allow tcp dport set:friends
	refused "set 'web' is of ports, not of addrs" acl add vm web name r in allow tcp from set:web
	refused "ports without tcp" acl add vm web name r in allow any dport set:web
	refused "'-x' is no" acl add vm web name r in allow any from set:-x
	refused "is of addrs, not of ports" set add friends port 80
	refused "192.0.2.1 is in it already" set add friends addr 192.0.2.2 addr 192.0.2.1
	check_eq "nothing of it is" "$(host set show friends | grep -c 192.0.2.2)" 0
	refused "192.0.2.3 is not in it" set del friends addr 192.0.2.3
	refused "has bits set behind its length" set add friends addr 10.0.0.1/24
	refused "the host has none of that name" set del nobody
	refused "the host has none of that name" set show nobody
	acl add vm web name r in allow tcp from set:friends dport set:web
	refused "rule 'r' of vm 'web' uses it" set del web
	refused "uses it, as another kind" set replace web addr 10.0.0.1
	acl del vm web name r
	set_ replace web addr 10.0.0.1
	set_ del web
	set_ del friends
	check_eq "none is left" "$(host -j set show | tr -d '\n ')" "[]"
}

test_files()
{
	check "setup" world_roam
	printf 'sets:\n- name: friends\n  addrs: [%s, "fd09::/64"]\n- {name: web, ports: [443]}\n- {name: none, kind: addr}\n' \
		"$CLIENT4" > "$TMP/sets.yaml"
	check "apply" host policy apply "$TMP/sets.yaml"
	acl add vm web name web in allow tcp from set:friends dport set:web
	check_eq "no difference" "$(host policy diff "$TMP/sets.yaml")" ""
	host policy show > "$TMP/all.yaml"
	check_has "it is shown" "$(cat "$TMP/all.yaml")" "from: set:friends"
	check "what is shown is read" host policy diff "$TMP/all.yaml"
	sed -i 's/443/8080/' "$TMP/sets.yaml"
	check_eq "a difference" "$(host policy diff "$TMP/sets.yaml")" "set sets web ports was 443 is 8080"
	check "apply again" host policy apply "$TMP/sets.yaml"
	check_has "it is there" "$(host set show web)" "port 8080"
	echo 'sets: []' > "$TMP/none.yaml"
	refused "rule 'web' of vm 'web' uses it" policy apply "$TMP/none.yaml"
	check "others stay where that is said" host policy apply keep "$TMP/none.yaml"
	check_has "as they were" "$(host set show web)" "port 8080"
	# The rule goes, and with it what it had referred to.
	host policy show vm web | sed '/^acl:/,$d' > "$TMP/vm.yaml"
	check "both" host policy apply "$TMP/none.yaml" "$TMP/vm.yaml"
	check_eq "none is left" "$(host policy show sets)" "sets: []"
	refused "the host's sets are there already" policy apply "$TMP/none.yaml" "$TMP/none.yaml"
}

test_images()
{
	check "setup" world_roam default in drop
	set_ add friends addr "$CLIENT4"
	acl add vm web name all in allow udp from set:friends
	judged in opened 1 in-udp4
	judged in established 1 in-udp4
	check "save" host state save web "$TMP/web.img"
	check_has "the image names it" "$(host state show "$TMP/web.img")" "set name friends kind addr entries 1"
	check_eq "and holds nothing of it" "$(grep -c "$CLIENT4" "$TMP/web.img")" 0
	check "del" host vm del web
	check_eq "the same set" "$(host state load "$TMP/web.img" dev "$VM_MAC=port0")" \
		"loaded web flows 1 skipped 0"
	judged in established 1 in-udp4
	check "del" host vm del web
	set_ add friends addr 192.0.2.1
	check_has "another one is reported" \
		"$(host state load "$TMP/web.img" dev "$VM_MAC=port0" 2>&1)" \
		"set 'friends' of vm 'web' holds something else here"
	judged in established 1 in-udp4
	check "del" host vm del web
	set_ replace friends addr 192.0.2.1
	host state load "$TMP/web.img" dev "$VM_MAC=port0" > /dev/null 2>&1
	judged in revoked 1 in-udp4
	check "del" host vm del web
	set_ replace friends port 1
	refused "set 'friends' is of ports" state load "$TMP/web.img" dev "$VM_MAC=port0"
	set_ del friends
	refused "set 'friends' of rule 'all' is missing here" state load "$TMP/web.img" dev "$VM_MAC=port0"
	check_eq "nothing is there" "$(host vm show)" ""
}

test_json_and_explain()
{
	check "setup" world_roam
	set_ add friends addr "$CLIENT4"
	acl add vm web name all in allow tcp from set:friends
	check_eq "json" "$(host -j set show friends | tr -d '\n' | sed 's/"digest":"[0-9a-f]*"/D/')" \
		"[{\"set\":\"friends\",\"kind\":\"addr\",\"entries\":1,D,\"addr\":[\"$CLIENT4\"]}]"
	check_has "explain" "$(host explain vm web in tcp "$CLIENT4:1000" to "$VM4:80" syn)" \
		"rule all sets friends"
}

run_tests "$@"
