#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# `roam handover barrier`: what QEMU's dbus-vmstate is given at the source, and what the destination
# makes of it. vmstate.py calls in QEMU's place; the real one does in tests/vm/barrier.py.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

BUS_a='' BARRIER_a='' BARRIER_b='' # set by name

setup()
{
	command -v dbus-daemon > "$TMP/dbus" || skip "no dbus-daemon"
	command -v dbus-send > "$TMP/dbus" || skip "no dbus-send"
	live_setup
	traffic
	forbid_begin
	stands a
	stands b
}

address_of()
{
	echo "unix:path=$TMP/bus-$1"
}

# A bus of its own beside each host's QEMU, as QEMU's documentation has it.
bus_begins()
{
	cat > "$TMP/bus-$1.conf" << END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>$(address_of "$1")</listen>
  <policy context="default">
    <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
END
	spawn dbus-daemon --nofork --config-file="$TMP/bus-$1.conf"
	eval "BUS_$1=$SPAWNED"
	wait_for 20 test -S "$TMP/bus-$1" || fail "no bus: $(cat "$TMP/spawn.$SPAWN_COUNT")"
}

barrier()
{
	local host=$1
	shift
	"$ROAM" --control "$TMP/$host.sock" handover barrier vm web dbus "$(address_of "$host")" "$@"
}

# stands HOST [WORD…]
stands()
{
	bus_begins "$1"
	spawn barrier "$@" timeout 10
	eval "BARRIER_$1=$SPAWNED TOLD_$1=$TMP/spawn.$SPAWN_COUNT"
	wait_for 20 grep -q "^barrier ready" "$TMP/spawn.$SPAWN_COUNT" ||
		fail "no barrier: $(cat "$TMP/spawn.$SPAWN_COUNT")"
}

told()
{
	eval "cat \"\$TOLD_$1\""
}

# In QEMU's place: vmstate WHAT HOST [FILE]
vmstate()
{
	local what=$1 host=$2
	shift 2
	"$PYTHON" "$TOP/tests/e2e/vmstate.py" "$what" "$(address_of "$host")" "$@"
}

edit()
{
	"$PYTHON" "$TOP/tests/e2e/vmstate.py" edit "$@"
}

# refuses SAVE|LOAD HOST FILE PART
refuses()
{
	check_not "$1 at $2" vmstate "$1" "$2" "$3"
	check_has "QEMU is told why" "$(cat "$TMP/out")" "$4"
	check_has "so is who looks" "$(told "$2" | tail -1)" "barrier refused vm web why "
	check_has "so is who looks" "$(told "$2" | tail -1)" "$4"
}

# The VM stands still at a, as in QEMU's state `device`.
saved()
{
	copy a b
	vm_pause a
	check "save" vmstate save a "$TMP/record"
}

back_at_a()
{
	check "abort" handover a abort vm web reason vm_manager
	vm_run a
}

cancelled()
{
	back_at_a
	stays vm_manager
}

# Nobody holds QEMU: Save freezes, and returns when the destination is ready.
test_barrier_passes()
{
	check_eq "the id" "$(vmstate id a)" roam-web
	saved
	check_eq "a" "$(state_at a)" ready
	check_eq "b" "$(state_at b)" ready
	check "load" vmstate load b "$TMP/record"
	check_has "a tells" "$(told a | tail -1)" "barrier saved vm web id $(shown_at a id) epoch "
	check_eq "b tells the same" "$(told b | tail -1)" \
		"$(told a | tail -1 | sed 's/saved/loaded/')"
	[ "$(wc -c < "$TMP/record")" -lt 100 ] || fail "it is as large as $(wc -c < "$TMP/record")"
	vm_run b
	moves
	# It is over: the same once more is not this one.
	refuses load b "$TMP/record" "handover: stale: vm 'web': its handover is done here"
	refuses save a "$TMP/record" "vm 'web': the handover is done"
}

# Somebody has it frozen already.
test_barrier_behind_a_fence()
{
	ready
	check "save" vmstate save a "$TMP/record"
	check "load" vmstate load b "$TMP/record"
	vm_run b
	moves
}

test_barrier_refuses_what_is_not_this_handover()
{
	local id
	saved
	edit "$TMP/record" "$TMP/other" "id=00112233445566778899aabbccddeeff"
	id=$(shown_at b id)
	refuses load b "$TMP/other" "handover: stale: vm 'web': QEMU's stream is of handover 00112233445566778899aabbccddeeff, here is $id"
	edit "$TMP/record" "$TMP/other" epoch=+1
	refuses load b "$TMP/other" "handover: stale: vm 'web': QEMU's stream is of epoch"
	edit "$TMP/record" "$TMP/other" vm=db
	refuses load b "$TMP/other" "handover: stale: QEMU's stream is of vm 'db', not of 'web'"
	edit "$TMP/record" "$TMP/other" sequence=-1
	refuses load b "$TMP/other" "handover: sequence_gap: vm 'web': QEMU's stream is of delta"
	edit "$TMP/record" "$TMP/other" sequence=+1
	refuses load b "$TMP/other" "handover: sequence_gap: vm 'web': QEMU's stream is of delta"
	edit "$TMP/record" "$TMP/other" version=2
	refuses load b "$TMP/other" "handover: version: "
	edit "$TMP/record" "$TMP/other" cut=1
	refuses load b "$TMP/other" "handover: corrupt: "
	edit "$TMP/record" "$TMP/other" flip
	refuses load b "$TMP/other" "handover: corrupt: "
	: > "$TMP/other"
	refuses load b "$TMP/other" "handover: corrupt: "
	refuses load a "$TMP/record" "handover: stale: vm 'web': this host is the source"
	refuses save b "$TMP/other" "this host is the destination"
	check "what is right still passes" vmstate load b "$TMP/record"
	# The VM stood still for longer than a migration's; what lives on is for the others.
	back_at_a
	reaches a aborted 40
	reaches b aborted 40
	owns a
	is_gone b
	forbid_end
}

