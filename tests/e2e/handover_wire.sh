#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What can fail on the wire between two roamd, and whatever can while the base is on it: the wire is
# wire.py, which holds a connection in the midst of the base until a cell has done its worst. A
# cell after which the VM is where it was is followed by the next one, with the same connections.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

# The rules make the base larger than all that goes before it.
BASE_BEGINS=8000

wire_begins()
{
	local i=0
	mkdir "$TMP/wire"
	while [ "$i" -lt 400 ]; do
		echo "acl add vm web name r$i in prio $((1000 + i)) allow tcp from 192.0.$((i % 250)).$((i * 37 % 250)) dport $((i * 7919 % 60000 + 1))"
		i=$((i + 1))
	done > "$TMP/rules"
	check "rules" roam_on a batch "$TMP/rules"
	spawn nsenter --net="$(ns_path a)" "$PYTHON" "$TOP/tests/e2e/wire.py" 127.0.0.1 4791 \
		"$(addr_of b)" 4790 "$TMP/wire" "$BASE_BEGINS"
	wait_for 20 grep -q "^ready" "$TMP/spawn.$SPAWN_COUNT" || fail "no wire"
	sed -i "s/{name: b, address: .*}/{name: b, address: '127.0.0.1:4791'}/" "$TMP/a.yaml"
	restart a
}

wire_does()
{
	echo "$1" > "$TMP/wire/do.new"
	mv "$TMP/wire/do.new" "$TMP/wire/do"
	wait_for 20 test ! -e "$TMP/wire/do" || fail "the wire does not: $1"
}

wire_goes_on()
{
	rm -f "$TMP/wire/hold" "$TMP/wire/held"
}

# The base is half-way to b.
base_is_held()
{
	: > "$TMP/wire/hold"
	expect_from a b
	check "start" handover a start vm web to b late 1
	wait_for 20 test -e "$TMP/wire/held" || fail "the base does not come: $(roamd_log a | tail -5)"
	reaches a base
	reaches b prepared
}

# It has failed at a, for one of these reasons; the VM is there, and b has nothing.
failed_with()
{
	local got
	wire_goes_on
	reaches a aborted 40
	[ "$(state_at b)" = "" ] || reaches b aborted 40
	got=$(reason_at a)
	case " $* " in
	*" $got "*) ;;
	*) fail "the reason: expected one of '$*', got '$got': $(handover a show vm web)" ;;
	esac
	owns a
	is_gone b
}

test_base_faults()
{
	wire_begins
	base_is_held
	wire_does reset
	failed_with peer_lost

	base_is_held
	wire_does corrupt
	failed_with corrupt peer_lost

	base_is_held
	restart a
	failed_with restarted

	base_is_held
	restart b
	failed_with peer_lost

	base_is_held
	check "abort" handover a abort vm web
	failed_with operator

	base_is_held
	check "abort at b" handover b abort vm web
	failed_with operator

	base_is_held
	reboot b
	failed_with peer_lost

	# The device has gone, too, or is another VM's.
	base_is_held
	check "another VM" roam_on b vm add db
	check "has the device" roam_on b port add vm db dev port0 mac 52:54:00:00:00:99 addr 10.9.0.99
	failed_with active_here
	check "by hand" roam_on b vm del db

	copy a b
	finish
}

test_base_source_rebooted()
{
	wire_begins
	base_is_held
	vm_pause a
	reboot a
	wire_goes_on
	is_nowhere peer_lost
}

test_base_policy_edited()
{
	wire_begins
	base_is_held
	first=$(shown_at a id)
	allow a later tcp 9999
	wire_goes_on
	wait_for 20 begun_anew || fail "the copy does not begin anew: $(handover a show)"
	wait_for 20 is_short || fail "rounds do not get short: $(handover a show)"
	finish
	check_has "the rule" "$(roam_on b acl show vm web)" "name later "
}

begun_anew()
{
	is_at a rounds && [ "$(shown_at a id)" != "$first" ]
}

is_short()
{
	[ "$(shown_at a short)" = true ]
}

# Later on TLS ends the connection, and deltas go on on another one.
test_corrupted_later()
{
	wire_begins
	copy a b
	wire_does corrupt
	wait_for 20 log_says b "gone: corrupt: .*record mac" ||
		fail "nobody noticed: $(roamd_log b | tail -5)"
	wait_for 20 is_connected || fail "no new connection"
	vm_pause a
	check "freeze" handover a freeze vm web
	wire_does corrupt
	vm_run b
	moves
}

log_says()
{
	roamd_log "$1" | grep -q "$2"
}

is_connected()
{
	[ "$(shown_at a connected)" = true ]
}

run_tests "$@"
