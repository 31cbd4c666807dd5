#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What can fail in a handover, in each phase in which it can: in the end exactly one host owns the
# VM, the one where it runs; its connections live; the other host has nothing of it; what is
# forbidden has not arrived; and the reason has a name. A test is a cell: PHASE_FAULT.
#
#   rounds  the VM runs at a, b is staged      ready  it is paused, b has all of it
#   open    it runs at b, a does not know yet  moved  a knows
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

teardown()
{
	live_tell
}

setup()
{
	command -v openssl > "$TMP/openssl" || skip "no openssl"
	live_make
	live_policy a
	live_traffic
	forbid_begin
}

restart()
{
	roamd_kill "$1"
	roamd_start "$1"
}

# ---- phases ----

ready()
{
	copy a b
	vm_pause a
	check "freeze" handover a freeze vm web
	check_eq "a" "$(state_at a)" ready
	check_eq "b" "$(state_at b)" ready
}

open()
{
	ready
	kill -STOP "$(roamd_pid a)"
	vm_run b
	reaches b open
}

# ---- ends ----

ends_at()
{
	local other=a
	[ "$1" = b ] || other=b
	owns "$1"
	is_gone "$other"
	check_eq "the VM" "$(vm_at)" "$1"
	all_went_on
	forbid_end
}

# The VM was to move, and does.
moves()
{
	reaches b "done"
	reaches a "done" 30
	ends_at b
}

# It stays, for that reason.
stays()
{
	reaches a aborted 40
	[ "$(state_at b)" = "" ] || reaches b aborted 40
	check_eq "the reason" "$(reason_at a)" "$1"
	ends_at a
}

finish()
{
	vm_pause a
	check "freeze" handover a freeze vm web
	vm_run b
	moves
}

# ---- rounds ----

test_rounds_source_killed()
{
	copy a b
	restart a
	stays restarted
}

test_rounds_destination_killed()
{
	copy a b
	restart b
	wait_for 20 is_connected a || fail "no new connection"
	finish
}

is_connected()
{
	[ "$(shown_at "$1" connected)" = true ]
}

test_rounds_destination_rebooted()
{
	copy a b
	roamd_kill b
	ns b "$ROAM" --bpffs "$BPFFS/b" vm del web
	roamd_start b
	reaches a aborted 40
	ends_at a
}

test_rounds_source_hung()
{
	copy a b
	kill -STOP "$(roamd_pid a)"
	sleep 13
	kill -CONT "$(roamd_pid a)"
	wait_for 20 is_connected a || fail "no new connection"
	finish
}

test_rounds_destination_hung_past_every_limit()
{
	copy a b
	kill -STOP "$(roamd_pid b)"
	reaches a aborting 40
	kill -CONT "$(roamd_pid b)"
	stays peer_lost
}

# Neither side hears of it: the cable is out.
test_rounds_half_open()
{
	copy a b
	ns net ip link set to-b down
	sleep 12
	ns net ip link set to-b up
	wait_for 20 is_connected a || fail "no new connection"
	finish
}

test_rounds_aborted_at_the_source()
{
	copy a b
	check "abort" handover a abort vm web
	stays operator
}

test_rounds_aborted_at_the_destination()
{
	copy a b
	check "abort" handover b abort vm web
	reaches a aborted
	ends_at a
}

test_rounds_second_destination()
{
	copy a b
	check_not "to two" handover a start vm web to c
	check_has "says why" "$(cat "$TMP/out")" "handover: busy: "
	finish
}

test_rounds_terminated_in_good_order()
{
	copy a b
	roamd_kill a TERM
	owns a
	roamd_start a
	stays restarted
}

# ---- ready ----

test_ready_source_killed()
{
	ready
	restart a
	check_eq "still" "$(state_at a)" ready
	vm_run b
	moves
}

test_ready_destination_killed()
{
	ready
	restart b
	check_eq "still" "$(state_at b)" ready
	vm_run b
	moves
}

test_ready_both_killed_while_it_moves()
{
	ready
	roamd_kill a
	roamd_kill b
	vm_run b
	roamd_start a
	roamd_start b
	moves
}

test_ready_vm_goes_on_at_the_source()
{
	ready
	vm_run a
	stays thawed
}

test_ready_cancelled()
{
	ready
	check "abort" handover a abort vm web reason vm_manager
	vm_run a
	stays vm_manager
}

test_ready_destination_dead_and_the_vm_goes_on_at_the_source()
{
	ready
	roamd_kill b
	vm_run a
	owns a
	roamd_start b
	stays thawed
}

# ---- open and moved ----

test_open_source_hung()
{
	open
	sleep 3
	kill -CONT "$(roamd_pid a)"
	moves
}

test_open_source_killed()
{
	open
	restart a
	moves
}

test_open_destination_killed()
{
	open
	restart b
	kill -CONT "$(roamd_pid a)"
	moves
}

test_moved_source_killed()
{
	ready
	vm_run b
	reaches b "done"
	restart a
	moves
}

# It was said to run at b, and is heard at a: a knows better, b shuts.
test_moved_two_senders()
{
	ready
	vm_run b
	reaches b "done"
	vm_pause b
	vm_run a
	owns a
	reaches a aborted
	check_eq "the reason" "$(reason_at a)" two_senders
	reaches b aborted
	check_eq "b" "$(life_at b)" shut
	check "by hand" roam_on b vm del web
	ends_at a
}

# ---- offers that are refused: nothing has changed anywhere ----

refused()
{
	check_not "start" handover a start vm web to b wait
	check_has "says why" "$(cat "$TMP/out")" "handover: $1: "
	reaches a aborted
	ends_at a
}

test_offer_not_expected()
{
	refused not_expected
}

test_offer_expected_from_another()
{
	check "expects" handover b expect vm web from c
	refused not_expected
}

test_offer_expired_certificate()
{
	certificate a a -days 0
	restart a
	sleep 1
	expect_from a b
	refused not_authorised
}

test_offer_certificate_of_nobody()
{
	certificate a stranger
	restart a
	expect_from a b
	refused not_authorised
}

test_offer_certificate_of_another_authority()
{
	authority
	certificate a
	restart a
	expect_from a b
	refused not_authorised
}

test_offer_active_there()
{
	check "vm" roam_on b vm add web uuid "$(uuid_at a)"
	expect_from a b
	check_not "start" handover a start vm web to b wait
	check_has "says why" "$(cat "$TMP/out")" "handover: active_here: "
	check "there" roam_on b vm del web
	reaches a aborted
	ends_at a
}

uuid_at()
{
	roam_on "$1" -j vm show web | sed -n 's/.*"uuid":"\([^"]*\)".*/\1/p'
}

test_offer_another_vm_of_that_name()
{
	check "vm" roam_on b vm add web
	expect_from a b
	check_not "start" handover a start vm web to b wait
	check_has "says why" "$(cat "$TMP/out")" "handover: uuid_differs: "
	check "there" roam_on b vm del web
	reaches a aborted
	ends_at a
}

test_offer_nobody_listens()
{
	roamd_kill b
	refused peer_lost
}

run_tests "$@"
