#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# What roam prints: text, JSON and pretty JSON of each command say the same, and help at each level
# names all that there is.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"

VERBS="
host show init upgrade teardown
vm show add set del
port show add bind del
acl show add del
set show add del replace
ct show top flush import
ips show set del blocks block release
lb show add del backend peer on off
qos show set del
policy show diff apply
stats show
state show verify save load freeze settle abort
handover show expect start check freeze follow barrier watch abort release
monitor show
explain vm uplink
"

# Of everything that can be shown at least one, with all its fields.
many_facts()
{
	world_make
	serve vm 443,5300
	check "setup" world_roam default in drop out allow
	cat > "$TMP/batch" << 'END'
vm set web midstream pickup windows liberal timeout established 3600 timeout udp_stream 60 flows 1000 half 200
port del vm web mac 52:54:00:00:00:10
port add vm web dev port0 mac 52:54:00:00:00:10 addr 10.9.0.10 addr fd09::10 vlan untagged vlan 7 vlan 8.9 zone blue dhcp on ra on
set add friends addr 192.0.2.0/24 addr 2001:db8::/32
set add web-ports port 80 port 443 port 8000-8080
acl add vm web name friends in prio 9 allow tcp from set:friends dport set:web-ports
acl add vm web name https in prio 10 allow tcp from 10.0.0.0/8 to 10.9.0.10 sport 1-65535 dport 443
acl add vm web name dns in prio 4294967295 allow udp from any6 dport 5300-5301
acl add vm web name gre out drop proto 47 to fd00::/8
acl add vm web name ping in allow icmp6
acl add vm web name syn in prio 20 reject tcp dport 22 flags syn/syn,ack log 5
acl add vm web name redirect out prio 21 drop icmp type redirect/1
acl add vm web name seen in prio 22 audit sctp
acl add vm web name loose out prio 23 allow udp dport 53 stateless
acl add vm web name few in prio 24 allow tcp dport 22 conns 10 perremote 2
acl add vm web name all out allow
qos set vm web in rate 10mbit burst 64k dscp ef
qos set vm web out dscp 1
ips set vm web rate 100 burst 200
ips block vm web from 192.0.2.1
ips block vm web from 2001:db8::1 for 1h
lb add shop vip 198.51.100.9 port 80 tcp
lb add shop6 vip 2001:db8::9 port 53 udp
lb backend shop add vm web port 8080 weight 3
lb backend shop add addr 192.0.2.7
lb backend shop drain addr 192.0.2.7
lb backend shop move addr 192.0.2.7 to 203.0.113.2 from 203.0.113.1
lb peer add 203.0.113.9 at 203.0.113.1
lb peer add 2001:db8:3::9 at 2001:db8:3::1
vm add db shut
port add vm db dev br0 mac 52:54:00:00:00:11
END
	check "batch" host batch "$TMP/batch"
	sock client tcp "$VM4" 443
	sock client udp "$VM6" 5300 1 > "$TMP/udp"
	frames vm send eth0 1 vm-udp4@8.9 vm-mac4 vm-ack6
	check "an image" host state save web "$TMP/web.img"
}

# $@: a command that shows something
same_facts()
{
	local tries=0
	# An age may grow, and a packet may come, between two of the three.
	while [ "$tries" -lt 5 ]; do
		tries=$((tries + 1))
		check "$*" host "$@" && cp "$TMP/out" "$TMP/text"
		check "-j $*" host -j "$@" && cp "$TMP/out" "$TMP/json"
		check "-p $*" host -p "$@" && cp "$TMP/out" "$TMP/pretty"
		"$PYTHON" "$TOP/tests/e2e/facts.py" "$TMP/text" "$TMP/json" "$TMP/pretty" \
			> "$TMP/wrong" 2>&1 && return
	done
	fail "$*: $(cat "$TMP/wrong")"
}

