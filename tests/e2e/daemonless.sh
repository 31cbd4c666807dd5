#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Nothing of roam runs between two commands: the kernel enforces and counts by itself, whatever
# becomes of processes and devices, and a host that is taken down leaves nothing.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
}

# One of everything: what each end may do, and what not.
enforced()
{
	judged in acl_default 2 in-udp4 in-udp6
	judged out spoof_mac 2 vm-mac4 vm-mac6
	judged in outside_addr 2 in-addr4 in-addr6
	for addr in "$VM4" "$VM6"; do
		check "tcp $addr" sock client tcp "$addr" 443
	done
}

open_world()
{
	serve vm 443
	check "setup" world_roam default in drop out allow
	check "rule" host acl add vm web name web in allow tcp dport 443
}

test_without_any_process()
{
	local before
	open_world
	check_eq "no process of roam" "$(roams)" ""
	hold client "$VM4" 443 5
	before=$(counter in established)
	check_eq "alive" "$(alive "$HELD")" 5
	check "counters go on" test "$(counter in established)" -gt "$before"
	stop_holding
	enforced
}

# The command is killed with the lock in its hands; what it had begun is not to be seen.
test_killed_command()
{
	local pid
	open_world
	mkfifo "$TMP/commands"
	spawn nsenter --net="$(ns_path host)" "$ROAM" --bpffs "$BPFFS/host" batch "$TMP/commands"
	pid=$SPAWNED
	exec 3> "$TMP/commands"
	echo "acl add vm web name more in allow udp
vm show" >&3
	check "it runs" wait_for 5 test -n "$(roams)"
	check "it has begun" wait_for 5 host acl show vm web name more
	kill -9 "$pid"
	wait "$pid" 2> "$TMP/killed"
	exec 3>&-
	check_eq "no process of roam" "$(roams)" ""
	check "what was done is done" host acl del vm web name more
	enforced
}

test_init_twice()
{
	local before
	open_world
	before=$(host host show)
	check_not "again" host host init uplink up0
	check_has "it says why" "$(cat "$TMP/out")" "is there already"
	check_eq "nothing has changed" "$(host host show)" "$before"
	enforced
}

# The VM's device goes away and comes back under its name, as a guest's restart does it. Until it is
# bound again, it is shown as unbound, and nobody else's device is touched.
test_device_made_anew()
{
	open_world
	enforced
	ns vm ip link del eth0
	check "no device, and no claim of one" wait_for 5 shown_unbound
	link vm eth0 host port0
	ns host ip link set port0 master br0
	world_end vm "$VM_MAC" "$VM4" "$VM6"
	world_neighbours
	check_has "not bound yet" "$(host port show)" " unbound"
	check "bind" host port bind
	check_not "bound" shown_unbound
	enforced
}

shown_unbound()
{
	host port show | grep -q ' unbound$'
}

test_device_before_its_port_and_after()
{
	check "init" host host init uplink up0
	check "vm" host vm add web
	check "add" host port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6"
	judged in acl_default 2 in-udp4 in-udp6
	check "del" host port del vm web mac "$VM_MAC"
	catch vm
	check "frames" frames client send eth0 2 in-udp4
	sleep 0.1
	stop_catching
	check_eq "nobody judges" "$(caught in-udp4)" 2
}

# A device is free at once for its next port, and an uplink for its next host.
test_at_once()
{
	local round
	open_world
	for round in 1 2 3 4 5 6 7 8 9 10; do
		echo "port del vm web mac $VM_MAC"
		echo "port add vm web dev port0 mac $VM_MAC addr $VM4 addr $VM6"
	done > "$TMP/batch"
	check "del and add" host batch "$TMP/batch"
	enforced
	for round in 1 2 3; do
		check "teardown $round" host host teardown
		check "init $round" host host init uplink up0
	done
}

# $1: where to write which maps, programs and links the kernel has; but for maps that it may never
# free once they have been looked at (leftovers.py, UNFREED_MAP_TYPES).
kernel_has()
{
	bpftool -j map show | grep -o '"id":[0-9]*,"type":"[a-z_]*"' | grep -v prog_array | sort > "$1.map"
	bpftool -j prog show | grep -o '"id":[0-9]*' | sort > "$1.prog"
	bpftool -j link show | grep -o '"id":[0-9]*' | sort > "$1.link"
}

# Those in $TMP/before and $TMP/with are of the host that is to leave nothing of it, or of tests that
# run beside this one: theirs go, too, later.
nothing_left()
{
	local kind
	kernel_has "$TMP/after"
	for kind in map prog link; do
		comm -13 "$TMP/before.$kind" "$TMP/with.$kind" > "$TMP/made"
		comm -12 "$TMP/made" "$TMP/after.$kind" | grep -q . && return 1
	done
	return 0
}

test_teardown_leaves_nothing()
{
	kernel_has "$TMP/before"
	open_world
	host port show > "$TMP/show"
	kernel_has "$TMP/with"
	hold client "$VM4" 443 5
	check_eq "maps, programs, links" "$(for kind in map prog link; do
		comm -13 "$TMP/before.$kind" "$TMP/with.$kind" | grep -q . && echo "$kind"
	done | tr '\n' ' ')" "map prog link "
	check "teardown" host host teardown
	check_eq "the folder" "$(find "$BPFFS" -name "host*")" ""
	check "the kernel has freed everything" wait_for 60 nothing_left
	check_eq "no filter" "$(ns host tc filter show dev port0 ingress)" ""
	check_eq "no filter" "$(ns host tc filter show dev port0 egress)" ""
	check_eq "no XDP" "$(ns host ip -d link show up0 | grep -c prog/xdp)" 0
	check_eq "alive" "$(alive "$HELD")" 5
	check_not "there is no host" host host show
	check_not "to be taken down" host host teardown
}

run_tests "$@"
