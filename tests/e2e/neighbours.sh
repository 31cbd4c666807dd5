#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Other people's BPF programs on the same devices: roam judges before them, they run after it for
# what passes, and nothing that roam does removes, replaces or hides them.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

# linux/pkt_cls.h and linux/bpf.h
TC_ACT_UNSPEC=-1
TC_ACT_OK=0
XDP_PASS=2

setup()
{
	world_make
	world_neighbours
}

foreign()
{
	ns host "$BUILD/tests/e2e/foreign" "$@"
}

# How VM web's port is attached: tcx or clsact.
need_ports_by()
{
	[ "$(host host show | sed -n 's/.* ports \([a-z]*\).*/\1/p')" = "$1" ] ||
		skip "ports are not attached by $1 on this kernel"
}

open_world()
{
	check "setup" world_roam default in drop out allow
}

# Some frames pass and some do not, out and in. (To some that pass, the VM answers with ICMP.)
traffic()
{
	judged out opened 1 vm-udp4 vm-udp6
	judged in established 2 in-reply4 in-reply6
	judged out established 1 vm-udp4 vm-udp6
	judged out spoof_mac 2 vm-mac4 vm-mac6
	judged in acl_default 2 in-udp4 in-udp6
}

# $1: who, $2: which way
sees_what_passes()
{
	sleep 0.1 # the last answers
	check_eq "$1 sees what passes $2" "$(hits "$1")" "$(passed "$2")"
	check "$1: there was something" test "$(hits "$1")" -ge 4
}

load()
{
	check "load $*" foreign load "$2" "$BPFFS/$1" "$3"
}

tcx()
{
	check "tcx $*" foreign tcx "$BPFFS/$1" port0 "$2"
}

hits()
{
	foreign hits "$BPFFS/$1"
}

test_tcx_after_roam()
{
	open_world
	need_ports_by tcx
	load o cls "$TC_ACT_OK"
	load i cls "$TC_ACT_OK"
	tcx o in
	tcx i out
	traffic
	sees_what_passes o out
	sees_what_passes i in
}

# One that was there first and ends the chain for everything does not end roam's judgement.
test_tcx_before_roam()
{
	load o cls "$TC_ACT_OK"
	load i cls "$TC_ACT_OK"
	ns host "$BUILD/tests/e2e/foreign" tcx "$BPFFS/o" port0 in 2> "$TMP/err" ||
		skip "no tcx on this kernel: $(cat "$TMP/err")"
	tcx i out
	open_world
	traffic
	sees_what_passes o out
	sees_what_passes i in
}

# $1: what, $2: ingress or egress, $3: priority, $4: protocol
filter()
{
	check "filter $*" ns host tc filter add dev port0 "$2" prio "$3" protocol "${4:-all}" \
		bpf direct-action object-pinned "$BPFFS/$1"
}

filter_count()
{
	ns host tc filter show dev port0 "$1" | grep -c "direct-action"
}

test_filters_of_clsact()
{
	load o cls "$TC_ACT_OK"
	load i cls "$TC_ACT_OK"
	check "clsact" ns host tc qdisc add dev port0 clsact
	filter o ingress 49000
	filter i egress 49000
	open_world
	traffic
	sees_what_passes o out
	sees_what_passes i in
}

# A filter of the first priority that was there before roam: what it says is never asked first.
test_filters_of_clsact_of_the_first_priority()
{
	load o cls "$TC_ACT_OK"
	check "clsact" ns host tc qdisc add dev port0 clsact
	filter o ingress 1
	open_world
	traffic
	sees_what_passes o out
}

test_filters_of_clsact_that_leave_no_place()
{
	load o cls "$TC_ACT_OK"
	check "clsact" ns host tc qdisc add dev port0 clsact
	filter o ingress 1 ip
	check "init" host host init uplink up0
	need_ports_by clsact
	check "vm" host vm add web
	check_not "port" host port add vm web dev port0 mac "$VM_MAC" addr "$VM4"
	check_has "and why" "$(cat "$TMP/out")" "port0 has a filter of priority 1 already"
	check_eq "no port" "$(host port show)" ""
	check_eq "theirs is still there" "$(filter_count ingress)" 1
}

test_port_del_leaves_others()
{
	local before
	open_world
	load tcx cls "$TC_ACT_UNSPEC"
	load filter cls "$TC_ACT_OK"
	ns host tc qdisc add dev port0 clsact 2> "$TMP/exists" # by roam, without tcx
	filter filter ingress 49000
	if host host show | grep -q "ports tcx"; then
		tcx tcx in
	fi
	traffic
	sees_what_passes filter out
	before=$(hits filter)
	check "del" host port del vm web mac "$VM_MAC"
	check_eq "roam's own is gone" "$(filter_count ingress)" 1
	check "frames" frames vm send eth0 3 vm-mac4
	check "the filter still runs" wait_for 3 arrived $((before + 3))
	[ ! -e "$BPFFS/tcx-link" ] || check_eq "and so does tcx" "$(hits tcx)" $((before + 3))
	check "again" host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6"
	judged out spoof_mac 3 vm-mac6
	check_eq "behind roam once more" "$(hits filter)" $((before + 3))
}

test_teardown_leaves_others()
{
	open_world
	load tcx cls "$TC_ACT_UNSPEC"
	load filter cls "$TC_ACT_OK"
	ns host tc qdisc add dev port0 clsact 2> "$TMP/exists"
	filter filter ingress 49000
	if host host show | grep -q "ports tcx"; then
		tcx tcx in
	fi
	check "teardown" host host teardown
	check_eq "roam's own is gone" "$(filter_count ingress)" 1
	catch client
	check "frames" frames vm send eth0 3 vm-mac4
	check "the filter still runs" wait_for 3 arrived 3
	stop_catching
	check_eq "nobody judges" "$(caught vm-mac4)" 3
	[ ! -e "$BPFFS/tcx-link" ] || check_eq "and so does tcx" "$(hits tcx)" 3
	check "the qdisc is there" ns host tc qdisc show dev port0
	check_has "and it is clsact" "$(ns host tc qdisc show dev port0)" clsact
}

arrived()
{
	[ "$(hits filter)" = "$1" ]
}

# $1: xdpdrv or xdpgeneric
refuse_uplink()
{
	local before
	load x xdp "$XDP_PASS"
	check "attach" ns host ip link set dev up0 "$1" pinned "$BPFFS/x"
	before=$(ns host ip -d link show up0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')
	check_not "init" host host init uplink up0
	check_eq "one line" "$(grep -c . "$TMP/out")" 1
	check_has "it names the device" "$(cat "$TMP/out")" "uplink up0"
	check_has "and the program" "$(cat "$TMP/out")" "'foreign' (id $before)"
	check_not "there is no host" test -e "$BPFFS/host"
	check_eq "it is still there" \
		"$(ns host ip -d link show up0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p')" "$before"
	check "frames" frames client send eth0 4 in-udp4
	check_eq "and runs" "$(hits x)" 4
	check "init without" host host init
	check "setup" world_vm default in drop out allow
	traffic # the port is as safe
}

test_native_xdp_on_the_uplink()
{
	refuse_uplink xdpdrv
}

test_generic_xdp_on_the_uplink()
{
	refuse_uplink xdpgeneric
}

run_tests "$@"
