#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# ICMP errors with real sockets: what a router on the way and the ends themselves say reaches who
# has asked, and only him. Behind the router packets must be smaller: path MTU discovery, directly,
# from a VM to a VIP, and from a VM that is a VIP's backend.
#
#   far: eth0 ── small :router: eth0 ── up0 :host: br0 (10.9.0.2) ── port0 ── eth0 :vm
. "$(dirname "$0")/../lib.sh"

VIP4=198.51.100.9
VIP6=2001:db8:99::9
FAR4=10.8.0.2
FAR6=fd08::2
VM4=10.9.0.10
VM6=fd09::10
ROUTER4=10.9.0.1
ROUTER6=fd09::1
VM_MAC=52:54:00:00:00:10
SMALL=1400
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# $1: namespace, $2: device, $3 and $4: addresses
end()
{
	ns "$1" ip addr add "$3/24" dev "$2"
	ns "$1" ip addr add "$4/64" dev "$2" nodad
}

# $1: namespace, $2: a route's words for IPv4, $3: for IPv6
route()
{
	# shellcheck disable=SC2086
	ns "$1" ip -4 route replace $2 || fail "route $2"
	# shellcheck disable=SC2086
	ns "$1" ip -6 route replace $3 || fail "route $3"
}

router()
{
	ns router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
		echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
		echo 0 > /proc/sys/net/ipv4/icmp_ratelimit
		echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
		echo 0 > /proc/sys/net/ipv4/conf/eth0/send_redirects'
	ns router ip link set small mtu "$SMALL"
	ns far ip link set eth0 mtu "$SMALL"
}

# The far end says that it takes segments which do not fit through: what it is told must be learned.
setup()
{
	ns_add far router host vm
	ns host sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'
	link far eth0 router small
	link router eth0 host up0
	link vm eth0 host port0
	ns vm ip link set eth0 down
	ns vm ip link set eth0 address "$VM_MAC"
	ns vm ip link set eth0 up
	ns host find /proc/sys/net/bridge -name 'bridge-nf-call-*' -exec sh -c 'echo 0 > {}' ';' \
		2> "$TMP/no-br_netfilter"
	ns host ip link add br0 type bridge mcast_snooping 0
	ns host ip link set up0 master br0
	ns host ip link set port0 master br0
	ns host ip link set br0 up
	router
	end far eth0 "$FAR4" "$FAR6"
	end router small 10.8.0.1 fd08::1
	end router eth0 "$ROUTER4" "$ROUTER6"
	end vm eth0 "$VM4" "$VM6"
	route far "default via 10.8.0.1 advmss 1460" "default via fd08::1 advmss 1440"
	route vm "default via $ROUTER4" "default via $ROUTER6"
	# To the VIP by way of the host, which picks at its uplink, before anybody asks for it.
	route router "$VIP4 via 10.9.0.2" "$VIP6 via fd09::2"
	for addr in 10.9.0.2 fd09::2; do
		ns router ip neigh replace "$addr" lladdr 52:54:00:00:00:02 dev eth0 nud permanent
	done
	roam_on host host init uplink up0 || fail "host"
	roam_on host vm add web default in drop out allow || fail "vm"
	roam_on host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6" || fail "port"
	roam_on host acl add vm web name tcp in allow tcp dport 8080 || fail "rule"
	roam_on host acl add vm web name udp in allow udp dport 9 || fail "rule"
}

sock()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" -S "$LIB_DIR/sock.py" "$@"
}

errors()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" -S "$LIB_DIR/errors.py" "$@"
}

serve()
{
	spawn nsenter --net="$(ns_path "$1")" "$PYTHON" -S "$LIB_DIR/sock.py" serve 8080
	wait_for 20 grep -q ready "$TMP/spawn.$SPAWN_COUNT" || fail "$1 does not serve"
}

