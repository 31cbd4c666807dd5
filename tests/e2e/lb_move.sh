#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A backend that moves from one host to another, each in a network of its own, with a router between
# them: what a balancer picks for it goes there in a tunnel, as nobody else knows the way to it. The
# router merges packets and cuts them again (GRO).
#
#   client ─┐              ┌─ up0 :a: br0 ── port0 ─ vm1, vm2
#           ├─ net (router) ┤
#   bal ────┘              └─ up0 :b: br0
#
# Networks are numbered 1 to 4, 10.9.N.0/24 and fd09:0:0:N::/64; the router is .254 in each.
. "$(dirname "$0")/../lib.sh"

VIP4=198.51.100.9
VIP6=2001:db8:99::9
GATEWAY=52:54:00:00:00:fe
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# $1: namespace, $2: device with the addresses, $3: network, $4: the router's device
end()
{
	ns "$1" ip addr add "10.9.$3.$3/24" dev "$2"
	ns "$1" ip addr add "fd09:0:0:$3::$3/64" dev "$2" nodad
	ns net ip addr add "10.9.$3.254/24" dev "$4"
	ns net ip addr add "fd09:0:0:$3::254/64" dev "$4" nodad
	ns "$1" ip route add default via "10.9.$3.254"
	ns "$1" ip route add default via "fd09:0:0:$3::254"
}

# Room for an outer header round what a client sends.
underlay()
{
	ns "$1" ip link set "$2" mtu 1600
	ns net ip link set "$3" mtu 1600
	ns net ip link set "$3" down
	ns net ip link set "$3" address "$GATEWAY"
	ns net ip link set "$3" up
	# As on a wire: XDP needs whole packets.
	ns net ethtool -K "$3" tx off > "$TMP/whole" 2>&1 || skip "no ethtool"
}

forwards()
{
	ns "$1" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
		echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
}

# $1: namespace, $2: device, $3: the last part of its addresses and of its MAC
vm()
{
	ns "$1" ip link set "$2" down
	ns "$1" ip link set "$2" address "52:54:00:00:00:$3"
	ns "$1" ip link set "$2" up
	ns "$1" ip addr add "10.9.50.$3/32" dev "$2"
	ns "$1" ip addr add "fd09:50::$3/128" dev "$2" nodad
	ns "$1" ip neigh replace 10.9.50.254 lladdr "$GATEWAY" dev "$2" nud permanent
	ns "$1" ip neigh replace fe80::fe lladdr "$GATEWAY" dev "$2" nud permanent
	ns "$1" ip route add default via 10.9.50.254 dev "$2" onlink
	ns "$1" ip route add default via fe80::fe dev "$2"
}

bridge()
{
	local name=$1 dev
	shift
	ns "$name" ip link add br0 type bridge mcast_snooping 0
	for dev; do
		ns "$name" ip link set "$dev" master br0
	done
	ns "$name" ip link set br0 up mtu 1600
	# Where br_netfilter is built in, it drops what IP would.
	ns "$name" find /proc/sys/net/bridge -name 'bridge-nf-call-*' -exec sh -c 'echo 0 > {}' ';' \
		2> "$TMP/no-br_netfilter"
}

setup()
{
	ns_add net client bal a b vm1 vm2
	link client eth0 net c0
	link bal up0 net g0
	link a up0 net a0
	link b up0 net b0
	link vm1 eth0 a port1
	link vm2 eth0 a port2
	underlay bal up0 g0
	underlay a up0 a0
	underlay b up0 b0
	bridge a up0 port1 port2
	bridge b up0
	forwards net
	forwards bal
	end client eth0 1 c0
	end bal up0 2 g0
	end a br0 3 a0
	end b br0 4 b0
	vm vm1 eth0 11
	vm vm2 eth0 12
	ns net ip route add "$VIP4" via 10.9.2.2
	ns net ip route add "$VIP6" via fd09:0:0:2::2
	for next in 10.9.2.254 fd09:0:0:2::254; do
		ns bal ip neigh replace "$next" lladdr "$GATEWAY" dev up0 nud permanent
	done
	# A veth takes what XDP redirects only where the other end has NAPI, and GRO turns that on.
	ns net ethtool -K g0 gro on > "$TMP/gro" 2>&1 || skip "no ethtool"
	ns client ethtool -K eth0 tx off gso off > "$TMP/whole" 2>&1
	for host in bal a b; do
		roam_on "$host" host init uplink up0 || fail "host $host"
	done
	add_vm vm1 11 port1
	add_vm vm2 12 port2
}

