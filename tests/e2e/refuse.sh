#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Command lines that are wrong, of options, hosts, VMs, ports, rules, flows, images and batches.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"
. "$(dirname "$0")/../refusing.sh"

# Two VMs with what no other one can have, too, and the image of a third one that was here.
setup()
{
	refusing_host
	roam_batch "$TMP/first" << END
host init uplink tap3
vm add web
vm add db
port add vm web dev tap0 mac 52:54:00:00:00:10 addr 10.9.0.10 addr fd09::10 vlan 7
port add vm db dev tap1 mac 52:54:00:00:00:11 addr 10.9.0.11 addr fd09::11
acl add vm web name https in allow tcp dport 443
vm add moved
port add vm moved dev tap2 mac $MAC addr 10.9.0.12
END
	check "save" host state save web "$TMP/good.img"
	check "save" host state save moved "$TMP/moved.img"
	check "del" host vm del moved
	snapshot > "$TMP/before"
}

test_options_and_objects()
{
	all_refused << 'END'
2 | '' is no object | ''
2 | what to do is missing |
2 | 'nothing' | nothing
2 | 's' | s
2 | '-x' | -x host show
2 | '--bpffs' | --bpffs
1 | host relative | --bpffs relative host show
1 | 'relative' | --bpffs relative host init
1 | host /nowhere | --bpffs /nowhere host show
1 | /tmp is not a bpffs | --bpffs /tmp/none host init
1 | a.b' | --bpffs $BPFFS/a.b host init
1 | 'x/' | --bpffs x/ host init
1 | '/' | --bpffs / host init
1 | $BPFFS/none | --bpffs $BPFFS/none host teardown
1 | $BPFFS/none | --bpffs $BPFFS/none vm add x
2 | 'nothing' | help nothing
2 | 'nothing' | help vm nothing
2 | 'nothing' | vm nothing
2 | 'help' | vm help add more
END
}

test_host()
{
	all_refused << 'END'
1 | $BPFFS/host | host init
1 | $BPFFS/host | host init uplink tap2
2 | 'uplink' | host init uplink
2 | 'tap2' | host init tap2
2 | 'all' | host show all
2 | 'now' | host teardown now
2 | 'destroy' | host destroy
1 | uplink none0 | --bpffs $BPFFS/b host init uplink none0
1 | uplink none0 | --bpffs $BPFFS/b host init uplink tap2 uplink none0
1 | uplink tap3 | --bpffs $BPFFS/b host init uplink tap3
1 | uplink tap2 | --bpffs $BPFFS/b host init uplink tap2 uplink tap2
END
}

test_handover_barrier()
{
	all_refused << 'END'
2 | 'vm NAME' is missing | handover barrier
2 | 'dbus ADDRESS' is missing | handover barrier vm web
2 | 'dbus' | handover barrier vm web dbus
2 | 'now' | handover barrier vm web dbus unix:path=/none now
2 | 'dbus' | handover barrier vm web dbus unix:path=/none dbus unix:path=/none
2 | 'timeout' | handover barrier vm web dbus unix:path=/none timeout
1 | timeout 'soon' | handover barrier vm web dbus unix:path=/none timeout soon
1 | timeout 0 is not from 1 to 20 | handover barrier vm web dbus unix:path=/none timeout 0
1 | timeout 21 is not from 1 to 20 | handover barrier vm web dbus unix:path=/none timeout 21
1 | vm '-bad' | handover barrier vm -bad dbus unix:path=/none
1 | no D-Bus at 'nowhere' | handover barrier vm web dbus nowhere
1 | no D-Bus at 'unix:path=/none': No such file | handover barrier vm web dbus unix:path=/none
END
}

