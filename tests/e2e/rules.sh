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

test_log()
{
	check "setup" world_roam
	acl add vm web name web in allow tcp dport 443 log 100
	acl add vm web name never in drop udp log 3
	shows never "log 3 packets 0"
	listen 0 event logged
	judged in opened 1 in-syn4 in-syn6
	heard '"event":"logged","vm":"web","dir":"in","reason":"opened","proto":"tcp","local":"10.9.0.10".*"rule":"web"'
	heard '"local":"fd09::10".*"rule":"web"'
	judged in acl_rule 50 in-udp4 in-udp6
	heard '"event":"logged","vm":"web","dir":"in","reason":"acl_rule",.*"rule":"never"'
	sleep 0.3
	stop_listening
	told=$(grep -c never "$HEARD")
	check "some are told" test "$told" -ge 3
	check "few are" test "$told" -lt 20
	shows never "log_lost $((100 - told))"
	check_eq "each opening" "$(grep -c '"rule":"web"' "$HEARD")" 2
}

test_audit()
{
	check "setup" world_roam default in audit
	serve vm 22,443,5300,8080
	acl add vm web name web in prio 5 allow tcp dport 443
	acl add vm web name ssh in prio 5 audit tcp dport 22
	acl add vm web name no in prio 6 drop tcp dport 8080
	listen 0 event audited event opened
	for addr in "$VM4" "$VM6"; do
		check "what is allowed, $addr" sock client tcp "$addr" 443
		check "what a rule would drop, $addr" sock client tcp "$addr" 22
		check "what the default would drop, $addr" sock client udp "$addr" 5300 1
		check_not "what a rule drops, $addr" sock client tcp "$addr" 8080
	done
	heard '"event":"opened",.*"rule":"web"'
	heard '"event":"audited","vm":"web","dir":"in","reason":"audited","proto":"tcp",.*"lport":22,.*"rule":"ssh"'
	heard '"event":"audited",.*"proto":"udp",.*"lport":5300'
	check_not "none for what is allowed" grep -q '"audited".*"lport":443' "$HEARD"
	check_eq "audited" "$(counter in audited)" 4
	check_eq "opened" "$(counter in opened)" 2
	check_eq "hits" "$(rule_hits ssh)" 2
	host ct show vm web > "$TMP/flows"
	check_has "marked" "$(grep 'lport 22 ' "$TMP/flows")" " audited"
	check_not "others are not" sh -c "grep 'lport 443 ' '$TMP/flows' | grep -q audited"
	check "the audit is over" host vm set web default in drop
	check_not "the default" sock client tcp "$VM4" 5300
	check "a rule's is not" sock client tcp "$VM4" 22
}

test_stateless()
{
	check "setup" world_roam
	serve vm 22,443,5300
	serve client 443
	acl add vm web name web in allow tcp dport 443 stateless
	acl add vm web name dns in allow udp dport 5300 stateless
	shows web "stateless"
	check_not "answers have no rule" sock client tcp "$VM4" 443
	check "drops" test "$(counter out midstream)" -gt 0
	acl add vm web name web-out out allow tcp sport 443 stateless
	acl add vm web name dns-out out allow udp sport 5300 stateless
	for addr in "$VM4" "$VM6"; do
		check "both have, $addr" sock client tcp "$addr" 443
		check_eq "udp, $addr" "$(sock client udp "$addr" 5300 5)" 5
		check_not "another port, $addr" sock client tcp "$addr" 22
	done
	check_eq "no flow" "$(host ct show vm web)" ""
	check_eq "nor an opening" "$(counter in opened)$(counter out opened)" 00
	check "each packet is counted" test "$(rule_hits web)" -ge 6
	check "ips" host ips set vm web rate 1 burst 1 block 1h max 1d
	check_eq "they are no openings" "$(sock client udp "$VM4" 5300 5)" 5
	check "ips" host ips del vm web
	hold client "$VM4" 443 3
	acl del vm web name web
	acl add vm web name web in allow tcp dport 443
	check_eq "what was not tracked is unknown" "$(alive "$HELD")" 0
	acl add vm web name web2 in prio 10 allow tcp dport 443 stateless
	hold client "$VM6" 443 2
	acl del vm web name web-out
	check_eq "the answers' rule is gone" "$(alive "$HELD")" 0
}