# $1: its name, $2: the last part of its addresses, $3: its device
add_vm()
{
	roam_on a vm add "$1" default in drop out allow || fail "vm $1"
	roam_on a port add vm "$1" dev "$3" mac "52:54:00:00:00:$2" addr "10.9.50.$2" \
		addr "fd09:50::$2" || fail "port of $1"
	roam_on a acl add vm "$1" name web in allow tcp dport 8080 || fail "rule"
	roam_on a acl add vm "$1" name dns in allow udp dport 8080 || fail "rule"
	roam_on a lb on vm "$1" || fail "lb on"
}

# Services over the VMs with these last parts, everywhere.
services()
{
	local host last
	for host in bal a b; do
		for proto in tcp udp; do
			roam_on "$host" lb add "$proto"4 vip "$VIP4" port 80 "$proto" || fail "lb add"
			roam_on "$host" lb add "$proto"6 vip "$VIP6" port 80 "$proto" || fail "lb add"
			for last; do
				roam_on "$host" lb backend "$proto"4 add addr "10.9.50.$last" \
					port 8080 || fail "backend"
				roam_on "$host" lb backend "$proto"6 add addr "fd09:50::$last" \
					port 8080 || fail "backend"
			done
		done
	done
}

# The balancer is told where a VM is. $1: its last part, $2: to by IPv4, $3: to by IPv6
told()
{
	for proto in tcp udp; do
		check "told" roam_on bal lb backend "$proto"4 move addr "10.9.50.$1" to "$2"
		check "told" roam_on bal lb backend "$proto"6 move addr "fd09:50::$1" to "$3"
	done
}

# The balancer may send tunnels to hosts a and b, in both families.
peers()
{
	for host in a b; do
		check "peer of $host" roam_on "$host" lb peer add 10.9.2.2
		check "peer of $host" roam_on "$host" lb peer add fd09:0:0:2::2
	done
}

sock()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" -S "$LIB_DIR/sock.py" "$@"
}

serve()
{
	spawn nsenter --net="$(ns_path "$1")" "$PYTHON" -S "$LIB_DIR/sock.py" serve "$2"
	wait_for 20 grep -q ready "$TMP/spawn.$SPAWN_COUNT" || fail "$1 does not serve"
}

asks_all()
{
	local addr
	for addr in "$VIP4" "$VIP6"; do
		check "to $addr by tcp" sock client tcp "$addr" 80
		check "to $addr by tcp, a megabyte" sock client bulk "$addr" 80 1000000
		check_eq "to $addr by udp" "$(sock client udp "$addr" 80 3)" 3
	done
}

# $1: address, $2: how many connections; $HELD is the file that tells of them
hold()
{
	spawn nsenter --net="$(ns_path client)" "$PYTHON" -S "$LIB_DIR/sock.py" hold "$1" 80 "$2"
	HELD=$TMP/spawn.$SPAWN_COUNT
	wait_for 30 grep -q "^round 1 " "$HELD" || fail "the client cannot connect to $1"
}

# How many answered in a round that began after the call.
alive()
{
	local round
	round=$(($(sed -n 's/^round \([0-9]*\) .*/\1/p' "$1" | tail -1) + 2))
	wait_for 30 grep -q "^round $round " "$1" || return
	sed -n "s/^round $round alive //p" "$1"
}

# vm1's device goes from host $1 to host $2, as a real one's is made anew there.
move_vm1()
{
	roam_on "$1" state save vm1 "$TMP/vm1.img" || fail "save"
	ns "$1" ip link set port1 netns "roam-$$-$2" || fail "the device moves"
	ns "$2" ip link set port1 master br0
	ns "$2" ip link set port1 up
	roam_on "$2" state load "$TMP/vm1.img" dev 52:54:00:00:00:11=port1 || fail "load"
}

# What a host has dropped for this reason.
dropped()
{
	roam_on "$1" stats show | sed -n "s/.* drop $2 packets \([0-9]*\) .*/\1/p"
}

