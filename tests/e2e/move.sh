#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# A VM moves between two hosts by `state save` and `state load` while real connections go on: a bulk
# transfer whose content is hashed, connections that say nothing, numbered datagrams, IPv4 and IPv6.
# The VM is a namespace, whose device moves from host to host, so that its sockets live on.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../twohosts.sh"

setup()
{
	hosts_make
}

test_through_a_pipe_there_and_back()
{
	policy a
	traffic
	move a b
	sleep 0.5
	check_has "rules moved" "$(roam_on b acl show vm web)" "name bulk"
	move b a
	all_went_on
}

test_through_a_file()
{
	policy a
	traffic
	check "save" roam_on a state save web "$TMP/web.img"
	check_eq "nobody else may read it" "$(stat -c %a "$TMP/web.img")" 600
	take_away a b
	check "save" roam_on a state save web "$TMP/web.img"
	check "verify" "$ROAM" state verify "$TMP/web.img"
	head -c 3000 "$TMP/web.img" > "$TMP/cut.img"
	check_not "cut" roam_on b state load "$TMP/cut.img" dev "$VM_MAC=port0"
	check_has "one line" "$(cat "$TMP/out")" "image: ends in the middle"
	check_not "nothing is there" roam_on b vm show web
	check "load" roam_on b state load "$TMP/web.img" vm web dev "$VM_MAC=port0"
	resume a b
	all_went_on
}

# Nobody loads over a VM that runs, unless told so.
test_over_an_active_vm()
{
	policy a
	traffic
	check "save" roam_on a state save web "$TMP/web.img"
	check_not "active" roam_on a state load "$TMP/web.img" dev "$VM_MAC=port0"
	check_has "says why" "$(cat "$TMP/out")" "is active on this host"
	ns a ip link set port0 down
	check "save" roam_on a state save web "$TMP/web.img"
	check "replace" roam_on a state load "$TMP/web.img" dev "$VM_MAC=port0" replace
	ns a ip link set port0 up
	all_went_on
}

# The destination's own policy wins: what it does not admit ends with the flow's next packet.
test_own_policy_stays()
{
	policy a
	traffic
	take_away a b
	check "own" roam_on b vm add web uuid "$(uuid_on a)" default in drop out drop
	add_port b
	allow b web tcp 443
	allow b dns udp 5300
	check "load" sh -c "$(over_own)"
	take_device b
	moving vm announce "$VM_MAC"
	check_not "the image's rule" roam_on b acl show vm web name bulk
	traffic_ends
	check_eq "what it admits" "$(became idle)" "$ALL_IDLE"
	check_eq "what it admits" "$(became udp)" "$ALL_UDP"
	check_eq "what it does not" "$(became bulk)" 0
	check "is counted" test "$(revoked b)" -ge 2
}

uuid_on()
{
	roam_on "$1" -j vm show web | sed -n 's/.*"uuid":"\([^"]*\)".*/\1/p'
}

over_own()
{
	echo "nsenter --net=$(ns_path a) $ROAM --bpffs $BPFFS/a state save web - |" \
		"nsenter --net=$(ns_path b) $ROAM --bpffs $BPFFS/b state load - replace"
}

revoked()
{
	roam_on "$1" -j stats show vm web |
		sed -n '/"reason":"revoked"/s/.*"packets":\([0-9]*\).*/\1/p' |
		awk '{ sum += $1 } END { print sum + 0 }'
}

# What else the host carries stays where it is, and is not in the image.
test_only_that_vm()
{
	ns_add other
	link other eth0 a port1
	ns a ip link set port1 master br0
	ns other ip link set eth0 address 52:54:00:00:00:11
	ends other 10.9.0.11 fd09::11
	check "vm" roam_on a vm add other default in allow out allow
	check "port" roam_on a port add vm other dev port1 mac 52:54:00:00:00:11 \
		addr 10.9.0.11 addr fd09::11
	policy a
	traffic
	moving_ready other serve
	moving_ready client use "$TMP/over" 10.9.0.11 fd09::11
	check_has "flows" "$(roam_on a ct show vm other)" "10.9.0.11"
	roam_on a state save web - > "$TMP/web.img"
	"$ROAM" state show "$TMP/web.img" > "$TMP/shown"
	check_not "other's flows" grep -q -e "10\.9\.0\.11" -e "fd09::11" "$TMP/shown"
	check "web's flows" grep -q "10\.9\.0\.10" "$TMP/shown"
	move a b
	check_not "other is not there" roam_on b vm show other
	OTHER=$TMP/spawn.$SPAWN_COUNT
	all_went_on
	wait_for 30 grep -q "^done" "$OTHER"
	# shellcheck disable=SC2034 # for became
	USED=$OTHER
	check_eq "the other VM's connections" "$(became idle) $(became bulk)" "$ALL_IDLE 2"
}

# The contrast: the same move, the policy alone.
test_without_state_all_breaks()
{
	policy a
	traffic
	take_away a b
	policy b
	resume a b
	traffic_ends
	check_eq "bulk transfers" "$(became bulk)" 0
	check_eq "idle connections" "$(became idle)" 0
	check "dropped for that reason" test "$(roam_on b -j stats show vm web |
		grep -c '"reason":"midstream"')" -gt 0
}

run_tests "$@"