test_flows_outlive_a_stateless_rule()
{
	check "setup" world_roam
	serve vm 443
	acl add vm web name web in allow tcp dport 443
	hold client "$VM4" 443 3
	acl add vm web name web2 in prio 10 allow tcp dport 443 stateless
	check_eq "they go on" "$(alive "$HELD")" 3
	check_eq "as flows" "$(host ct show vm web | grep -c 'established.*rule web2')" 3
}

# $1: a rule, $2: how many live connections of it there are
conns_are()
{
	[ "$(host -j acl show vm web name "$1" | sed -n 's/.*"conns_now":\([0-9]*\).*/\1/p')" = "$2" ]
}

# As many at once as the rule says, of all remotes together, IPv4 and IPv6; when one is closed, the
# next gets in.
test_conns()
{
	local one
	check "setup" world_roam
	serve vm 443,5300
	acl add vm web name web in allow tcp dport 443 conns 5
	shows web "dport 443 conns 5 conns_now 0 packets 0"
	hold client "$VM4" 443 3
	one=$SPAWNED
	hold client "$VM6" 443 2
	shows web "conns 5 conns_now 5 packets 5"
	check_not "one too many" sock client tcp "$VM4" 443
	check_not "of either family" sock client tcp "$VM6" 443
	check "they are counted" test "$(counter in conn_limit)" -ge 2
	check_has "and explained" \
		"$(host explain vm web in tcp "$CLIENT4:9999" to "$VM4:443")" "reason conn_limit"
	check_eq "the others go on" "$(alive "$HELD")" 2
	kill "$one"
	check "closed" wait_for 5 conns_are web 2
	check "the next gets in" sock client tcp "$VM4" 443
	check "closed, too" wait_for 5 conns_are web 2
	check "another one" sock client tcp "$VM6" 443
	acl add vm web name less in prio 1 allow tcp dport 443 conns 1
	check_eq "what lives, lives" "$(alive "$HELD")" 2
	check "and is counted" conns_are less 2
	check_not "but nothing comes" sock client tcp "$VM4" 443
}

test_conns_of_each_remote()
{
	check "setup" world_roam
	serve vm 443
	check "a second client" ns client ip addr add 10.9.0.77/24 dev eth0
	check "of IPv6, next to the first" ns client ip addr add fd09::77/64 dev eth0 nodad
	check "and in another network" ns client ip addr add fd09:0:0:1::77/64 dev eth0 nodad
	check "which is near" ns vm ip route add fd09:0:0:1::/64 dev eth0
	acl add vm web name web in allow tcp dport 443 perremote 2
	hold client "$VM4" 443 2
	check_not "one too many" sock client tcp "$VM4" 443
	check_eq "counted" "$(counter in conn_limit)" 0
	check "as such" test "$(counter in conn_limit_remote)" -ge 1
	check "another remote" sock client tcp "$VM4" 443 10.9.0.77
	stop_holding
	check "closed" wait_for 5 conns_are web 0
	hold client "$VM6" 443 2
	check_not "one too many" sock client tcp "$VM6" 443
	check_not "the same network" sock client tcp "$VM6" 443 fd09::77
	check "another network" sock client tcp "$VM6" 443 fd09:0:0:1::77
	shows web "perremote 2 conns_now 2 remotes_now 1"
}

