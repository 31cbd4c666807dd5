#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# `roam handover follow`: a migration of QEMU and a handover of roamd, together; when either fails,
# both do, and the VM goes on where it was. QEMU is qemu_fake.py; the real one migrates in
# tests/vm/migrate.py.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

inside_vm()
{
	echo "nsenter --net=$(ns_path vm) $*"
}

goes_on_at()
{
	echo "$(inside_vm ip link set "at-$1" master eth0) &&" \
		"$(inside_vm "$PYTHON" "$TOP/tests/e2e/moving.py" announce "$VM_MAC")"
}

# qemu_begins [copied]: with `copied` its memory is copied at once
qemu_begins()
{
	[ "${1:-}" != copied ] || : > "$TMP/copied"
	spawn "$PYTHON" "$TOP/tests/e2e/qemu_fake.py" "$TMP/qmp" "$TMP/copied" \
		"$(inside_vm ip link set at-a nomaster)" "$(goes_on_at b)" "$(goes_on_at a)"
	TOLD=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 grep -q "^ready" "$TOLD" || fail "no QEMU: $(cat "$TOLD")"
}

follow()
{
	handover a follow vm web qmp "$TMP/qmp" to b migrate tcp:somewhere late 1 "$@"
}

# Goes on once memory is being copied.
follow_begins()
{
	spawn follow "$@"
	FOLLOW=$SPAWNED SAID=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 grep -q "^step active" "$SAID" || fail "no migration: $(cat "$SAID")"
}

follow_ends()
{
	local status=0
	wait "$FOLLOW" || status=$?
	check_eq "exit status" "$status" "$1"
}

was_told()
{
	grep -q "^told $1" "$TOLD"
}

test_follow_moves()
{
	expect_from a b
	qemu_begins copied
	check "follow" follow
	cp "$TMP/out" "$TMP/said"
	check_has "the end" "$(cat "$TMP/said")" "end moved state "
	for step in ready active stop pre-switchover fenced device completed; do
		check "step $step" grep -q "^step $step at_ns " "$TMP/said"
	done
	moves
}

test_follow_says_it_in_json()
{
	expect_from a b
	qemu_begins copied
	check "follow" "$ROAM" -j --control "$TMP/a.sock" handover follow vm web qmp "$TMP/qmp" to b \
		migrate tcp:somewhere late 1
	check_eq "the end" "$("$PYTHON" -c 'import json, sys
print(json.load(open(sys.argv[1]))[-1]["end"])' "$TMP/out")" moved
	moves
}

# What cannot be handed over is not migrated.
test_follow_refused()
{
	qemu_begins copied
	check_not "follow" follow
	check_has "says why" "$(cat "$TMP/out")" "handover: not_expected: "
	check_not "no migration" was_told "migrate$"
	reaches a aborted
	ends_at a
}

test_follow_destination_hung()
{
	expect_from a b
	qemu_begins
	follow_begins watchdog 500
	kill -STOP "$(roamd_pid b)"
	: > "$TMP/copied"
	follow_ends 1
	kill -CONT "$(roamd_pid b)"
	check_has "says why" "$(cat "$SAID")" "handover: fence_timeout: "
	check_has "and where it is" "$(cat "$SAID")" "end stayed "
	check_not "QEMU went on" was_told migrate-continue
	stays fence_timeout
}

test_follow_source_killed_while_it_copies()
{
	expect_from a b
	qemu_begins
	follow_begins
	roamd_kill a
	: > "$TMP/copied"
	follow_ends 1
	check_has "says why" "$(cat "$SAID")" "handover: no roamd"
	roamd_start a
	stays restarted
}

# What has failed meanwhile is told when the VM is to be frozen.
test_follow_handover_aborted_while_it_copies()
{
	expect_from a b
	qemu_begins
	follow_begins
	check "abort" handover a abort vm web
	: > "$TMP/copied"
	follow_ends 1
	check_has "says why" "$(cat "$SAID")" "handover: operator: "
	stays operator
}

test_follow_told_to_stop()
{
	local child
	expect_from a b
	qemu_begins
	follow_begins
	child=$(pgrep -P "$FOLLOW")
	kill -TERM "${child:-$FOLLOW}"
	follow_ends 1
	check_has "says why" "$(cat "$SAID")" "told to stop"
	check "QEMU is told" was_told migrate_cancel
	stays vm_manager
}

run_tests "$@"
