# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Packets through bridge and veth toward a VM: with nothing, with roam, and with nftables doing the
same stateful policy: in the bridge family where the kernel tracks connections there
(nf_conntrack_bridge), otherwise in the inet family, to which br_netfilter hands what is bridged.

Frames are put into the bridge's port toward the client (blast.c); what is measured is all that the
kernel does with them up to the VM's stack, on one CPU. `added` is what either firewall adds to the
way without one; a figure is the least of a few runs, because all noise adds.
"""
import ipaddress
import json
import os
import random
import statistics
import subprocess
import time

from world import BUILD, CLIENT, VM, World, run

PACKETS = 200000
OPENINGS = 20000
RULES = (1, 100, 1000)
TUPLES = 10000
ENDLESS = 2000000000


def rule_ports(count):
    """Ports of `count` rules, the last of which is the one that matches."""
    return list(range(10000, 10000 + count - 1)) + [5300]


def tuples(count):
    """Random (source prefix, ports) of `count` rules; the last one is that which matches."""
    dice = random.Random(count)
    found = {}
    while len(found) < count - 1:
        bits = dice.randint(20, 32)
        prefix = f"{dice.randint(11, 223)}.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randrange(256)}"
        net = ipaddress.ip_network(f"{prefix}/{bits}", strict=False)
        first = dice.randint(1, 65000)
        found[str(net)] = (first, first + dice.randrange(500))
    return [*found.items(), (f"{CLIENT[4]}/32", (5300, 5300))]


class Firewalls:
    """The three ways through the same bridge; one at a time is on."""

    def __init__(self, world):
        self.world, self.accept, self.sets = world, "", ""
        self.family, self.from_vm = "bridge", 'iifname "port0"'
        if not self.tracks_bridge():
            self.family, self.from_vm = "inet", "ip saddr 10.9.0.10 accept; ip6 saddr fd09::10"
        self.name = f"nftables, {self.family} family"

    def tracks_bridge(self):
        rules = "add table bridge try; add chain bridge try c { type filter hook forward priority 0; }"
        done = subprocess.run([*self.world.inside("host"), "nft",
                               f"{rules}; add rule bridge try c ct state established accept"],
                              check=False, capture_output=True)
        subprocess.run([*self.world.inside("host"), "nft", "delete", "table", "bridge", "try"],
                       check=False, capture_output=True)
        return not done.returncode

    def nothing(self):
        self.stop_nft()
        self.unbind()

    def unbind(self):
        self.world.roam("port", "del", "vm", "web", "mac", "52:54:00:00:00:10")

    def bind(self):
        self.world.roam("port", "add", "vm", "web", "dev", "port0", "mac", "52:54:00:00:00:10", "addr",
                        VM[4], "addr", VM[6])

    def start_roam(self):
        self.bind()

    def stop_roam(self):
        self.unbind()

    def set_rules(self, count):
        """roam's rules stay in place while its port is away."""
        lines = [f"acl add vm web name r{port} in prio {i} allow udp dport {port}"
                 for i, port in enumerate(rule_ports(count))]
        self.accept = "\n".join(f"udp dport {port} accept" for port in rule_ports(count))
        self.sets = ""
        self.world.roam("vm", "del", "web")
        self.world.roam("vm", "add", "web", "default", "out", "allow", "flows", "262144", "half",
                        "262144")
        self.world.roam("batch", "-", input="\n".join(lines) + "\n")

    def set_tuples(self, count):
        """The same rules for both; nftables has them in one set, the best that it has for such."""
        rules = [{"name": f"r{i}", "dir": "in", "prio": i, "action": "allow", "proto": "udp",
                  "from": net, "to": f"{VM[4]}/32", "dport": f"{first}-{last}"}
                 for i, (net, (first, last)) in enumerate(tuples(count))]
        elements = ",\n".join(f"{net} . {VM[4]} . {first}-{last}"
                              for net, (first, last) in tuples(count))
        self.sets = f"""set rules {{ type ipv4_addr . ipv4_addr . inet_service; flags interval;
 elements = {{ {elements} }}; }}"""
        self.accept = "ip saddr . ip daddr . udp dport @rules accept"
        self.world.roam("vm", "del", "web")
        self.world.roam("policy", "apply", "-", input=json.dumps(
            {"vm": {"name": "web", "default": {"in": "drop", "out": "allow"}, "flows": 262144,
                    "half": 262144}, "acl": rules}))

    def start_nft(self):
        self.hand_over(self.family == "inet")
        self.world.ns("host", "nft", "-f", "-", input=f"""
table {self.family} bench {{
 {self.sets}
 chain forward {{
  type filter hook forward priority 0; policy drop;
  ct state established accept
  {self.from_vm} accept
  {self.accept}
 }}
}}
""")

    def hand_over(self, on):
        """Whether br_netfilter shows bridged packets to the inet family."""
        for name in ("iptables", "ip6tables"):
            path = f"/proc/sys/net/bridge/bridge-nf-call-{name}"
            self.world.ns("host", "sh", "-c", f"test ! -e {path} || echo {int(on)} > {path}")

    def stop_nft(self):
        self.hand_over(False)
        subprocess.run([*self.world.inside("host"), "nft", "delete", "table", self.family, "bench"],
                       check=False, capture_output=True)
        subprocess.run([*self.world.inside("host"), "conntrack", "-F"], check=False,
                       capture_output=True)


