#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Checks the model of the handover (handover.pml) with spin, whole, and then that each mistake that
# can be built into it is found. Prints KTAP; exit 4 without spin. By hand, with what led there:
#
#   tests/model/run.sh -DFAULTS=3 -DFENCE_FREE
#
# Memory is bounded: 700 MB each, one after the other; most take far less.
set -u

MODEL=$(cd "$(dirname "$0")" && pwd)/handover.pml
for tool in spin gcc; do
	command -v "$tool" >/dev/null || { echo "1..0 # SKIP no $tool (tools/deps test)"; exit 4; }
done
WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
cd "$WORK" || exit 1

# Checks the model with these definitions. 0: nothing was found; 1: something; 2: not all was looked at.
check()
{
	spec="-DSAFETY" search=""
	case " $* " in
	*" -DLIVENESS "*) spec="-DNFAIR=3" search="-a -f" ;;
	esac
	# Where a mistake is to be found, or little is to be looked at, compiling takes longest.
	case " $* " in
	*" -DFAULTS=1 "*) optimise=-O0 ;;
	*) optimise=-O1 ;;
	esac
	rm -f pan ./*.trail
	# shellcheck disable=SC2086 # lists of options
	{ spin -a "$@" "$MODEL" && gcc $optimise -w $spec -DCOLLAPSE -DMEMLIM=700 -o pan pan.c &&
		./pan -m500000 -n -E -w22 $search; } >out 2>&1 || return 2
	grep -q "Search not completed" out && ! grep -q "errors: 1" out && return 2
	grep -q "errors: 0" out && ! grep -q "max search depth too small" out && return 0
	grep -q "errors: 1" out && return 1
	return 2
}

if [ $# -gt 0 ]; then
	check "$@"
	found=$?
	grep -E "errors|assertion|states, stored|total actual" out
	[ $found -ne 1 ] || spin -p -k handover.pml.trail "$@" "$MODEL"
	exit $found
fi

number=0 failed=0
# What is expected (0 or 1), the test's name, definitions.
test_model()
{
	expected=$1 name=$2
	shift 2
	number=$((number + 1))
	check "$@"
	got=$?
	if [ $got -eq "$expected" ]; then
		echo "ok $number $name"
	else
		failed=1
		grep -E "errors|assertion|rror|reached|small" out | sed 's/^/# /' | head
		echo "not ok $number $name"
	fi
	sed -n 's/^ *\([0-9]* states, stored\).*/# \1/p' out
}

echo "TAP version 13"
echo "1..17"
test_model 0 "fence held: two faults" -DFAULTS=2
test_model 0 "fence free: two faults" -DFAULTS=2 -DFENCE_FREE
test_model 0 "two senders: two faults" -DFAULTS=2 -DTWO
test_model 0 "fence held: an owner in the end" -DFAULTS=1 -DLIVENESS
test_model 0 "fence free: an owner in the end" -DFAULTS=1 -DLIVENESS -DFENCE_FREE
test_model 1 "reached: the VM has moved and the source has let go" -DFAULTS=1 -DREACH
test_model 1 "found: a time limit opens" -DFAULTS=1 -DBREAK_TIMEOUT
test_model 1 "found: a thaw that does not look where the VM may be" -DFAULTS=1 -DBREAK_THAW
test_model 1 "found: an abort of a VM on its way" -DFAULTS=1 -DBREAK_ABORT
test_model 1 "found: the VM manager is told before the journal" -DFAULTS=1 -DBREAK_JOURNAL
test_model 1 "found: messages of another epoch are believed" -DFAULTS=1 -DBREAK_EPOCH
test_model 1 "found: a release without epoch" -DFAULTS=1 -DBREAK_RELEASE
test_model 1 "found: a wipe over a gate that a packet has opened" -DFAULTS=1 -DFENCE_FREE -DBREAK_WIPE
test_model 1 "found: a gate that opens before state is there" -DFAULTS=1 -DFENCE_FREE -DBREAK_EARLY
test_model 1 "found: a delta missed while being wiped" -DFAULTS=1 -DFENCE_FREE -DBREAK_MISSED
test_model 1 "found: a claim that is not repeated" -DFAULTS=1 -DLIVENESS -DBREAK_CLAIM
test_model 1 "found: a destination that waits for a VM that is nowhere" -DFAULTS=1 -DBREAK_ANEW
exit $failed