test_vm()
{
	all_refused << 'END'
2 | 'add' | vm add
1 | '-bad' | vm add -bad
1 | vm '' | vm add ''
1 | 'a b' | vm add 'a b'
1 | 'x/../$' | vm add 'x/../$'
1 | aaaaaaa' is not a name | vm add $LONG
1 | 'web' | vm add web
2 | 'uuid' | vm add x uuid
1 | '1234' | vm add x uuid 1234
1 | '1b4e28ba-2fa1-11d2-883f-0016d3cca42g' | vm add x uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca42g
2 | 'default' | vm add x default
2 | 'default' | vm add x default sideways drop
1 | 'maybe' | vm add x default in maybe
2 | 'in' | vm add x default in
1 | 'loose' | vm add x midstream loose
2 | 'midstream' | vm add x midstream
2 | 'flows' | vm add x flows
1 | '-1' | vm add x flows -1
1 | flows 63 | vm add x flows 63
1 | flows 0 | vm add x flows 0
1 | flows 4194305 | vm add x flows 4194305
1 | '4294967296' | vm add x flows 4294967296
1 | '10k' | vm add x flows 10k
1 | half 1 | vm add x half 1
2 | 'nonsense' | vm add x nonsense
2 | 'set' | vm set
2 | what to set is missing | vm set web
1 | 'none' | vm set none active
1 | flows 63 | vm set web flows 63
1 | half 4194305 | vm set web half 4194305
2 | 'windows' | vm set web windows
1 | windows 'maybe' | vm add x windows maybe
1 | windows 'maybe' | vm set web windows maybe
2 | 'timeout' | vm set web timeout
2 | 'established' | vm set web timeout established
1 | 'nonsense' is no state | vm set web timeout nonsense 5
1 | 'udp' is no state | vm add x timeout udp 5
1 | '-1' is not a number | vm set web timeout established -1
1 | '10s' is not a number | vm set web timeout established 10s
1 | timeout established 34560001 is not | vm set web timeout established 34560001
1 | timeout syn_sent 4294967295 is not | vm add x timeout syn_sent 4294967295
2 | 'nonsense' | vm set web nonsense
2 | 'flows' is given twice | vm set web flows 100 half 100 flows 200
2 | 'default' is given twice | vm set web default in drop default out drop
2 | vm: either 'shut' or 'active' | vm set web shut flows 100 active
2 | vm: either 'shut' or 'active' | vm add x active shut
2 | 'uuid' | vm set web uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427
2 | 'del' | vm del
1 | 'none' | vm del none
2 | 'db' | vm del web db
1 | 'none' | vm show none
2 | 'db' | vm show web db
END
}

