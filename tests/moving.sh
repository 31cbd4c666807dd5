# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# A VM `web` that moves between the hosts a and b while real connections go on: what twohosts.sh and
# livehosts.sh, which read this, have in common. Everybody is on one net, whose switch is br0 of
# namespace net.
#
#   moving_net NAME…       these namespaces, without waiting for duplicate addresses, and the switch
#   cable NAME DEV         from there to the switch
#   ends NAME ADDR4 ADDR6  what its eth0 is called
#   policy HOST            what the VM may be asked; nothing else, and it asks nobody
#   add_port HOST          allow HOST RULE PROTO PORT: the parts of it
#   moving NS WORD…        e2e/moving.py in a namespace; moving_ready: goes on, from when it is ready
#   traffic                the VM serves, the client uses it
#   traffic_ends           and became WHAT: what of it
#   all_went_on            ends it: nothing is lost

VM_MAC=52:54:00:00:00:10
VM4=10.9.0.10
VM6=fd09::10
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3
ALL_IDLE=16 # of e2e/moving.py, to both addresses
ALL_UDP=40

moving_net()
{
	local name
	ns_add net "$@"
	for name; do
		ns "$name" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
	done
	ns net ip link add br0 type bridge mcast_snooping 0
	ns net ip link set br0 up
}

cable()
{
	link "$1" "$2" net "to-$1"
	ns net ip link set "to-$1" master br0
}

ends()
{
	ns "$1" ip link set eth0 up
	ns "$1" ip addr add "$2/24" dev eth0
	ns "$1" ip addr add "$3/64" dev eth0 nodad
}

# ---- policy ----

add_port()
{
	check "port on $1" roam_on "$1" port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6"
}

allow()
{
	check "rule $2 on $1" roam_on "$1" acl add vm web name "$2" in allow "$3" dport "$4"
}

policy()
{
	check "vm on $1" roam_on "$1" vm add web default in drop out drop midstream strict
	add_port "$1"
	allow "$1" web tcp 443
	allow "$1" bulk tcp 8443
	allow "$1" dns udp 5300
}

# ---- traffic ----

moving()
{
	local name=$1
	shift
	nsenter --net="$(ns_path "$name")" "$PYTHON" "$TOP/tests/e2e/moving.py" "$@"
}

moving_ready()
{
	local name=$1
	shift
	spawn nsenter --net="$(ns_path "$name")" "$PYTHON" "$TOP/tests/e2e/moving.py" "$@"
	wait_for 20 grep -q "^ready" "$TMP/spawn.$SPAWN_COUNT" ||
		fail "moving.py $* is not ready: $(cat "$TMP/spawn.$SPAWN_COUNT")"
}

traffic()
{
	moving_ready vm serve
	moving_ready client use "$TMP/over" "$VM4" "$VM6"
	USED=$TMP/spawn.$SPAWN_COUNT
	sleep 0.5
}

became()
{
	sed -n "s/^$1 //p" "$USED"
}

traffic_ends()
{
	sleep 0.5
	: > "$TMP/over"
	wait_for 60 grep -q "^done" "$USED" || fail "the traffic does not end"
}

all_went_on()
{
	traffic_ends
	check_eq "bulk transfers that are whole" "$(became bulk)" 2
	check_eq "idle connections" "$(became idle)" "$ALL_IDLE"
	check_eq "datagrams" "$(became udp)" "$ALL_UDP"
	check_eq "datagrams of nobody" "$(became forged)" 0
}
