# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# Two hosts with a roamd each and a VM that moves between them by handovers, for tests in tests/e2e;
# read after lib.sh. The VM is a namespace with a cable to either host; its eth0 is a bridge to which
# one of them is plugged: the host where it runs, or none while it is paused.
#
#   client: eth0 ── :net: br0 ── up0 :a: br0 ── port0 ── at-a :vm: eth0
#                        └────── up0 :b: br0 ── port0 ── at-b
#
#   live_nets              namespaces, `host init`; whatever VM there is, is plugged in at a
#   live_make              the same with certificates, and a roamd on each
#   certificate NAME [DNS [OPTION…]]  $TMP/pki/NAME.pem and .key for that name
#   configure HOST [LINE…] the configuration of its roamd
#   roamd_start HOST       waits until it answers; sets $ROAMD_a, $ROAMD_b
#   roamd_kill HOST [SIG]  kills it, and waits for its end; `roamd_pid HOST`
#   restart HOST           kills it, and starts it again
#   handover HOST WORD…    roam handover there
#   vm_pause HOST          vm_run HOST: it goes on there, and says so
#   vm_at                  the host where it runs
#   expect_from FROM TO    TO expects it
#   copy FROM TO [WORD…]   from offer to short rounds
#   hand_over FROM TO      all of it, fence held
#   state_at HOST          of the VM's newest handover; `reason_at`
#   reaches HOST STATE     waits for that
#   owns HOST              the VM is an active one there
#   is_gone HOST           nothing of it is there
#
# With LIVE_LATE=4 or 6, late packets are carried in that family, on cables with room for it, and
# the hosts have uplinks.
#
# With what moving.sh and forbidding.sh have. It brings a `teardown` (live_teardown); live_setup is all or most of a `setup`.

. "$TOP/tests/moving.sh"
. "$TOP/tests/forbidding.sh"

ROAMD=${ROAMD:-$BUILD/asan/roamd}

addr_of()
{
	case $1 in
	a) echo 10.9.0.101 ;;
	b) echo 10.9.0.102 ;;
	c) echo 10.9.0.103 ;;
	esac
}

LIVE_LATE=

late_of()
{
	case $LIVE_LATE$1 in
	4*) addr_of "$1" ;;
	6a) echo fd09::101 ;;
	6b) echo fd09::102 ;;
	esac
}

# What is round a frame comes on top of what the VM's own link carries.
late_room()
{
	ns "$1" ip link set br0 mtu 1600 # first: or it would be what its ports make it
	ns net ip link set "to-$1" mtu 1600
	ns "$1" ip link set up0 mtu 1600
	[ "$LIVE_LATE" != 6 ] || ns "$1" ip addr add "$(late_of "$1")/64" dev br0 nodad
}

live_host()
{
	local host=$1
	cable "$host" up0
	ns "$host" ip link add br0 type bridge mcast_snooping 0
	ns "$host" ip link set up0 master br0
	ns "$host" ip link set br0 up
	ns "$host" ip addr add "$(addr_of "$host")/24" dev br0
	[ -z "$LIVE_LATE" ] || late_room "$host"
	link vm "at-$host" "$host" port0
	# By itself, without the bridge, the cable answers to nobody.
	ns vm ip link set "at-$host" arp off
	ns vm sysctl -qw "net.ipv6.conf.at-$host.disable_ipv6=1"
	ns "$host" sysctl -qw net.ipv6.conf.port0.disable_ipv6=1
	ns "$host" ip link set port0 master br0
	check "init $host" roam_on "$host" host init ${LIVE_LATE:+uplink up0}
}

live_nets()
{
	moving_net client a b vm
	ns vm ip link add eth0 type bridge mcast_snooping 0
	ns vm ip link set eth0 address "$VM_MAC"
	cable client eth0
	live_host a
	live_host b
	ends client 10.9.0.1 fd09::1
	ends vm "$VM4" "$VM6"
	ns vm ip link set at-a master eth0
}

live_roamd()
{
	certificate "$1"
	configure "$1"
	roamd_start "$1"
}

live_make()
{
	live_nets
	mkdir "$TMP/pki"
	authority
	live_roamd a
	live_roamd b
}

live_setup()
{
	command -v openssl > "$TMP/openssl" || skip "no openssl"
	live_make
	policy a
}

# ---- certificates ----

authority()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj "/CN=roam test" -keyout "$TMP/pki/ca.key" -out "$TMP/pki/ca.pem" \
		2> "$TMP/pki/log" || fail "no authority: $(cat "$TMP/pki/log")"
}