test_port()
{
	all_refused << 'END'
2 | 'vm NAME' | port add
2 | 'vm' | port add vm
2 | 'vm NAME' | port add web
1 | 'none' | port add vm none dev tap2 mac $MAC
2 | 'dev DEV' | port add vm web mac $MAC
2 | 'dev DEV' | port add vm web dev '' mac $MAC
2 | 'mac MAC' | port add vm web dev tap2
1 | a/b | port add vm web dev a/b mac $MAC
1 | dev 'aaaa | port add vm web dev $LONG mac $MAC
2 | 'dev' | port add vm web dev tap2 dev tap3 mac $MAC
2 | 'mac' | port add vm web dev tap2 mac $MAC mac $MAC
1 | '52:54:00:00:00' | port add vm web dev tap2 mac 52:54:00:00:00
1 | 53:54:00:00:00:12 | port add vm web dev tap2 mac 53:54:00:00:00:12
2 | 'mac MAC' | port add vm web dev tap2 mac 00:00:00:00:00:00
1 | '52:54:00:00:00:zz' | port add vm web dev tap2 mac 52:54:00:00:00:zz
1 | '10.9.0.300' | port add vm web dev tap2 mac $MAC addr 10.9.0.300
1 | '10.9.0.12/24' | port add vm web dev tap2 mac $MAC addr 10.9.0.12/24
1 | 'fd09::g' | port add vm web dev tap2 mac $MAC addr fd09::g
1 | 224.0.0.1 | port add vm web dev tap2 mac $MAC addr 224.0.0.1
1 | 0.0.0.0 | port add vm web dev tap2 mac $MAC addr 0.0.0.0
1 | 127.0.0.1 | port add vm web dev tap2 mac $MAC addr 127.0.0.1
1 | 255.255.255.255 | port add vm web dev tap2 mac $MAC addr 255.255.255.255
1 | ff02::1 | port add vm web dev tap2 mac $MAC addr ff02::1
1 | addr :: is | port add vm web dev tap2 mac $MAC addr ::
1 | addr ::1 is | port add vm web dev tap2 mac $MAC addr ::1
1 | 10.9.0.12 | port add vm web dev tap2 mac $MAC addr 10.9.0.12 addr 10.9.0.12
1 | 10.9.0.11 | port add vm web dev tap2 mac $MAC addr 10.9.0.11
1 | fd09::11 | port add vm web dev tap2 mac $MAC addr fd09::11
2 | 'addr' | port add vm web dev tap2 mac $MAC addr
1 | 16 addresses | port add vm web dev tap2 mac $MAC $MANY
1 | 52:54:00:00:00:11 | port add vm web dev tap2 mac 52:54:00:00:00:11
1 | 52:54:00:00:00:10 | port add vm web dev tap2 mac 52:54:00:00:00:10
1 | dev tap1 | port add vm web dev tap1 mac $MAC
1 | dev tap0 | port add vm web dev tap0 mac $MAC
1 | vlan '0' | port add vm web dev tap2 mac $MAC vlan 0
1 | vlan '4095' | port add vm web dev tap2 mac $MAC vlan 4095
1 | vlan '7.' | port add vm web dev tap2 mac $MAC vlan 7.
1 | vlan '7.8.9' | port add vm web dev tap2 mac $MAC vlan 7.8.9
1 | vlan 'x' | port add vm web dev tap2 mac $MAC vlan x
1 | vlan 7 | port add vm web dev tap2 mac $MAC vlan 7 vlan 7
1 | zone '-x' | port add vm web dev tap2 mac $MAC zone -x
2 | 'zone' | port add vm web dev tap2 mac $MAC zone a zone b
2 | dhcp 'maybe' | port add vm web dev tap2 mac $MAC dhcp maybe
2 | 'ra' | port add vm web dev tap2 mac $MAC ra
2 | 'learn' | port add vm web dev tap2 mac $MAC learn
1 | learn 'x' | port add vm web dev tap2 mac $MAC learn x
1 | learn '-1s' | port add vm web dev tap2 mac $MAC learn -1s
1 | learn 0 is | port add vm web dev tap2 mac $MAC learn 0
1 | learn 2h is | port add vm web dev tap2 mac $MAC learn 2h
2 | 'nonsense' | port add vm web dev tap2 mac $MAC nonsense
2 | 'vm NAME' | port del
2 | 'mac MAC' | port del vm web
2 | 'mac' | port del vm web mac
1 | 52:54:00:00:00:99 | port del vm web mac 52:54:00:00:00:99
1 | 52:54:00:00:00:11 | port del vm web mac 52:54:00:00:00:11
1 | 'none' | port del vm none mac 52:54:00:00:00:10
2 | 'now' | port del vm web mac 52:54:00:00:00:10 now
2 | 'dev' | port bind dev
2 | 'nonsense' | port bind nonsense
1 | 'none' | port show vm none
2 | 'nonsense' | port show nonsense
END
}

test_acl_add()
{
	all_refused << 'END'
2 | 'vm NAME' | acl add
2 | 'name RULE' | acl add vm web
2 | 'name RULE' | acl add vm web https in allow
2 | 'name' | acl add vm web name
1 | '-x' | acl add vm web name -x in allow
2 | 'x' | acl add vm web name x
2 | 'sideways' | acl add vm web name x sideways allow
2 | 'allow' or 'drop' | acl add vm web name x in
2 | 'allow' or 'drop' | acl add vm web name x in prio 5
2 | 'maybe' | acl add vm web name x in maybe
2 | 'prio' | acl add vm web name x in prio
1 | prio '-1' | acl add vm web name x in prio -1 allow
1 | prio '4294967296' | acl add vm web name x in prio 4294967296 allow
1 | 'https' | acl add vm web name https in allow
1 | 'none' | acl add vm none name x in allow
2 | 'dccp' | acl add vm web name x in allow dccp
1 | proto 256 | acl add vm web name x in allow proto 256
2 | 'proto' | acl add vm web name x in allow proto
1 | proto 'tcp' | acl add vm web name x in allow proto tcp
2 | 'from' | acl add vm web name x in allow tcp from
1 | '10.0.0.0/33' | acl add vm web name x in allow tcp from 10.0.0.0/33
1 | '10.0.0.1/24' | acl add vm web name x in allow tcp from 10.0.0.1/24
1 | '10.0.0.0/' | acl add vm web name x in allow tcp to 10.0.0.0/
1 | 'fd00::/129' | acl add vm web name x in allow tcp from fd00::/129
1 | 'fd00::1/64' | acl add vm web name x in allow tcp from fd00::1/64
1 | 'nowhere' | acl add vm web name x in allow tcp from nowhere
1 | 'x': IPv4 and IPv6 | acl add vm web name x in allow tcp from any4 to any6
1 | 'x': IPv4 and IPv6 | acl add vm web name x in allow tcp from 10.0.0.0/8 to fd00::1
1 | 'x': IPv4 and IPv6 | acl add vm web name x in allow icmp from fd00::1
1 | 'x': IPv4 and IPv6 | acl add vm web name x in allow icmp6 from 10.0.0.1
2 | 'dport' | acl add vm web name x in allow tcp dport
1 | '65536' | acl add vm web name x in allow tcp dport 65536
1 | 'http' | acl add vm web name x in allow tcp dport http
1 | '20-10' | acl add vm web name x in allow tcp dport 20-10
1 | '10-' | acl add vm web name x in allow tcp dport 10-
1 | '-10' | acl add vm web name x in allow tcp sport -10
1 | '1-2-3' | acl add vm web name x in allow udp sport 1-2-3
1 | 'x': ports without | acl add vm web name x in allow icmp dport 10
1 | 'x': ports without | acl add vm web name x in allow any dport 10
2 | 'dport' | acl add vm web name x in allow tcp dport 1 dport 2
2 | 'from' | acl add vm web name x in allow tcp from 10.0.0.1 from 10.0.0.2
2 | 'nonsense' | acl add vm web name x in allow tcp nonsense
END
}

