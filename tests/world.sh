# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# A small world for the tests in tests/e2e, read by them after lib.sh: a client, a host that runs
# roam, and a VM, each a namespace.
#
#   client: eth0 ── up0 :host: br0 :host: port0 ── eth0 :vm
#
#   world_make           the namespaces, the bridge, addresses; nothing of roam
#   world_roam [WORD…]   `host init` with the uplink, VM `web` (WORD… are its settings) and its port
#   host ARG…            the CLI on the host
#   counter DIR REASON   packets of the VM that were counted under a reason
#   total DIR            packets of the VM in that direction, whatever became of them
#   counted DIR REASON N exactly so many
#   device NS DEV STAT   a counter of a device
#   sock NS WORD…        e2e/sock.py in a namespace: real sockets
#   frames NS WORD…      e2e/frames.py in a namespace: frames as one likes
#   serve NS PORT…       echoes on TCP and UDP ports until the test ends
#   hold NS ADDR PORT N  keeps N connections busy; sets $HELD to the file that tells of them
#   alive FILE           how many of them answered in a round that began after the call

VM_MAC=52:54:00:00:00:10
CLIENT_MAC=52:54:00:00:00:c1
VM4=10.9.0.10
VM6=fd09::10
CLIENT4=10.9.0.1
CLIENT6=fd09::1
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# $1: namespace, $2: MAC, $3 and $4: its addresses
world_end()
{
	ns "$1" ip link set eth0 down
	ns "$1" ip link set eth0 address "$2"
	ns "$1" ip link set eth0 up
	ns "$1" ip addr add "$3/24" dev eth0
	ns "$1" ip addr add "$4/64" dev eth0 nodad
}

# The host itself says nothing, so that whoever counts packets counts the two ends' only.
world_make()
{
	ns_add client host vm
	ns host sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'
	link client eth0 host up0
	link vm eth0 host port0
	ns host ip link add br0 type bridge mcast_snooping 0
	ns host ip link set up0 master br0
	ns host ip link set port0 master br0
	ns host ip link set br0 up
	world_end client "$CLIENT_MAC" "$CLIENT4" "$CLIENT6"
	world_end vm "$VM_MAC" "$VM4" "$VM6"
}

host()
{
	roam_on host "$@"
}

world_roam()
{
	host host init uplink up0 || return
	host vm add web "$@" || return
	host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6"
}

# One line for each counter, as JSON has it: the words of the line that match are added up.
counters()
{
	host -j stats show vm web > "$TMP/stats" || return
	sed -n "/$1/s/.*\"packets\":\([0-9]*\).*/\1/p" "$TMP/stats" |
		awk '{ sum += $1 } END { print sum + 0 }'
}

counter()
{
	counters "\"dir\":\"$1\".*\"reason\":\"$2\""
}

total()
{
	counters "\"dir\":\"$1\""
}

counted()
{
	[ "$(counter "$1" "$2")" = "$3" ]
}

device()
{
	ns "$1" ip -s -j link show "$2" | sed -n "s/.*\"${3%%_*}\":{[^}]*\"${3#*_}\":\([0-9]*\).*/\1/p"
}

sock()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" "$TOP/tests/e2e/sock.py" "$@"
}

frames()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" "$TOP/tests/e2e/frames.py" "$@"
}

# $1: a file, $2: a line
has_line()
{
	grep -q "^$2" "$1"
}

serve()
{
	spawn sock "$1" serve "$2"
	wait_for 20 has_line "$TMP/spawn.$SPAWN_COUNT" ready || fail "no server"
}

hold()
{
	spawn sock "$1" hold "$2" "$3" "$4"
	HELD=$TMP/spawn.$SPAWN_COUNT
	wait_for 30 has_line "$HELD" "round 1 "
}

last_round()
{
	sed -n 's/^round \([0-9]*\) .*/\1/p' "$1" | tail -1
}

alive()
{
	local round=$(($(last_round "$1") + 2))
	wait_for 30 has_line "$1" "round $round " || return
	sed -n "s/^round $round alive //p" "$1"
}
