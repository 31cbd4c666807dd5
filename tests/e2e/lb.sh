#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Load balancing with real sockets: a client, a balancer that is also the router, two hosts with a
# VM each, all on one segment.
#
#   client ─┐          ┌─ up0 :a: br0 ── port0 ─ vm1
#           ├─ net ────┤
#   bal ────┘          └─ up0 :b: br0 ── port0 ─ vm2
. "$(dirname "$0")/../lib.sh"

VIP4=198.51.100.9
VIP6=2001:db8:99::9
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# $1: namespace, $2: device, $3: the last part of its addresses and of its MAC
end()
{
	ns "$1" ip link set "$2" down
	ns "$1" ip link set "$2" address "52:54:00:00:00:$3"
	ns "$1" ip link set "$2" up
	ns "$1" ip addr add "10.9.0.$3/24" dev "$2"
	ns "$1" ip addr add "fd09::$3/64" dev "$2" nodad
}

# What the route to a VIP is, of everybody but the balancer.
route()
{
	ns "$1" ip route add "$VIP4" via 10.9.0.2
	ns "$1" ip route add "$VIP6" via fd09::2
}

# Where br_netfilter is built in, it drops what IP would.
no_br_netfilter()
{
	ns "$1" find /proc/sys/net/bridge -name 'bridge-nf-call-*' -exec sh -c 'echo 0 > {}' ';' \
		2> "$TMP/no-br_netfilter"
}

bridge()
{
	local name=$1 dev
	shift
	ns "$name" ip link add br0 type bridge mcast_snooping 0
	for dev; do
		ns "$name" ip link set "$dev" master br0
	done
	ns "$name" ip link set br0 up
	no_br_netfilter "$name"
}

router()
{
	ns bal sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
		echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
		echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects
		echo 0 > /proc/sys/net/ipv4/conf/up0/send_redirects'
	for vm in 11 12; do
		ns bal ip neigh replace "10.9.0.$vm" lladdr "52:54:00:00:00:$vm" dev up0 nud permanent
		ns bal ip neigh replace "fd09::$vm" lladdr "52:54:00:00:00:$vm" dev up0 nud permanent
	done
}

# A veth takes what XDP redirects only where the other end has NAPI, and GRO turns that on.
setup()
{
	ns_add net client bal a b vm1 vm2
	link client eth0 net c0
	link bal up0 net g0
	link a up0 net a0
	link b up0 net b0
	link vm1 eth0 a port0
	link vm2 eth0 b port0
	bridge net c0 g0 a0 b0
	bridge a up0 port0
	bridge b up0 port0
	end client eth0 1
	end bal up0 2
	end vm1 eth0 11
	end vm2 eth0 12
	route client
	route vm1
	route vm2
	router
	ns net ethtool -K g0 gro on > "$TMP/gro" 2>&1 || skip "no ethtool"
	# As on a wire: what XDP redirects must be whole, checksum included.
	ns client ethtool -K eth0 tx off gso off > "$TMP/whole" 2>&1
	host_with_vm a vm1 11
	host_with_vm b vm2 12
	roam_on bal host init uplink up0 || fail "a balancer"
}

# $1: host, $2: its VM, $3: as for end
host_with_vm()
{
	roam_on "$1" host init uplink up0 || fail "host $1"
	roam_on "$1" vm add "$2" default in drop out allow || fail "vm $2"
	roam_on "$1" port add vm "$2" dev port0 mac "52:54:00:00:00:$3" addr "10.9.0.$3" \
		addr "fd09::$3" || fail "port of $2"
	roam_on "$1" acl add vm "$2" name web in allow tcp dport 8080 || fail "rule"
	roam_on "$1" acl add vm "$2" name dns in allow udp dport 8080 || fail "rule"
}

