#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# Command lines that are wrong, of what is done with traffic and said of it: services, intrusion
# prevention, rates, policy files, events and explanations.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../world.sh"
. "$(dirname "$0")/../refusing.sh"

# A VM with one of everything, and one with nothing.
setup()
{
	refusing_host
	roam_batch "$TMP/first" << END
host init uplink tap3
vm add web
vm add db
port add vm web dev tap0 mac 52:54:00:00:00:10 addr 10.9.0.10 addr fd09::10
port add vm db dev tap1 mac 52:54:00:00:00:11 addr 10.9.0.11 addr fd09::11
lb add shop vip 198.51.100.9 port 80 tcp
lb backend shop add addr 192.0.2.7
lb backend shop add vm web
lb peer add 203.0.113.9 at 203.0.113.1
lb on vm web
ips set vm web rate 10
ips block vm web from 192.0.2.66
qos set vm web in rate 1mbit
END
	snapshot > "$TMP/before"
}

test_lb()
{
	all_refused << 'END'
2 | 'add' | lb add
1 | 'shop' | lb add shop vip 198.51.100.10 port 80 tcp
1 | service 'shop' has | lb add x vip 198.51.100.9 port 80 tcp
1 | '-x' is not a name | lb add -x vip 198.51.100.10 port 80 tcp
1 | aaaaaaa' is not a name | lb add $LONG vip 198.51.100.10 port 80 tcp
2 | 'vip' | lb add x vip
2 | 'vip ADDR' | lb add x port 80 tcp
1 | '198.51.100.300' | lb add x vip 198.51.100.300 port 80 tcp
1 | '198.51.100.0/24' | lb add x vip 198.51.100.0/24 port 80 tcp
1 | vip 224.0.0.1 | lb add x vip 224.0.0.1 port 80 tcp
1 | vip 0.0.0.0 | lb add x vip 0.0.0.0 port 80 tcp
1 | vip 127.0.0.1 | lb add x vip 127.0.0.1 port 80 tcp
1 | vip 255.255.255.255 | lb add x vip 255.255.255.255 port 80 tcp
1 | vip ff02::1 | lb add x vip ff02::1 port 80 udp
1 | vip :: is | lb add x vip :: port 80 udp
1 | vip ::1 is | lb add x vip ::1 port 80 udp
1 | 10.9.0.10 is the address of a VM | lb add x vip 10.9.0.10 port 80 tcp
2 | 'port N' | lb add x vip 198.51.100.10 tcp
1 | port 0 | lb add x vip 198.51.100.10 port 0 tcp
1 | port 65536 | lb add x vip 198.51.100.10 port 65536 tcp
2 | 'tcp' or 'udp' | lb add x vip 198.51.100.10 port 80
2 | 'tcp' or 'udp' | lb add x vip 198.51.100.10 port 80 sctp
2 | 'del' | lb del
1 | 'none' | lb del none
2 | 'now' | lb del shop now
2 | 'shop' | lb show shop
1 | 'none' | lb show service none
2 | 'vm NAME' | lb on
2 | 'vm NAME' | lb on web
2 | 'vm' | lb on vm
1 | 'none' | lb on vm none
2 | 'now' | lb off vm web now
1 | 'none' | lb off vm none
END
}

