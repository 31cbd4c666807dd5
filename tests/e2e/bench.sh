#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# That `make bench` works, whole: a quick run of every part, its rows, and nothing left behind. What
# the rows say is asserted only with much room, because other work on the machine shifts them; the
# figures are in docs/measurements.md.
#
# Runs alone: it measures.
. "$(dirname "$0")/../lib.sh"

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

# $1: a program that a part needs, or it cannot run
needs()
{
	command -v "$1" > /dev/null || skip "$1 is not here"
}

bench()
{
	ip netns add "roam-$$-first" && ip netns del "roam-$$-first" # mounts its folder once for all
	cut -d' ' -f2 /proc/mounts > "$TMP/mounts"
	check "bench $*" env BENCH_JSON="$TMP/bench.json" "$PYTHON" "$TOP/tools/bench/run" -q "$@" > "$TMP/table" || {
		tail -5 "$TMP/table" | sed 's/^/#   /'
		return 1
	}
	check "rows of numbers" "$PYTHON" - "$TMP/bench.json" << 'END'
import json, sys
rows = json.load(open(sys.argv[1]))
assert len(rows) >= 4, rows
for row in rows:
    assert {"name", "roam", "peer", "peer_name", "unit", "ratio"} <= set(row), row
    if "added" not in row["name"]:  # a difference, which noise may turn round
        assert row["roam"] > 0 and row["peer"] > 0, row
END
	check "no namespace stays" sh -c "! ip netns | grep -q '^roam-bench-'"
	cut -d' ' -f2 /proc/mounts | check "no mount stays" diff "$TMP/mounts" -
}

# $1: beginning of a row's name, $2: its ratio is at most this
ratio_at_most()
{
	check "$1: at most $2" "$PYTHON" - "$TMP/bench.json" "$1" "$2" << 'END'
import json, sys
rows = [row for row in json.load(open(sys.argv[1])) if row["name"].startswith(sys.argv[2])]
for row in rows:
    print(row["name"], row["ratio"])
assert rows and all(row["ratio"] <= float(sys.argv[3]) for row in rows)
END
}

test_cost()
{
	bench cost
	ratio_at_most "replaced on full table" 3
	ratio_at_most "among 1000 vms" 2
}

test_rules()
{
	needs nft
	bench rules
	ratio_at_most "10000 rules, denied" 2.5
	ratio_at_most "10000 rules, admitted" 2.5
	ratio_at_most "whole list, 10000 rules" 60
	ratio_at_most "apply 10,000 rules" 6
}

test_images()
{
	needs conntrack
	[ -e /proc/sys/net/netfilter/nf_conntrack_max ] || skip "no conntrack in this kernel"
	bench images
	ratio_at_most "save piped into load, 100,000" 0.5
	ratio_at_most "memory of" 1.5
	ratio_at_most "save of 1,000 flows beside" 3
	ratio_at_most "maps of an idle VM" 1
}

test_packets()
{
	needs nft
	needs conntrack
	bench packets
	ratio_at_most "openings, 1000 rules, added" 0.5
}

test_balance()
{
	needs nft
	needs conntrack
	[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || skip "no br_netfilter"
	bench balance
	ratio_at_most "balanced IPv4, added" 1
	ratio_at_most "balanced IPv6, added" 1
}

run_tests "$@"
