#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# No packet is judged by both hosts: the bridges here learn nothing, so that every frame for the VM
# comes to both ports all the time, while it moves there and back. What a host has judged and passed it
# has marked (a port without its VM passes everything, unjudged); once.py looks behind either host's
# port and counts which numbered datagrams came with that mark through which.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

setup()
{
	live_setup
	for name in net a b; do
		ns "$name" ip link set br0 type bridge ageing_time 0
	done
	check "mark" roam_on a qos set vm web in rate 10gbit dscp ef
	traffic
	spawn nsenter --net="$(ns_path vm)" "$PYTHON" "$TOP/tests/e2e/once.py" at-a at-b
	ONCE=$SPAWNED SEEN=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 grep -q "^ready" "$SEEN" || fail "once.py: $(cat "$SEEN")"
}

seen()
{
	kill -TERM "$ONCE"
	wait_for 20 grep -q "^both" "$SEEN" || fail "once.py: $(cat "$SEEN")"
}

seen_by()
{
	sed -n "s/^$1 //p" "$SEEN"
}

# Ten moves; a hundred with TEST_SOAK.
test_by_one_host()
{
	local i=0 pairs=5
	[ "${TEST_SOAK:-1}" -le 1 ] || pairs=50
	while [ "$i" -lt "$pairs" ] && [ ! -e "$TMP/failed" ]; do
		hand_over a b
		hand_over b a
		i=$((i + 1))
	done
	is_gone b
	all_went_on
	seen
	check "through a: $(seen_by at-a)" test "$(seen_by at-a)" -gt 100
	check "through b: $(seen_by at-b)" test "$(seen_by at-b)" -gt 100
	check_eq "through both" "$(seen_by both)" 0
}

# Nobody can be made to wait.
test_by_one_host_with_a_free_fence()
{
	copy a b fence free
	vm_pause a
	vm_run b
	reaches b "done"
	is_gone a
	sleep 0.5
	all_went_on
	seen
	check "through a: $(seen_by at-a)" test "$(seen_by at-a)" -gt 20
	check "through b: $(seen_by at-b)" test "$(seen_by at-b)" -gt 20
	check_eq "through both" "$(seen_by both)" 0
}

# The contrast: two hosts of which each has it for its own.
test_by_two_owners()
{
	policy b
	check "mark" roam_on b qos set vm web in rate 10gbit dscp ef
	sleep 1
	traffic_ends
	seen
	check "through both: $(seen_by both)" test "$(seen_by both)" -gt 10
}

run_tests "$@"
