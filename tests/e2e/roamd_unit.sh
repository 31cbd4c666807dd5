#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# roamd with what its unit (user/boot/roamd.service.in) leaves it: these capabilities, no new ones, and
# nothing to write to but the host's folder, its state and its socket. That is enough for a VM to move
# there and back, and for what a restart finds; each capability less is not. And what it tells the
# service manager, by sd_notify(3).
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../livehosts.sh"

UNIT=$TOP/user/boot/roamd.service.in

# As setpriv(1) has them: cap_bpf is bpf.
capabilities()
{
	sed -n 's/^CapabilityBoundingSet=//p' "$UNIT" | tr 'A-Z ' 'a-z\n' | sed 's/^cap_//'
}

# confine [WITHOUT]: makes $ROAMD a script that runs the real one with all but that capability.
confine()
{
	local caps
	caps=$(capabilities | grep -vx "${1:-none}" | sed 's/^/,+/' | tr -d '\n')
	cat > "$TMP/confined" <<-END
		#!/bin/sh
		mount --make-rprivate / && mount --rbind "$TMP" "$TMP" && mount -o remount,bind,ro / || exit
		exec setpriv --no-new-privs --bounding-set "-all$caps" \\
			--inh-caps=-all "$REAL" "\$@"
	END
	cat > "$TMP/roamd" <<-END
		#!/bin/sh
		exec unshare -m "$TMP/confined" "\$@"
	END
	chmod +x "$TMP/confined" "$TMP/roamd"
	ROAMD=$TMP/roamd
}

setup()
{
	command -v setpriv > "$TMP/setpriv" || skip "no setpriv"
	REAL=$ROAMD
	# shellcheck disable=SC2034 # of livehosts.sh
	LIVE_LATE=4
}

test_moves_there_and_back()
{
	confine
	live_setup
	check_eq "no new privileges" "$(sed -n 's/^NoNewPrivs:[^0-9]*//p' "/proc/$(roamd_pid a)/status")" 1
	traffic
	forbid_begin
	hand_over a b
	owns b
	is_gone a
	restart a
	copy b a
	restart b
	reaches b aborted
	hand_over b a
	owns a
	is_gone b
	all_went_on
	forbid_end
}

# So what it is run with here is what bounds it.
test_not_without_sys_admin()
{
	confine sys_admin
	live_setup
	expect_from a b
	check_not "start" handover a start vm web to b wait
	check_has "says why" "$(cat "$TMP/out")" "Operation not permitted"
}

# allowed NAME: the system calls of a word of SystemCallFilter=, those within others, too
allowed()
{
	case $1 in
	@*)
		systemd-analyze syscall-filter "$1" | sed '1d; s/^ *//; /^#/d; /^$/d' |
			while read -r name; do allowed "$name"; done
		;;
	*) echo "$1" ;;
	esac
}

test_system_calls()
{
	command -v strace > "$TMP/strace" || skip "no strace"
	command -v systemd-analyze > "$TMP/systemd" || skip "no systemd-analyze"
	cat > "$TMP/roamd" <<-END
		#!/bin/sh
		exec strace -f --quiet=all -e signal=none -o "$TMP/trace.\$\$" "$BUILD/roamd" "\$@"
	END
	chmod +x "$TMP/roamd"
	ROAMD=$TMP/roamd
	live_setup
	hand_over a b
	owns b
	is_gone a
	sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$TMP"/trace.* | sort -u > "$TMP/used"
	sed -n 's/^SystemCallFilter=//p' "$UNIT" | tr ' ' '\n' |
		while read -r word; do allowed "$word"; done | sort -u > "$TMP/may"
	check "it has called some" grep -qx bpf "$TMP/used"
	check_eq "calls that the unit refuses" "$(comm -23 "$TMP/used" "$TMP/may")" ""
}

test_tells_the_service_manager()
{
	NOTIFY_SOCKET=$TMP/notify
	spawn "$PYTHON" -c 'import socket, sys
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind(sys.argv[1])
while True:
    print(told.recv(1000).decode(), flush=True)' "$NOTIFY_SOCKET"
	told=$TMP/spawn.$SPAWN_COUNT
	wait_for 20 test -e "$NOTIFY_SOCKET" || fail "nobody listens"
	export NOTIFY_SOCKET
	live_setup
	wait_for 20 grep -qx READY=1 "$told" || fail "told: $(cat "$told")"
	roamd_kill a TERM
	wait_for 20 grep -qx STOPPING=1 "$told" || fail "told: $(cat "$told")"
}

# As a monitoring system reads it: each line an object.
test_log_as_json()
{
	live_nets
	mkdir "$TMP/pki"
	authority
	policy a
	certificate a
	certificate b
	configure a "log: json"
	configure b
	roamd_start a
	roamd_start b
	hand_over a b
	owns b
	roamd_log a > "$TMP/log"
	check "each line" "$PYTHON" -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert all(set(one) == {"time", "level", "message"} for one in lines), lines
assert any("state moved" in one["message"] and one["level"] == "info" for one in lines), lines' \
		"$TMP/log"
	check_has "the other one is plain" "$(roamd_log b)" "<6>vm web from a"
}

run_tests "$@"
