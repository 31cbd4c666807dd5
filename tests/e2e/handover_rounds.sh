#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What can fail in a handover while the VM is copied: as handover_faults.sh.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

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

test_rounds_source_rebooted()
{
	copy a b
	vm_pause a
	reboot a
	is_nowhere restarted
}

# Nobody comes back who could say so: b knows by itself.
test_rounds_source_gone_for_good()
{
	copy a b
	vm_pause a
	roamd_kill a
	check "its maps go" roam_on a host teardown
	reaches b aborted 60
	check_eq "the reason" "$(reason_at b)" peer_lost
	is_gone b
	forbid_end
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

# The copy begins anew, with the policy that there is now.
test_rounds_policy_edited()
{
	copy a b
	first=$(shown_at a id)
	spawn handover a watch vm web
	watched=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 grep -q "state rounds" "$watched"
	allow a later tcp 9999
	wait_for 20 begun_anew || fail "the copy does not begin anew: $(handover a show)"
	wait_for 20 is_short a || fail "rounds do not get short"
	finish
	check_has "the rule" "$(roam_on b acl show vm web)" "name later "
	check_has "who watched the first" "$(cat "$watched")" "state done reason none id $(shown_at a id)"
	check_eq "why it ended" "$(handover a show vm web | sed -n "s/.* reason \([a-z_]*\) .*id $first .*/\1/p")" \
		policy_differs
}

begun_anew()
{
	is_at a rounds && [ "$(shown_at a id)" != "$first" ]
}

is_short()
{
	[ "$(shown_at "$1" short)" = true ]
}

# At 1 Mbit/s no delta is through in 20 ms.
test_rounds_not_converging()
{
	expect_from a b
	check_not "start" handover a start vm web to b late 1 rate 1 timeout 2 wait
	check_has "says why" "$(cat "$TMP/out")" "handover: not_converging: "
	stays not_converging
}

test_rounds_not_converging_and_frozen_all_the_same()
{
	copy a b rate 1 timeout 2 converge freeze
	finish
}

# many_flows COUNT: of datagrams that are answered
many_flows()
{
	ns client "$PYTHON" -c 'import socket, sys
for port in range(20000, 20000 + int(sys.argv[2])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("", port))
        one.settimeout(5)
        one.sendto(b"1", (sys.argv[1], 5300))
        one.recv(100)' "$VM4" "$1"
}

# watched STATE NAME: its values in that state, one a line
watched()
{
	sed -n "s/.* state $1 .* $2 \\([0-9]*\\) .*/\\1/p" "$WATCHED"
}

# A base that the limit makes last a second or two.
test_rounds_watched()
{
	check "room" roam_on a vm set web flows 20000
	check "flows" many_flows 12000
	expect_from a b
	check "start" handover a start vm web to b late 1 rate 1
	spawn handover a watch vm web
	WATCHED=$TMP/spawn.$SPAWN_COUNT
	wait_for 60 grep -q "state rounds.* rounds [1-9]" "$WATCHED" || fail "watch: $(cat "$WATCHED")"
	# On a busy machine the first that is told may be nearly all.
	part=$(watched base bytes | grep -vx 0 | head -1)
	check "bytes of a part of the base: $part" test "${part:-0}" -gt 0
	check "and of all of it" test "$(watched rounds bytes | head -1)" -ge "$part"
	check "its entries" test "$(watched rounds entries | head -1)" -ge 12000
	check "expected freeze" test "$(watched rounds expected_freeze_us | tail -1)" -ge 20000
	check "what has changed" test "$(watched rounds dirty_per_s | tail -1)" -ge 1
	check "bytes at b" test "$(shown_at b bytes)" -ge "$part"
	check "abort" handover a abort vm web
	stays operator
}

# Whoever waits for rounds to be short waits on; once it is given up by hand it does not begin again.
test_rounds_policy_edited_and_aborted()
{
	copy a b
	check "abort" handover a abort vm web
	allow a later tcp 9999
	sleep 0.5
	check_eq "handovers" "$(handover a show vm web | grep -c .)" 1
	stays operator
}

run_tests "$@"
