# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=dash
#
# Two hosts that run roam, a client, and a VM that moves between them, for tests in tests/e2e; read
# after lib.sh. The VM is a namespace, whose device moves from host to host, so that its sockets
# live on.
#
#   client: eth0 ── :net: br0 ── up0 :a: br0 ── port0 ── eth0 :vm
#                        └──── up0 :b: br0
#
#   hosts_make            namespaces, bridges, addresses, `host init` on a and b; the VM is at a
#   add_port HOST         the port of its VM `web`
#   take_away FROM TO     the VM stands still, its device goes to the other host
#   take_device HOST      it is plugged in there
#   pipe_through FROM TO  the image, both ends at once, as through ssh
#   resume FROM TO        the VM goes on; FROM forgets it
#   move FROM TO          all of that
#   moving NS WORD…       e2e/moving.py in a namespace

VM_MAC=52:54:00:00:00:10
VM4=10.9.0.10
VM6=fd09::10
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

hosts_make()
{
	ns_add client net a b vm
	for name in client a b vm; do
		ns "$name" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
	done
	ns net ip link add br0 type bridge mcast_snooping 0
	ns net ip link set br0 up
	cable client eth0
	cable a up0
	cable b up0
	link vm eth0 a port0
	for name in a b; do
		ns "$name" ip link add br0 type bridge mcast_snooping 0
		ns "$name" ip link set up0 master br0
		ns "$name" ip link set br0 up
		check "init $name" roam_on "$name" host init uplink up0
	done
	take_device a
	ns vm ip link set eth0 down
	ns vm ip link set eth0 address "$VM_MAC"
	ends client 10.9.0.1 fd09::1
	ends vm "$VM4" "$VM6"
}

cable()
{
	link "$1" "$2" net "to-$1"
	ns net ip link set "to-$1" master br0
}

ends()
{
	ns "$1" ip link set eth0 up
	ns "$1" ip addr add "$2/24" dev eth0
	ns "$1" ip addr add "$3/64" dev eth0 nodad
}

take_device()
{
	ns "$1" ip link set port0 master br0
	ns "$1" ip link set port0 up
}

add_port()
{
	check "port on $1" roam_on "$1" port add vm web dev port0 mac "$VM_MAC" addr "$VM4" addr "$VM6"
}

moving()
{
	local name=$1
	shift
	nsenter --net="$(ns_path "$name")" "$PYTHON" "$TOP/tests/e2e/moving.py" "$@"
}

# The VM stands still, its device goes.
take_away()
{
	ns "$1" ip link set port0 down
	ns "$1" ip link set port0 netns "roam-$$-$2"
}

# It is there and goes on; the source forgets it.
resume()
{
	take_device "$2"
	moving vm announce "$VM_MAC"
	check "release" roam_on "$1" vm del web
}

# Both ends at once, as through ssh.
pipe_through()
{
	roam_on "$1" state save web - | roam_on "$2" state load - dev "$VM_MAC=port0"
}

move()
{
	take_away "$1" "$2"
	check "the image from $1 to $2" pipe_through "$1" "$2"
	resume "$1" "$2"
}
