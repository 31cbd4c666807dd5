# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# Command lines that are wrong, for tests/e2e/refuse*.sh, read by them after lib.sh and world.sh: each
# is refused with exactly one line on stderr that names what is wrong, exit status 1 (failed) or 2 (not
# understood), nothing on stdout, and not a byte of the host's maps, pins or journal changed.
#
#   refusing_host        a host with devices tap0 to tap3
#   all_refused          reads a table: status | part of the line | words, as the shell reads them
#   roam_batch FILE      does what stands on stdin, which is left in the file
#   snapshot             everything that a command could change
#
# A script that reads this has a function `setup`, which ends with `snapshot > "$TMP/before"`.

# shellcheck disable=SC2034 # used in the tables
{
	MANY=$(for i in $(seq 17); do echo "addr 10.9.1.$i"; done)
	MAC=52:54:00:00:00:12
	LONG=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa # 64 letters
}

refusing_host()
{
	ns_add host
	setting host disable_ipv6 1 # so that nothing is counted
	link host tap0 host tap1
	link host tap2 host tap3
}

roam_batch()
{
	cat > "$1"
	check "batch" host batch "$1"
}

# Everything that a command could change.
snapshot()
{
	find "$BPFFS" | sort
	"$BUILD/tests/e2e/mapsum" "$BPFFS/host/maps" || echo "cannot be read"
	ns host ip -o -d link show | grep -o '^[0-9]*: [^:]*\|prog/xdp.*'
	find "$TMP" -maxdepth 1 -name '*.img' | sort
}

# $1: status, $2: part of the line, then the words
refused()
{
	local want=$1 part=$2 got
	shift 2
	host "$@" > "$TMP/stdout" 2> "$TMP/stderr"
	got=$?
	check_eq "$*: exit status" "$got" "$want"
	check_eq "$*: stdout" "$(cat "$TMP/stdout")" ""
	check_eq "$*: lines on stderr" "$(wc -l < "$TMP/stderr")" 1
	check_has "$*: stderr" "$(cat "$TMP/stderr")" "roam: "
	check_has "$*: stderr" "$(cat "$TMP/stderr")" "$part"
	TRIED="$TRIED
#   $*"
	[ "$(echo "$TRIED" | wc -l)" -le 12 ] || unchanged
}

# By none of the last few.
unchanged()
{
	snapshot > "$TMP/after"
	if ! cmp -s "$TMP/before" "$TMP/after"; then
		fail "one of these has changed something:$TRIED"
		diff "$TMP/before" "$TMP/after" | sed 's/^/# /'
		cp "$TMP/after" "$TMP/before"
	fi
	TRIED=
}

# Reads a table.
all_refused()
{
	local status part words count=0
	while IFS='|' read -r status part words; do
		count=$((count + 1))
		part=${part# } part=${part% }
		# shellcheck disable=SC2086 # without the blank
		eval refused $status "\"$part\"" "$words"
	done
	unchanged
	[ "$count" -gt 3 ] || fail "the table is empty"
}