test_lb_backend()
{
	all_refused << 'END'
2 | 'backend' | lb backend
2 | add, del, drain, resume or move | lb backend shop
2 | add, del, drain, resume or move | lb backend shop nonsense
1 | 'none' | lb backend none add addr 192.0.2.8
2 | 'addr ADDR' | lb backend shop add
2 | 'addr' | lb backend shop add addr
1 | 'nowhere' | lb backend shop add addr nowhere
1 | another family | lb backend shop add addr 2001:db8::8
1 | 192.0.2.7 already | lb backend shop add addr 192.0.2.7
1 | backend 224.0.0.1 | lb backend shop add addr 224.0.0.1
1 | backend 0.0.0.0 | lb backend shop add addr 0.0.0.0
1 | the VIP | lb backend shop add addr 198.51.100.9
1 | 'none' | lb backend shop add vm none
1 | 10.9.0.10 already | lb backend shop add vm web
2 | 'addr' | lb backend shop add vm db addr 192.0.2.8
1 | port 0 | lb backend shop add addr 192.0.2.8 port 0
1 | port 65536 | lb backend shop add addr 192.0.2.8 port 65536
1 | weight 0 | lb backend shop add addr 192.0.2.8 weight 0
1 | weight 101 | lb backend shop add addr 192.0.2.8 weight 101
1 | weight 'x' | lb backend shop add addr 192.0.2.8 weight x
1 | no backend 192.0.2.8 | lb backend shop del addr 192.0.2.8
1 | no backend 192.0.2.8 | lb backend shop drain addr 192.0.2.8
1 | no backend 192.0.2.8 | lb backend shop resume addr 192.0.2.8
1 | no backend 192.0.2.8 | lb backend shop move addr 192.0.2.8 to 203.0.113.2 from 203.0.113.1
2 | 'to HOST' | lb backend shop move addr 192.0.2.7
2 | 'to' | lb backend shop move addr 192.0.2.7 to
1 | 'nowhere' | lb backend shop move addr 192.0.2.7 to nowhere
1 | 224.0.0.1 | lb backend shop move addr 192.0.2.7 to 224.0.0.1 from 203.0.113.1
1 | 10.9.0.10 is the address of a VM | lb backend shop move addr 192.0.2.7 to 10.9.0.10 from 203.0.113.1
1 | 203.0.113.2: Network | lb backend shop move addr 192.0.2.7 to 203.0.113.2
1 | 'x' is not | lb backend shop move addr 192.0.2.7 to 203.0.113.2 from x
1 | two families | lb backend shop move addr 192.0.2.7 to 203.0.113.2 from 2001:db8::1
2 | add or del | lb peer
2 | add or del | lb peer move 203.0.113.7
2 | 'add' | lb peer add
1 | 'x' is not | lb peer add x at 203.0.113.1
2 | 'at' | lb peer add 203.0.113.8 at
1 | two families | lb peer add 203.0.113.8 at 2001:db8::1
1 | 203.0.113.8: Network | lb peer add 203.0.113.8
1 | a peer at 203.0.113.1 already | lb peer add 203.0.113.9 at 203.0.113.1
1 | 224.0.0.1 | lb peer add 224.0.0.1 at 203.0.113.1
1 | fe80::1 | lb peer add fe80::1 at fd09::1
2 | 'del' | lb peer del
1 | 203.0.113.7 | lb peer del 203.0.113.7 at 203.0.113.1
END
}

test_ips()
{
	all_refused << 'END'
2 | 'vm NAME' | ips set
1 | 'none' | ips set vm none rate 5
2 | 'rate N' | ips set vm web
2 | 'burst' is given twice | ips set vm web rate 3 burst 4 burst 5
2 | 'rate' | ips set vm web rate
1 | rate 'x' | ips set vm web rate x
1 | rate '4294967296' | ips set vm web rate 4294967296
2 | 'burst' | ips set vm web rate 5 burst
1 | one is 0 | ips set vm web rate 5 burst 0
2 | 'block' | ips set vm web block
1 | block 'x' | ips set vm web block x
1 | block '-1s' | ips set vm web block -1s
1 | block '5y' | ips set vm web block 5y
1 | a block of 3600 s | ips set vm web block 1h max 1m
1 | prefix4 0 | ips set vm web prefix4 0
1 | prefix4 33 | ips set vm web prefix4 33
1 | prefix6 129 | ips set vm web prefix6 129
1 | sources 1 | ips set vm web sources 1
1 | blocks 99999999 | ips set vm web blocks 99999999
2 | 'nonsense' | ips set vm web nonsense
2 | 'vm NAME' | ips del
1 | 'none' | ips del vm none
1 | no profile | ips del vm db
1 | 'none' | ips show vm none
2 | 'web' | ips show web
1 | 'none' | ips blocks vm none
2 | 'vm NAME' | ips block
2 | 'from ADDR' | ips block vm web
2 | 'from' | ips block vm web from
1 | 'x' is not | ips block vm web from x
1 | '192.0.2.0/24' | ips block vm web from 192.0.2.0/24
1 | 0.0.0.0 | ips block vm web from 0.0.0.0
1 | ff02::1 | ips block vm db from ff02::1
2 | 'for' | ips block vm web from 192.0.2.9 for
1 | for 0 s | ips block vm web from 192.0.2.9 for 0
1 | for 'x' | ips block vm web from 192.0.2.9 for x
1 | 'none' | ips block vm none from 192.0.2.9
2 | 'from ADDR' | ips release vm web
1 | 192.0.2.9 is not blocked | ips release vm web from 192.0.2.9
END
}

