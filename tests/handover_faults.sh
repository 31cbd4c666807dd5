# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# What the fault matrix of the handover has in common (tests/e2e/handover_*.sh source it behind
# lib.sh): the phases in which something can fail, and how it has to end.
#
#   rounds  the VM runs at a, b is staged      ready  it is paused, b has all of it
#   open    it runs at b, a does not know yet  moved  a knows
. "$TOP/tests/livehosts.sh"
# A VM that stands still while a host is made anew must not lose what a stall alone ends.
export PATIENCE_S=30

setup()
{
	live_setup
	traffic
	forbid_begin
}

# The host is started anew: its maps are gone, and so is a VM that has not left it (who calls this has
# paused it). The journal is not.
reboot()
{
	roamd_kill "$1"
	check "maps of $1 go" roam_on "$1" host teardown
	check "and come" roam_on "$1" host init
	roamd_start "$1"
}

# ---- phases ----

ready()
{
	copy a b
	vm_pause a
	check "freeze" handover a freeze vm web
	check_eq "a" "$(state_at a)" ready
	check_eq "b" "$(state_at b)" ready
}

open()
{
	ready
	kill -STOP "$(roamd_pid a)"
	vm_run b
	reaches b open
}

# ---- ends ----

ends_at()
{
	local other=a
	[ "$1" = b ] || other=b
	owns "$1"
	is_gone "$other"
	check_eq "the VM" "$(vm_at)" "$1"
	all_went_on
	forbid_end
}

# The VM was to move, and does.
moves()
{
	reaches b "done"
	reaches a "done" 30
	ends_at b
}

# It stays, for that reason.
stays()
{
	reaches a aborted 40
	[ "$(state_at b)" = "" ] || reaches b aborted 40
	check_eq "the reason" "$(reason_at a)" "$1"
	ends_at a
}

# The VM is gone with a, which says so; b gives that reason. Neither has anything of it; started cold at
# a, it moves as any.
is_nowhere()
{
	reaches a aborted 40
	reaches b aborted 60
	check_eq "the reason at a" "$(reason_at a)" restarted
	check_eq "and why" "$(shown_at a why)" "the source's host was started anew"
	check_eq "the reason at b" "$(reason_at b)" "$1"
	is_gone a
	is_gone b
	forbid_end
	policy a
	vm_run a
	hand_over a b
	is_gone a
	owns b
}

finish()
{
	vm_pause a
	check "freeze" handover a freeze vm web
	vm_run b
	moves
}

# ---- a peer that says what it likes ----

# says HOST NAME: what a peer with NAME's certificate says by the lines of standard input; what it
# is told is in $TMP/told.
says()
{
	timeout 60 nsenter --net="$(ns_path a)" "$PYTHON" "$TOP/tests/e2e/peer.py" "$(addr_of "$1")" \
		4790 "$TMP/pki" "$2" > "$TMP/told" 2>&1 || fail "peer: $(cat "$TMP/told")"
}

was_told()
{
	grep -q "^$1" "$TMP/told" || fail "$1 was not told: $(cat "$TMP/told")"
}

another()
{
	echo "$ID" | tr 0123456789abcdef 123456789abcdef0
}

# The VM was offered to b by a, whose roamd is gone since: $OFFER, and its $ID.
leave_an_offer()
{
	expect_from a b
	check "start" handover a start vm web to b late 1 wait
	ID=$(shown_at a id)
	OFFER=$(offer_of a)
	check "abort" handover a abort vm web
	reaches b aborted
	reaches a aborted
	roamd_kill a
}

# The OFFER of a host's newest handover, as its journal has it.
offer_of()
{
	"$PYTHON" -c 'import json, sys
print(json.dumps(json.load(open(sys.argv[1]))["offer"]))' "$TMP/state-$1/$(shown_at "$1" id).json"
}
