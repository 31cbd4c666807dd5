#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# How much a peer that has a certificate, and whose VM is expected, can make a roamd hold before
# anything of the VM is there, and that it cannot end it. The peer is peer.py; the roamd is the plain
# one, since sanitizers keep what was freed.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

# a has offered its VM to b, and is gone; the peer has $OFFER, of another $ID.
setup()
{
	live_setup
	leave_an_offer
	OFFER=$(echo "$OFFER" | sed "s/$ID/$(another)/")
	ID=$(another)
	check "an image" roam_on a state save web "$TMP/web.img"
	# shellcheck disable=SC2034 # of livehosts.sh
	ROAMD=$BUILD/roamd
	restart b
	BEFORE=$(peak_of b)
}

# The most that it ever had, in kB; 0 if it is gone.
peak_of()
{
	local got
	got=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(roamd_pid "$1")/status")
	echo "${got:-0}"
}

# The worker has to wait for the host, as behind a long command of somebody else.
hold_host()
{
	spawn flock "$BPFFS/b" sleep 600
	HOLDER=$SPAWNED
}

# b lives, has held no more than so many kB, and takes the VM then.
is_well()
{
	local after most=${1:-65536}
	after=$(peak_of b)
	[ -z "${HOLDER:-}" ] || kill_tree "$HOLDER"
	check "memory: $BEFORE to $after kB" test "$after" -lt $((BEFORE + most))
	[ "$(state_at b)" = "" ] || reaches b aborted 40
	is_gone b
	roamd_start a
	hand_over a b
	owns b
}

test_deltas_at_once()
{
	hold_host
	says b a << LINES
send offer $OFFER
wait accept
deltas 0 200 $ID
LINES
	is_well
}

# flood COUNT SIZE: DATA of a delta, while the base waits for the host
flood()
{
	hold_host
	says b a << LINES
send offer $OFFER
wait accept
send begin {"id":"$ID","sequence":0}
image $TMP/web.img
send end {"id":"$ID","sequence":0}
send begin {"id":"$ID","sequence":1}
flood $1 $2
LINES
	was_told stuck
	is_well
}

test_data_that_wait()
{
	flood 200 1000000
}

test_data_of_nothing()
{
	flood 3000000 0
}

# It asks, and does not read the answers.
test_answers_that_nobody_reads()
{
	says b a << LINES
ask 1000000 $ID
LINES
	was_told stuck
	is_well 10000
}

test_many_connections()
{
	says b a << LINES
many 200
LINES
	check_eq "with data of nothing" "$(cat "$TMP/told")" "open 0"
	is_well
}

run_tests "$@"