test_shown_alike()
{
	local shows
	many_facts
	for shows in host vm "vm show web" port "port show vm db" acl "acl show vm web" \
		"acl show vm web name dns" "acl show vm web name syn" lb "lb show service shop" ct "ct show vm web" stats "stats show vm web" \
		ips "ips show vm web" "ips blocks" "ips blocks vm web" qos "qos show vm web" "ct top vm web" \
		"explain vm web in tcp 192.0.2.7:40000 to 10.9.0.10:443" \
		"explain vm web out icmp 10.9.0.10 to 192.0.2.7" "explain uplink up0 arp 10.9.0.1 to 10.9.0.10" \
		"set show friends" \
		"state show $TMP/web.img" "state verify $TMP/web.img"; do
		# shellcheck disable=SC2086 # words
		same_facts $shows
	done
	check_has "there are flows" "$(host ct show)" "lport 443"
	check_has "there are switches" "$(host ct show)" "vlan 8.9"
	check_has "and one that is on" "$(host -j ct show)" '"picked_up":true'
	check_has "one that is off" "$(host -j ct show)" '"stale":false'
}

test_nothing_to_show()
{
	ns_add host
	check "init" host host init
	for shows in host vm port acl set ct lb stats ips "ips blocks" qos; do
		# shellcheck disable=SC2086 # words
		same_facts $shows
	done
	check_eq "a list of nothing" "$(host -j vm show | tr -d '\n')" "[]"
	check_eq "and in text" "$(host vm show)" ""
}

test_changes_say_nothing_or_json()
{
	local change flows
	many_facts
	for change in "vm add new" "vm set new shut" "vm del new"; do
		# shellcheck disable=SC2086 # words
		check_eq "$change" "$(host -j $change 2>&1)" ""
	done
	flows=$(host ct show vm web | grep -c .)
	check "there are flows" test "$flows" -ge 3
	check_has "of policy" "$(host -j acl del vm web name gre)" "{\"vm\":\"web\",\"live\":$flows,"
	check_eq "flush" "$(host -j ct flush vm web)" "{\"flushed\":$flows}"
	host vm del web
	check_has "load" "$(host -j state load "$TMP/web.img" dev "$VM_MAC=port0")" \
		"{\"loaded\":\"web\",\"flows\":$flows,"
}

# $1: what help is asked for, in each of the ways in which one can ask
helps()
{
	local what=$1 text
	# shellcheck disable=SC2086 # words
	{
		text=$("$ROAM" help $what) || fail "help $what"
		check_eq "$what help" "$("$ROAM" $what help)" "$text"
	}
	echo "$text"
}

test_help_names_everything()
{
	local top object verbs verb text
	top=$(helps "")
	echo "$VERBS" | sed '/^$/d' > "$TMP/verbs"
	check_eq "objects" "$(echo "$top" | sed '1,/^objects:/d' | awk '{ print $1 }' | sort)" \
		"$(awk '{ print $1 }' "$TMP/verbs" | sort)"
	while read -r object verbs; do
		text=$(helps "$object")
		check_eq "verbs of $object" \
			"$(echo "$text" | sed -n "s/^  roam $object \([a-z]*\).*/\1/p" | tr '\n' ' ')" \
			"$verbs "
		for verb in $verbs; do
			text=$(helps "$object $verb")
			check_has "$object $verb" "$text" "  roam $object $verb"
			check_eq "and no other verb" "$(echo "$text" | grep -c '^  roam')" 1
			check "with a line on what it does" test "$(echo "$text" | grep -c '^      [a-z]')" -ge 1
		done
	done < "$TMP/verbs"
}

# Help needs no host, no root's folder, and nothing but its words.
test_help_without_a_host()
{
	check "help" "$ROAM" --bpffs /nowhere help
	check "vm help" "$ROAM" --bpffs /nowhere vm help
	check_eq "nothing on stderr" "$("$ROAM" --bpffs /nowhere acl add help 2>&1 > "$TMP/help")" ""
}

test_short_words()
{
	many_facts
	check_eq "ho" "$(host ho)" "$(host host show)"
	check_not "h: host or handover" host h
	check_eq "por s" "$(host por s)" "$(host port show)"
	check_not "po: port or policy" host po s
	check_eq "a vm web" "$(host a vm web | sed 's/last_s.*//')" \
		"$(host acl show vm web | sed 's/last_s.*//')"
	check_not "s: stats or state" host s
	check_not "vm s: show or set" host vm s web
}

run_tests "$@"
