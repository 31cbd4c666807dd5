#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Policy files over a host with traffic: what an apply changes and what it leaves alone, ports that
# wait for their devices, and the host as roam-boot finds and makes it.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

setup()
{
	world_make
	world_neighbours
}

# ---- files ----

# The VM of the world; its rules come on stdin, each "NAME ACTION PROTO PORT".
policy()
{
	cat <<-END
		vm:
		  name: web
		  default: { in: ${DEFAULT_IN:-drop}, out: allow }
		  flows: ${FLOWS:-16384}
		  half: ${HALF:-4096}
		ports:
		  - mac: $VM_MAC
		    dev: ${DEV:-port0}
		    addr: [${ADDRS:-$VM4, $VM6}]
	END
	awk 'NR == 1 { print "acl:" }
		{ printf "  - { name: %s, dir: in, prio: %d, action: %s, proto: %s, dport: %s }\n",
			$1, NR, $2, $3, $4 }'
}

apply()
{
	check "apply $*" host policy apply "$@"
}

same()
{
	check "$1: as the file says" host policy diff "$2"
	check_eq "$1: nothing to say" "$(cat "$TMP/out")" ""
}

# ---- what is shown is read ----

everything()
{
	FLOWS=1000 policy > "$1" <<-END
		https allow tcp 443
		dns allow udp 53-54
	END
	cat >> "$1" <<-END
		  - { name: 'on', dir: out, action: drop, from: any6 }
		qos:
		  in: { rate: 100mbit }
		  out: { dscp: af11 }
		ips: { rate: 1000, block: 10m, sources: 1000 }
	END
}

test_what_is_shown_is_read()
{
	local form
	check "init" host host init uplink up0
	everything "$TMP/all.yaml"
	check_eq "none" "$(host policy show services)" "services: []"
	cat > "$TMP/services.yaml" <<-END
		services:
		- name: shop
		  vip: 198.51.100.9
		  port: 80
		  proto: tcp
		  backends:
		  - { addr: 10.9.0.10, weight: 3 }
		  - { addr: 10.9.0.11, port: 8080, state: draining }
		- { name: 'off', vip: 2001:db8::53, port: 53, proto: udp }
	END
	apply "$TMP/all.yaml" "$TMP/services.yaml"
	host policy show > "$TMP/show.yaml"
	host -j policy show > "$TMP/show.json"
	host -p policy show vm web > "$TMP/one.json"
	host policy show services > "$TMP/shown.yaml"
	host -j policy show services > "$TMP/shown.json"
	for form in services.yaml shown.yaml shown.json; do
		same "$form" "$TMP/$form"
	done
	host vm show > "$TMP/vm.before"
	for form in all.yaml show.yaml show.json one.json; do
		same "$form" "$TMP/$form"
		apply "$TMP/$form"
	done
	host vm show > "$TMP/vm.after"
	check "not even the generation has changed" cmp "$TMP/vm.before" "$TMP/vm.after"
	for form in show.yaml show.json one.json; do
		check "del" host vm del web
		apply "$TMP/$form"
		host policy show > "$TMP/again.yaml"
		check "$form, made anew" cmp "$TMP/show.yaml" "$TMP/again.yaml"
	done
	check "stdin" host policy apply - < "$TMP/all.yaml"
}

# ---- apply over a VM that is there ----

test_connections_that_are_still_admitted_live_on()
{
	local kept lost
	check "init" host host init uplink up0
	echo "all allow tcp 443-8080" | policy > "$TMP/before.yaml"
	apply "$TMP/before.yaml"
	serve vm 443,8080
	hold client "$VM4" 443 20
	kept=$HELD
	hold client "$VM6" 443 20
	lost=$HELD
	check_eq "held" "$(alive "$kept")" 20
	# Another rule, other quotas, the other default, one of the two addresses.
	echo "web allow tcp 443" | DEFAULT_IN=drop FLOWS=2000 ADDRS=$VM4 policy > "$TMP/after.yaml"
	host policy diff "$TMP/after.yaml" > "$TMP/diff"
	check_eq "it differs" "$?" 1
	check_has "the rule" "$(cat "$TMP/diff")" "vm web add acl web is name web dir in"
	check_has "the quota" "$(cat "$TMP/diff")" "vm web set vm flows was 16384 is 2000"
	apply "$TMP/after.yaml"
	same "after" "$TMP/after.yaml"
	check_eq "admitted by another rule" "$(alive "$kept")" 20
	check_eq "to an address that is the VM's no more" "$(alive "$lost")" 0
	check_not "nor opened" sock client tcp "$VM6" 443
	echo "other allow tcp 8080" | ADDRS=$VM4 policy > "$TMP/revoked.yaml"
	apply "$TMP/revoked.yaml"
	check_eq "revoked" "$(alive "$kept")" 0
	check "what is admitted now" sock client tcp "$VM4" 8080
}