# On each host named: services web4, web6, dns4, dns6; then backends by the last part.
services()
{
	local host
	for host; do
		roam_on "$host" lb add web4 vip "$VIP4" port 80 tcp || fail "web4"
		roam_on "$host" lb add web6 vip "$VIP6" port 80 tcp || fail "web6"
		roam_on "$host" lb add dns4 vip "$VIP4" port 80 udp || fail "dns4"
		roam_on "$host" lb add dns6 vip "$VIP6" port 80 udp || fail "dns6"
	done
}

# $1: host, $2: backend's last part, $3: what to do, and how
backend()
{
	local host=$1 last=$2 verb=$3
	shift 3
	for service in web4 dns4; do
		roam_on "$host" lb backend "$service" "$verb" addr "10.9.0.$last" "$@" ||
			fail "backend of $service"
	done
	for service in web6 dns6; do
		roam_on "$host" lb backend "$service" "$verb" addr "fd09::$last" "$@" ||
			fail "backend of $service"
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

# $1: who asks; each service answers, TCP with more than one segment, too
asks_all()
{
	local addr
	for addr in "$VIP4" "$VIP6"; do
		check "$1 to $addr by tcp" sock "$1" tcp "$addr" 80
		check "$1 to $addr by tcp, a megabyte" sock "$1" bulk "$addr" 80 1000000
		check_eq "$1 to $addr by udp" "$(PATIENT=1 sock "$1" udp "$addr" 80 3)" 3
		check_eq "$1 to $addr by udp, in fragments" \
			"$(PATIENT=1 sock "$1" large "$addr" 80 3 8000)" 3
	done
}

# How often the backends of a host's service were chosen, by address.
sessions()
{
	roam_on "$1" lb show service "$2" |
		sed -n "s/^backend .* addr $3 .* sessions \([0-9]*\) .*/\1/p"
}

test_a_vm_is_client()
{
	serve client 8080
	services a
	backend a 1 add port 8080
	check "on" roam_on a lb on vm vm1
	asks_all vm1
	check_eq "sessions are counted" "$(sessions a web4 10.9.0.1)" 2
}

test_a_vm_gets_itself()
{
	serve vm1 8080
	services a
	backend a 11 add port 8080
	check "on" roam_on a lb on vm vm1
	asks_all vm1
}

test_vms_behind_a_balancer()
{
	serve vm1 8080
	serve vm2 8080
	services bal a b
	for host in bal a b; do
		backend "$host" 11 add port 8080
		backend "$host" 12 add port 8080
	done
	check "on" roam_on a lb on vm vm1
	check "on" roam_on b lb on vm vm2
	for _ in 1 2 3 4 5 6; do
		asks_all client
	done
	[ "$(sessions bal web4 10.9.0.11)" -gt 0 ] || fail "vm1 was never picked"
	[ "$(sessions bal web4 10.9.0.12)" -gt 0 ] || fail "vm2 was never picked"
	check_eq "each connection has been picked for once" \
		"$(($(sessions bal web4 10.9.0.11) + $(sessions bal web4 10.9.0.12)))" 12
	asks_all vm1
}

# $1: who, $2: address, $3: how many connections; $HELD is the file that tells of them
hold()
{
	spawn nsenter --net="$(ns_path "$1")" "$PYTHON" -S "$LIB_DIR/sock.py" hold "$2" 80 "$3"
	HELD=$TMP/spawn.$SPAWN_COUNT
	wait_for 30 grep -q "^round 1 " "$HELD" || fail "$1 cannot connect to $2"
}

# How many answered in a round that began after the call.
alive()
{
	local round
	round=$(($(sed -n 's/^round \([0-9]*\) .*/\1/p' "$1" | tail -1) + 2))
	wait_for 30 grep -q "^round $round " "$1" || return
	sed -n "s/^round $round alive //p" "$1"
}

test_sessions_stay_when_the_set_changes()
{
	local held4 held6
	serve vm1 8080
	serve vm2 8080
	services bal a b
	for host in bal a b; do
		backend "$host" 11 add port 8080
	done
	check "on" roam_on a lb on vm vm1
	check "on" roam_on b lb on vm vm2
	hold client "$VIP4" 20
	held4=$HELD
	hold client "$VIP6" 20
	held6=$HELD
	for host in bal a b; do
		backend "$host" 12 add port 8080
		backend "$host" 11 drain
	done
	check_eq "IPv4" "$(alive "$held4")" 20
	check_eq "IPv6" "$(alive "$held6")" 20
	asks_all client
	check_eq "new ones go to vm2" "$(sessions bal web4 10.9.0.12)" 2
	check_eq "and none to vm1" "$(sessions bal web4 10.9.0.11)" 20
}

# A file of services: web4 and web6 on port $1; backends on stdin, each "LAST STATE".
services_file()
{
	local states
	states=$(cat)
	for family in 4 6; do
		[ "$family" = 4 ] && echo "services:"
		[ "$family" = 4 ] && vip=$VIP4 net=10.9.0. || vip=$VIP6 net=fd09::
		echo "- name: web$family"
		echo "  vip: $vip"
		echo "  port: $1"
		echo "  proto: tcp"
		echo "  backends:"
		echo "$states" | while read -r last state; do
			echo "  - { addr: '$net$last', port: 8080, state: $state }"
		done
	done
}

# $1: a file
apply_everywhere()
{
	for host in bal a b; do
		check "$host applies $1" roam_on "$host" policy apply "$TMP/$1"
		check "$host has it" roam_on "$host" policy diff "$TMP/$1"
	done
}

test_services_are_a_file()
{
	local held
	serve vm1 8080
	serve vm2 8080
	echo "11 active" | services_file 80 > "$TMP/first.yaml"
	printf '%s\n' "11 draining" "12 active" | services_file 80 > "$TMP/second.yaml"
	echo "12 active" | services_file 8000 > "$TMP/third.yaml"
	echo "- { name: dns, vip: $VIP4, port: 53, proto: udp }" >> "$TMP/third.yaml"
	check "by hand" roam_on a lb add old vip "$VIP4" port 99 tcp
	apply_everywhere first.yaml
	check_not "what the file does not name is gone" roam_on a lb show service old
	check "on" roam_on a lb on vm vm1
	check "on" roam_on b lb on vm vm2
	hold client "$VIP4" 20
	held=$HELD
	roam_on bal policy diff "$TMP/second.yaml" > "$TMP/diff"
	check_eq "it differs" "$?" 1
	check_has "a state" "$(cat "$TMP/diff")" \
		"set services web4 backends 10.9.0.11 state was active is draining"
	check_has "a backend" "$(cat "$TMP/diff")" "add services web6 backends fd09::12 is addr"
	apply_everywhere second.yaml
	check_eq "sessions stay" "$(alive "$held")" 20
	check_eq "and their counters" "$(sessions bal web4 10.9.0.11)" 20
	check "a new one" sock client tcp "$VIP4" 80
	check_eq "goes to vm2" "$(sessions bal web4 10.9.0.12)" 1
	apply_everywhere third.yaml
	check "the other port" sock client tcp "$VIP6" 8000
	check_not "the old port" sock client tcp "$VIP6" 80
	check_eq "a backend's counters go on" "$(sessions bal web4 10.9.0.12)" 1
	echo "services: []" > "$TMP/none.yaml"
	apply_everywhere none.yaml
	check_eq "none" "$(roam_on bal lb show)" ""
}

# On the port of a VM, they live on even when the file names neither service nor backend any more.
test_sessions_outlive_the_file()
{
	serve client 8080
	echo "1 active" | services_file 80 > "$TMP/first.yaml"
	echo "services: []" > "$TMP/none.yaml"
	check "apply" roam_on a policy apply "$TMP/first.yaml"
	check "on" roam_on a lb on vm vm1
	hold vm1 "$VIP4" 10
	check "apply" roam_on a policy apply "$TMP/none.yaml"
	check_eq "alive" "$(alive "$HELD")" 10
	check_not "no new ones" sock vm1 tcp "$VIP4" 80
}

test_a_refused_file_of_services_changes_nothing()
{
	echo "11 active" | services_file 80 > "$TMP/good.yaml"
	echo "12 active" | services_file 80 | sed "s/vip: $VIP6/vip: fd09::11/" > "$TMP/vm.yaml"
	echo "11 active" | services_file 80 | sed "s/vip: $VIP6/vip: fd09:::11/" > "$TMP/bad.yaml"
	check "apply" roam_on a policy apply "$TMP/good.yaml"
	roam_on a policy show services > "$TMP/before"
	check_not "a file that is wrong" roam_on a policy apply "$TMP/bad.yaml"
	check_has "where" "$(cat "$TMP/out")" "$TMP/bad.yaml:9:8: 'fd09:::11' is not an"
	check_not "a VIP that is a VM's" roam_on a policy apply "$TMP/vm.yaml"
	check_has "whose" "$(cat "$TMP/out")" \
		"roam: policy: services: lb 'web6': fd09::11 is the address of a VM"
	roam_on a policy show services > "$TMP/after"
	check "as before" cmp "$TMP/before" "$TMP/after"
}

# The VM's device goes from host a to host b, as a real one's is made anew there.
move_vm1()
{
	roam_on a state save vm1 "$TMP/vm1.img" || fail "save"
	ns a ip link set port0 netns "roam-$$-b" name port1 || fail "the device moves"
	ns b ip link set port1 master br0
	ns b ip link set port1 up
	roam_on b state load "$TMP/vm1.img" dev 52:54:00:00:00:11=port1 || fail "load"
	roam_on a vm del vm1 || fail "release"
}

# vm1 is a backend by IPv4 and a client by IPv6.
test_sessions_move_with_their_vm()
{
	local as_backend as_client
	serve vm1 8080
	serve client 8080
	services bal a b
	for host in bal a b; do
		check "vm1" roam_on "$host" lb backend web4 add addr 10.9.0.11 port 8080
		check "client" roam_on "$host" lb backend web6 add addr fd09::1 port 8080
	done
	check "on" roam_on a lb on vm vm1
	hold client "$VIP4" 20
	as_backend=$HELD
	hold vm1 "$VIP6" 20
	as_client=$HELD
	check "move" move_vm1
	check_eq "as backend" "$(alive "$as_backend")" 20
	check_eq "as client" "$(alive "$as_client")" 20
	check "new ones to it" sock client tcp "$VIP4" 80
	check "new ones from it" sock vm1 tcp "$VIP6" 80
}

# A session's service must be there, and be the same.
test_a_service_that_is_not_there()
{
	serve client 8080
	services a
	backend a 1 add port 8080
	check "on" roam_on a lb on vm vm1
	hold vm1 "$VIP4" 2
	check "save" roam_on a state save vm1 "$TMP/vm1.img"
	check_not "it is not there" roam_on b state load "$TMP/vm1.img" dev 52:54:00:00:00:11=port0
	check_has "says which" "$(roam_on b state load "$TMP/vm1.img" dev 52:54:00:00:00:11=port0 2>&1)" \
		"service 'web4' of the sessions is another here, or missing"
	check_eq "nothing is left" "$(roam_on b vm show | grep -c vm1)" 0
}

# Nothing comes to a VM by a VIP that its policy does not admit.
test_forbidden_traffic_does_not_arrive()
{
	serve vm1 22,8080
	for host in bal a; do
		check "ssh" roam_on "$host" lb add ssh vip "$VIP4" port 22 tcp
		check "its backend" roam_on "$host" lb backend ssh add addr 10.9.0.11
	done
	check "on" roam_on a lb on vm vm1
	check_not "port 22 is not admitted" sock client tcp "$VIP4" 22
	check_not "a VIP without service" sock client tcp "$VIP4" 81
	check_has "as the rules say" "$(roam_on a stats vm vm1)" "acl_default"
}

run_tests "$@"