test_qos()
{
	all_refused << 'END'
2 | 'vm NAME' | qos set
1 | 'none' | qos set vm none in rate 1mbit
2 | 'in' or 'out' | qos set vm web
2 | 'sideways' | qos set vm web sideways rate 1mbit
2 | 'rate RATE', 'dscp DSCP' | qos set vm web in
2 | 'rate' | qos set vm web in rate
2 | 'rate' is given twice | qos set vm web in rate 1mbit rate 2mbit
1 | rate '0' | qos set vm web in rate 0
1 | rate 'x' | qos set vm web in rate x
1 | rate '10mbits' | qos set vm web in rate 10mbits
1 | rate '-1mbit' | qos set vm web in rate -1mbit
1 | rate '99999999tbit' | qos set vm web in rate 99999999tbit
2 | 'burst' | qos set vm web in rate 1mbit burst
1 | burst 1 is | qos set vm web in rate 1mbit burst 1
1 | burst '100t' | qos set vm web in rate 1mbit burst 100t
1 | a burst without a rate | qos set vm db out burst 64k
2 | 'dscp' | qos set vm web in dscp
1 | dscp '64' | qos set vm web in dscp 64
1 | dscp '-1' | qos set vm web in dscp -1
1 | dscp 'nonsense' | qos set vm web in dscp nonsense
2 | 'nonsense' | qos set vm web in nonsense
2 | 'vm NAME' | qos del
2 | 'in' or 'out' | qos del vm web
2 | 'sideways' | qos del vm web sideways
1 | 'web' has no profile for out | qos del vm web out
1 | 'none' | qos del vm none in
1 | 'none' | qos show vm none
2 | 'web' | qos show web
END
}

test_monitor()
{
	all_refused << 'END'
2 | 'nothing' | monitor nothing
2 | 'vm' | monitor show vm
1 | 'none' | monitor show vm none
2 | 'event' | monitor show event
1 | 'nonsense' | monitor show event nonsense
2 | 'count' | monitor show count
1 | count 0 | monitor show count 0
1 | count '-1' | monitor show count -1
1 | count 'x' | monitor show count x
2 | 'buffer' | monitor show buffer
1 | buffer 1 is | monitor show buffer 1
1 | buffer 1000000 is | monitor show buffer 1000000
1 | buffer 'x' | monitor show buffer x
1 | buffer '99999999999999' | monitor show buffer 99999999999999
2 | 'nonsense' | monitor show nonsense
END
}

# diff's 1 is for files that differ.
test_policy()
{
	mkdir "$TMP/folder"
	echo "{ vm: web, nonsense: 1 }" > "$TMP/key.yaml"
	echo "{ vm: web" > "$TMP/open.yaml"
	echo "{ vm: new, default: { in: maybe } }" > "$TMP/word.yaml"
	all_refused << 'END'
2 | 'vm' | policy show vm
1 | 'none' | policy show vm none
2 | 'nonsense' | policy show nonsense
2 | the file | policy diff
2 | $TMP/none | policy diff $TMP/none
2 | /dev/null:1:1: there is no policy | policy diff /dev/null
2 | $TMP/folder | policy diff $TMP/folder
2 | key.yaml:1: | policy diff $TMP/key.yaml
2 | the file | policy apply
1 | $TMP/none | policy apply $TMP/none
1 | /dev/null:1:1: there is no policy | policy apply /dev/null
1 | $TMP/folder | policy apply $TMP/folder
1 | first:1:1: | policy apply $TMP/first
1 | key.yaml:1: | policy apply $TMP/key.yaml
1 | open.yaml:2: | policy apply $TMP/open.yaml
1 | word.yaml:1: | policy apply $TMP/word.yaml
END
}

