#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What `roam monitor` tells: every kind of event, to those who want it and to nobody else; what it
# could not tell is counted; a listener that is killed leaves its place.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
	serve vm 443
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name web in allow tcp dport 443
	check "rule" host acl add vm web name never in prio 1 drop udp dport 99
}

# Datagrams that rule `never` drops.
forbidden()
{
	sock client udp "$1" 99 "$2" > "$TMP/answers"
}

test_every_kind_of_event()
{
	listen 0
	check "a connection" sock client tcp "$VM4" 443
	heard '"event":"opened","vm":"web","dir":"in","reason":"opened","proto":"tcp","local":"10.9.0.10","lport":443,"remote":"10.9.0.1",.*"rule":"web"'
	heard '"event":"closed","vm":"web",.*"lport":443,"remote":"10.9.0.1"'
	check "another" sock client tcp "$VM6" 443
	heard '"event":"opened",.*"local":"fd09::10","lport":443,"remote":"fd09::1"'
	heard '"event":"closed",.*"remote":"fd09::1"'
	forbidden "$VM4" 1
	heard '"event":"dropped","vm":"web","dir":"in","reason":"acl_rule","proto":"udp",.*"lport":99,.*"rule":"never"'
	frames client send eth0 1 in-mac4 in-addr6
	heard '"event":"dropped","vm":"web","dir":"in","reason":"outside_mac","proto":"udp",.*"local":"10.9.0.10"'
	heard '"event":"dropped","vm":"web","dir":"in","reason":"outside_addr",.*"remote":"fd09::10"'
	check "a limit" host ips set vm web rate 1 burst 1 block 1h max 1d
	sock client tries "$VM6" 443 "$CLIENT6" 4 > "$TMP/tries"
	heard '"event":"blocked","vm":"web",.*"remote":"fd09::1"'
	heard '"event":"limit","vm":"web","dir":"in","reason":"ips_limit"'
	heard '"event":"dropped",.*"reason":"ips_blocked"'
	check "save" host state save web "$TMP/image"
	check "load" host state load "$TMP/image" replace
	heard '"event":"loaded","vm":"web"}'
	stop_listening
	check "each line is JSON" "$PYTHON" -c 'import json, sys; [json.loads(line) for line in sys.stdin]' < "$HEARD"
}

test_only_what_is_wanted()
{
	listen 0 event closed event limit
	check "a connection" sock client tcp "$VM4" 443
	heard '"event":"closed"'
	forbidden "$VM4" 1
	stop_listening
	check_not "nothing else" grep -v '"event":"closed"' "$HEARD"
	check "another VM" host vm add other
	listen 0 vm other
	check "a connection" sock client tcp "$VM4" 443
	check "of the other one: nothing but that it is loaded" host state save other "$TMP/image"
	check "load" host state load "$TMP/image" replace
	heard '"event":"loaded","vm":"other"'
	stop_listening
	check_eq "that was all" "$(grep -c . "$HEARD")" 1
}

test_counts_and_says_so_in_text()
{
	listen 0 count 2 event dropped
	forbidden "$VM4" 3
	wait_for 5 sh -c "! kill -0 $SPAWNED" || fail "it goes on"
	check_eq "two" "$(grep -c . "$HEARD")" 2
	spawn nsenter --net="$(ns_path host)" "$ROAM" --bpffs "$BPFFS/host" monitor event dropped count 1
	check "it listens" wait_for 20 listening 0
	forbidden "$VM6" 1
	HEARD=$TMP/spawn.$SPAWN_COUNT
	heard '^at 20..-..-..T..:..:..\.......Z dropped vm web in reason acl_rule proto udp local fd09::10 lport 99 remote fd09::1 .*rule never bytes'
}

# A listener that stands still gets what there is room for, and is told of the rest.
test_lost_events_are_counted()
{
	listen 0 event dropped buffer 4096
	kill -STOP "$SPAWNED"
	forbidden "$VM4" 200
	kill -CONT "$SPAWNED"
	heard '"event":"lost"'
	stop_listening
	lost=$(sed -n 's/.*"event":"lost","events":\([0-9]*\).*/\1/p' "$HEARD" | awk '{ sum += $1 } END { print sum + 0 }')
	told=$(grep -c '"event":"dropped"' "$HEARD")
	check_eq "none is forgotten" "$((lost + told))" 200
	check "some were told" test "$told" -ge 10
}

test_as_many_as_there_are_places()
{
	for place in 0 1 2 3; do
		listen "$place" event dropped
	done
	check_not "a fifth" host monitor count 1
	check_has "and why" "$(cat "$TMP/out")" "monitor: 4 are listening already, the most there can be"
	kill -KILL "$SPAWNED"
	wait "$SPAWNED" 2> "$TMP/killed"
	check "a change clears what it has left" host vm add new
	check_eq "nobody wants anything there" "$(bpftool -j map dump pinned "$BPFFS/host/maps/monitor_ring" | grep -o '"key"' | grep -c .)" 3
	listen 3 event dropped
	forbidden "$VM4" 1
	heard '"event":"dropped"'
}

test_refusals()
{
	check_not "an event" host monitor event nonsense
	check_not "a buffer" host monitor buffer 5000
	check_has "and why" "$(cat "$TMP/out")" "buffer 5000 is no power of two from 4096 to 268435456"
	check_not "a VM" host monitor vm nobody
	check_not "a word" host monitor show nonsense
}

run_tests "$@"