# What is loaded counts as it did.
test_conns_of_an_image()
{
	check "setup" world_roam
	serve vm 443
	acl add vm web name web in allow tcp dport 443 conns 3 perremote 3
	hold client "$VM4" 443 3
	check "save" host state save web "$TMP/web.img"
	check_has "policy" "$("$ROAM" state show "$TMP/web.img")" "conns 3 perremote 3"
	check "load" host state load "$TMP/web.img" replace
	shows web "conns 3 perremote 3 conns_now 3 remotes_now 1"
	check_not "one too many" sock client tcp "$VM4" 443
	check_eq "the others go on" "$(alive "$HELD")" 3
	check "a file" sh -c "'$ROAM' --bpffs '$BPFFS/host' policy show vm web > '$TMP/web.yaml'"
	check_has "has it, too" "$(cat "$TMP/web.yaml")" "perremote: 3"
	sed -i 's/conns: 3/conns: 4/' "$TMP/web.yaml"
	check "apply" host policy apply "$TMP/web.yaml"
	shows web "conns 4 perremote 3 conns_now 3 remotes_now 1"
	stop_holding
	check "closed" wait_for 5 conns_are web 0
	check "the next gets in" sock client tcp "$VM4" 443
}

# What a socket is told at once: refused by a reset or by "port unreachable".
# $1: who, $2: address, $3: port, $4: tcp or udp
refused()
{
	ns "$1" "$PYTHON" -S "$TOP/tests/e2e/refused.py" "$4" "$2" "$3"
}

reject_both_ways()
{
	local addr from
	for from in client vm; do
		for addr in $(addresses_behind "$from"); do
			check_eq "$1: tcp from $from to $addr" "$(refused "$from" "$addr" 22 tcp)" refused
			check_eq "$1: udp from $from to $addr" "$(refused "$from" "$addr" 22 udp)" refused
		done
	done
}

test_reject()
{
	check "setup" world_roam default in reject out allow
	acl add vm web name no out reject any log 9
	serve vm 443
	acl add vm web name web in allow tcp dport 443
	reject_both_ways "sums left to the devices"
	# A device that computes no sums has the kernel do it for frames whose sum is still to come.
	for dev in up0 port0; do
		ns host ethtool -K "$dev" tx off > "$TMP/ethtool"
	done
	reject_both_ways "sums of the kernel's"
	for name in client vm; do
		ns "$name" ethtool -K eth0 tx off > "$TMP/ethtool"
	done
	reject_both_ways "sums of the sender's"
	check_eq "rejected" "$(counter in rejected) $(counter out rejected)" "12 12"
	check_eq "answered" "$(counter out answered) $(counter in answered)" "12 12"
	check_eq "hits" "$(rule_hits no)" 12
	check "others may" sock client tcp "$VM4" 443
}

test_rejecting_has_its_limit()
{
	check "setup" world_roam default in reject
	judged in rejected 400 in-udp4 in-udp6
	answered=$(counter out answered)
	check "a second's worth, and what came meanwhile" test "$answered" -ge 100
	check "no more" test "$answered" -lt 600
}

test_what_is_not_answered()
{
	check "setup" world_roam default in reject out reject
	judged in unrelated 1 in-error4 in-error6
	judged in midstream 1 in-rst4 in-rst6
	check_eq "nothing" "$(counter out answered)" 0
	check "a VLAN" host port del vm web mac "$VM_MAC"
	check "port" host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6" vlan 7
	judged in rejected 1 in-syn4@7 in-udp6@7
	check_eq "tagged ones are" "$(counter out answered)" 2
}

test_a_rejected_flow_is_reset()
{
	check "setup" world_roam
	serve vm 443
	acl add vm web name web in allow tcp dport 443
	hold client "$VM4" 443 3
	acl add vm web name no in prio 5 reject tcp dport 443
	check_eq "all are gone" "$(alive "$HELD")" 0
	check_eq "revoked" "$(($(counter in revoked) + $(counter out revoked)))" 3
	check_eq "and told" "$(($(counter in answered) + $(counter out answered)))" 3
}

test_they_move()
{
	check "setup" world_roam
	acl add vm web name a in allow tcp flags syn/syn,ack dport 443
	acl add vm web name b in audit icmp type unreachable/3 log 7
	acl add vm web name c out allow udp stateless
	acl add vm web name d out reject any
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
