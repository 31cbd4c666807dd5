#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Rates and marks as a VM's users meet them: bulk transfers over TCP are held to the rate in each
# direction, what was dropped is counted, and packets carry the mark.
#
# Runs alone: it measures rates, with and without a limit.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
	serve vm 443
	serve client 443
	check "setup" world_roam default in allow out allow
}

# $1: field of `qos show`, $2: direction
shown()
{
	host qos show vm web | sed -n "s/.* $2 .* $1 \([0-9]*\).*/\1/p"
}

# Milliseconds that it takes to send so many bytes there and back.
bulk_ms()
{
	local begin end
	begin=$(date +%s%N)
	check "bulk $*" sock "$@"
	end=$(date +%s%N)
	echo $(((end - begin) / 1000000))
}

# $1: direction; the echo comes back without a limit. 2 MB at 10 Mbit/s are 1.6 s; those that the
# burst holds pass at once, retransmissions count.
holds_to_rate()
{
	local dir=$1 addr ms free
	check "set" host qos set vm web "$dir" rate 10mbit burst 64k
	for addr in "$VM4" "$VM6"; do
		ms=$(bulk_ms client bulk "$addr" 443 2000000)
		check "2 MB to $addr in $ms ms" test "$ms" -ge 1500
	done
	check "it has dropped" test "$(counter "$dir" qos_rate)" -gt 0
	check_eq "and counted" "$(shown dropped_packets "$dir")" "$(counter "$dir" qos_rate)"
	check "what passed, too" test "$(shown passed_bytes "$dir")" -gt 4000000
	check "del" host qos del vm web "$dir"
	free=$(bulk_ms client bulk "$VM6" 443 2000000)
	check "without it: $free ms" test "$((2 * free))" -le "$ms"
}

test_in_is_held_to_its_rate()
{
	holds_to_rate in
}

test_out_is_held_to_its_rate()
{
	holds_to_rate out
}

# Datagrams that are sent faster than the rate: what is dropped is dropped by name, none is lost.
test_datagrams_are_counted()
{
	check "set" host qos set vm web in rate 1mbit burst 4k
	check "send" frames client send eth0 500 in-udp4 in-udp6
	wait_for 5 test "$(total in)" -ge 1000
	check_eq "passed and dropped" "$(($(shown passed_packets in) + $(shown dropped_packets in)))" 1000
	check "most are dropped" test "$(shown dropped_packets in)" -gt 800
	check_eq "by the reason, too" "$(counter in qos_rate)" "$(shown dropped_packets in)"
}

test_marks_arrive()
{
	check "set" host qos set vm web out dscp ef
	catch client
	check "send" frames vm send eth0 3 vm-udp4 vm-udp6
	wait_for 5 test "$(total out)" -ge 6
	stop_catching
	check_eq "IPv4" "$(caught "vm-udp4 dscp 46")" 3
	check_eq "IPv6" "$(caught "vm-udp6 dscp 46")" 3
}

test_a_bucket_moves()
{
	local before
	check "set" host qos set vm web in rate 8kbit burst 100k
	check "use" frames client send eth0 500 in-udp4
	before=$(shown tokens in)
	check "some are gone" test "$before" -lt 90000
	check "save" host state save web "$TMP/web.img"
	check "del" host vm del web
	sleep 1
	check "load" host state load "$TMP/web.img" dev "$VM_MAC=port0"
	# A second of the rate is 1000 bytes: none of it was added while the image lay there.
	check "as many: $(shown tokens in) of $before" test "$(shown tokens in)" -le $((before + 900))
	check_eq "and counters go on" "$(shown dropped_packets in)$(shown passed_packets in)" \
		"0500"
}

run_tests "$@"