test_counters_of_rules_that_stay_go_on()
{
	check "init" host host init uplink up0
	serve vm 443
	printf '%s\n' "web allow tcp 443" "old allow tcp 80" | policy > "$TMP/before.yaml"
	apply "$TMP/before.yaml"
	check "open" sock client tcp "$VM4" 443
	check "open" sock client tcp "$VM6" 443
	check_eq "counted" "$(rule_hits web)" 2
	printf '%s\n' "new allow tcp 1-99" "web allow tcp 400-500" | policy > "$TMP/after.yaml"
	apply "$TMP/after.yaml"
	check_eq "by its name" "$(rule_hits web)" 2
	check "open" sock client tcp "$VM4" 443
	check_eq "and goes on" "$(rule_hits web)" 3
	check_eq "new" "$(rule_hits new)" 0
	check_not "gone" host acl show vm web name old
}

# ---- nobody sees half of it ----

# Two policies that say the same of ports 443 and 22 in opposite ways, with a thousand rules each:
# what one does by rule, the other does by default.
opposites()
{
	seq 999 | sed 's/.*/a& allow udp &/' | grep -v -w -e 443 -e 22 > "$TMP/rules.a"
	echo "last allow udp 443" >> "$TMP/rules.a"
	echo "conn allow tcp 8443" >> "$TMP/rules.a"
	seq 999 | sed 's/.*/b& drop udp 2&/' > "$TMP/rules.b"
	echo "last drop udp 22" >> "$TMP/rules.b"
	DEFAULT_IN=drop HALF=100000 policy < "$TMP/rules.a" > "$TMP/a.yaml"
	DEFAULT_IN=allow HALF=100000 policy < "$TMP/rules.b" > "$TMP/b.yaml"
}

flood()
{
	spawn_ready vm flood.py count 443,22
	COUNTER=$SPAWNED COUNTED_BY=$TMP/spawn.$SPAWN_COUNT
	spawn_ready client flood.py send "$VM4" 443,22
	SENDER=$SPAWNED SENT_BY=$TMP/spawn.$SPAWN_COUNT
}

stop_flood()
{
	kill "$SENDER"
	wait "$SENDER"
	sleep 0.3
	kill "$COUNTER"
	wait "$COUNTER"
}

# What is forbidden is of another length than what is allowed, so that the bytes that were dropped
# tell whose they were, also where the host's queues have lost some: Ethernet, IPv4, UDP, 6 bytes.
FORBIDDEN_LEN=$((14 + 20 + 8 + 6))

# $1: "packets" or "bytes" that a rule or the default dropped
dropped()
{
	# shellcheck disable=SC2034 # what counter() counts
	local COUNTED=$1
	echo $(($(counter in acl_rule) + $(counter in acl_default)))
}

# $1: "sent" or "got", $2: a port
flooded()
{
	sed -n "s/^$1 $2 //p" "$SENT_BY" "$COUNTED_BY"
}

test_a_thousand_rules_while_traffic_runs()
{
	opposites
	check "init" host host init uplink up0
	apply "$TMP/a.yaml"
	serve vm 8443
	hold client "$VM4" 8443 20
	flood
	for _ in 1 2 3 4 5 6 7 8; do
		apply "$TMP/b.yaml"
		apply "$TMP/a.yaml"
	done
	stop_flood
	check "allowed by both" test "$(flooded got 443)" -gt 1000
	check_eq "forbidden by both" "$(flooded got 22)" 0
	check "dropped" test "$(dropped packets)" -gt 1000
	check_eq "of those allowed by both, none" "$(dropped bytes)" \
		$(($(dropped packets) * FORBIDDEN_LEN))
	check_eq "connections" "$(alive "$HELD")" 20
}

# ---- refusals ----

