#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A host whose memory is not enough for a VM that is to come: its roamd is in a memory cgroup, to
# which the kernel charges the maps that it makes. It is refused while the VM runs where it was.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

MIB=1048576
GROUP=roam-test-$$

# in_cgroups COMMAND…: with the file system of cgroups as its folder, mounted for it alone
in_cgroups()
{
	# shellcheck disable=SC2016 # the shell's own
	unshare -m sh -c 'mount $1 none "$2" && cd "$2" && shift 2 && "$@"' in_cgroups "$CGROUPS" \
		"$TMP/cgroup" "$@"
}

# Of either version, whichever has the memory.
find_cgroups()
{
	mkdir "$TMP/cgroup"
	CGROUPS="-t cgroup2" LIMIT=memory.max
	in_cgroups grep -qsw memory cgroup.controllers && return
	CGROUPS="-t cgroup -o memory" LIMIT=memory.limit_in_bytes
	in_cgroups test -e memory.limit_in_bytes 2> "$TMP/none" || skip "no memory cgroups"
}

# What a process has when it is put there is not charged; what it gets from then on is.
bounded()
{
	in_cgroups sh -c "{ [ ! -e cgroup.subtree_control ] || echo +memory > cgroup.subtree_control; } &&
		mkdir $GROUP && echo $2 > $GROUP/$LIMIT" || skip "no memory cgroup can be made"
	put_in "$(roamd_pid "$1")" "$GROUP"
}

put_in()
{
	in_cgroups sh -c "echo $1 > $2/cgroup.procs" || fail "cannot move $1 to $2"
}

unbounded()
{
	put_in "$(roamd_pid "$1")" .
	in_cgroups rmdir "$GROUP" || fail "the cgroup stays"
}

# However a test has ended.
teardown()
{
	live_teardown
	[ -z "$CGROUPS" ] || in_cgroups test ! -d "$GROUP" || unbounded b
}

setup()
{
	CGROUPS=
	live_setup
	find_cgroups
	traffic
	forbid_begin
}

no_memory()
{
	expect_from a b
	check_not "start" handover a start vm web to b wait
	check_has "says why" "$(cat "$TMP/out")" "handover: no_memory: vm 'web': "
	check_has "and what" "$(cat "$TMP/out")" "Cannot allocate memory"
	reaches a aborted
	reaches b aborted
	check_eq "the reason at b" "$(reason_at b)" no_memory
	owns a
	is_gone b
}

# Tables for a million flows take three times as much.
test_tables()
{
	check "many flows" roam_on a vm set web flows 1000000
	bounded b $((24 * MIB))
	no_memory
	unbounded b
	copy a b
	finish
}

run_tests "$@"
