# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A whole handover between two roamd, TLS and the journal included, against conntrack's tools, which
dump and load as many entries: the commands `start … wait` and `freeze`, after which the VM may run at
the destination. Both roamd are in one namespace, with pins of their own; the handover is given up once
that has been measured, so that the next one finds the same."""
import json
import subprocess
import sys
import time
from pathlib import Path

from images import THERE_DEV, ConntrackLimits, Sides, make_there
from rows import in_turn
from world import BUILD, VM_MAC, World, run

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "tests/vm"))
from live import make_certificates  # noqa: E402

PORTS = {"here": 4791, "there": 4792}
PATIENCE_S = 120  # the maps of a million flows go


class Daemon:
    """roamd of one of the two hosts, until the `with` block ends."""

    def __init__(self, world, name, pins):
        self.world, self.name, self.folder = world, name, world.folder.name
        self.control = f"{self.folder}/{name}.sock"
        peer = next(other for other in PORTS if other != name)
        self.config = f"{self.folder}/{name}.yaml"
        with open(self.config, "w", encoding="ascii") as target:
            target.write(f"name: {name}\nlisten: '[::1]:{PORTS[name]}'\ncontrol: {self.control}\n"
                         f"certificate: {self.folder}/{name}.pem\nkey: {self.folder}/{name}.key\n"
                         f"ca: {self.folder}/ca.pem\nstate: {self.folder}/state-{name}\n"
                         f"bpffs: {pins}\npeers:\n"
                         f"  - {{name: {peer}, address: '[::1]:{PORTS[peer]}'}}\n")

    def handover(self, *words):
        flags = [word for word in words if word == "-j"]
        return self.world.roam(*flags, "--control", self.control, "handover", *words[len(flags):])

    def newest(self):
        """State of the VM's newest handover, which comes first, behind what is expected."""
        shown = json.loads(self.handover("-j", "show", "vm", "web"))
        return next(one["state"] for one in shown if one["state"] != "expected")

    def answers(self):
        try:
            self.handover("show")
            return True
        except SystemExit:
            return False

    def __enter__(self):
        self.log = open(f"{self.folder}/{self.name}.log", "wb")
        self.process = subprocess.Popen([*self.world.inside("host"), BUILD / "roamd", "-c", self.config],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(self.answers, f"{self.name}: roamd does not answer")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def wait_until(what, complaint):
    end = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > end:
            raise SystemExit(f"bench: {complaint}")
        time.sleep(0.05)


def hand_over(here, there):
    """Milliseconds; afterwards the VM is where it was."""
    there.handover("expect", "vm", "web", "from", "here", "dev", f"{VM_MAC}={THERE_DEV}")
    begin = time.monotonic()
    here.handover("start", "vm", "web", "to", "there", "wait")
    here.handover("freeze", "vm", "web")
    took = (time.monotonic() - begin) * 1e3
    here.handover("abort", "vm", "web", "reason", "vm_manager")
    for one in (here, there):
        wait_until(lambda daemon=one: daemon.newest() == "aborted", f"{one.name} does not give up")
    return took


def measure_size(rows, world, daemons, flows):
    sides = Sides(world, flows)
    world.roam("--bpffs", world.bpffs / "there", "vm", "del", "web")
    count = rows.rounds(3)
    rows.add(f"whole handover, {flows:,} flows", "conntrack: dump, then load", "ms",
             in_turn(count, lambda: hand_over(*daemons), sides.conntrack_both))


def measure(rows):
    rows.command("roam handover start vm web to there wait; roam handover freeze vm web")
    with World() as world, ConntrackLimits():
        world.ns("host", "ip", "link", "set", "lo", "up")
        world.make_host("default", "out", "allow")
        make_there(world)
        make_certificates(world.folder.name, PORTS)
        with Daemon(world, "here", world.bpffs / "roam") as here, \
             Daemon(world, "there", world.bpffs / "there") as there:
            measure_size(rows, world, (here, there), 100000 if rows.quick else 1000000)
        run(*world.inside("host"), BUILD / "roam", "--bpffs", world.bpffs / "there", "host", "teardown")
