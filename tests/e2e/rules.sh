#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What rules can say beyond addresses, protocols and ports, as both ends of a host see it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
}

acl()
{
	check "acl $*" host acl "$@"
}

# $1: a rule, $2: what `acl show` says of it
shows()
{
	check_has "rule $1" "$(host acl show vm web name "$1")" "$2"
}

test_tcp_flags()
{
	check "setup" world_roam default in allow midstream pickup
	acl add vm web name no-open in drop tcp flags syn/syn,ack
	shows no-open "flags syn/syn,ack packets 0"
	judged in acl_rule 2 in-syn4 in-syn6
	judged in opened 1 in-ack4 in-ack6
	check_eq "hits" "$(rule_hits no-open)" 4
	acl del vm web name no-open
	acl add vm web name no-acks in drop tcp flags ack
	judged in revoked 1 in-ack4 in-ack6 # as the openings that they were
}

test_icmp_types()
{
	check "setup" world_roam
	acl add vm web name four in prio 10 allow icmp type echo-request
	acl add vm web name other in prio 5 allow icmp type 8/1
	judged in opened 1 in-echo4
	judged in acl_default 1 in-echo6
	acl add vm web name six in allow icmp6 type echo-request/0
	judged in opened 1 in-echo6
	check_eq "another code is another message" "$(rule_hits other)" 0
	shows six "type echo-request/0"
	acl del vm web name four
	acl add vm web name four in allow icmp type echo-reply
	judged in revoked 1 in-echo4
	judged in acl_default 1 in-echo4
}

test_they_move()
{
	check "setup" world_roam
	acl add vm web name a in allow tcp flags syn/syn,ack dport 443
	acl add vm web name b in allow icmp type unreachable/3
	host acl show vm web > "$TMP/before"
	host policy show vm web > "$TMP/policy"
	check "save" host state save web "$TMP/image"
	check "away" host vm del web
	check "load" host state load "$TMP/image" dev "$VM_MAC=port0"
	host acl show vm web > "$TMP/after"
	check_eq "the same rules" "$(cat "$TMP/after")" "$(cat "$TMP/before")"
	check_eq "nothing to change" "$(host policy diff "$TMP/policy")" ""
	check "away" host vm del web
	check "apply" host policy apply "$TMP/policy"
	host acl show vm web > "$TMP/after"
	check_eq "the same rules" "$(cat "$TMP/after")" "$(cat "$TMP/before")"
}

run_tests "$@"