# shellcheck disable=SC2034 # used in the tables
{
	WEB="192.0.2.7:1 to 10.9.0.10:443"
	PING="192.0.2.7 to 10.9.0.10"
}

test_explain_packets()
{
	all_refused << 'END'
2 | 'vm' | explain
2 | 'nothing' | explain nothing
2 | 'show' | explain show
2 | 'vm' | explain vm
2 | 'web' | explain vm web
2 | 'sideways' | explain vm web sideways tcp $WEB
2 | the packet | explain vm web in
1 | 'none' | explain vm none in tcp $WEB
2 | 'dccp' | explain vm web in dccp $PING
2 | 'to DST' | explain vm web in tcp 192.0.2.7:1
2 | 'to' | explain vm web in tcp 192.0.2.7:1 to
1 | '192.0.2.7' is neither | explain vm web in tcp $PING
1 | port '0x' | explain vm web in tcp 192.0.2.7:0x to 10.9.0.10:443
1 | port 65536 | explain vm web in tcp 192.0.2.7:65536 to 10.9.0.10:443
1 | '2001:db8::7:1' is neither | explain vm web in tcp 2001:db8::7:1 to [fd09::10]:443
1 | IPv4 and IPv6 | explain vm web in tcp [2001:db8::7]:1 to 10.9.0.10:443
1 | '192.0.2.7:1' | explain vm web in icmp $WEB
1 | icmp6 is not IPv4 | explain vm web in icmp6 $PING
1 | IPv4 and IPv6 | explain vm web in arp 192.0.2.7 to fd09::10
1 | proto 256 | explain vm web in proto 256 $PING
1 | proto 'tcp' | explain vm web in proto tcp $PING
END
}

test_explain_words()
{
	all_refused << 'END'
2 | 'nonsense' | explain vm web in tcp $WEB nonsense
2 | 'syn' | explain vm web in icmp $PING syn
2 | 'type' | explain vm web in tcp $WEB type 8
2 | 'seq' | explain vm web in tcp $WEB seq
1 | seq '-1' | explain vm web in tcp $WEB seq -1
1 | window 65536 | explain vm web in tcp $WEB window 65536
1 | scale 15 | explain vm web in tcp $WEB scale 15
1 | ttl 256 | explain vm web in tcp $WEB ttl 256
1 | len 1401 | explain vm web in tcp $WEB len 1401
1 | ext 17 | explain vm web in tcp $WEB ext 17
1 | frag 65536 | explain vm web in tcp $WEB frag 65536
1 | vlan '5000' | explain vm web in tcp $WEB vlan 5000
1 | mac '52:54' | explain vm web in tcp $WEB smac 52:54
1 | mac 'zz' | explain vm web in tcp $WEB dmac zz
1 | none0 | explain vm web in tcp $WEB dev none0
1 | tap1 | explain vm web in tcp $WEB dev tap1
1 | type 256 | explain vm web in icmp $PING type 256
1 | code 256 | explain vm web in icmp $PING code 256
1 | id 65536 | explain vm web in icmp $PING id 65536
1 | op 65536 | explain vm web in arp $PING op 65536
1 | target 10.9.0.1 | explain vm web in icmp6 2001:db8::7 to fd09::10 target 10.9.0.1
1 | 'x' | explain vm web in icmp6 2001:db8::7 to fd09::10 lladdr x
2 | 'uplink' | explain uplink
1 | none0 | explain uplink none0 tcp $WEB
1 | tap2 | explain uplink tap2 tcp $WEB
2 | 'in' | explain uplink tap3 in tcp $WEB
1 | 'dev' | explain uplink tap3 tcp $WEB dev tap3
END
}

run_tests "$@"
