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
#   take_away FROM TO     the VM stands still, its device goes to the other host
#   take_device HOST      it is plugged in there
#   pipe_through FROM TO  the image, both ends at once, as through ssh
#   resume FROM TO        the VM goes on; FROM forgets it
#   move FROM TO          all of that
#
# With what moving.sh has.

. "$TOP/tests/moving.sh"

hosts_make()
{
	moving_net client a b vm
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

take_device()
{
	ns "$1" ip link set port0 master br0
	ns "$1" ip link set port0 up
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
