# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# A small world for the tests in tests/e2e, read by them after lib.sh: a client, a host that runs
# roam, and a VM, each a namespace.
#
#   client: eth0 ── up0 :host: br0 :host: port0 ── eth0 :vm
#
#   world_make           the namespaces, the bridge, addresses; nothing of roam
#   world_neighbours     neither end asks for the other's MAC any more
#   world_roam [WORD…]   `host init` with the uplink, VM `web` (WORD…: its settings), its port
#   world_vm [WORD…]     the VM and its port only
#   host ARG…            the CLI on the host
#   count_of VM          whose packets the following mean, instead of the VM's; -: nobody's
#   count_bytes          they mean bytes from now on
#   counter DIR REASON   packets that were counted under a reason
#   passed DIR           those that passed
#   rule_hits RULE       packets that a rule decided
#   addresses_behind NS  of whom the namespace talks to
#   total DIR            packets in that direction, whatever became of them
#   counted DIR REASON N exactly so many
#   device NS DEV STAT   a counter of a device
#   sock NS WORD…        e2e/sock.py in a namespace: real sockets
#   frames NS WORD…      e2e/frames.py in a namespace: frames as one likes
#   catch NS             counts frames of e2e/frames.py that come in, until `caught`
#   caught KIND          how many of that kind came in; `stop_catching` comes first
#   judged DIR REASON N KIND…  N frames of each kind, sent by whoever sends in that direction, are
#                        all counted under the reason, and under no other
#   roams                processes of roam on this world's host
#   serve NS PORTS       echoes on TCP and UDP ports until the test ends
#   hold NS ADDR PORT N  keeps N connections busy; sets $HELD to the file that tells of them
#   stop_holding         closes them
#   alive FILE           how many of them answered in a round that began after the call
#   listen PLACE WORD…   `roam -j monitor WORD…` on the host, which gets that place
#   heard PART           waits for a line with PART from it; the whole is in file $HEARD
#   stop_listening       ends it, well

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

# Neighbours are known from now on, so that only what a test sends is on the wire.
world_neighbours()
{
	local addr
	for addr in "$VM4" "$VM6"; do
		ns client ip neigh replace "$addr" lladdr "$VM_MAC" dev eth0 nud permanent
	done
	for addr in "$CLIENT4" "$CLIENT6"; do
		ns vm ip neigh replace "$addr" lladdr "$CLIENT_MAC" dev eth0 nud permanent
	done
}

# $1: namespace, $2 and $3: a setting of IPv6 on devices to come
setting()
{
	ns "$1" sh -c "echo $3 > /proc/sys/net/ipv6/conf/default/$2"
}

# The host itself says nothing, so that whoever counts packets counts the two ends' only.
world_make()
{
	ns_add client host vm
	setting host disable_ipv6 1
	for name in client vm; do
		setting "$name" router_solicitations 0
		setting "$name" addr_gen_mode 1 # no link-local address
		setting "$name" mldv2_unsolicited_report_interval 10 # ms: soon over
	done
	link client eth0 host up0
	link vm eth0 host port0
	# Where br_netfilter is built in, it trims frames and drops what IP would.
	ns host find /proc/sys/net/bridge -name 'bridge-nf-call-*' -exec sh -c 'echo 0 > {}' ';' \
		2> "$TMP/no-br_netfilter"
	ns host ip link add br0 type bridge mcast_snooping 0
	ns host ip link set up0 master br0
	ns host ip link set port0 master br0
	ns host ip link set br0 up
	world_end client "$CLIENT_MAC" "$CLIENT4" "$CLIENT6"
	world_end vm "$VM_MAC" "$VM4" "$VM6"
	sleep 0.2 # two reports of MLD
}

host()
{
	roam_on host "$@"
}

world_roam()
{
	host host init uplink up0 || return
	world_vm "$@"
}

world_vm()
{
	host vm add web "$@" || return
	host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6"
}

# Whose packets the counters below count, and what of them.
OF=web
COUNTED=packets

count_of()
{
	OF=$1
}

count_bytes()
{
	COUNTED=bytes
}

read_stats()
{
	host -j stats show > "$TMP/stats"
}

# One line for each counter, as JSON has it: the lines that match are added up.
# $1: direction, $2: verdict or nothing, $3: reason or nothing
in_stats()
{
	local part="\"vm\":\"$OF\",\"dir\":\"$1\",\"verdict\":\"${2:-[a-z]*}\""
	sed -n "/$part,\"reason\":\"${3:-[a-z_]*}\"/s/.*\"$COUNTED\":\([0-9]*\).*/\1/p" "$TMP/stats" |
		awk '{ sum += $1 } END { print sum + 0 }'
}

