#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM moves between two hosts by handovers while real connections go on and what is forbidden is
# tried all the time. What fails, and in which phase, is in handover_faults.sh.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

setup()
{
	command -v openssl > "$TMP/openssl" || skip "no openssl"
	live_make
	live_policy a
}

test_there_and_back()
{
	live_traffic
	forbid_begin
	hand_over a b
	owns b
	sleep 0.3
	hand_over b a
	owns a
	is_gone b
	all_went_on
	forbid_end
}

run_tests "$@"
