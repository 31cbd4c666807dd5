#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A real VM, which QEMU itself migrates between two hosts that run roam, while its clients go on.

There and back with a handover of both roamd, by `roam handover follow`; two migrations that fail (a
destination's roamd that hangs; a destination that dies while the VM is held), after which the VM goes on where it was; and the
contrast, the policy alone. Forbidden traffic runs all the time, in both directions, and a source that
was blocked tries on: nothing of it may arrive, at either host. What is where: live.py.
"""
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import live  # noqa: E402

SETTLE_S = 1
REASONS = ("spoof_mac", "spoof_addr", "acl_default", "midstream", "outside_mac", "ips_blocked")


class Test:
    def __init__(self, world, results):
        self.world, self.results = world, results

    def traffic(self):
        return self.world.start("client", live.HERE / "live_client.py", "ready",
                                *live.VM_ADDRS, *live.VIPS)

    def move(self, name, expected, state=True, see=None):
        """A migration, told, that is to end so."""
        time.sleep(SETTLE_S)
        world = self.world
        steps = live.move(world, state, see)
        print(f"# {name}: {steps.end}, {steps.total_ms} ms, downtime {steps.downtime_ms} ms, "
              f"fence {steps.fence_us / 1000:.1f} ms {steps.errors}")
        self.results.equal(name, steps.end, expected)
        if steps.end != "moved":
            world.dest().roamd.send_signal(signal.SIGCONT)
            world.forget(world.dest(), state)
        time.sleep(SETTLE_S)
        return steps

    # ---- the parts ----------------------------------------------------------------------------

    def watchers(self):
        world = self.world
        self.leaks = [world.start(name, live.HERE / "live_leaks.py", "ready", "tap0")
                      for name in ("a", "b")]
        self.forbidden = world.start("client", live.PARTS / "forbidden.py", "ready", "client",
                                     "eth0")
        self.foe = world.start("foe", live.PARTS / "foe.py", "attacked")

    def there_and_back(self):
        results, world = self.results, self.world
        client = self.traffic()
        blocked, passed = world.source().blocked(), world.source().passed()
        results.check("the foe is blocked, by IPv4 and IPv6", len(blocked) == 2, blocked)
        self.move("it moves", "moved")
        results.equal("the block is in force there", world.source().blocked(), blocked)
        results.check("the limit's counters go on", world.source().passed() >= passed > 0)
        for reason in REASONS:
            before = world.source().counter(reason)
            self.grows(reason, before)
        self.move("and back", "moved")
        self.fails()
        self.all_went_on(client.finish())

    def grows(self, reason, before):
        """The destination judges that traffic itself; what came along is more than nothing."""
        end = time.monotonic() + 20
        while (now := self.world.source().counter(reason)) <= before and time.monotonic() < end:
            time.sleep(0.1)
        self.results.check(f"drops as {reason} go on there", now > before > 0, before, now)

    def fails(self):
        world = self.world

        def hang(line):
            if live.pairs(line).get("step") == "active":
                world.dest().roamd.send_signal(signal.SIGSTOP)

        steps = self.move("a destination's roamd that hangs: it stays", "stayed", see=hang)
        self.results.check("and says why", "fence_timeout" in steps.errors, steps.errors)

        def kill(line):
            if "pre-switchover" in line:
                world.qemu[world.dest().name].process.kill()

        self.move("a destination that dies while it is held: it stays", "stayed", see=kill)

    def all_went_on(self, found):
        series = found.pop("series")
        print(f"# {found}, {len(series)} samples")
        results = self.results
        results.equal("connections that live, their content right", found["alive"],
                      found["connections"])
        results.equal("resets", found["reset"], 0)
        results.equal("lost", found["lost"], 0)
        results.equal("datagrams of nobody", found["udp_forged"], 0)
        results.equal("datagrams are answered", found["udp_alive"], 2)

    def contrast(self):
        client = self.traffic()
        self.move("without state it moves as well", "moved", state=False)
        found = client.finish()
        found.pop("series")
        print(f"# without state: {found}")
        self.results.equal("and no connection lives", found["alive"], 0)

    def nothing_arrived(self):
        results = self.results
        found = self.forbidden.finish()
        results.check("forbidden frames were sent", found["sent"] > 1000, found)
        results.equal("of the VM's none arrived", (found["leaks"], found["leaked"]), (0, []))
        for host, leaks in zip("ab", self.leaks):
            found = leaks.finish()
            results.check(f"frames went to the VM at {host}", found["frames"] > 100, found)
            results.equal(f"none of them was forbidden at {host}",
                          (found["leaks"], found["leaked"]), (0, []))

    def foe_is_kept_out(self):
        results = self.results
        found = self.foe.finish()
        results.check("the foe went on trying", found["tries"] > 10, found)
        results.equal("and got nothing through", found["through"], 0)

    def run(self):
        self.world.build()
        self.world.wait_up()
        self.watchers()
        self.there_and_back()
        self.foe_is_kept_out()  # before the contrast, which has no blocks
        self.contrast()
        self.nothing_arrived()


def main():
    return live.run_test("roam-migrate.", live.World,
                         lambda world, results: Test(world, results).run())


if __name__ == "__main__":
    sys.exit(main())
