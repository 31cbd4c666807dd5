#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM whose connections are older than its policy here: `port add … learn` takes them in, as
# nf_conntrack has them and as they are seen, and policy is asked when that ends.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

FOES=20 # frames of each kind that must not arrive

setup()
{
	world_make
	world_neighbours
	serve vm 443,22
	serve client 8443
}

# The host tracks what it bridges, as one does that had its firewall in nftables.
track()
{
	command -v nft > /dev/null || skip "no nft"
	# shellcheck disable=SC2016 # for the inner shell
	ns host sh -c 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6
		echo 0 > /proc/sys/net/ipv6/conf/br0/disable_ipv6
		echo 1 > /proc/sys/net/ipv6/conf/br0/accept_dad
		for name in iptables ip6tables; do
			echo 1 > /proc/sys/net/bridge/bridge-nf-call-$name || exit
		done' 2> "$TMP/br_netfilter" || skip "no br_netfilter in this kernel"
	ns host nft -f - 2> "$TMP/nft" << 'END' || skip "nft refuses: $(head -1 "$TMP/nft")"
table inet fw {
	chain forward {
		type filter hook forward priority 0;
		ct state established,related accept
		accept
	}
}
END
}

# nf_conntrack stops here: what is to be tracked from now on, roam tracks.
untrack()
{
	ns host nft flush ruleset
	ns host sh -c 'echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
		echo 0 > /proc/sys/net/bridge/bridge-nf-call-ip6tables'
}

policy()
{
	check "host" host host init uplink up0
	check "vm" host vm add web default in drop out drop
	check "web" host acl add vm web name web in allow tcp dport 443
	check "out" host acl add vm web name out out allow tcp dport 8443
}

# $1: what else `port add` is told
port()
{
	host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6" "$@"
}

# Connections in both directions and families; sets $FILES.
hold_all()
{
	FILES=
	for one in "client $VM4 443" "client $VM6 443" "vm $CLIENT4 8443" "vm $CLIENT6 8443"; do
		# shellcheck disable=SC2086 # words
		hold $one 5 || fail "cannot hold $one"
		FILES="$FILES $HELD"
	done
}

all_alive()
{
	for file in $FILES; do
		check_eq "$1: alive" "$(alive "$file")" 5
	done
}

flows()
{
	host -j ct show vm web | grep -o "$1" | grep -c .
}

test_what_conntrack_knows()
{
	local count
	track
	hold_all
	sock client udp "$VM4" 443 1 > "$TMP/udp"
	policy
	check "port" port learn 60s > "$TMP/port"
	count=$(sed -n 's/^imported \([0-9]*\).*/\1/p' "$TMP/out")
	check "20 connections and a datagram: $count" test "$count" -ge 21
	untrack
	all_alive "after the port was bound"
	check_eq "nothing was dropped" "$(counter in midstream)$(counter out midstream)" 00
	check_eq "they are marked" "$(flows '"proto":"tcp"[^}]*"state":"established"[^}]*"learned":true')" 20
	check_eq "and so is who opened them" "$(flows '"opened":"out","state":"established"')" 10
	host ct import vm web > "$TMP/again"
	check_has "all are known" "$(cat "$TMP/again")" "imported 0"
}

# An entry made by hand; $1: what it is of, then conntrack's words.
entry()
{
	local what=$1
	shift
	check "$what" ns host conntrack -I -t 300 "$@"
}

# In a zone for each bridge port, say, the kernel knows one connection twice, and may have seen the
# answers in one of them only.
test_what_conntrack_knows_twice()
{
	command -v conntrack > /dev/null || skip "no conntrack"
	policy
	check "port" port
	check "a table" ns host sh -c 'conntrack -L > /dev/null'
	for ends in "$CLIENT4 $VM4" "$CLIENT6 $VM6"; do
		set -- -s "${ends% *}" -d "${ends#* }"
		entry "answered" "$@" -p udp --sport 5 --dport 6 -u SEEN_REPLY,ASSURED
		entry "not answered" "$@" -p udp --sport 5 --dport 6 --zone 7
		entry "another protocol" "$@" -p esp
		entry "an association" "$@" -p sctp --sport 7 --dport 8 --state ESTABLISHED \
			--orig-vtag 1 --reply-vtag 2 -u SEEN_REPLY
	done
	entry "a call" -s "$CLIENT4" -d "$VM4" -p gre --srckey 1 --dstkey 2
	entry "the same tunnel" -s "$VM4" -d "$CLIENT4" -p gre --srckey 3 --dstkey 4 -u SEEN_REPLY
	check_eq "each once" "$(host ct import vm web)" "imported 7 known 0 skipped 0"
	check_eq "as it was answered" "$(flows '"state":"udp_stream"') $(flows '"state":"udp_new"')" "2 0"
	check_eq "the tunnel, too" "$(flows '"proto":"gre"[^}]*"state":"other_replied"')" 1
	check_eq "all there are" "$(flows '"state":')" 7
	check_eq "again" "$(host ct import vm web)" "imported 0 known 7 skipped 0"
}

# Without conntrack: as they are seen. What policy does not admit ends when the time is over.
test_as_they_are_seen()
{
	hold_all
	hold client "$VM4" 22 5 # no rule admits it
	policy
	check "port" port learn 4s
	all_alive "while it learns"
	check_eq "what policy will end" "$(alive "$HELD")" 5
	sleep 4
	all_alive "afterwards"
	wait_for 10 sh -c "tail -n 1 $HELD | grep -q 'alive 0'" || fail "what policy forbids lives on"
	check "it was revoked" test "$(counter in revoked)" -ge 1
	check_not "a new one" sock client tcp "$VM4" 22
}

# A connection that begins is judged, whatever the VM learns; so is what lies about its sender.
test_learning_opens_no_door()
{
	policy
	check "port" port learn 60s
	check_not "no rule" sock client tcp "$VM4" 22
	check_not "no rule, IPv6" sock client tcp "$VM6" 22
	check "a rule" sock client tcp "$VM4" 443
	catch client
	frames vm send eth0 "$FOES" vm-mac4 vm-mac6
	wait_for 5 counted out spoof_mac $((2 * FOES)) || fail "not counted"
	stop_catching
	check_eq "forged frames that arrived" "$(($(caught vm-mac4) + $(caught vm-mac6)))" 0
}

test_refused()
{
	policy
	check_not "too long" port learn 2h
	check_has "says so" "$(cat "$TMP/out")" "port: learn 2h is not from 1s to 1h"
	check_not "nothing" port learn 0s
	check_not "no time" port learn soon
	check_eq "no port" "$(host port show)" ""
}

run_tests "$@"