counter()
{
	read_stats && in_stats "$1" "" "$2"
}

total()
{
	read_stats && in_stats "$1"
}

passed()
{
	read_stats && in_stats "$1" pass
}

counted()
{
	[ "$(counter "$1" "$2")" = "$3" ]
}

rule_hits()
{
	host -j acl show vm web name "$1" | sed -n 's/.*"packets":\([0-9]*\).*/\1/p'
}

addresses_behind()
{
	case $1 in
	client) echo "$VM4 $VM6" ;;
	vm) echo "$CLIENT4 $CLIENT6" ;;
	esac
}

device()
{
	ns "$1" ip -s -j link show "$2" | sed -n "s/.*\"${3%%_*}\":{[^}]*\"${3#*_}\":\([0-9]*\).*/\1/p"
}

sock()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" -S "$TOP/tests/e2e/sock.py" "$@"
}

frames()
{
	local name=$1
	shift
	ns "$name" "$PYTHON" -S "$TOP/tests/e2e/frames.py" "$@"
}

# $1: a file, $2: a line
has_line()
{
	grep -q "^$2" "$1"
}

# A program of this folder in the background, directly, so that $SPAWNED is its own pid.
# $1: namespace, $2: program, then its words
spawn_in()
{
	local name=$1 program=$2
	shift 2
	spawn nsenter --net="$(ns_path "$name")" "$PYTHON" -S "$TOP/tests/e2e/$program" "$@"
}

spawn_ready()
{
	spawn_in "$@"
	wait_for 20 has_line "$TMP/spawn.$SPAWN_COUNT" ready || fail "$* is not ready"
}

roams()
{
	grep -l "$BPFFS/[h]ost" /proc/[0-9]*/cmdline 2> "$TMP/gone"
}

serve()
{
	spawn_ready "$1" sock.py serve "$2"
}

catch()
{
	spawn_ready "$1" frames.py catch eth0
	CATCHING=$SPAWNED
	CAUGHT=$TMP/spawn.$SPAWN_COUNT
}

stop_catching()
{
	kill "$CATCHING"
	wait "$CATCHING"
}

caught()
{
	sed -n "s/^$1 \([0-9]*\)\$/\1/p" "$CAUGHT" | awk '{ sum += $1 } END { print sum + 0 }'
}

judged()
{
	local dir=$1 reason=$2 count=$3 from=vm before wanted all
	shift 3
	[ "$dir" = out ] || from=client
	read_stats
	before=$(in_stats "$dir" "" "$reason")
	all=$(in_stats "$dir")
	wanted=$((count * $#))
	check "send $*" frames "$from" send eth0 "$count" "$@"
	wait_for 5 counted "$dir" "$reason" $((before + wanted)) # reads them
	check_eq "$dir $*: $reason" $(($(in_stats "$dir" "" "$reason") - before)) "$wanted"
	check_eq "$dir $*: any other reason" $(($(in_stats "$dir") - all)) "$wanted"
}

hold()
{
	spawn_in "$1" sock.py hold "$2" "$3" "$4"
	HELD=$TMP/spawn.$SPAWN_COUNT
	wait_for 30 has_line "$HELD" "round 1 "
}

last_round()
{
	sed -n 's/^round \([0-9]*\) .*/\1/p' "$1" | tail -1
}

# The last one.
stop_holding()
{
	kill "$SPAWNED"
	wait "$SPAWNED" 2> "$TMP/killed"
	sleep 0.2 # the end of its connections
}

alive()
{
	local round=$(($(last_round "$1") + 2))
	wait_for 30 has_line "$1" "round $round " || return
	sed -n "s/^round $round alive //p" "$1"
}

# Seen in what programs are asked for: to try its lock would take the place from whoever comes then.
listening()
{
	bpftool -j map lookup pinned "$BPFFS/host/maps/monitor_conf" key "$1" 0 0 0 | grep -q '"wants":[1-9]'
}

listen()
{
	local place=$1
	shift
	spawn nsenter --net="$(ns_path host)" "$ROAM" --bpffs "$BPFFS/host" -j monitor "$@"
	HEARD=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 listening "$place" || fail "nobody listens at place $place"
}

heard()
{
	wait_for 20 grep -q "$1" "$HEARD" || fail "not heard: $1, but: $(tail -3 "$HEARD")"
}

stop_listening()
{
	kill -TERM "$SPAWNED"
	wait "$SPAWNED"
	check_eq "it ends well" "$?" 0
}
