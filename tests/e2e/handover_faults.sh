#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What can fail in a handover once the VM is paused: in the end exactly one host owns the VM, the one
# where it runs; its connections live; the other host has nothing of it; what is forbidden has not
# arrived; and the reason has a name. A test is a cell: PHASE_FAULT. While it is copied:
# handover_rounds.sh.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

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

# An operator may not know where the VM is: it says so itself.
test_ready_aborted_by_hand()
{
	ready
	check_not "abort at b" handover b abort vm web
	check_has "says why" "$(cat "$TMP/out")" "abort at the source"
	check "abort at a" handover a abort vm web
	check_eq "still" "$(state_at b)" ready
	vm_run a
	stays operator
}

test_ready_destination_rebooted()
{
	ready
	roamd_kill b
	check "its maps go" roam_on b host teardown
	check "and come" roam_on b host init
	roamd_start b
	reaches a aborted
	vm_run a
	stays restarted
}

# What is edited at a when all has been sent is not b's (docs/handover-faults.md).
test_ready_policy_edited()
{
	ready
	allow a later tcp 9999
	vm_run b
	moves
	check_eq "rules at b" "$(roam_on b acl show vm web | grep -c " name ")" 3
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
	# What was sent while the VM ran at b, a's flows have not seen: their windows may be stale, and
	# a transfer may end by that. It is what two senders cost.
	is_gone b
	check_eq "the VM" "$(vm_at)" a
	forbid_end
}

run_tests "$@"
