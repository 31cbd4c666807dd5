#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM that moves on to a third host while messages of its first move still arrive, at once or
# replayed by a peer that has a certificate; and such a peer that lies.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../handover_faults.sh"

third_host()
{
	ns_add c
	ns c sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
	live_host c
	live_roamd c
}

# b never hears RELEASE before the VM has gone on; a hears of nothing but what was sent to it then.
test_moves_on_while_the_first_source_hangs()
{
	third_host
	ready
	kill -STOP "$(roamd_pid a)"
	vm_run b
	reaches b open
	expect_from b c
	# What b has of the first move ends for it, without a word from a.
	wait_for 20 handover b start vm web to c late 1 wait ||
		fail "cannot start: $(handover b show)"
	vm_pause b
	check "freeze at b" handover b freeze vm web
	vm_run c
	reaches c "done"
	kill -CONT "$(roamd_pid a)"
	reaches a "done" 40
	reaches b "done" 40
	owns c
	is_gone a
	is_gone b
	check_eq "the VM" "$(vm_at)" c
	all_went_on
	forbid_end
}

# All that the first move had, once more: to the host that the VM has left, and where it is.
replay_to()
{
	local host=$1 body="{\"id\":\"$ID\"}"
	says "$host" a << LINES
send offer $OFFER
send begin {"id":"$ID","sequence":0}
data 1000
send end {"id":"$ID","sequence":0}
send last {"id":"$ID","sequence":1}
LINES
	says "$host" a << LINES
send release {"id":"$ID","epoch":1}
send resume {"id":"$ID","state":"frozen","sequence":1}
send done $body
LINES
	says "$host" a << LINES
send abort {"id":"$ID","reason":"two_senders","text":"replayed"}
wait $2
LINES
}

test_first_move_replayed()
{
	third_host
	hand_over a b
	is_gone a
	OFFER=$(offer_of a)
	ID=$(shown_at a id)
	hand_over b c
	is_gone b
	roamd_kill a
	check "and it is expected" handover c expect vm web from a
	says c a << LINES
send offer $OFFER
wait refuse
LINES
	check_has "why" "$(cat "$TMP/told")" stale_epoch
	replay_to c stale
	replay_to b aborted
	owns c
	is_gone b
	check_eq "the VM" "$(vm_at)" c
	all_went_on
	forbid_end
}

# What a peer may say that no roamd does: it is refused by name, or its connection ends; b is as
# before, and takes the VM then. Another id is made of the first by its first digit.
test_lies_of_a_peer()
{
	local id
	certificate c
	leave_an_offer
	id=$(another)
	OFFER=$(echo "$OFFER" | sed "s/$ID/$id/")

	says b a << LINES
frame offer {"id":
end
LINES
	says b a << LINES
skip
send offer $OFFER
end
LINES
	check_eq "numbers" "$(grep -c "^accept" "$TMP/told")" 0
	says b c << LINES
send offer $OFFER
wait refuse
LINES
	check_has "of another peer" "$(cat "$TMP/told")" not_expected
	says b a << LINES
send offer $OFFER
wait accept
send begin {"id":"$id","sequence":0}
data 100000
send end {"id":"$id","sequence":0}
wait refuse
LINES
	check_has "no image" "$(cat "$TMP/told")" '"corrupt"'
	reaches b aborted
	check_eq "b says so" "$(reason_at b)" corrupt
	is_gone b
	roamd_start a
	copy a b
	finish
}

# Versions of the protocol: refused by name, or the older one is spoken.
test_version_of_a_peer()
{
	says b a << LINES
hello 2 1
wait hello
send stale {"id":"00000000000000000000000000000000"}
LINES
	says b a << LINES
hello 2 2
end
LINES
	was_told hello
	check_has "too new" "$(roamd_log b)" "versions 2 to 2 of the peer's protocol are not known here"
	says b a << LINES
hello 0 0
end
LINES
	was_told hello
	check_has "too old" "$(roamd_log b)" "versions 0 to 0 of the peer's protocol are not known here"
	copy a b
	finish
}

run_tests "$@"
