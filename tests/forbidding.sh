# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# What may never arrive, while a VM moves: read by livehosts.sh and tests of tests/e2e, after
# moving.sh and where it has been read.
#
#   forbid_begin           frames that may not arrive, all the time, in namespaces client and vm
#   forbid_end             how many did

# Denied openings, segments of no connection, forged sources, both families; counted where they must
# not come. The client's source MAC is not its own, so that its stack answers to nothing.
FORBIDDEN_IN="in-denied4 in-denied6 in-ack4 in-ack6 in-rst4"
FORBIDDEN_OUT="vm-mac4 vm-addr4 vm-addr6 vm-udp4 vm-ack4"

forbid_loop()
{
	local name=$1
	shift
	while :; do
		ns "$name" "$PYTHON" -S "$TOP/tests/e2e/frames.py" send eth0 2 "$@"
		sleep 0.01
	done
}

forbid_begin()
{
	local name
	for name in vm client; do
		spawn nsenter --net="$(ns_path "$name")" "$PYTHON" -S "$TOP/tests/e2e/frames.py" \
			catch eth0
		eval "CATCH_$name=$SPAWNED CAUGHT_$name=$TMP/spawn.$SPAWN_COUNT"
		wait_for 20 grep -q "^ready" "$TMP/spawn.$SPAWN_COUNT"
	done
	# shellcheck disable=SC2086 # lists
	spawn forbid_loop client $FORBIDDEN_IN
	FORBID_IN=$SPAWNED
	# shellcheck disable=SC2086 # lists
	spawn forbid_loop vm $FORBIDDEN_OUT
	FORBID_OUT=$SPAWNED
}

caught_by()
{
	eval "kill \$CATCH_$1; wait \$CATCH_$1 2> \"$TMP/killed\"; cat \"\$CAUGHT_$1\"" | sed 1d
}

forbid_end()
{
	kill_tree "$FORBID_IN"
	kill_tree "$FORBID_OUT"
	sleep 0.2
	check_eq "leaks to the VM" "$(caught_by vm)" ""
	check_eq "leaks of the VM" "$(caught_by client)" ""
}