# ---- tests ----

# 40 connections, there and back, without one reset; forbidden ones all the while.
test_connections_live_on_while_their_vm_moves()
{
	local held4 held6
	serve vm1 8080,8022
	services 11
	peers
	roam_on bal lb add ssh vip "$VIP4" port 22 tcp
	roam_on a lb add ssh vip "$VIP4" port 22 tcp
	roam_on bal lb backend ssh add addr 10.9.50.11 port 8022
	roam_on a lb backend ssh add addr 10.9.50.11 port 8022
	roam_on bal lb backend ssh move addr 10.9.50.11 to 10.9.3.3
	told 11 10.9.3.3 fd09:0:0:3::3
	check_not "port 8022 is not admitted" sock client tcp "$VIP4" 22
	hold "$VIP4" 20
	held4=$HELD
	hold "$VIP6" 20
	held6=$HELD
	check "there" move_vm1 a b
	told 11 10.9.4.4 fd09:0:0:4::4
	roam_on a vm del vm1 || fail "release"
	check_eq "IPv4, there" "$(alive "$held4")" 20
	check_eq "IPv6, there" "$(alive "$held6")" 20
	asks_all
	check "back" move_vm1 b a
	told 11 10.9.3.3 fd09:0:0:3::3
	roam_on b vm del vm1 || fail "release"
	check_eq "IPv4, back" "$(alive "$held4")" 20
	check_eq "IPv6, back" "$(alive "$held6")" 20
	asks_all
	check_not "port 8022 still is not" sock client tcp "$VIP4" 22
	check_has "as the rules say" "$(roam_on a stats vm vm1)" "acl_default"
}

# IPv4 in IPv6, and IPv6 in IPv4.
test_the_other_family_of_tunnel()
{
	serve vm1 8080
	services 11
	peers
	told 11 fd09:0:0:3::3 10.9.3.3
	asks_all
}

# Both VMs are on host a, and each connection is with the one that was picked.
test_two_backends_of_one_host()
{
	local last
	serve vm1 8080
	serve vm2 8080
	services 11 12
	peers
	told 11 10.9.3.3 fd09:0:0:3::3
	told 12 10.9.3.3 fd09:0:0:3::3
	for _ in 1 2 3 4 5 6; do
		asks_all
	done
	for last in 11 12; do
		check_eq "sessions of $last are where they were picked for" \
			"$(sessions bal "10.9.50.$last")" "$(sessions a "10.9.50.$last")"
		[ "$(sessions a "10.9.50.$last")" -gt 0 ] || fail "$last was never picked"
	done
}

sessions()
{
	roam_on "$1" lb show service tcp4 |
		sed -n "s/^backend .* addr $2 .* sessions \([0-9]*\) .*/\1/p"
}

# A VM's old host, and a host that has been told of no balancer.
test_tunnels_that_end_nowhere()
{
	serve vm1 8080
	services 11
	told 11 10.9.3.3 fd09:0:0:3::3
	check_not "no peer" sock client tcp "$VIP4" 80
	peers
	check "a peer" sock client tcp "$VIP4" 80
	told 11 10.9.4.4 fd09:0:0:4::4
	check_not "not here" sock client tcp "$VIP4" 80
	[ "$(dropped b lb_not_here)" -gt 0 ] || fail "lb_not_here is not counted"
	check "peer" roam_on a lb peer del 10.9.2.2
	check "another one" roam_on a lb peer add 10.9.2.7
	told 11 10.9.3.3 fd09:0:0:3::3
	check_not "another peer" sock client tcp "$VIP4" 80
	[ "$(dropped a lb_peer)" -gt 0 ] || fail "lb_peer is not counted"
	check "IPv6 has its own" sock client tcp "$VIP6" 80
}

# A client that sends tunnels itself.
test_a_client_is_no_balancer()
{
	services 11
	peers
	check "a tunnel of its own" sock client smuggle 10.9.3.3 "$VIP4" 80
	check "is dropped" wait_for 5 is_dropped a lb_peer
	check_eq "and not seen by the VM" "$(roam_on a ct show vm vm1 | grep -c 192.0.2.1)" 0
}

is_dropped()
{
	[ "$(dropped "$1" "$2")" -gt 0 ]
}

run_tests "$@"
