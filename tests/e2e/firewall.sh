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
	world_neighbours
}

servers()
{
	serve vm 22,443,5300,8080
	serve client 22,443,5300,8080
}

acl()
{
	check "acl $*" host acl "$@"
}

# $1: sock or check_not…: passes PORT for both families; $2: who opens
opens()
{
	local from=$1 port=$2 addr
	for addr in $(addresses_behind "$from"); do
		check "tcp from $from to $addr $port" sock "$from" tcp "$addr" "$port"
		check_eq "udp from $from to $addr $port" "$(sock "$from" udp "$addr" "$port" 3)" 3
	done
}

opens_not()
{
	local from=$1 port=$2 addr
	for addr in $(addresses_behind "$from"); do
		check_not "tcp from $from to $addr $port" sock "$from" tcp "$addr" "$port"
		check_eq "udp from $from to $addr $port" "$(sock "$from" udp "$addr" "$port" 3)" 0
	done
}

test_without_roam_everything_arrives()
{
	servers
	opens client 22
	opens vm 22
}

test_default_drop_in_allow_out()
{
	servers
	check "setup" world_roam default in drop out allow
	opens_not client 443
	check "2 SYNs and 6 datagrams" counted in acl_default 8
	check "nothing else came" test "$(total in)" = 8
	opens vm 443
	check "one opening for each connection" counted out opened 4
	check "replies are part of them" test "$(counter in established)" -gt 0
	check_eq "and nothing was dropped on its way out" "$(total out)" \
		"$(($(counter out opened) + $(counter out established)))"
}

test_forbidden_frames_never_arrive()
{
	check "setup" world_roam default in drop out drop
	acl add vm web name web in allow tcp dport 443
	catch vm
	judged in acl_default 5 in-udp4 in-udp6 in-denied4 in-denied6 in-echo4 in-echo6
	judged in midstream 5 in-ack4 in-ack6
	judged in opened 1 in-syn4 in-syn6
	stop_catching
	check_eq "only what opens a connection" "$(grep -c . "$CAUGHT")" 3
	check_eq "IPv4" "$(caught in-syn4)" 1
	check_eq "IPv6" "$(caught in-syn6)" 1
	catch client
	judged out acl_default 5 vm-udp4 vm-udp6 vm-echo4 vm-echo6
	judged out midstream 5 vm-ack4 vm-ack6
	stop_catching
	check_eq "nothing" "$(cat "$CAUGHT")" ready
}

test_rules_by_port_protocol_and_direction()
{
	servers
	check "setup" world_roam
	acl add vm web name range in allow tcp dport 440-450
	acl add vm web name udp in allow udp dport 5300
	acl add vm web name out out allow tcp to any dport 22
	for addr in "$VM4" "$VM6"; do
		check "in the range, $addr" sock client tcp "$addr" 443
		check_not "beside it, $addr" sock client tcp "$addr" 22
		check_eq "the protocol, $addr" "$(sock client udp "$addr" 5300 2)" 2
		check_eq "another one, $addr" "$(sock client udp "$addr" 443 2)" 0
	done
	for addr in "$CLIENT4" "$CLIENT6"; do
		check "the direction, $addr" sock vm tcp "$addr" 22
		check_not "the other one, $addr" sock vm tcp "$addr" 443
	done
	check_eq "hits of 'range'" "$(rule_hits range)" 2
	check_eq "hits of 'udp'" "$(rule_hits udp)" 2
	acl del vm web name udp
	check_not "it is gone" host acl show vm web name udp
	check_eq "and so is what it allowed" "$(sock client udp "$VM4" 5300 2)" 0
}

test_rules_by_prefix()
{
	servers
	check "setup" world_roam
	ns client ip addr add 10.9.0.200/24 dev eth0
	ns client ip addr add fd09::c8/64 dev eth0 nodad
	acl add vm web name a in prio 10 drop any from 10.9.0.0/25
	acl add vm web name b in prio 10 drop any from fd09::/121
	acl add vm web name c in prio 20 allow tcp from 10.9.0.0/24 to 10.9.0.10
	acl add vm web name d in prio 20 allow tcp from fd09::/64 to fd09::10
	check_not "the smaller prefix" sock client tcp "$VM4" 443 "$CLIENT4"
	check_not "the smaller prefix, IPv6" sock client tcp "$VM6" 443 "$CLIENT6"
	check_eq "a rule that drops has hits" "$(rule_hits a)" 1
	check "counted as a rule's" counted in acl_rule 2
	check "the larger one" sock client tcp "$VM4" 443 10.9.0.200
	check "the larger one, IPv6" sock client tcp "$VM6" 443 fd09::c8
}

test_priority_decides()
{
	servers
	check "setup" world_roam
	acl add vm web name z in prio 10 allow tcp
	acl add vm web name a in prio 20 drop tcp
	opens_tcp yes
	acl add vm web name b in prio 5 drop tcp dport 443
	opens_tcp no
	acl del vm web name b
	opens_tcp yes
	acl add vm web name first in prio 10 drop tcp
	opens_tcp no # of the same priority: by name
}

opens_tcp()
{
	local addr got
	for addr in "$VM4" "$VM6"; do
		got=no
		sock client tcp "$addr" 443 > "$TMP/tcp" 2>&1 && got=yes
		check_eq "tcp to $addr" "$got" "$1"
	done
}