# Packets that were counted. $1: direction, $2: reason
counter()
{
	roam_on host -j stats show vm web |
		sed -n "s/.*\"dir\":\"$1\",.*\"reason\":\"$2\".*\"packets\":\([0-9]*\).*/\1/p" | grep . ||
		echo 0
}

# $1: namespace, $2: an address: what has been learned about the way to it
path_mtu()
{
	ns "$1" ip -o route get "$2" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

# More than fits through goes to the far end and comes back. $1: who asks, $2: whom, $3: port
bulk()
{
	check "$1 to $2: bulk" sock "$1" bulk "$2" "$3" 200000
}

test_port_unreachable()
{
	local addr
	for addr in "$FAR4" "$FAR6"; do
		check "the VM is told that nobody is at $addr" errors vm refused "$addr" 9
	done
	check "related, in" test "$(counter in related)" -ge 2
	for addr in "$VM4" "$VM6"; do
		check "the far end is told that nobody is at $addr" errors far refused "$addr" 9
	done
	check "related, out" test "$(counter out related)" -ge 2
	check_eq "in: all of them" "$(counter in unrelated)" 0
	check_eq "out: all of them" "$(counter out unrelated)" 0
}

test_time_exceeded()
{
	check_eq "IPv4" "$(errors vm hop "$FAR4" 33434 1)" "$ROUTER4"
	check_eq "IPv6" "$(errors vm hop "$FAR6" 33434 1)" "$ROUTER6"
	check "related" test "$(counter in related)" -ge 2
}

test_forged_errors()
{
	check "IPv4" errors router forge "$VM4" 5
	check "IPv6" errors router forge "$VM6" 5
	check_eq "dropped" "$(counter in unrelated)" 10
	check_eq "none passes" "$(counter in related)" 0
}

test_path_mtu()
{
	local addr
	serve far
	for addr in "$FAR4" "$FAR6"; do
		check_eq "not known before" "$(path_mtu vm "$addr")" ""
		bulk vm "$addr" 8080
		check_eq "learned" "$(path_mtu vm "$addr")" "$SMALL"
	done
	check "related" test "$(counter in related)" -ge 2
	check_eq "nothing else" "$(counter in unrelated)" 0
}

service()
{
	roam_on host lb add web4 vip "$VIP4" port 80 tcp || fail "web4"
	roam_on host lb add web6 vip "$VIP6" port 80 tcp || fail "web6"
	roam_on host lb backend web4 add addr "$1" port 8080 || fail "backend $1"
	roam_on host lb backend web6 add addr "$2" port 8080 || fail "backend $2"
	roam_on host lb on vm web || fail "lb on"
}

# The router's errors are about packets to the backend; the VM's kernel knows of the VIP only.
test_path_mtu_to_a_vip()
{
	local addr
	serve far
	service "$FAR4" "$FAR6"
	for addr in "$VIP4" "$VIP6"; do
		bulk vm "$addr" 80
		check_eq "of the way to $addr" "$(path_mtu vm "$addr")" "$SMALL"
	done
	for addr in "$FAR4" "$FAR6"; do
		check_eq "not of the way to $addr" "$(path_mtu vm "$addr")" ""
	done
	check "related" test "$(counter in related)" -ge 2
}

# The router's errors go to the VIP, about packets from there: the uplink finds whose they are.
test_path_mtu_from_a_backend()
{
	local addr
	serve vm
	service "$VM4" "$VM6"
	# As on a wire: what XDP sees must be whole.
	ns router ethtool -K eth0 tx off gso off > "$TMP/whole" 2>&1 || skip "no ethtool"
	for addr in "$VIP4" "$VIP6"; do
		bulk far "$addr" 80
	done
	for addr in "$FAR4" "$FAR6"; do
		check_eq "of the way to $addr" "$(path_mtu vm "$addr")" "$SMALL"
	done
	check "related" test "$(counter in related)" -ge 2
	check_eq "nothing else" "$(counter in unrelated)" 0
}

run_tests "$@"
