# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# The tests' harness for shell, read by tests/e2e/*.sh (POSIX sh and `local`, so that busybox runs
# it in the guests). A test is a function test_NAME; the script ends with `run_tests "$@"`, which
# prints KTAP and exits 0 passed, 1 failed, 4 all skipped. With arguments only the tests whose name
# contains one of them run.
#
# Each test runs in a subshell with a directory ($TMP), a bpffs ($BPFFS) and network namespaces of
# its own, all removed when it ends, however it ends; so are the processes that it started with
# `spawn`. Functions `setup` and `teardown`, if there are any, run before and after each test.
#
#   check WHAT CMD…          CMD succeeds            check_not WHAT CMD…    CMD fails
#   check_eq WHAT GOT WANT   equal texts             check_has WHAT TEXT PART
#   skip WHY                 this test cannot run here; ends it
#   ns_add NAME…             namespaces, lo up       ns NAME CMD…           runs CMD in one
#   link NS1 DEV1 NS2 DEV2   a veth pair, both up
#   roam ARG…                the CLI, on the host of $BPFFS/roam
#   roam_on HOST ARG…        the CLI in namespace HOST, on the host of $BPFFS/HOST
#   spawn CMD…               in the background, its output to $TMP/spawn.N; sets $SPAWNED to its pid
#   wait_for SECONDS CMD…    until CMD succeeds; else fails

LIB_DIR=$(cd "$(dirname "$0")" && pwd)
TOP=${TOP:-$(cd "$LIB_DIR/../.." && pwd)}
BUILD=${BUILD:-$TOP/build}
ROAM=${ROAM:-$BUILD/asan/roam}
SCRIPT=$(basename "$0" .sh)

# ---- what a test says ----

fail()
{
	echo "# $SCRIPT: $*"
	: > "$TMP/failed"
	return 1
}

skip()
{
	echo "$*" > "$TMP/skipped"
	exit 4
}

check()
{
	local what=$1 got
	shift
	PATIENT=1 # what is expected may be late: on a busy machine an answer takes its time
	export PATIENT
	"$@" > "$TMP/out" 2>&1
	got=$?
	unset PATIENT
	[ "$got" -ne 0 ] || return 0
	fail "$what: expected success, got exit $got of: $*"
	sed 's/^/#   /' "$TMP/out"
	return 1
}

check_not()
{
	local what=$1
	shift
	"$@" > "$TMP/out" 2>&1 || return 0
	fail "$what: expected failure of: $*"
	sed 's/^/#   /' "$TMP/out"
	return 1
}

check_eq()
{
	[ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"
}

check_has()
{
	case $2 in
	*"$3"*) ;;
	*) fail "$1: expected '$3' in '$2'" ;;
	esac
}

# ---- what a test has ----

# Names of namespaces are shared by the whole machine, so they carry the process id.
ns_path()
{
	echo "/var/run/netns/roam-$$-$1"
}

ns_add()
{
	local name
	for name; do
		ip netns add "roam-$$-$name" || return
		echo "roam-$$-$name" >> "$TMP/netns"
		ns "$name" ip link set lo up
	done
}

# Not `ip netns exec`: that mounts a fresh /sys, without the bpffs.
ns()
{
	local name=$1
	shift
	nsenter --net="$(ns_path "$name")" "$@"
}

link()
{
	ip link add "r$$a" type veth peer name "r$$b" || return
	ip link set "r$$a" netns "roam-$$-$1" name "$2"
	ip link set "r$$b" netns "roam-$$-$3" name "$4"
	ns "$1" ip link set "$2" up
	ns "$3" ip link set "$4" up
}

roam()
{
	"$ROAM" --bpffs "$BPFFS/roam" "$@"
}

roam_on()
{
	local host=$1
	shift
	ns "$host" "$ROAM" --bpffs "$BPFFS/$host" "$@"
}