test_barrier_without_a_handover()
{
	refuses save a "$TMP/record" "handover: vm 'web' has no handover here"
	saved
	vm_run a # it is back: a thaws, and tells b
	reaches a aborted
	reaches b aborted
	refuses load b "$TMP/record" "handover: thawed: vm 'web'"
	refuses save a "$TMP/record" "handover: thawed: vm 'web'"
	stays thawed
}

# The host that forgets everything: its maps, and its journal.
test_barrier_destination_has_lost_it()
{
	saved
	roamd_kill b
	refuses load b "$TMP/record" "handover: no roamd at $TMP/b.sock"
	back_at_a # QEMU does not go on there
	check "teardown" roam_on b host teardown
	rm -r "$TMP/state-b"
	check "init" roam_on b host init
	roamd_start b
	refuses load b "$TMP/record" "handover: vm 'web' has no handover here"
	reaches a aborted 40
	ends_at a
}

# A roamd that was restarted knows what was applied, at either host.
test_barrier_of_a_roamd_that_was_restarted()
{
	ready
	restart a
	restart b
	reaches b ready
	check "save" vmstate save a "$TMP/record"
	check "load" vmstate load b "$TMP/record"
	vm_run b
	moves
}

# QEMU is not left waiting by a roamd that hangs, nor by a handover that never gets there.
test_barrier_of_a_roamd_that_hangs()
{
	kill_child "$BARRIER_b"
	spawn barrier b timeout 1
	TOLD_b=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 grep -q "^barrier ready" "$TOLD_b" || fail "no barrier: $(told b)"
	saved
	kill -STOP "$(roamd_pid b)"
	refuses load b "$TMP/record" "handover: roamd does not answer"
	kill -CONT "$(roamd_pid b)"
	cancelled
}

test_barrier_destination_not_ready()
{
	copy a b watchdog 500
	kill -STOP "$(roamd_pid b)"
	vm_pause a
	refuses save a "$TMP/record" "handover: fence_timeout: vm 'web'"
	kill -CONT "$(roamd_pid b)"
	vm_run a
	stays fence_timeout
}

test_barrier_waits_for_what_is_under_way()
{
	local real
	saved
	back_at_a
	reaches b aborted
	copy a b
	edit "$TMP/record" "$TMP/later" "id=$(shown_at b id)" sequence=+1000000
	edit "$TMP/later" "$TMP/later" "epoch=+$(($(shown_at b epoch) - $(epoch_in "$TMP/later")))"
	# As if more was to come.
	spawn vmstate load b "$TMP/later"
	real=$SPAWNED
	wait_for 20 watched b || fail "b's roamd is not asked"
	check "abort" handover a abort vm web
	! wait "$real" || fail "it passed"
	check_has "it waited for the end" "$(told b | tail -1)" "handover: operator: vm 'web'"
	stays operator
}

# The barrier is connected to roamd (a socket of its own namespace): it waits for each change.
watched()
{
	grep -q " 03 *[0-9]* $TMP/$1.sock$" /proc/net/unix
}

epoch_in()
{
	"$PYTHON" -c 'import struct, sys
print(struct.unpack(">Q", open(sys.argv[1], "rb").read()[24:32])[0])' "$1"
}

# Two helpers of one QEMU stand in the name's queue.
test_barrier_is_not_alone()
{
	local first=$BARRIER_a
	spawn barrier a
	wait_for 20 grep -q "^barrier ready" "$TMP/spawn.$SPAWN_COUNT" ||
		fail "no second one: $(cat "$TMP/spawn.$SPAWN_COUNT")"
	check_eq "in the queue" "$(dbus-send "--bus=$(address_of a)" --print-reply \
		--dest=org.freedesktop.DBus /org/freedesktop/DBus \
		org.freedesktop.DBus.ListQueuedOwners string:org.qemu.VMState1 |
		grep -c 'string ":')" 2
	kill_child "$first"
	wait "$first" || fail "the first one ends with $?"
	check_eq "the second one is found" "$(vmstate id a)" roam-web
	forbid_end
}

kill_child()
{
	local child
	child=$(pgrep -P "$1")
	kill -TERM "${child:-$1}"
}

test_barrier_says_when_its_bus_is_gone()
{
	local status=0
	kill "$BUS_a"
	wait "$BARRIER_a" || status=$?
	check_eq "exit status" "$status" 1
	check_has "says why" "$(told a)" "the D-Bus at '$(address_of a)' is gone"
	check_not "without a bus" barrier a
	check_has "says why" "$(cat "$TMP/out")" "vmstate: no D-Bus at '$(address_of a)': "
	forbid_end
}

test_barrier_in_json()
{
	spawn "$ROAM" -j --control "$TMP/a.sock" handover barrier vm db dbus "$(address_of a)"
	wait_for 20 grep -q '"id_list":"roam-db"' "$TMP/spawn.$SPAWN_COUNT" ||
		fail "says $(cat "$TMP/spawn.$SPAWN_COUNT")"
	kill -TERM "$SPAWNED"
	wait "$SPAWNED" || fail "ends with $?"
	check "it is JSON" "$PYTHON" -m json.tool "$TMP/spawn.$SPAWN_COUNT"
	forbid_end
}

run_tests "$@"
