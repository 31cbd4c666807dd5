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
	reboot b
	reaches a aborted
	vm_run a
	stays restarted
}

# Whether the VM is gone with a, or on its way to b, a cannot know: b has its time, or somebody knows.
test_ready_source_rebooted()
{
	ready
	reboot a
	reaches a aborting
	check_eq "it is asked" "$(shown_at a waits_for_vm)" true
	sleep 3
	check_eq "still" "$(state_at b)" ready
	check "abort" handover a abort vm web reason vm_manager
	is_nowhere restarted
}

test_ready_source_rebooted_behind_the_vm()
{
	ready
	reboot a
	reaches a aborting
	vm_run b
	moves
}

# What would be edited at a when all has been sent would not be b's, nor does b have it yet: both
# refuse that, and the one that it runs at in the end does not. A set is the host's, and goes nowhere.
test_ready_policy_edited()
{
	local id before there
	check "a set" roam_on a set add friends addr 192.0.2.0/24
	ready
	id=$(shown_at a id)
	before=$(roam_on a policy show vm web)
	there=$(roam_on b policy show vm web)
	printf '%s\n' "$before" > "$TMP/same"
	sed s/8443/9443/ "$TMP/same" > "$TMP/edited"
	echo "acl add vm web name later in allow tcp dport 9999" > "$TMP/batch"
	edits_refused a "is leaving this host (handover $id, frozen)"
	edits_refused b "is coming to this host (handover $id, staged)"
	check "what is there already" roam_on a policy apply "$TMP/same"
	check "another set" roam_on a set add friends addr 2001:db8::/32
	check_eq "at a" "$(roam_on a policy show vm web)" "$before"
	check_eq "at b" "$(roam_on b policy show vm web)" "$there"
	check_eq "still" "$(state_at a)" ready
	vm_run b
	moves
	allow b later tcp 9999
	check_eq "rules at b" "$(roam_on b acl show vm web | grep -c " name ")" 4
}

# $1: the host, $2: why, $3…: what
refused()
{
	local host=$1 why=$2 status=0 said
	shift 2
	said=$(roam_on "$host" "$@" 2>&1) || status=$?
	check_eq "status of $*" "$status" 1
	check_eq "one line: $said" "$(printf '%s\n' "$said" | wc -l)" 1
	check_has "why" "$said" "vm 'web': $why: not changed here; edit it "
}

edits_refused()
{
	refused "$@" acl add vm web name later in allow tcp dport 9999
	refused "$@" -j acl del vm web name bulk
	refused "$@" ips block vm web from 2001:db8::66
	refused "$@" ct flush vm web
	refused "$@" vm set web shut
	refused "$@" policy apply "$TMP/edited"
	refused "$@" batch "$TMP/batch"
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

test_open_source_rebooted()
{
	open
	reboot a
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