# What a rule looks at beyond the tuple, and what it does beside its action.
test_acl_words()
{
	all_refused << 'END'
2 | 'flags' | acl add vm web name x in allow tcp flags
1 | flags: 'x' | acl add vm web name x in allow tcp flags x
1 | flags: 'nope' | acl add vm web name x in allow tcp flags syn,nope
1 | flags: '' | acl add vm web name x in allow tcp flags syn/
1 | flags: '' | acl add vm web name x in allow tcp flags /syn
1 | flags 'syn/ack': more than | acl add vm web name x in allow tcp flags syn/ack
1 | 'x': flags without tcp | acl add vm web name x in allow udp flags syn
1 | 'x': flags without tcp | acl add vm web name x in allow any flags syn
2 | 'flags' is given twice | acl add vm web name x in allow tcp flags syn flags ack
2 | 'type' | acl add vm web name x in allow icmp type
1 | 'x': a type without | acl add vm web name x in allow tcp type 8
1 | 'x': a type without | acl add vm web name x in allow any type 8
1 | type 256 | acl add vm web name x in allow icmp type 256
1 | code 256 | acl add vm web name x in allow icmp type 8/256
1 | code '' | acl add vm web name x in allow icmp type 8/
1 | type '' | acl add vm web name x in allow icmp type /0
1 | type 'echo' | acl add vm web name x in allow icmp6 type echo
2 | 'log' | acl add vm web name x in allow tcp log
1 | log 0 | acl add vm web name x in allow tcp log 0
1 | log '-1' | acl add vm web name x in audit tcp log -1
1 | log 256 | acl add vm web name x in drop tcp log 256
1 | log 'x' | acl add vm web name x in allow tcp log x
2 | 'stateless' is given twice | acl add vm web name x in allow tcp stateless stateless
1 | conns 0 | acl add vm web name x in allow tcp conns 0
1 | conns '-1' | acl add vm web name x in allow tcp conns -1
1 | conns 32769 | acl add vm web name x in allow tcp conns 32769
1 | perremote 32769 | acl add vm web name x in allow tcp perremote 32769
2 | 'perremote' | acl add vm web name x in allow tcp conns 1 perremote
2 | 'conns' is given twice | acl add vm web name x in allow tcp conns 1 conns 1
1 | 'x': a limit on connections, of a rule that is not allow | acl add vm web name x in drop tcp conns 1
1 | 'x': a limit on connections, of a rule that is not allow | acl add vm web name x in audit tcp perremote 1
1 | 'x': a limit on connections, of a rule that is stateless | acl add vm web name x in allow tcp stateless conns 1
2 | none of allow, drop, reject, audit | acl add vm web name x in logged tcp
2 | none of allow, drop, reject, audit | acl add vm web name x in Reject tcp
1 | 'log' is no action | vm set web default in log
END
}