certificate()
{
	local name=$1 dns=${2:-$1}
	shift
	[ $# -eq 0 ] || shift
	[ $# -gt 0 ] || set -- -days 2
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$dns" \
		-addext "subjectAltName=DNS:$dns" -keyout "$TMP/pki/$name.key" \
		-out "$TMP/pki/$name.csr" 2> "$TMP/pki/log" &&
		openssl x509 -req -in "$TMP/pki/$name.csr" -CA "$TMP/pki/ca.pem" \
			-CAkey "$TMP/pki/ca.key" -CAcreateserial -copy_extensions copy "$@" \
			-out "$TMP/pki/$name.pem" 2>> "$TMP/pki/log" ||
		fail "no certificate: $(cat "$TMP/pki/log")"
}

# ---- roamd ----

configure()
{
	local host=$1 peer
	shift
	{
		echo "name: $host"
		echo "certificate: $TMP/pki/$host.pem"
		echo "key: $TMP/pki/$host.key"
		echo "ca: $TMP/pki/ca.pem"
		echo "control: $TMP/$host.sock"
		echo "state: $TMP/state-$host"
		echo "bpffs: $BPFFS/$host"
		echo "metrics: 127.0.0.1:9790"
		[ -z "$LIVE_LATE" ] || echo "late: $(late_of "$host")"
		for line; do
			echo "$line"
		done
		echo "peers:"
		for peer in a b c; do
			[ "$peer" = "$host" ] ||
				echo "  - {name: $peer, address: $(addr_of "$peer")}"
		done
	} > "$TMP/$host.yaml"
}

roamd_start()
{
	spawn nsenter --net="$(ns_path "$1")" "$ROAMD" -c "$TMP/$1.yaml"
	eval "ROAMD_$1=$SPAWNED LOG_$1=$TMP/spawn.$SPAWN_COUNT"
	wait_for 20 handover "$1" show || fail "roamd of $1: $(roamd_log "$1")"
}

roamd_pid()
{
	eval "echo \$ROAMD_$1"
}

roamd_log()
{
	eval "cat \"\$LOG_$1\""
}

roamd_kill()
{
	kill "-${2:-KILL}" "$(roamd_pid "$1")"
	wait "$(roamd_pid "$1")" 2> "$TMP/killed"
}

restart()
{
	roamd_kill "$1"
	roamd_start "$1"
}

handover()
{
	local host=$1
	shift
	"$ROAM" --control "$TMP/$host.sock" handover "$@"
}

field_at()
{
	handover "$1" -j show vm web 2> "$TMP/field" |
		sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p" | head -1
}

# The newest comes first.
shown_at()
{
	"$ROAM" -j --control "$TMP/$1.sock" handover show vm web |
		sed -n "/\"state\":\"expected\"/!s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" | head -1
}

state_at()
{
	shown_at "$1" state
}

reason_at()
{
	shown_at "$1" reason
}

is_at()
{
	[ "$(state_at "$1")" = "$2" ]
}

reaches()
{
	wait_for "${3:-20}" is_at "$1" "$2" ||
		fail "$1 is not $2: $(handover "$1" show vm web): $(roamd_log "$1" | tail -5)"
}

life_at()
{
	roam_on "$1" -j vm show web 2> "$TMP/life" | sed -n 's/.*"life":"\([^"]*\)".*/\1/p'
}

is_active()
{
	[ "$(life_at "$1")" = active ]
}

owns()
{
	wait_for 20 is_active "$1" || fail "$1 does not own the VM: $(life_at "$1"); $(roamd_log "$1" | tail -5)"
}

has_nothing()
{
	! roam_on "$1" vm show web
}

is_gone()
{
	wait_for 20 has_nothing "$1" || fail "$1 has something of the VM: $(roam_on "$1" vm show web)"
}

# ---- the VM ----

vm_pause()
{
	ns vm ip link set "at-$1" nomaster
}

vm_run()
{
	ns vm ip link set "at-$1" master eth0
	moving vm announce "$VM_MAC"
}

vm_at()
{
	ns vm bridge link show | sed -n 's/.* at-\([a-z]*\)@.*/\1/p'
}

expect_from()
{
	check "$2 expects" handover "$2" expect vm web from "$1" dev "$VM_MAC=port0"
}

copy()
{
	local from=$1 to=$2
	shift 2
	expect_from "$from" "$to"
	check "start at $from" handover "$from" start vm web to "$to" late 1 wait "$@"
}

hand_over()
{
	copy "$1" "$2"
	vm_pause "$1"
	check "freeze at $1" handover "$1" freeze vm web
	vm_run "$2"
	reaches "$2" "done"
}

teardown()
{
	live_teardown
}

# What both roamds had to say, when a test has failed.
live_teardown()
{
	local host
	[ -e "$TMP/failed" ] || return 0
	for host in a b; do
		roamd_log "$host" | sed "s/^/# $host: /"
		handover "$host" show | sed "s/^/# $host: /"
	done
}
