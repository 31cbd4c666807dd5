#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# `host upgrade` under load: programs are replaced again and again over the same maps, and no packet,
# no connection, no counter and no policy is lost by it; nor does anything get through.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

UPGRADES=3
BURST=20 # forbidden frames of each kind, sent at once: no queue is full of them
LIMIT=83 # connections to the VM's port: what is held, and a few that come and go
VIP4=198.51.100.9 # the client is what is behind them
VIP6=2001:db8:99::9

setup()
{
	world_make
	world_neighbours
	serve vm 443,5310
	serve client 8443
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name https in allow tcp dport 443 conns "$LIMIT"
	check "rule" host acl add vm web name echo in allow udp dport 5310
	service "$VIP4" "$CLIENT4"
	service "$VIP6" "$CLIENT6"
	check "balanced" host lb on vm web
}

# $1: its VIP, $2: the only backend, which is the VM's neighbour
service()
{
	check "service" host lb add "at-${1##*[.:]}-${#1}" vip "$1" port 80 tcp
	check "backend" host lb backend "at-${1##*[.:]}-${#1}" add addr "$2" port 8443
	ns vm ip route add "$1" via "$2"
}

# The ids of the programs that are attached.
attached()
{
	local pin
	for pin in "$BPFFS"/host/links/*; do
		bpftool -j link show pinned "$pin" | sed -n 's/.*"prog_id":\([0-9]*\).*/\1/p'
	done
	for pin in ingress egress; do # where there is no tcx
		ns host tc filter show dev port0 "$pin" 2> "$TMP/none" | sed -n 's/.* id \([0-9]*\) .*/\1/p'
	done
}

# A line for each burst, until there is enough.
send_forbidden()
{
	while [ ! -e "$TMP/enough" ]; do
		frames client send eth0 "$BURST" in-udp4 in-udp6 in-ack4 in-ack6 && echo sent
	done
}

# Numbered datagrams. $1: to whom, $2: how large, if not small
stream()
{
	spawn_ready client sock.py stream "$1" 5310 ${2:+"$2"} && STREAMS="$STREAMS $SPAWNED,$SPAWN_COUNT"
}

