#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Two hosts whose roamd are a version of the protocol apart (tests/build.mk builds the other one from
# the same sources): where one speaks the other's version the VM moves there and back; where it does
# not it is refused by name, whoever begins, and nothing has changed.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

# is_of HOST VERSIONS: its roamd speaks those, OLDEST-NEWEST
is_of()
{
	local own=$ROAMD
	roamd_kill "$1"
	ROAMD=$BUILD/tests/skew/$2
	roamd_start "$1"
	ROAMD=$own
}

test_next_version_speaks_this_one()
{
	is_of b 1-2
	hand_over a b
	is_gone a
	owns b
	hand_over b a
	is_gone b
	ends_at a
}

refused_by()
{
	expect_from a b
	check_not "start, $1" handover a start vm web to b wait
	check_has "says why, $1" "$(cat "$TMP/out")" "handover: version: "
	reaches a aborted
	is_gone b
}

test_next_version_does_not()
{
	is_of b 2-2
	refused_by "b is newer"
	is_of a 2-2
	restart b
	refused_by "a is newer"
	check_has "b says so, too" "$(roamd_log b)" "versions 2 to 2 of the peer's protocol"
	ends_at a
}

run_tests "$@"
