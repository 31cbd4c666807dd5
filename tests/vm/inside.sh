#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Inside a guest: runs the tests of each tier and marks where each begins and ends, for suite.py.
#
#   tests/vm/inside.sh TIER…
#
# TEST_SOAK makes randomized tests shorter: an emulated processor is some 20 times slower.
export TEST_SOAK=0.1
# Most of prog is one program here, which has the hosts of all of them open.
ulimit -n 65536

uptime_s()
{
	cut -d. -f1 /proc/uptime
}

one()
{
	local name=$1 begin status
	shift
	begin=$(uptime_s)
	echo "@begin $name"
	timeout "$LIMIT" "$@"
	status=$?
	echo "@end $name $status $(($(uptime_s) - begin))"
}

# What of a program's tests runs here, if not all: parts of their names. Of explain some causes, from
# several stages each: a checksum of all maps takes ten seconds. Of kill what attaches programs, which
# kernels differ in, and what replaces maps under traffic. Of upgrade and carry one: each loads all
# programs.
part_of()
{
	case $1 in
	prog/explain) echo "[opened, [reply, [qos_rate, [frag_later," ;;
	prog/kill) echo "port quotas replace load addresses" ;;
	prog/upgrade) echo "replaces" ;;
	prog/carry) echo "goes_over" ;;
	esac
}

LIMIT=1800
for tier; do
	case $tier in
	prog | budget)
		for program in build/tests/"$tier"/*; do
			# shellcheck disable=SC2046 # parts of the tests' names
			[ -x "$program" ] && one "$tier/${program##*/}" "$program" $(part_of "$tier/${program##*/}")
		done
		;;
	e2e)
		# Those named in e2e.list: what shows kernel differences, and is short.
		while read -r name words; do
			case $name in
			'' | '#'*) continue ;;
			esac
			# shellcheck disable=SC2086 # parts of the tests' names
			one "e2e/$name" "tests/e2e/$name" $words < /dev/null
		done < tests/vm/e2e.list
		;;
	esac
done
