# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The demo's network: namespaces, cables, addresses. Made and removed by tools/demo.

    client, foe ─┐         ┌─ up0 :a: br0 ── vm0, vm1
                 ├─ net ───┤                            vm0 ── :vm, vm1 ── :meter
    balancer ────┘         └─ up0 :b: br0

The VMs are namespaces as well. Their devices move from host to host, so that their sockets live on
as a real VM's do.
"""
import os
import subprocess

PREFIX = "roam-demo-"
SPACES = ("net", "a", "b", "balancer", "client", "foe", "vm", "meter")
CLIENT_MAC, FOE_MAC = "52:54:00:77:01:00", "52:54:00:77:01:66"
# Of whoever has an eth0: addresses with their prefixes. The foe is in a /64 of its own.
ADDRS = {
    "client": ("10.77.0.100/24", "fd77::100/64"),
    "foe": ("10.77.0.66/24", "fd77:0:0:66::66/64"),
    "vm": ("10.77.0.10/24", "fd77::10/64"),
    "meter": ("10.77.0.11/24", "fd77::11/64"),
}
MACS = {"client": CLIENT_MAC, "foe": FOE_MAC}
BALANCER = ("10.77.0.2", "fd77::2")
FOE_NET = "fd77:0:0:66::/64"
# What clients of the VM connect to, and what the VM connects to.
VIP_TO_VM = ("10.77.9.10", "fd77:9::10")
VIP_FROM_VM = ("10.77.9.100", "fd77:9::100")


def run(*command, data=None):
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode().strip()}")
    return done.stdout


def inside(space):
    return ("nsenter", f"--net=/var/run/netns/{PREFIX}{space}")


def ip(space, text):
    return run(*inside(space), "ip", *text.split())


def remove():
    """Namespaces of this demo only; a device in one of them goes with it."""
    for space in SPACES:
        if os.path.exists(f"/var/run/netns/{PREFIX}{space}"):
            run("ip", "netns", "del", PREFIX + space)


def build(vms):
    """All of it; the VMs are at host a. They are of hosts.Vm."""
    remove()
    for space in SPACES:
        run("ip", "netns", "add", PREFIX + space)
        run(*inside(space), "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
            "net.ipv6.conf.default.accept_dad=0")
        ip(space, "link set lo up")
    ip("net", "link add br0 type bridge")
    ip("net", "link set br0 up")
    for space, dev in (("a", "up0"), ("b", "up0"), ("balancer", "up0"), ("client", "eth0"),
                       ("foe", "eth0")):
        cable(space, dev)
    for space in ("a", "b"):
        ip(space, "link add br0 type bridge")
        ip(space, "link set up0 master br0")
        ip(space, "link set br0 up")
    for space in ("client", "foe"):
        ip(space, f"link set eth0 address {MACS[space]}")
        lock_port(space)
    for vm in vms:
        ip("a", f"link add {vm.dev} type veth peer name eth0 address {vm.mac} "
                f"netns {PREFIX}{vm.space}")
    for space in ADDRS:
        address(space)
    ip("vm", f"route add {FOE_NET} dev eth0")
    ip("foe", "route add fd77::/64 dev eth0")
    make_router(vms)


def cable(space, dev):
    ip("net", f"link add to-{space} type veth peer name {dev} netns {PREFIX}{space}")
    ip("net", f"link set to-{space} master br0")
    ip("net", f"link set to-{space} up")
    ip(space, f"link set {dev} up")


def address(space):
    for addr in ADDRS[space]:
        ip(space, f"addr add {addr} dev eth0" + (" nodad" if ":" in addr else ""))
    ip(space, "link set eth0 up")


def lock_port(space):
    """The forger in the client's namespace must not teach the bridge that it is the VM: a switch has
    port security for that, and it is not what is shown here."""
    run(*inside("net"), "bridge", "link", "set", "dev", f"to-{space}", "learning", "off")
    run(*inside("net"), "bridge", "fdb", "replace", MACS[space], "dev", f"to-{space}", "master",
        "static")


def make_router(vms):
    """The balancer is the router to both VIPs. What it sends on from XDP must be whole, as on a wire,
    and the cable's other end has to take it: a veth does with GRO, which gives it NAPI."""
    run(*inside("balancer"), "sysctl", "-qw", "net.ipv4.ip_forward=1",
        "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
        "net.ipv4.conf.up0.send_redirects=0")
    ip("balancer", f"addr add {BALANCER[0]}/24 dev up0")
    ip("balancer", f"addr add {BALANCER[1]}/64 dev up0 nodad")
    for vm in vms:
        for addr in vm.addrs:
            ip("balancer", f"neigh replace {addr} lladdr {vm.mac} dev up0 nud permanent")
    run(*inside("net"), "ethtool", "-K", "to-balancer", "gro", "on")
    run(*inside("client"), "ethtool", "-K", "eth0", "tx", "off", "gso", "off")
    for space, vips in (("client", VIP_TO_VM), ("vm", VIP_FROM_VM)):
        for vip, router in zip(vips, BALANCER):
            ip(space, f"route add {vip} via {router}")