test_revoked_at_once()
{
	local web4 web6 ssh4 ssh6
	servers
	check "setup" world_roam default out allow
	acl add vm web name web in allow tcp dport 443
	acl add vm web name ssh in allow tcp dport 22
	hold client "$VM4" 443 3 && web4=$HELD
	hold client "$VM6" 443 3 && web6=$HELD
	hold client "$VM4" 22 3 && ssh4=$HELD
	hold client "$VM6" 22 3 && ssh6=$HELD
	acl add vm web name more in prio 1 allow udp
	for file in "$web4" "$web6" "$ssh4" "$ssh6"; do
		check_eq "unchanged policy keeps them" "$(alive "$file")" 3
	done
	acl del vm web name web
	for file in "$web4" "$web6"; do
		check_eq "revoked policy ends them" "$(alive "$file")" 0
	done
	for file in "$ssh4" "$ssh6"; do
		check_eq "what it did not speak of lives" "$(alive "$file")" 3
	done
	# One packet of each, in or out; what follows belongs to no flow any more.
	check_eq "revoked" $(($(counter in revoked) + $(counter out revoked))) 6
	acl add vm web name web in allow tcp dport 443
	check_eq "and stays dead" "$(alive "$web4")" 0
	check "set" host vm set web default in allow
	acl del vm web name ssh
	check_eq "the default admits them as well" "$(alive "$ssh4")" 3
}

test_vlans()
{
	check "setup" world_roam default out allow
	check "del" host port del vm web mac "$VM_MAC"
	check "add" host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6" \
		vlan 7 vlan 8.9
	catch client
	judged out opened 1 vm-udp4@7 vm-udp6@7 vm-udp4@8.9 vm-udp6@8.9
	judged out vlan 3 vm-udp4 vm-udp6 vm-udp4@6 vm-udp6@8 vm-udp4@8.7 vm-udp6@7.9
	judged out ethertype 3 vm-udp4@7.8.9
	stop_catching
	check_eq "what may" "$(caught vm-udp4) $(caught vm-udp6)" "2 2"
	# Each VLAN is an address space of its own: a reply elsewhere is none.
	judged in established 1 in-reply4@7 in-reply6@7 in-reply4@8.9
	judged in vlan 1 in-reply4 in-reply6@9
	check "flush" host ct flush vm web
	judged out opened 1 vm-udp6@7
	judged in acl_default 1 in-reply6@8.9
	judged in established 1 in-reply6@7
	check_has "flows have their VLAN" "$(host ct show vm web)" "vlan 7"
}

test_untagged_and_priority_tag()
{
	check "setup" world_roam default out allow
	judged out opened 1 vm-udp4@0 vm-udp6
	judged out established 1 vm-udp4 vm-udp6@0
	judged out vlan 1 vm-udp4@7
}

# Everything that either end's device sent is in the counters, packet for packet and byte for byte.
# Without an uplink's XDP program, for whose sake veth counts without the Ethernet header.
test_counters_are_exact()
{
	local packets_in packets_out bytes_in bytes_out addr
	servers
	check "init" host host init
	# A device counts a frame that is still to be cut as it is, roam as it will be on the wire.
	ns client ip link set eth0 gso_max_segs 1
	ns vm ip link set eth0 gso_max_segs 1
	check "setup" world_vm default in drop out allow
	acl add vm web name web in allow tcp dport 443
	acl add vm web name dns in allow udp dport 443
	packets_in=$(device client eth0 tx_packets) packets_out=$(device vm eth0 tx_packets)
	bytes_in=$(device client eth0 tx_bytes) bytes_out=$(device vm eth0 tx_bytes)
	for addr in "$VM4" "$VM6"; do
		check "bulk, $addr" sock client bulk "$addr" 443 3000000
		check_eq "udp, $addr" "$(sock client udp "$addr" 443 100)" 100
		check_not "denied, $addr" sock client tcp "$addr" 22
		check_eq "denied, $addr" "$(sock client udp "$addr" 22 50)" 0
	done
	check "frames" frames client send eth0 100 in-udp4 in-udp6 in-flags4 in-long6 in-other4
	check "frames" frames vm send eth0 100 vm-addr4 vm-addr6 vm-mac4 vm-flags6 vm-lldp
	sleep 0.2
	check_eq "packets in" "$(total in)" $(($(device client eth0 tx_packets) - packets_in))
	check_eq "packets out" "$(total out)" $(($(device vm eth0 tx_packets) - packets_out))
	for reason in acl_default=302 tcp_flags=100 malformed=100 not_local=100; do
		check_eq "in ${reason%=*}" "$(counter in "${reason%=*}")" "${reason#*=}"
	done
	for reason in spoof_addr=200 spoof_mac=100 tcp_flags=100 ethertype=100; do
		check_eq "out ${reason%=*}" "$(counter out "${reason%=*}")" "${reason#*=}"
	done
	count_bytes
	check_eq "bytes in" "$(total in)" $(($(device client eth0 tx_bytes) - bytes_in))
	check_eq "bytes out" "$(total out)" $(($(device vm eth0 tx_bytes) - bytes_out))
}

run_tests "$@"
