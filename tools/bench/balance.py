# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""An established balanced flow through bridge and veth: toward a VM that is the backend of a service,
translated by roam at the VM's port, or by nftables with dnat to a map and the same stateful policy, in
the inet family, to which br_netfilter hands what is bridged.

The topology, what is sent and what is measured are those of packets.py, but for a figure being the
first decile of its batches. The VM has the VIP as an address of its own, too, so that its stack does
the same with a frame that nobody has translated.
"""
from pathlib import Path

from packets import PACKETS, Firewalls, add_rows, blast, one_round
from world import VM, VM_MAC, World

VIP = {4: "198.51.100.9", 6: "2001:db8:99::9"}
HOST = {4: "10.9.0.2/24", 6: "fd09::2/64"}
PORT = 80

# More than one way out of the map; all of them lead to the VM, as the flow must arrive.
RULES = """
table inet bench {{
 chain pick {{
  type nat hook prerouting priority dstnat;
  ip daddr {vip4} udp dport {port} dnat ip to jhash ip saddr . udp sport mod 4 map {{
   0 : {vm4} . 5300, 1 : {vm4} . 5300, 2 : {vm4} . 5300, 3 : {vm4} . 5300 }}
  ip6 daddr {vip6} udp dport {port} dnat ip6 to jhash ip6 saddr . udp sport mod 4 map {{
   0 : {vm6} . 5300, 1 : {vm6} . 5300, 2 : {vm6} . 5300, 3 : {vm6} . 5300 }}
 }}
 chain forward {{
  type filter hook forward priority 0; policy drop;
  ct state established accept
  udp dport 5300 accept
 }}
}}
"""


class Balancers(Firewalls):
    """Behind a service, as Firewalls are before a VM."""

    def __init__(self, world):
        super().__init__(world)
        self.family, self.name = "inet", "nftables, dnat to a map"
        self.hand_over(False)
        self.set_rules(1)
        world.roam("lb", "on", "vm", "web")
        for family, vip in VIP.items():
            world.roam("lb", "add", f"s{family}", "vip", vip, "port", PORT, "udp")
            world.roam("lb", "backend", f"s{family}", "add", "addr", VM[family], "port", 5300)

    def start_nft(self):
        self.hand_over(True)
        self.world.ns("host", "nft", "-f", "-", input=RULES.format(
            vip4=VIP[4], vip6=VIP[6], vm4=VM[4], vm6=VM[6], port=PORT))


def prepare(world):
    """What br_netfilter needs to bridge what has got another destination: routes and neighbours."""
    world.ns("host", "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/br0/disable_ipv6")
    world.ns("host", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    world.ns("host", "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
    for family in (4, 6):
        world.ns("host", "ip", "addr", "add", HOST[family], "dev", "br0",
                 *(["nodad"] if family == 6 else []))
        world.ns("host", "ip", "neigh", "replace", VM[family], "lladdr", VM_MAC, "dev", "br0")
        world.ns("vm", "ip", "addr", "add", VIP[family], "dev", "lo")
    world.ns("vm", "ip", "link", "set", "lo", "up")


def balanced(world, family, packets):
    """A flow through the VIP with an answer, then its packets."""
    blast(world, "up0", family, "in", "vip", 1)
    blast(world, "port0", family, "out", "vip", 1)
    return blast(world, "up0", family, "in", "vip", packets, "decile")


def arrived(world):
    """UDP that came to the VM for port 5300, where nobody listens."""
    out = world.ns("vm", "cat", "/proc/net/snmp", "/proc/net/snmp6")
    lines = [line.split() for line in out.splitlines()]
    udp4 = [line for line in lines if line[0] == "Udp:"]
    udp6 = [line for line in lines if line[0] == "Udp6NoPorts"]
    return int(udp4[1][udp4[0].index("NoPorts")]) + int(udp6[0][1])


def measure_family(rows, world, walls, family):
    before = arrived(world)
    rounds = [one_round(world, walls, lambda: balanced(world, family, PACKETS))
              for _ in range(rows.rounds(7))]
    sent = len(rounds) * 6 * (PACKETS + 1)
    if arrived(world) - before < sent * 0.99:
        raise SystemExit(f"bench: of {sent} packets {arrived(world) - before} arrived")
    add_rows(rows, f"balanced IPv{family}", walls.name, rounds)


def measure(rows):
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        print("balance: left out, no br_netfilter is loaded")
        return
    rows.command("build/bench/blast up0 4|6 in vip COUNT decile  # in the host's namespace")
    rows.command("nft -f -  # prerouting: dnat to jhash ... mod 4 map {...}; forward: as above")
    with World() as world:
        world.make_host("default", "out", "allow")
        prepare(world)
        walls = Balancers(world)
        for family in (4, 6):
            measure_family(rows, world, walls, family)
