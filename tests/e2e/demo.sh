#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# The demo as its readers run it: what it says in JSON is what it promises, it says the same in a
# table, and it leaves nothing, also when it is interrupted.
#
# Runs alone: the demo compares rates, and its names are the same each time.
. "$(dirname "$0")/../lib.sh"

DEMO=$TOP/tools/demo
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# Of a demo: namespaces, mounts, folders, processes.
traces()
{
	ip netns | grep '^roam-demo-'
	cut -d' ' -f2 /proc/mounts | grep roam-demo
	find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'roam-demo-*'
	pgrep -f tools/demo.d
}

test_keeps_its_promises()
{
	traces > "$TMP/before"
	check "demo -j" "$DEMO" -j
	cp "$TMP/out" "$TMP/json"
	check "what it says" "$PYTHON" - "$TMP/json" << 'END'
import json, sys

results = json.load(open(sys.argv[1]))
for result in results.values():
    for key in ("connections", "resets", "lost", "leaks", "stall_ms_max", "entries", "bytes", "steps_ms"):
        assert key in result, key
    assert result["connections"] >= 200, result
    assert result["forbidden_sent"] > 1000 and result["leaks"] == 0, result
    assert len(result["steps_ms"]) == 2, result
kept, broken = results["with_state"], results["without_state"]
assert kept["resets"] == kept["lost"] == 0, kept
assert kept["alive"] == kept["connections"] and kept["entries"] >= 200 and kept["bytes"] > 0, kept
assert broken["resets"] + broken["lost"] >= 0.9 * broken["connections"], broken
assert broken["entries"] == 0, broken
for side in ("to_vm", "from_vm"):
    assert kept["lb"][side]["alive"] == kept["lb"][side]["connections"] == 200, kept["lb"]
    assert broken["lb"][side]["alive"] == 0, broken["lb"]
for sessions in kept["lb"]["sessions"]:
    assert sessions["before"] == sessions["after"] == 400, sessions
assert kept["ips"]["blocked_before"] == kept["ips"]["blocked_after"] == 2, kept["ips"]
assert kept["ips"]["tries"] > 0 == kept["ips"]["through"], kept["ips"]
assert kept["ips"]["admitted"] < kept["ips"]["attack"], kept["ips"]
assert broken["ips"]["blocked_after"] == 0 < broken["ips"]["through"], broken["ips"]
limit = kept["qos"]["limit_Bps"]
for when in ("before_Bps", "over_Bps"):
    assert 0.5 * limit < kept["qos"][when] <= 1.05 * limit, kept["qos"]
assert broken["qos"]["over_Bps"] > 1.05 * limit, broken["qos"]
for move in kept["acl"]["moves"]:
    assert move["before"]["web"] >= 190 and move["before"]["shop"] >= 200, move
    assert all(move["after"][rule] >= hits for rule, hits in move["before"].items()), move
assert all(m["after"]["web"] < m["before"]["web"] for m in broken["acl"]["moves"][:1]), broken["acl"]
END
	check_eq "nothing is left" "$(traces)" "$(cat "$TMP/before")"
}

# $1: seconds after which, $2: signal
interrupted()
{
	local pid
	"$DEMO" > "$TMP/table" 2>&1 &
	pid=$!
	sleep "$1"
	kill -s "$2" "$pid"
	wait "$pid"
	check_eq "status after $2" "$?" "$3"
	check_eq "nothing is left after $2" "$(traces)" "$(cat "$TMP/before")"
}

test_interrupted()
{
	traces > "$TMP/before"
	interrupted 1 TERM 143
	interrupted 5 TERM 143
	interrupted 3 HUP 129
	interrupted 2 INT 130
}

run_tests