# Upgrades the host to each of these builds under load; rules get names with $1.
upgrade_under_load()
{
	local name=$1 sent four six lb4 lb6 holders forbidden before drops ends strays i=0
	shift
	hold client "$VM4" 443 40 && four=$HELD holders=$SPAWNED
	hold client "$VM6" 443 40 && six=$HELD holders="$holders $SPAWNED"
	STREAMS=""
	stream "$VM4"
	stream "$VM6"
	if [ "$name" = other ]; then # in three fragments, both ways
		stream "$VM4" 3500
		stream "$VM6" 3500
	fi
	hold vm "$VIP4" 80 10 && lb4=$HELD holders="$holders $SPAWNED"
	hold vm "$VIP6" 80 10 && lb6=$HELD holders="$holders $SPAWNED"
	check "flows" test "$(flows)" -ge 102
	check "balanced ones" test "$(sessions)" -eq 20
	read_stats
	drops=$(($(in_stats in drop) + $(in_stats out drop)))
	ends=$(in_stats in drop acl_default) strays=$(in_stats in drop midstream)
	catch vm
	rm -f "$TMP/enough"
	send_forbidden > "$TMP/forbidden" 2>&1 &
	forbidden=$!
	for ROAM in "$@"; do
		i=$((i + 1)) before=$(attached)
		check "upgrade $i" host host upgrade
		check_has "says how many links" "$(cat "$TMP/out")" " links "
		check_not "programs are others" test "$before" = "$(attached)"
		check "a rule can be added" host acl add vm web name "$name-$i" in allow tcp dport "$((1000 + i))"
		check "a new connection, $i" sock client tcp "$VM4" 443
		check "counted" wait_for 5 conns_are 80
	done
	: > "$TMP/enough"
	wait "$forbidden"
	sent=$((BURST * $(grep -c sent "$TMP/forbidden")))
	check "something forbidden was sent" test "$sent" -ge $((UPGRADES * BURST))
	check_eq "alive" "$(alive "$four") $(alive "$six")" "40 40"
	check_eq "balanced ones, too" "$(alive "$lb4") $(alive "$lb6") $(sessions)" "10 10 20"
	check_eq "in all rounds" "$(short_rounds "$four" 40) $(short_rounds "$six" 40)" "0 0"
	check_eq "those, too" "$(short_rounds "$lb4" 10) $(short_rounds "$lb6" 10)" "0 0"
	check_limit
	for one in $STREAMS; do
		kill "${one%,*}"
		wait "${one%,*}"
		check_has "no datagram is lost" "$(tail -1 "$TMP/spawn.${one#*,}")" "missing 0"
		check_not "and there were some" has_line "$TMP/spawn.${one#*,}" "sent 0"
	done
	# shellcheck disable=SC2086 # they are several
	kill $holders # who catches waits for silence
	sleep 0.2
	stop_catching
	check_eq "nothing forbidden arrives" "$(caught in-udp4) $(caught in-ack4)" "0 0"
	check_eq "nor over IPv6" "$(caught in-udp6) $(caught in-ack6)" "0 0"
	read_stats
	check_eq "what is dropped is what is forbidden" \
		"$(($(in_stats in drop) + $(in_stats out drop) - $(in_stats in drop conn_limit) - drops))" \
		$((4 * sent))
	check_eq "by its reasons" "$(($(in_stats in drop acl_default) - ends)) \
$(($(in_stats in drop midstream) - strays))" "$((2 * sent)) $((2 * sent))"
	check "explain works" host explain vm web in tcp "$CLIENT4:1" '>' "$VM4:443" syn
	check_eq "nothing is left behind" "$(find "$BPFFS/host" -name 'upgrade*')" ""
}

test_nothing_is_lost_under_load()
{
	upgrade_under_load same "$ROAM" "$ROAM" "$ROAM"
}

# Flows, counters, policy: all of it goes over into maps that look otherwise, and back.
test_nor_with_another_layout()
{
	local other="$BUILD/other/build/roam"
	upgrade_under_load other "$other" "$ROAM" "$other" "$ROAM"
}

flows()
{
	host -j ct show vm web | grep -c '"vm":"web"'
}

sessions()
{
	host -j ct show vm web | grep -c '"role":"client"'
}

conns_are()
{
	[ "$(host -j acl show vm web name https | sed -n 's/.*"conns_now":\([0-9]*\).*/\1/p')" = "$1" ]
}

# What is held counts, and no more of it than there is: as many as are left have room.
check_limit()
{
	local refused
	refused=$(counter in conn_limit)
	hold client "$VM4" 443 $((LIMIT - 80)) && holders="$holders $SPAWNED"
	check "as many as may be" conns_are "$LIMIT"
	check_not "one too many" sock client tcp "$VM4" 443
	check "is refused" test "$(counter in conn_limit)" -gt "$refused"
}

# The rounds of FILE in which not all of $2 connections answered.
short_rounds()
{
	grep '^round' "$1" | grep -vc " alive $2\$"
}

# Who listens knows reasons by other numbers: it ends, and the next one hears what there is.
test_who_listens_to_another_layout_ends()
{
	local own="$ROAM" ended=0
	listen 0 vm web
	ROAM="$BUILD/other/build/roam"
	check "upgrade" host host upgrade
	wait "$SPAWNED" || ended=$?
	check_eq "it ends" "$ended" 1
	check_has "and says why" "$(cat "$HEARD")" "made by another version"
	ROAM=$own
	check "back" host host upgrade
	listen 0 vm web
	check "a datagram" frames client send eth0 1 in-udp4
	heard '"reason":"acl_default"'
	stop_listening
}

test_a_host_that_is_not_there()
{
	check "gone" host host teardown
	check_not "none" host host upgrade
	check_has "says so" "$(cat "$TMP/out")" "there is none; make it with 'roam host init'"
}

run_tests "$@"