def blast(world, dev, *words):
    return float(world.ns("host", BUILD / "bench/blast", dev, *words))


def established(world, family, packets):
    """A flow with an answer, then its packets."""
    blast(world, "up0", family, "in", "same", 1)
    blast(world, "port0", family, "out", "same", 1)
    return min(blast(world, "up0", family, "in", "same", packets) for _ in range(3))


def both_ways(world, family, packets):
    """The same flow in both directions at once, each on a CPU of its own: the mean of the two. One
    sends without a pause while the other is measured, so that no packet of it has the CPUs' caches
    to itself; the median, because a machine that others share takes the one CPU away now and then."""
    def one(cpu, dev, direction, *words):
        return [*world.inside("host"), "taskset", "-c", str(cpu), str(BUILD / "bench/blast"), dev,
                str(family), direction, "same", *map(str, words)]

    ways = ((0, "up0", "in"), (1, "port0", "out"))
    for _, dev, direction in ways:
        blast(world, dev, family, direction, "same", 1)
    medians = []
    for way, other in (ways, ways[::-1]):
        with subprocess.Popen(one(*other, ENDLESS), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as background:
            try:
                time.sleep(0.2)  # until it sends
                medians.append(float(run(*one(*way, packets, "median"))))
                if background.poll() is not None:
                    raise SystemExit("bench: the other direction has ended too soon")
            finally:
                background.kill()
    return statistics.mean(medians)


def openings(world, count):
    return blast(world, "up0", 4, "in", "new", count)


def one_round(world, walls, measure):
    """(nothing, roam, nftables), and back again: the mean of both."""
    def roam():
        walls.start_roam()
        value = measure()
        walls.stop_roam()
        return value

    def nft():
        walls.start_nft()
        value = measure()
        walls.stop_nft()
        return value

    order = [measure, roam, nft]
    there = [one() for one in order]
    back = [one() for one in reversed(order)][::-1]
    return [(a + b) / 2 for a, b in zip(there, back)]


def add_rows(rows, name, peer, rounds):
    rows.add(f"{name}, Mpps", peer, "Mpps", [(1e3 / r, 1e3 / n) for _, r, n in rounds])
    rows.add(f"{name}, Mpps of nothing", "nothing", "Mpps", [(1e3 / r, 1e3 / z) for z, r, _ in rounds])
    base = statistics.median(zero for zero, _, _ in rounds)
    rows.add(f"{name}, added", peer, "ns", [(r - base, n - base) for _, r, n in rounds])


def measure_frames(rows, world):
    walls = Firewalls(world)
    for count in RULES:
        walls.set_rules(count)
        for family in (4, 6) if count == 1 else (4,):
            rounds = [one_round(world, walls, lambda f=family: established(world, f, PACKETS))
                      for _ in range(rows.rounds(7))]
            add_rows(rows, f"established IPv{family}, {count} rules", walls.name, rounds)
        rounds = [one_round(world, walls, lambda: openings(world, OPENINGS))
                  for _ in range(rows.rounds(5))]
        add_rows(rows, f"openings, {count} rules", walls.name, rounds)


def measure_both_ways(rows, world):
    if os.cpu_count() < 2:
        print("both directions at once: left out, there is one CPU")
        return
    walls = Firewalls(world)
    walls.set_rules(1)
    for family in (4, 6):
        rounds = [one_round(world, walls, lambda f=family: both_ways(world, f, PACKETS))
                  for _ in range(rows.rounds(7))]
        add_rows(rows, f"established IPv{family}, both directions on two CPUs", walls.name, rounds)


def measure_tuples(rows, world):
    walls = Firewalls(world)
    walls.set_tuples(TUPLES)
    rounds = [one_round(world, walls, lambda: openings(world, OPENINGS)) for _ in range(rows.rounds(5))]
    add_rows(rows, f"openings, {TUPLES:,} rules", f"{walls.name}, a set", rounds)


def transfer(world, seconds):
    """Gbit/s of one TCP connection from the client to the VM, as a user's sockets see it."""
    server = subprocess.Popen([*world.inside("vm"), "python3", "-c", """
import socket, sys
listener = socket.create_server(("", 5300))
print("ready", flush=True)
one = listener.accept()[0]
one.settimeout(20)
buffer = bytearray(1 << 20)
total = 0
while True:
    got = one.recv_into(buffer)
    if not got:
        break
    total += got
print(total)
"""], stdout=subprocess.PIPE, text=True)
    with server:
        server.stdout.readline()
        begin = time.monotonic()
        world.ns("client", "python3", "-c", f"""
import socket, time
one = socket.create_connection(("{VM[4]}", 5300), 20)
piece = bytes(1 << 18)
end = time.monotonic() + {seconds}
while time.monotonic() < end:
    one.sendall(piece)
one.close()
""")
        total = int(server.stdout.readline())
        return total * 8 / 1e9 / (time.monotonic() - begin)


def measure_tcp(rows, world):
    walls = Firewalls(world)
    walls.set_rules(1)
    world.roam("acl", "add", "vm", "web", "name", "tcp", "in", "allow", "tcp", "dport", "5300")

    def with_nft():
        world.ns("host", "nft", "add", "rule", walls.family, "bench", "forward", "tcp", "dport", "5300",
                 "accept")
        return transfer(world, 0.5)

    rounds = []
    for _ in range(rows.rounds(7)):
        zero = transfer(world, 0.5)
        walls.start_roam()
        roam = transfer(world, 0.5)
        walls.stop_roam()
        walls.start_nft()
        nft = with_nft()
        walls.stop_nft()
        rounds.append((zero, roam, nft))
    rows.add("TCP with GSO, one connection", "nothing", "Gbit/s", [(r, z) for z, r, _ in rounds])
    rows.add("TCP with GSO, against nftables", walls.name, "Gbit/s", [(r, n) for _, r, n in rounds])


def measure(rows):
    rows.command("build/bench/blast up0 4|6 in same|new COUNT  # in the host's namespace")
    rows.command("nft -f -  # forward hook: ct state established accept; udp dport N accept; ...")
    with World() as world:
        world.make_host("default", "out", "allow")
        world.roam("port", "del", "vm", "web", "mac", "52:54:00:00:00:10")
        measure_frames(rows, world)
        measure_both_ways(rows, world)
        measure_tuples(rows, world)
        measure_tcp(rows, world)
