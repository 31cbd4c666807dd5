#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A real VM whose QEMU has a commit barrier (`roam handover barrier`, by dbus-vmstate) at each host:

* with `roam handover follow` it moves, and the barrier's word is in QEMU's stream;
* with nobody who holds QEMU it moves as well: the barrier itself freezes and waits;
* a destination that has lost the handover while QEMU saves: QEMU's migration fails, and the VM goes on
  where it was; so it does when there is no handover at all;
* the contrast, of a QEMU without a barrier: that destination gets the VM.

Its clients go on all the time, but for the contrast. What is where: live.py.
"""
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import live  # noqa: E402

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>{address}</listen>
  <policy context="default">
    <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


class World(live.World):
    """With a bus and a barrier beside each QEMU."""

    def __init__(self, scratch):
        super().__init__(scratch)
        self.buses, self.barriers, self.has_barrier = [], {}, True

    def address(self, name):
        return f"unix:path={self.scratch}/{name}.bus"

    def more(self, name):
        if not self.has_barrier:
            return ()
        return ("-object",
                f"dbus-vmstate,id=barrier,addr={self.address(name)},id-list=roam-web")

    def make_bus(self, name):
        config = self.scratch / f"{name}.bus.conf"
        config.write_text(BUS.format(address=self.address(name)))
        self.buses.append(subprocess.Popen(
            ["dbus-daemon", "--nofork", f"--config-file={config}"], stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))  # it may not raise its limit of files here
        wait_until(lambda: os.path.exists(f"{self.scratch}/{name}.bus"), "a bus")

    def make_barrier(self, name):
        with open(self.scratch / f"{name}.barrier", "ab") as told:
            self.barriers[name] = subprocess.Popen(
                [live.ROAM, "--control", f"{self.scratch}/{name}.sock", "handover", "barrier", "vm",
                 "web", "dbus", self.address(name), "timeout", "15"],
                stdin=subprocess.DEVNULL, stdout=told, stderr=told)
        wait_until(lambda: self.told(name), "a barrier")

    def told(self, name):
        """What the barrier has said last."""
        lines = (self.scratch / f"{name}.barrier").read_text().splitlines()
        return lines[-1] if lines else ""

    def last_words(self):
        return super().last_words() + [self.told(name) for name in self.barriers]

    def build(self):
        for name in ("a", "b"):
            self.make_bus(name)
            self.make_barrier(name)
        super().build()

    def remove(self):
        super().remove()
        for process in (*self.barriers.values(), *self.buses):
            process.kill()
            process.wait()


def wait_until(what, name, patience_s=live.PATIENCE_S):
    end = time.monotonic() + patience_s
    while not what():
        if time.monotonic() > end:
            raise RuntimeError(f"there is no {name}")
        time.sleep(0.02)


def forget_all(host):
    """As a host that was started anew: neither maps nor a journal."""
    host.down()
    shutil.rmtree(f"{host.scratch}/state-{host.name}")
    host.up()


class Test:
    def __init__(self, world, results):
        self.world, self.check, self.equal = world, results.check, results.equal

    # ---- migrations ---------------------------------------------------------------------------

    def told(self, source, dest):
        """Both barriers have said the same."""
        saved, loaded = live.pairs(self.world.told(source)), live.pairs(self.world.told(dest))
        self.equal(f"{source}'s barrier goes into the stream", saved.pop("barrier", None), "saved")
        self.equal(f"{dest}'s takes it", loaded.pop("barrier", None), "loaded")
        self.equal("it is the same", loaded, saved)

    def follows(self):
        world = self.world
        steps = live.move(world)
        self.check("with follow it moves", steps.end == "moved", steps.end, steps.errors)
        print(f"# downtime {steps.downtime_ms} ms, fence {steps.fence_us / 1000:.1f} ms")
        self.told("a", "b")

    def migrate(self):
        """By QEMU, whom nobody holds: how it ends."""
        world = self.world
        monitor = world.qemu[world.at].monitor
        monitor.ask("migrate-set-capabilities", capabilities=[
            {"capability": "return-path", "state": True},
            {"capability": "pause-before-switchover", "state": False}])
        monitor.ask("migrate", uri=world.channel())
        wait_until(lambda: monitor.ask("query-migrate")["status"] in ("completed", "failed"),
                   "end of the migration")
        return monitor.ask("query-migrate")

    def unheld(self):
        """Nobody but the barrier stops it."""
        world = self.world
        source, dest = world.source(), world.dest()
        world.wait_at_destination()
        dest.expect(source.name)
        dest.tap_up()
        source.roam(*f"handover start vm web to {dest.name} late 1 wait".split())
        found = self.migrate()
        self.equal("with nobody who holds it it moves", found["status"], "completed")
        print(f"# downtime {found.get('downtime')} ms")
        self.told(source.name, dest.name)
        world.forget(source, True)
        world.at = dest.name

    def stays(self, name, words):
        """What QEMU at the destination, or the source, had to say; the VM runs on."""
        world = self.world
        source, dest = world.source(), world.dest()
        # Before: a QEMU that has gone leaves no words.
        said = "".join(world.qemu[at].last_words() for at in (source.name, dest.name))
        self.check(f"{name}: QEMU says why", words in said, said)
        wait_until(lambda: world.qemu[source.name].status() == "running", "VM that goes on")
        self.check(f"{name}: the VM goes on where it was", True)
        wait_until(lambda: source.ask("vm show web")[0]["life"] == "active", "owner")
        world.forget(dest, True)

    def lost(self):
        world = self.world
        source, dest = world.source(), world.dest()
        barrier = world.barriers[source.name]
        barrier.send_signal(signal.SIGSTOP)  # QEMU will wait for it in Save

        def drop(line):
            if live.pairs(line).get("step") == "device":
                forget_all(dest)
                barrier.send_signal(signal.SIGCONT)

        steps = live.move(world, see=drop)
        barrier.send_signal(signal.SIGCONT)
        self.check("a destination that has lost it: it stays", steps.end == "stayed", steps.end,
                   steps.errors)
        self.equal("it was in the stream", live.pairs(world.told(source.name))["barrier"], "saved")
        self.check("the destination refused it", world.told(dest.name).endswith(
            "handover: vm 'web' has no handover here"), world.told(dest.name))
        self.stays("lost", "has no handover here")

    def none(self):
        """No handover was begun."""
        world = self.world
        world.wait_at_destination()
        world.dest().tap_up()
        self.equal("without a handover it fails", self.migrate()["status"], "failed")
        self.check("the source refused it", live.pairs(world.told(world.at))["barrier"] == "refused",
                   world.told(world.at))
        self.stays("none", "handover: ")

    def contrast(self):
        """The destination forgets the handover once it is ready, and QEMU has no barrier."""
        world = self.world
        source, dest = world.source(), world.dest()
        world.has_barrier = False
        world.qemu[source.name].monitor.ask("object-del", id="barrier")
        world.wait_at_destination()
        dest.expect(source.name)
        dest.tap_up()
        source.roam(*f"handover start vm web to {dest.name} wait".split())
        world.qemu[source.name].monitor.ask("stop")
        source.roam(*"handover freeze vm web".split())
        forget_all(dest)
        self.equal("without a barrier it moves there all the same", self.migrate()["status"],
                   "completed")
        self.check("where nothing of it is", not dest.has_vm())

    def all_went_on(self, found):
        series = found.pop("series")
        print(f"# {found}, {len(series)} samples")
        self.equal("connections that live, their content right", found["alive"],
                   found["connections"])
        self.equal("resets", found["reset"], 0)
        self.equal("lost", found["lost"], 0)
        self.equal("datagrams are answered", found["udp_alive"], 2)

    def run(self):
        world = self.world
        world.build()
        world.wait_up()
        client = world.start("client", live.HERE / "live_client.py", "ready", *live.VM_ADDRS,
                             *live.VIPS)
        self.follows()
        self.unheld()
        self.lost()
        self.none()
        self.all_went_on(client.finish())
        self.contrast()


def main():
    return live.run_test("roam-barrier.", World,
                         lambda world, results: Test(world, results).run(),
                         [(shutil.which("dbus-daemon"), "dbus-daemon")])


if __name__ == "__main__":
    sys.exit(main())
