#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Late packets: a VM moves, and the network goes on sending its frames to the host that it left,
# whose bridge still has it at its port, too. What that host carries after it arrives; what is
# forbidden does not; and it ends.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

# Neither the network's switch nor the host's learns that the VM is elsewhere.
stick()
{
	ns net bridge fdb replace "$VM_MAC" dev "to-$1" master static sticky
	ns "$1" bridge fdb replace "$VM_MAC" dev port0 master static sticky
}

unstick()
{
	ns net bridge fdb del "$VM_MAC" dev "to-$1" master
	ns "$1" bridge fdb del "$VM_MAC" dev port0 master
	moving vm announce "$VM_MAC"
}

late_setup()
{
	# shellcheck disable=SC2034 # of livehosts.sh
	LIVE_LATE=$1
	live_setup
	traffic
	forbid_begin
	stick a
}

# From there to here, its frames for so many seconds longer.
leave()
{
	copy a b late "$1"
	vm_pause a
	check "freeze at a" handover a freeze vm web
	vm_run b
	reaches b "done"
	owns b
}

# What has been counted for the VM at a host, under that reason.
counted_at()
{
	roam_on "$1" -j stats show vm web |
		sed -n "s/.*\"dir\":\"in\".*\"reason\":\"$2\".*\"packets\":\([0-9]*\).*/\1/p" |
		awk '{ sum += $1 } END { print sum + 0 }'
}

carried_at_least()
{
	[ "$(counted_at a late_carried)" -ge "$1" ]
}

goes_on_by_way_of_the_source()
{
	local taken
	late_setup "$1"
	leave 30
	wait_for 20 carried_at_least 1000 ||
		fail "carried: $(counted_at a late_carried): $(roam_on a stats show vm web)"
	check "a shows it" test "$(shown_at a late_packets)" -ge 1000
	check "b shows it" test "$(shown_at b late_packets)" -ge 1000
	check_eq "too large" "$(counted_at a late_mtu)" 0
	# Broadcasts, and what is no IP, are not carried: a neighbour's probe or two.
	taken=$(counted_at a moved)
	check "dropped: $taken" test "$taken" -lt 20
	check_eq "of others" "$(counted_at b late_foreign)" 0
	unstick a
	all_went_on
	forbid_end
}

test_goes_on_by_way_of_the_source4()
{
	goes_on_by_way_of_the_source 4
}

test_goes_on_by_way_of_the_source6()
{
	goes_on_by_way_of_the_source 6
}

# A roamd that is started anew does not end it.
test_source_restarted()
{
	local before
	late_setup 4
	leave 30
	wait_for 20 carried_at_least 100 || fail "nothing is carried: $(roam_on a stats show vm web)"
	roamd_kill a
	roamd_start a
	before=$(counted_at a late_carried)
	wait_for 20 carried_at_least $((before + 1000)) ||
		fail "carried: $before, then $(counted_at a late_carried)"
	check_eq "a" "$(state_at a)" moved
	unstick a
	all_went_on
	forbid_end
}

# And then it is over, whoever still sends there.
test_ends_at_the_limit()
{
	late_setup 4
	leave 2
	carried_at_least 1 || fail "nothing is carried: $(roam_on a stats show vm web)"
	is_gone a
	check "no way is left" wait_for 20 no_way_left a
	check "a tells how many" test "$(shown_at a late_packets)" -ge 1
	unstick a
	all_went_on
	forbid_end
}

ways_left()
{
	bpftool map dump pinned "$BPFFS/$1/maps/late_to" | grep -q '"key"\|^key'
}

# A moment after the VM's name is gone: its slot is cleared then.
no_way_left()
{
	! ways_left "$1"
}

# The VM manager has it back: nothing leaves any more.
test_ends_with_the_handover()
{
	late_setup 4
	copy a b late 30
	vm_pause a
	check "freeze at a" handover a freeze vm web
	check "ways" ways_left a
	check "abort" handover a abort vm web reason vm_manager
	vm_run a
	owns a
	check_not "no way is left" ways_left a
	is_gone b
	unstick a
	all_went_on
	forbid_end
}

# Nobody has said where: dropped, as ever.
test_without_a_way()
{
	live_setup
	traffic
	stick a
	leave 2
	wait_for 20 has_dropped || fail "nothing was late: $(roam_on a stats show vm web)"
	check_eq "carried" "$(shown_at a late_packets)" 0
	unstick a
	all_went_on
}

has_dropped()
{
	[ "$(counted_at a moved)" -gt 0 ]
}

# way_of HOST MTU: what its end of the way has
way_of()
{
	ns "$1" ip link set br0 mtu "$2"
}

# lacks BYTES MTU: so many for the largest, as check says, and who wants no such handover is told
lacks()
{
	local what more=
	check "only asked" handover a check vm web to b
	check_has "says so" "$(cat "$TMP/out")" " late_lacks $1 "
	expect_from a b
	for what in check start; do
		[ "$what" = check ] || more="wait"
		# shellcheck disable=SC2086 # none, or one
		check_not "$what" handover a "$what" vm web to b mtu refuse $more
		check_has "says why" "$(cat "$TMP/out")" \
			"handover: mtu: vm 'web': late packets need an MTU of $NEED, the way to $(late_of b) has $2"
		reaches a aborted
	done
	is_gone b
	check_eq "late_lacks" "$(shown_at a late_lacks)" "$1"
}

way_is_too_small()
{
	LIVE_LATE=$1 NEED=$2
	live_setup
	way_of a "$NEED"
	way_of b "$NEED"
	check "it fits" handover a check vm web to b mtu refuse
	check_has "and lacks nothing" "$(cat "$TMP/out")" " late_lacks 0 "
	way_of a "$((NEED - 1))"
	lacks 1 "$((NEED - 1))"
	way_of a "$NEED"
	way_of b 1500
	lacks "$((NEED - 1500))" 1500
	# Whoever does not mind is told, and goes.
	hand_over a b
	check_has "in the log" "$(roamd_log a)" \
		"vm web to b: the way for late packets is $((NEED - 1500)) bytes too small"
	is_gone a
}

test_way_is_too_small4()
{
	way_is_too_small 4 1574
}

test_way_is_too_small6()
{
	way_is_too_small 6 1594
}

test_way_that_is_none()
{
	# shellcheck disable=SC2034 # of livehosts.sh
	LIVE_LATE=4
	live_setup
	ns a ip addr del 10.9.0.101/24 dev br0
	ns a ip addr add 10.9.0.111/24 dev br0
	check_not "check" handover a check vm web to b mtu refuse
	check_has "says why" "$(cat "$TMP/out")" "handover: mtu: vm 'web': late: 10.9.0.101 is no address of this host"
}

run_tests "$@"
