# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The benches' network: a client, a host and a VM, each a namespace of this run's own name.

  client: eth0 ── up0 :host: br0 :host: port0 ── eth0 :vm

Everything is gone when the `with` block ends.
"""
import os
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build")).resolve()
ROAM = BUILD / "roam"
VM_MAC, CLIENT_MAC = "52:54:00:00:00:10", "52:54:00:00:00:c1"
VM = {4: "10.9.0.10", 6: "fd09::10"}
CLIENT = {4: "10.9.0.1", 6: "fd09::1"}


def run(*words, **options):
    """Output of a command that must work."""
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class World:
    def __init__(self):
        self.names = {name: f"roam-bench-{os.getpid()}-{name}" for name in ("client", "host", "vm")}
        self.folder = tempfile.TemporaryDirectory(prefix="roam-bench.")
        self.bpffs = Path(self.folder.name) / "bpf"

    def inside(self, name):
        return ["nsenter", f"--net=/var/run/netns/{self.names[name]}"]

    def ns(self, name, *words, **options):
        return run(*self.inside(name), *words, **options)

    def roam(self, *words, **options):
        return self.ns("host", ROAM, "--bpffs", self.bpffs / "roam", *words, **options)

    def __enter__(self):
        self.bpffs.mkdir()
        run("mount", "-t", "bpf", "bpf", self.bpffs)
        for name in self.names.values():
            run("ip", "netns", "add", name)
        try:
            self.wire()
        except BaseException:
            self.__exit__()
            raise
        return self

    def wire(self):
        self.ns("host", "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
        for end, dev in (("client", "up0"), ("vm", "port0")):
            run("ip", "link", "add", dev, "netns", self.names["host"], "type", "veth", "peer", "name",
                "eth0", "netns", self.names[end])
        self.ns("host", "ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        for dev in ("up0", "port0"):
            self.ns("host", "ip", "link", "set", dev, "master", "br0", "up")
        self.ns("host", "ip", "link", "set", "br0", "up")
        for end, mac, addrs in (("client", CLIENT_MAC, CLIENT), ("vm", VM_MAC, VM)):
            self.ns(end, "ip", "link", "set", "eth0", "address", mac, "up")
            self.ns(end, "ip", "addr", "add", f"{addrs[4]}/24", "dev", "eth0")
            self.ns(end, "ip", "addr", "add", f"{addrs[6]}/64", "dev", "eth0", "nodad")
        # The bridge knows where both are, and they know each other.
        for end, addrs, mac in (("client", VM, VM_MAC), ("vm", CLIENT, CLIENT_MAC)):
            for addr in addrs.values():
                self.ns(end, "ip", "neigh", "replace", addr, "lladdr", mac, "dev", "eth0")
        for dev, mac in (("up0", CLIENT_MAC), ("port0", VM_MAC)):
            self.ns("host", "bridge", "fdb", "replace", mac, "dev", dev, "master", "static")

    def make_host(self, *vm_words):
        self.roam("host", "init")
        self.roam("vm", "add", "web", *vm_words)
        self.roam("port", "add", "vm", "web", "dev", "port0", "mac", VM_MAC, "addr", VM[4], "addr",
                  VM[6])

    def __exit__(self, *_):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["rm", "-rf", self.bpffs / "roam"], check=False)
        subprocess.run(["umount", self.bpffs], check=False)
        self.folder.cleanup()
