#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM moves between two hosts by handovers while real connections go on and what is forbidden is
# tried all the time. What fails, and in which phase, is in handover_faults.sh.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

setup()
{
	live_setup
}

test_there_and_back()
{
	traffic
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

# To and fro, without a pause between one and the next; a hundred with TEST_SOAK.
test_many_in_a_row()
{
	local left=5 files
	[ "${TEST_SOAK:-1}" -le 1 ] || left=50
	traffic
	forbid_begin
	hand_over a b
	hand_over b a
	is_gone b
	files=$(files_open)
	maps_pinned > "$TMP/maps"
	while [ "$left" -gt 1 ] && [ ! -e "$TMP/failed" ]; do
		hand_over a b
		hand_over b a
		left=$((left - 1))
	done
	is_gone b
	check_eq "files of both roamds" "$(files_open)" "$files"
	maps_pinned > "$TMP/maps.now"
	check "maps and links" diff "$TMP/maps" "$TMP/maps.now"
	all_went_on
	forbid_end
}

maps_pinned()
{
	find "$BPFFS/a" "$BPFFS/b" | sort
}

# Once connections have ended and workers are gone.
files_open()
{
	sleep 2
	find "/proc/$(roamd_pid a)/fd" "/proc/$(roamd_pid b)/fd" | wc -l
}

# Nobody can be made to wait: the VM goes on there while the source still copies.
test_fence_free()
{
	traffic
	forbid_begin
	copy a b fence free
	vm_pause a
	vm_run b
	reaches b "done"
	owns b
	is_gone a
	all_went_on
	forbid_end
}

test_check_changes_nothing()
{
	check "check" handover a check vm web to b
	check_eq "a" "$(life_at a)" active
	check_not "b" roam_on b vm show web
	check "a VM that is another one there" roam_on b vm add web
	check_not "check" handover a check vm web to b
	check_has "says why" "$(cat "$TMP/out")" "handover: uuid_differs: "
	check_not "a host that is no peer" handover a check vm web to nowhere
	check_has "says why" "$(cat "$TMP/out")" "handover: not_authorised: "
	check_not "no such VM" handover a check vm none to b
}

fetch()
{
	ns "$1" "$PYTHON" -c 'import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())' "http://127.0.0.1:9790$2"
}

test_metrics()
{
	traffic
	hand_over a b
	owns b
	check_has "health" "$(fetch b /healthz)" ok
	fetch b /metrics > "$TMP/metrics"
	check "a handover" grep -q \
		'^roam_handovers_ended_total{role="destination",reason="none"} 1$' "$TMP/metrics"
	check "packets" grep -q '^roam_packets_total{vm="web",dir="in",reason="established"} [1-9]' \
		"$TMP/metrics"
	check "flows" grep -q '^roam_flows{vm="web",kind="established"} [1-9]' "$TMP/metrics"
	check "each line" check_metrics
	all_went_on
}

test_health_of_a_host_that_is_taken_down()
{
	check_has "health" "$(fetch b /healthz)" ok
	check "teardown" roam_on b host teardown
	check_not "health" fetch b /healthz
	check_has "says so" "$(cat "$TMP/out")" "503: Service Unavailable"
}

# The format of Prometheus: comments, and names with labels and a number; no name in two places.
check_metrics()
{
	! grep -v -E '^(# (HELP|TYPE) roam_[a-z_]+ .+|roam_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9]+|)$' \
		"$TMP/metrics" && [ -z "$(grep '^# TYPE' "$TMP/metrics" | sort | uniq -d)" ]
}

# Who has no certificate gets neither a word nor memory.
test_strangers()
{
	local before after
	before=$(memory_of b)
	ns a "$PYTHON" "$TOP/tests/e2e/strangers.py" "$(addr_of b)" 4790 "$TMP/pki" > "$TMP/strangers"
	check_eq "what they learned" "$(cat "$TMP/strangers")" "plain 0
tls 0
tls12 0
many 16"
	after=$(memory_of b)
	check "memory: $before to $after kB" test "$after" -lt $((before + 20000))
	hand_over a b
	owns b
}

memory_of()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(roamd_pid "$1")/status"
}

test_peers_are_read_again()
{
	sed -i '/name: b/d' "$TMP/a.yaml"
	kill -HUP "$(roamd_pid a)"
	sleep 0.5
	check_not "no peer any more" handover a check vm web to b
	check_has "says why" "$(cat "$TMP/out")" "handover: not_authorised: "
	echo "nonsense: 1" >> "$TMP/a.yaml"
	kill -HUP "$(roamd_pid a)"
	sleep 0.5
	check_has "the place" "$(roamd_log a)" "'nonsense' is no key here; nothing has changed"
	check_not "-t" "$ROAMD" -t -c "$TMP/a.yaml"
	check "-t" "$ROAMD" -t -c "$TMP/b.yaml"
}

run_tests "$@"
