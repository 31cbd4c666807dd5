#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A policed sender that moves every second: over ten seconds its rate is the limit, by 3 %, and in no
# 100 ms does more arrive than rate and burst allow. A move that filled the bucket would show, and one
# that lost the time it took; the burst is what makes up for the pause. The same where its host goes
# over to another layout and back every second: then it has two buckets for a while, and no pause. (With
# two truths, a TCP sender gets 2.6 % too much.)
#
# Runs alone: it measures a rate, over pauses that the burst must outlast.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../twohosts.sh"

RATE_BIT=2mbit
RATE=250000
BURST=200000
PAUSE_MAX_MS=600 # what the burst makes up for
SECONDS_LONG=10

setup()
{
	hosts_make
	two_cables
	# Frames, not what offloads make of them, so that their number and size is that on the wire.
	for name in vm client; do
		ns "$name" ethtool -K eth0 tso off gso off gro off > "$TMP/offload" 2>&1 || skip "no ethtool"
	done
	# As in a data centre: one that waits 200 ms or more after each pause is not at its limit.
	ns vm ip route change 10.9.0.0/24 dev eth0 src "$VM4" rto_min 10ms
	ns vm ip -6 route del fd09::/64 dev eth0
	ns vm ip -6 route add fd09::/64 dev eth0 proto kernel metric 256 rto_min 10ms
	check "vm" roam_on a vm add web default in allow out allow
	add_port a
	check "rate" roam_on a qos set vm web out rate $RATE_BIT burst $BURST
	spawn nsenter --net="$(ns_path client)" "$PYTHON" "$TOP/tests/e2e/rate.py" take 9000
	wait_for 20 grep -q "^ready" "$TMP/spawn.$SPAWN_COUNT" || fail "the receiver is not ready"
}

# The VM's cable goes to a switch with a cable to either host, of which one is plugged in: a veth that
# goes to another namespace takes its peer's carrier with it for up to a second, which no VM's NIC
# does.
two_cables()
{
	ns_add plug
	ns plug ip link add br0 type bridge mcast_snooping 0
	ns plug ip link set br0 up
	ns a ip link del port0
	link vm eth0 plug to-vm
	link a port0 plug to-a
	link b port0 plug to-b
	for dev in to-vm to-a to-b; do
		ns plug ip link set "$dev" master br0
		# All goes to the one that is plugged in.
		ns plug bridge link set dev "$dev" learning off
	done
	ns plug bridge link set dev to-b state 0
	take_device a
	take_device b
	ns vm ip link set eth0 address "$VM_MAC"
	ends vm "$VM4" "$VM6"
}

take_away()
{
	ns plug bridge link set dev "to-$1" state 0
}

resume()
{
	ns plug bridge link set dev "to-$2" state 3
	moving vm announce "$VM_MAC"
	check "release" roam_on "$1" vm del web
}

moves()
{
	local from=a to=b other begin
	while [ ! -e "$TMP/over" ]; do
		sleep 0.8
		begin=$(date +%s%N)
		echo "$begin" >> "$TMP/begins"
		move "$from" "$to"
		echo "$((($(date +%s%N) - begin) / 1000000))" >> "$TMP/pauses"
		other=$from
		from=$to
		to=$other
	done
}

upgrades()
{
	local own="$ROAM" begin
	while [ ! -e "$TMP/over" ]; do
		for ROAM in "$BUILD/other/build/roam" "$own"; do
			sleep 0.5
			begin=$(date +%s%N)
			echo "$begin" >> "$TMP/begins"
			roam_on a host upgrade && echo 0 >> "$TMP/pauses"
		done
	done
}

# $1: protocol, $2: to whom, $3: what happens all the time, $4: how often at least, $5: per mille that
# may be missing or too much. Measured from the beginning of one move to that of another: then the bucket
# is empty at both ends. Right behind a pause it holds what came in during that, 6 % of what ten seconds
# give.
held()
{
	local permille excess longest count
	spawn nsenter --net="$(ns_path vm)" "$PYTHON" "$TOP/tests/e2e/rate.py" send "$1" "$2" 9000 $RATE
	"$3" > "$TMP/moves.out" 2>&1 &
	MOVES=$!
	sleep 2 # the bucket is empty
	ns client "$PYTHON" "$TOP/tests/e2e/rate.py" measure "$VM_MAC" $SECONDS_LONG $RATE $BURST \
		"$TMP/begins" > "$TMP/measured"
	: > "$TMP/over"
	wait "$MOVES"
	read -r permille excess < "$TMP/measured"
	longest=$(sort -n "$TMP/pauses" | tail -n 1)
	count=$(grep -c . "$TMP/pauses")
	echo "# $1 to $2: $permille per mille of the rate, $count $3, pauses up to $longest ms"
	check_eq "bytes above rate and burst in any 100 ms" "$excess" 0
	[ "$longest" -le "$PAUSE_MAX_MS" ] || skip "too slow here: a move took $longest ms"
	check "no more than the rate: $permille" test "$permille" -le $((1000 + $5))
	check "and no less: $permille" test "$permille" -ge $((1000 - $5))
	check "often enough: $count" test "$count" -ge "$4"
}

test_udp_ipv4()
{
	held udp 10.9.0.1 moves 7 30
}

test_udp_ipv6()
{
	held udp fd09::1 moves 7 30
}

test_tcp_ipv4()
{
	held tcp 10.9.0.1 moves 7 30
}

test_tcp_ipv6()
{
	held tcp fd09::1 moves 7 30
}

test_udp_upgrades_ipv4()
{
	held udp 10.9.0.1 upgrades 3 15
}

test_tcp_upgrades_ipv6()
{
	held tcp fd09::1 upgrades 3 15
}

run_tests "$@"
