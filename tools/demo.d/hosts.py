# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the demo configures: hosts that run roam, the balancer among them, and the policies of the
two VMs. Every call is one of the command line's. Used by tools/demo.
"""
import json
import os
import sys

from network import ADDRS, PREFIX, VIP_FROM_VM, VIP_TO_VM, inside, ip, run

ROAM = os.environ.get("ROAM", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                           "..", "..", "build", "roam"))
# Service -> its VIP, port, backend and the backend's port. The VM's is not the one that the client
# also connects to directly: the client's kernel may give both kinds of connection the same port, and
# then the translated tuple would be another connection's (lb_clash).
SERVICES = {
    "web4": (VIP_TO_VM[0], 443, "10.77.0.10", 4430),
    "web6": (VIP_TO_VM[1], 443, "fd77::10", 4430),
    "far4": (VIP_FROM_VM[0], 8444, "10.77.0.100", 8444),
    "far6": (VIP_FROM_VM[1], 8444, "fd77::100", 8444),
}
RATE_BPS, BURST = 250_000, 500_000  # bytes; of the meter, which sends more than that
POLICIES = {
    "demo": (
        "acl add vm demo name web in prio 10 allow tcp from any dport 443",
        "acl add vm demo name shop in prio 15 allow tcp from any dport 4430",
        "acl add vm demo name echo in prio 20 allow udp from any dport 5300",
        "acl add vm demo name ping in prio 30 allow icmp",
        "acl add vm demo name ping6 in prio 30 allow icmp6",
        "acl add vm demo name out-web out prio 10 allow tcp to any dport 8443-8444",
        "ips set vm demo rate 50 burst 300 block 10m max 1h",
        "lb on vm demo",
    ),
    "meter": (
        "acl add vm meter name send out prio 10 allow udp to any dport 5400",
        f"qos set vm meter out rate {8 * RATE_BPS}bit burst {BURST}",
    ),
}


class Vm:
    """A VM: its name, the namespace that stands for it, its device on the host, its addresses."""

    def __init__(self, name, space, dev, mac):
        self.name, self.space, self.dev, self.mac = name, space, dev, mac
        self.addrs = [addr.split("/")[0] for addr in ADDRS[space]]

    def announce(self):
        """What QEMU does when a VM resumes: RARP with the VM's MAC, so that bridges learn."""
        mac = self.mac.replace(":", "")
        code = ("import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); "
                "s.bind(('eth0', 0)); "
                f"m = bytes.fromhex('{mac}'); "
                "s.send(b'\\xff' * 6 + m + bytes.fromhex('8035' '0001080006040003') + m + "
                "bytes(4) + m + bytes(4) + bytes(18))")
        run(*inside(self.space), sys.executable, "-c", code)


class Host:
    """A namespace with roam under a folder of its own."""

    def __init__(self, name, bpffs):
        self.name = name
        self.dir = os.path.join(bpffs, name)

    def roam(self, *args, data=None):
        return run(*inside(self.name), ROAM, "--bpffs", self.dir, *args, data=data)

    def ask(self, text):
        return json.loads(self.roam("-j", *text.split()))

    def up(self):
        self.roam("host", "init", "uplink", "up0")
        for name, (vip, port, backend, backend_port) in SERVICES.items():
            self.roam("lb", "add", name, "vip", vip, "port", str(port), "tcp")
            self.roam("lb", "backend", name, "add", "addr", backend, "port", str(backend_port))

    def make_policy(self, vm):
        self.roam("vm", "add", vm.name, *"default in drop out drop midstream strict".split())
        addrs = [word for addr in vm.addrs for word in ("addr", addr)]
        self.roam("port", "add", "vm", vm.name, "dev", vm.dev, "mac", vm.mac, *addrs)
        for line in POLICIES[vm.name]:
            self.roam(*line.split())

    def take_device(self, vm):
        ip(self.name, f"link set {vm.dev} master br0")
        ip(self.name, f"link set {vm.dev} up")

    def give_device(self, vm, dest):
        ip(self.name, f"link set {vm.dev} netns {PREFIX}{dest.name}")

    # ---- what the demo compares ---------------------------------------------------------------

    def hits(self, vm):
        """Packets by rule."""
        return {rule["name"]: rule["packets"] for rule in self.ask(f"acl show vm {vm.name}")}

    def blocked(self, vm):
        """Sources that are blocked."""
        rows = self.ask(f"ips blocks vm {vm.name}")
        return sorted(row["from"] for row in rows if row["state"] == "blocked")

    def flows(self, vm):
        """How many there are, and how many of them belong to a service."""
        rows = self.ask(f"ct show vm {vm.name}")
        return len(rows), sum("lb" in row for row in rows)

    def passed(self, vm):
        """Bytes that the limit let pass."""
        return sum(row["passed_bytes"] for row in self.ask(f"qos show vm {vm.name}"))