test_a_refused_file_changes_nothing()
{
	check "init" host host init uplink up0
	echo "web allow tcp 443" | policy > "$TMP/good.yaml"
	echo "web permit tcp 443" | policy | sed 's/name: web$/name: bad/' > "$TMP/bad.yaml"
	check_not "the second file is wrong" host policy apply "$TMP/good.yaml" "$TMP/bad.yaml"
	check_has "where" "$(cat "$TMP/out")" "$TMP/bad.yaml:11:44: 'permit' is no action"
	check_eq "nothing was applied" "$(host vm show)" ""
	host policy diff "$TMP/bad.yaml" 2> "$TMP/why"
	check_eq "diff in trouble" "$?" 2
	apply "$TMP/good.yaml"
	sed -e 's/name: web$/name: other/' "$TMP/good.yaml" > "$TMP/other.yaml"
	check_not "its port is another VM's" host policy apply "$TMP/other.yaml"
	check_has "whose" "$(cat "$TMP/out")" "dev port0 is a port of VM 'web'"
	check_eq "one VM" "$(host vm show | grep -c .)" 1
	same "web" "$TMP/good.yaml"
}

# ---- ports that wait ----

test_a_port_waits_for_its_device()
{
	check "init" host host init uplink up0
	echo "web allow tcp 443" | DEV=later0 policy > "$TMP/later.yaml"
	apply "$TMP/later.yaml"
	check_has "waits" "$(host port show)" " unbound"
	check "nothing to bind" host port bind
	check_has "waits still" "$(host port show)" " unbound"
	ns host ip link set port0 down
	ns host ip link set port0 name later0
	ns host ip link set later0 up
	check "another device" host port bind dev up0
	check_has "that was not it" "$(host port show)" " unbound"
	check "it appears" host port bind dev later0
	check_eq "bound" "$(host port show | grep -c unbound)" 0
	judged in acl_default 2 in-udp4 in-udp6
	ns vm ip link del eth0
	link vm eth0 host later0
	ns host ip link set later0 master br0
	world_end vm "$VM_MAC" "$VM4" "$VM6"
	world_neighbours
	check_has "made anew" "$(host port show)" " unbound"
	check "bind" host port bind
	judged in acl_default 2 in-udp4 in-udp6
	check "nothing to bind" host port bind
}

test_no_two_ports_wait_for_one_device()
{
	check "init" host host init
	check "a" host vm add a
	check "b" host vm add b
	check "add" host port add vm a dev later0 mac 52:54:00:00:00:21
	check_has "said" "$(cat "$TMP/out")" "later0 is not there yet"
	check_not "the same device" host port add vm b dev later0 mac 52:54:00:00:00:22
	check_has "whose" "$(cat "$TMP/out")" "dev later0 is a port of VM 'a'"
}

# ---- the host at boot ----

boot()
{
	ns host env ROAM="$ROAM" BPFFS="$BPFFS/host" VMS="$TMP/vms.d" \
		SERVICES="$TMP/services.yaml" "$@" \
		"$TOP/user/boot/roam-boot"
}

test_boot()
{
	mkdir "$TMP/vms.d"
	echo "services: [{ name: shop, vip: 198.51.100.9, port: 80, proto: tcp }]" > "$TMP/services.yaml"
	echo "web allow tcp 443" | policy > "$TMP/vms.d/web.yaml"
	echo '{"vm": {"name": "db"}}' > "$TMP/vms.d/db.json"
	echo "not a policy" > "$TMP/vms.d/README"
	check "boot" boot UPLINKS=up0
	check_has "uplink" "$(host host show)" "up0"
	check_eq "both" "$(host vm show | grep -c .)" 2
	check "the service" host lb show service shop
	judged in acl_default 2 in-udp4 in-udp6
	host vm show > "$TMP/before"
	check "again" boot UPLINKS=up0
	host vm show > "$TMP/after"
	check "which changes nothing" cmp "$TMP/before" "$TMP/after"
}

test_boot_goes_on_behind_what_is_wrong()
{
	mkdir "$TMP/vms.d"
	echo "vm: {nam: a}" > "$TMP/vms.d/a.yaml"
	echo "web allow tcp 443" | policy > "$TMP/vms.d/web.yaml"
	check_not "boot" boot UPLINKS="none0 up0"
	check_has "the uplink" "$(cat "$TMP/out")" "uplink none0: there is no such device"
	check_has "the file" "$(cat "$TMP/out")" "vms.d/a.yaml:1:6: vm: unknown key 'nam'"
	check_has "the other uplink" "$(host host show)" "up0"
	judged in acl_default 2 in-udp4 in-udp6
}

run_tests "$@"
