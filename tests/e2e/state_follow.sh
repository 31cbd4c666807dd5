#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM moves by hand, `state save - follow` piped into `state load - follow`, while connections go on
# and are opened, IPv4 and IPv6; and either end of the pipe ends before it is over. Forbidden frames
# are sent all the time.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

setup()
{
	live_nets
	policy a
}

# There is no roamd.
teardown()
{
	[ ! -e "$TMP/failed" ] || cat "$SAVED" "$LOADED" | sed 's/^/# /'
}

# Both ends as processes of their own: sets $SAVING and $LOADING.
# $1: from, $2: to
follow()
{
	rm -f "$TMP/pipe"
	mkfifo "$TMP/pipe"
	spawn load_from_pipe "$2"
	LOADING=$SPAWNED LOADED=$TMP/spawn.$SPAWN_COUNT
	spawn save_to_pipe "$1"
	SAVING=$SPAWNED SAVED=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 is_coming "$2" || fail "nothing comes to $2: $(cat "$SAVED" "$LOADED")"
}

is_coming()
{
	[ "$(life_at "$1")" = gated ]
}

save_to_pipe()
{
	exec nsenter --net="$(ns_path "$1")" "$ROAM" --bpffs "$BPFFS/$1" state save web - follow \
		> "$TMP/pipe"
}

load_from_pipe()
{
	exec nsenter --net="$(ns_path "$1")" "$ROAM" --bpffs "$BPFFS/$1" state load - follow \
		dev "$VM_MAC=port0" < "$TMP/pipe"
}

# $1: what, $2: pid, $3: its output
ends_well()
{
	wait "$2" || fail "$1 ends with $?: $(cat "$3")"
}

# $1: from, $2: to; while both ends follow
finish()
{
	vm_pause "$1"
	check "freeze" roam_on "$1" state freeze web
	ends_well "the save" "$SAVING" "$SAVED"
	ends_well "the load" "$LOADING" "$LOADED"
	check_has "the load says" "$(cat "$LOADED")" "staged web"
	vm_run "$2"
	wait_for 10 roam_on "$2" state settle web || fail "it is not settled at $2"
	check "it runs at $2" is_active "$2"
	check "release" roam_on "$1" vm del web
	is_gone "$1"
}

# More connections, while what is there is on its way.
open_more()
{
	OPENED_BEFORE=$USED
	moving_ready client use "$TMP/over" "$VM4" "$VM6"
	USED=$TMP/spawn.$SPAWN_COUNT
	sleep 0.5
}

all_of_both_went_on()
{
	all_went_on
	USED=$OPENED_BEFORE
	all_went_on
}

test_there_and_back()
{
	traffic
	forbid_begin
	follow a b
	open_more
	finish a b
	sleep 0.5
	follow b a
	sleep 0.5
	finish b a
	all_of_both_went_on
	forbid_end
}

# $1: signal, $2: pid of an end; the other one ends by itself
kill_end()
{
	kill "-$1" "$2"
	wait "$SAVING" 2> "$TMP/killed"
	wait "$LOADING" 2> "$TMP/killed"
}

# A VM that stays runs on, and may go after all.
stays_and_goes()
{
	check "it runs at a" is_active a
	is_gone b
	follow a b
	finish a b
	all_went_on
	forbid_end
}

test_told_to_end()
{
	traffic
	forbid_begin
	for signal in INT TERM HUP; do
		follow a b
		kill_end "$signal" "$SAVING"
		check_has "the save says" "$(cat "$SAVED")" "broken off"
		check_has "the load says" "$(cat "$LOADED")" "the pipe ended before"
		check "it runs at a" is_active a
		is_gone b
		follow a b
		kill_end "$signal" "$LOADING"
		check_has "the load says" "$(cat "$LOADED")" "broken off"
		check_has "the save says" "$(cat "$SAVED")" "cannot write to the pipe"
		check "it runs at a" is_active a
		is_gone b
	done
	stays_and_goes
}

# Who is killed cannot clean up: `state abort` does.
test_killed()
{
	traffic
	forbid_begin
	follow a b
	kill_end KILL "$SAVING"
	is_gone b
	check_not "a second one" roam_on a state save web - follow
	check_has "says why" "$(cat "$TMP/out")" "under way already"
	check "abort" roam_on a state abort web
	check "it runs at a" is_active a
	follow a b
	kill_end KILL "$LOADING"
	check "it runs at a" is_active a
	check "what it left is there" is_coming b
	check "abort" roam_on b state abort web
	stays_and_goes
}

# The freeze has come, the last delta is nowhere: the source takes it back.
test_destination_ends_while_frozen()
{
	traffic
	forbid_begin
	follow a b
	kill -STOP "$LOADING"
	vm_pause a
	check "freeze" roam_on a state freeze web
	kill -KILL "$LOADING"
	vm_run a # the VM goes on: it thaws
	wait "$SAVING" 2> "$TMP/killed"
	wait "$LOADING" 2> "$TMP/killed"
	roam_on a state abort web > "$TMP/abort" 2>&1
	check "it runs at a" is_active a
	check "abort" roam_on b state abort web
	stays_and_goes
}

run_tests "$@"