spawn()
{
	SPAWN_COUNT=$((${SPAWN_COUNT:-0} + 1))
	"$@" > "$TMP/spawn.$SPAWN_COUNT" 2>&1 &
	SPAWNED=$!
	echo "$SPAWNED" >> "$TMP/pids"
}

wait_for()
{
	local tries=$(($1 * 20))
	shift
	while ! "$@" > /dev/null 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

# ---- running them ----

# With what it started: a function that is spawned is a shell that waits for a command.
kill_tree()
{
	local child
	# shellcheck disable=SC2013 # one line of words
	for child in $(cat "/proc/$1/task/$1/children" 2> /dev/null); do
		kill_tree "$child"
	done
	kill -9 "$1" 2> /dev/null
}

clean_up()
{
	trap '' INT TERM
	if [ -e "$TMP/pids" ]; then
		while read -r pid; do
			kill_tree "$pid"
		done < "$TMP/pids" 2> /dev/null # the shell says who was killed
		wait 2> /dev/null
	fi
	if [ -e "$TMP/netns" ]; then
		while read -r name; do
			ip netns del "$name"
		done < "$TMP/netns"
	fi
	# The kernel may still hold it for some ms after the last `roam monitor` has ended.
	if grep -q " $BPFFS bpf " /proc/mounts; then
		wait_for 10 umount "$BPFFS" || echo "# $SCRIPT: cannot unmount $BPFFS"
	fi
}

run_body()
{
	trap clean_up EXIT
	trap 'exit 130' INT TERM
	mount -t bpf bpf "$BPFFS" || fail "cannot mount a bpffs: tests need root"
	if command -v setup > /dev/null; then
		setup
	fi
	[ -e "$TMP/failed" ] || "$1"
	if command -v teardown > /dev/null; then
		teardown
	fi
	exit 0
}

# $1: number, $2: name without test_
run_test()
{
	local status
	TMP=$(mktemp -d "${TMPDIR:-/tmp}/roam-$SCRIPT.XXXXXX")
	BPFFS=$TMP/bpffs
	mkdir "$BPFFS"
	(run_body "test_$2")
	status=$?
	if [ -e "$TMP/failed" ] || { [ "$status" -ne 0 ] && [ ! -e "$TMP/skipped" ]; }; then
		[ -e "$TMP/failed" ] || echo "# $SCRIPT: $2: exit $status"
		echo "not ok $1 $2"
		FAILED=$((FAILED + 1))
	elif [ -e "$TMP/skipped" ]; then
		echo "ok $1 $2 # SKIP $(cat "$TMP/skipped")"
		SKIPPED=$((SKIPPED + 1))
	else
		echo "ok $1 $2"
		PASSED=$((PASSED + 1))
	fi
	rm -rf "$TMP"
	[ "$status" -ne 130 ] || exit 130
}

# The names of the tests, in the order in which the script has them.
all_tests()
{
	sed -n 's/^test_\([a-zA-Z0-9_]*\)().*/\1/p' "$0"
}

wanted_tests()
{
	local name text
	for name in $(all_tests); do
		[ $# -gt 0 ] || echo "$name"
		for text; do
			case $name in
			*"$text"*) echo "$name" && break ;;
			esac
		done
	done
}

run_tests()
{
	local names name number=0
	PASSED=0 FAILED=0 SKIPPED=0
	# The test ends first, and says so by its exit status.
	trap : INT TERM
	names=$(wanted_tests "$@")
	echo "TAP version 13"
	# shellcheck disable=SC2086 # a list
	set -- $names
	echo "1..$#"
	for name; do
		number=$((number + 1))
		run_test "$number" "$name"
	done
	echo "# Totals: pass:$PASSED fail:$FAILED xfail:0 xpass:0 skip:$SKIPPED error:0"
	[ "$FAILED" -eq 0 ] && [ "$number" -gt 0 ] || exit 1
	[ "$PASSED" -gt 0 ] || exit 4
	exit 0
}
