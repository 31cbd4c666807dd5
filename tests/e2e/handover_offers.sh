#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Offers that are refused, each with its reason: nothing has changed anywhere.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

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

# The journal, after a newer roamd that knows more reasons; and what it was killed over is tidied up.
test_offer_refused_with_a_reason_that_is_not_known()
{
	refused not_expected
	roamd_kill a
	sed -i 's/"not_expected"/"tired"/' "$TMP"/state-a/*.json
	for end in new try; do
		echo "{" > "$TMP/state-a/0123456789abcdef0123456789abcdef.json.$end"
	done
	roamd_start a
	check_eq "state" "$(state_at a)" aborted
	check_eq "reason" "$(reason_at a)" internal
	check_eq "files" "$(find "$TMP/state-a" -name "*.json.*")" ""
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

# It is sanitized, and says by its end whether it has forgotten them well.
test_offer_many_are_expected_when_roamd_ends()
{
	local vm
	for vm in web db mail; do
		check "expects $vm" handover b expect vm "$vm" from a
	done
	check "expects db again" handover b expect vm db from c
	roamd_kill b TERM
	check_eq "its end" "$?" 0
	roamd_start b
}

# Whoever has announced a VM need not know that roamd was started anew.
test_offer_expected_before_roamd_was_killed()
{
	expect_from a b
	restart b
	check_has "is expected" "$(handover b show vm web)" "state expected"
	check "start" handover a start vm web to b late 1 wait
	finish
	restart b
	check_eq "expected no more" "$(handover b show | grep -c "state expected")" 0
}

test_offer_expected_until_before_roamd_was_started()
{
	check "expects" handover b expect vm web from a dev "$VM_MAC=port0" for 2
	roamd_kill b
	sleep 3
	roamd_start b
	refused not_expected
}

# others HOST update|delete: names of as many VMs as a host can have but one, without any VM
others()
{
	"$PYTHON" - "$BPFFS/$1/maps/vm_slot" "$2" > "$TMP/names" << 'END'
import sys
for slot in range(1, 4095):
    name = f"other-{slot}".encode().ljust(64, b"\0")
    value = f"value hex {slot.to_bytes(4, 'little').hex(' ')}" if sys.argv[2] == "update" else ""
    print(f"map {sys.argv[2]} pinned {sys.argv[1]} key hex {name.hex(' ')} {value}")
END
	check "$2 names" bpftool batch file "$TMP/names"
}

# A host has room for 4,095 VMs.
test_offer_no_room_for_another_vm()
{
	others b update
	check "the last one" roam_on b vm add last
	expect_from a b
	check_not "check" handover a check vm web to b
	check_has "says why" "$(cat "$TMP/out")" "handover: no_room_vms: "
	check_not "start" handover a start vm web to b wait
	check_has "says why" "$(cat "$TMP/out")" "handover: no_room_vms: "
	reaches a aborted
	check "another goes" roam_on b vm del last
	expect_from a b
	check "there is room for one" handover a start vm web to b late 1 wait
	others b delete
	finish
}

# What cannot be kept is not promised.
test_offer_expected_and_no_room_to_write_it_down()
{
	check "expects" handover b expect vm web from a dev "$VM_MAC=port0"
	mkdir "$TMP/state-b/expected.json.new"
	check_not "another" handover b expect vm web from c
	check_has "says why" "$(cat "$TMP/out")" "expected.json.new"
	rmdir "$TMP/state-b/expected.json.new"
	check "start" handover a start vm web to b late 1 wait
	finish
}

# small_disk HOST KIB: each file takes a page of 4
small_disk()
{
	roamd_kill "$1"
	spawn unshare -m sh -c "mount -t tmpfs -o size=$2k tmpfs '$TMP/state-$1' &&
		exec nsenter --net='$(ns_path "$1")' '$ROAMD' -c '$TMP/$1.yaml'"
	eval "ROAMD_$1=$SPAWNED LOG_$1=$TMP/spawn.$SPAWN_COUNT"
	wait_for 20 handover "$1" show || fail "roamd of $1: $(roamd_log "$1")"
}

# is_full HOST COMMAND…: which says so
is_full()
{
	local host=$1 line
	shift
	check_not "$1: $host is full" handover a "$@"
	line=$(cat "$TMP/out")
	check_has "says what" "$line" \
		"handover: no_room_journal: vm 'web': journal of $host: $TMP/state-$host/"
	check_has "and why" "$line" "No space left on device"
}

# The file of a handover is written beside the one before: there has to be room for two, or it would
# end when all has been copied. What is expected has another one.
test_offer_no_room_for_the_journal_there()
{
	for kib in 4 8; do
		small_disk b $kib
		expect_from a b
		is_full b check vm web to b
		is_full b start vm web to b wait
		reaches a aborted
	done
	small_disk b 12
	check "there is room" handover a check vm web to b
	expect_from a b
	check "start" handover a start vm web to b late 1 wait
	finish
}

test_offer_no_room_for_the_journal_here()
{
	expect_from a b
	small_disk a 4
	is_full a check vm web to b
	is_full a start vm web to b wait
	reaches a aborted
	check_eq "nothing was offered" "$(state_at b)" ""
	small_disk a 8
	check "there is room" handover a check vm web to b
	check "start" handover a start vm web to b late 1 wait
	finish
}

run_tests "$@"