test_acl_ct_stats()
{
	all_refused << 'END'
2 | 'vm NAME' | acl del
2 | 'name RULE' | acl del vm web
2 | 'name' | acl del vm web name
1 | 'none' | acl del vm web name none
1 | 'none' | acl del vm none name https
1 | 'https' | acl del vm db name https
2 | 'now' | acl del vm web name https now
1 | 'none' | acl show vm none
1 | 'none' | acl show vm web name none
2 | 'nonsense' | acl show nonsense
1 | 'none' | ct show vm none
2 | 'nonsense' | ct show nonsense
2 | 'vm NAME' | ct flush
2 | 'vm' | ct flush vm
1 | 'none' | ct flush vm none
2 | 'now' | ct flush vm web now
2 | 'vm NAME' | ct top
2 | 'vm NAME' | ct top web
2 | 'vm' | ct top vm
1 | 'none' | ct top vm none
2 | 'count' | ct top vm web count
1 | count 0 | ct top vm web count 0
1 | count '-1' | ct top vm web count -1
1 | count 'x' | ct top vm web count x
1 | count '4294967296' | ct top vm web count 4294967296
2 | 'nonsense' | ct top vm web nonsense
2 | 'vm NAME' | ct import
2 | 'vm' | ct import vm
1 | 'none' | ct import vm none
2 | 'now' | ct import vm web now
1 | 'none' | stats show vm none
2 | 'nonsense' | stats show nonsense
2 | 'reset' | stats reset
END
}

test_state()
{
	all_refused << 'END'
2 | 'show' | state show
1 | $TMP/none | state show $TMP/none
1 | image | state show /dev/null
2 | 'verify' | state verify
1 | image | state verify /dev/null
2 | 'more' | state verify $TMP/good.img more
2 | 'save' | state save
1 | 'none' | state save none $TMP/x.img
1 | $TMP/none/x.img | state save web $TMP/none/x.img
2 | 'y' | state save web $TMP/x.img y
2 | 'load' | state load
1 | $TMP/none | state load $TMP/none
1 | image | state load /dev/null
2 | 'replace' is given twice | state load /dev/null replace shut replace
1 | 'web' | state load $TMP/good.img
1 | 'other' | state load $TMP/good.img vm other
1 | 'db' | state load $TMP/good.img vm db replace
2 | 'vm' | state load $TMP/good.img vm
2 | 'dev' | state load $TMP/good.img dev
2 | 'tap2' | state load $TMP/good.img dev tap2
2 | 'nonsense' | state load $TMP/good.img nonsense
1 | $MAC | state load $TMP/moved.img dev 52:54:00:00:00:99=tap2
1 | no port with that mac | state load $TMP/moved.img dev $MAC=tap2 dev 52:54:00:00:00:99=tap2
1 | no port with that mac | state load $TMP/good.img replace dev $MAC=tap2
1 | has dev tap0 | state load $TMP/good.img replace dev 52:54:00:00:00:10=tap2
1 | none0 | state load $TMP/moved.img dev $MAC=none0
1 | 'none' | -j ct show vm none
1 | 'none' | -j acl show vm web name none
1 | image | -j state show /dev/null
1 | tap1 | state load $TMP/moved.img dev $MAC=tap1
END
}

# A file of commands ends at its first line that fails, and names it.
test_batch()
{
	echo "vm show
vm add x flows 1" > "$TMP/second"
	echo 'acl add vm web name x in allow
# a comment
acl add vm web name https in allow' > "$TMP/third"
	echo 'port add vm web dev tap2 mac 52:54' > "$TMP/only"
	all_refused << 'END'
2 | batch | batch
2 | batch | batch a b
1 | $TMP/none | batch $TMP/none
1 | line 1: mac '52:54' | batch $TMP/only
1 | directory | batch $TMP
END
	host batch "$TMP/second" > "$TMP/stdout" 2> "$TMP/stderr"
	check_eq "status" $? 1
	check_has "what came before is done" "$(cat "$TMP/stdout")" "web uuid"
	check_has "the line" "$(cat "$TMP/stderr")" "line 2: vm 'x': flows 1"
	host batch "$TMP/third" 2> "$TMP/stderr"
	check_has "the line" "$(cat "$TMP/stderr")" "line 3: acl 'https'"
	check "the line before is done" host acl show vm web name x
}

run_tests "$@"
