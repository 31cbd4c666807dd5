# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Saving and loading flows, against conntrack's tools with as many entries; memory; and a VM's save
on a host that carries many flows of others."""
import os
import subprocess
import time

from rows import in_turn
from world import BUILD, ROAM, VM, VM_MAC, World, run

SIZES = (1000, 10000, 100000, 1000000)
QUICK_SIZES = (1000, 100000)
CT_LIMIT = "/proc/sys/net/netfilter/nf_conntrack_max"
CT_BUCKETS = "/sys/module/nf_conntrack/parameters/hashsize"


def timed(words, **options):
    """Milliseconds of a command that must work."""
    begin = time.monotonic()
    done = subprocess.run([str(word) for word in words], check=False, stderr=subprocess.PIPE, **options)
    if done.returncode:
        raise SystemExit(f"bench: {words}: {done.stderr.decode().strip()}")
    return (time.monotonic() - begin) * 1e3


def rounds_for(rows, flows):
    return rows.rounds(11 if flows <= 10000 else 5 if flows <= 100000 else 3)


SETTLE_S = 0.1
THERE_DEV = "there0"


class Sides:
    """The same number of flows at roam's host and in a conntrack table. Either side loads into what
    is ready and empty, as in a move: roam into a second host that has the VM's policy and port. To
    empty it is not measured, and the kernel gets a moment to free what was there."""

    def __init__(self, world, flows):
        self.world, self.flows = world, flows
        self.roam = [*world.inside("host"), ROAM, "--bpffs", world.bpffs / "roam"]
        self.there = [*world.inside("host"), ROAM, "--bpffs", world.bpffs / "there"]
        self.conntrack = [*world.inside("client"), "conntrack"]
        self.image = os.path.join(world.folder.name, "web.img")
        self.table = os.path.join(world.folder.name, "table")
        for host in (self.roam, self.there):
            run(*host, "vm", "set", "web", "flows", max(flows, 1000), "half", 64)
        world.ns("host", BUILD / "bench/flows", world.bpffs / "roam", "web", flows)
        self.fill_conntrack()

    def fill_conntrack(self):
        with open(self.table, "w", encoding="ascii") as target:
            for i in range(self.flows):
                source, port = f"198.18.{i // 60000}.1", 1024 + i % 60000
                target.write(f"-A -t 432000 -u SEEN_REPLY,ASSURED -s {source} -d 10.9.0.10 "
                             f"-r 10.9.0.10 -q {source} -p tcp --sport {port} --dport 443 "
                             f"--reply-port-src 443 --reply-port-dst {port} --state ESTABLISHED\n")
        run(*self.conntrack, "-F")
        run(*self.conntrack, "--load-file", self.table)

    def roam_save(self):
        with open(self.image, "wb") as target:
            return timed([*self.roam, "state", "save", "web", "-"], stdout=target)

    def conntrack_save(self):
        with open(self.table, "wb") as target:
            return timed([*self.conntrack, "-L", "-o", "save"], stdout=target)

    def empty(self):
        for host in (self.roam, self.there):
            run(*host, "ct", "flush", "vm", "web")
        run(*self.conntrack, "-F")

    def empty_there(self):
        run(*self.there, "ct", "flush", "vm", "web")
        time.sleep(SETTLE_S)

    def roam_load(self):
        self.empty_there()
        return timed([*self.there, "state", "load", self.image, "replace"],
                     stdout=subprocess.DEVNULL)

    def conntrack_load(self):
        run(*self.conntrack, "-F")
        time.sleep(SETTLE_S)
        return timed([*self.conntrack, "--load-file", self.table], stdout=subprocess.DEVNULL)

    def roam_piped(self):
        self.empty_there()
        begin = time.monotonic()
        roam, there = [[str(word) for word in side] for side in (self.roam, self.there)]
        with subprocess.Popen([*roam, "state", "save", "web", "-"], stdout=subprocess.PIPE) as save:
            loaded = subprocess.run([*there, "state", "load", "-", "replace"],
                                    stdin=save.stdout, check=False, stdout=subprocess.DEVNULL)
            save.stdout.close()
        if save.returncode or loaded.returncode:
            raise SystemExit("bench: save | load failed")
        return (time.monotonic() - begin) * 1e3

    def conntrack_both(self):
        return self.conntrack_save() + self.conntrack_load()


def make_there(world):
    """The second host: the VM waits there, with its policy and its port."""
    there = [*world.inside("host"), ROAM, "--bpffs", world.bpffs / "there"]
    uuid = world.roam("vm", "show", "web").split()
    world.ns("host", "ip", "link", "add", THERE_DEV, "type", "veth", "peer", "name",
             f"{THERE_DEV}-peer")
    run(*there, "host", "init")
    run(*there, "vm", "add", "web", "uuid", uuid[uuid.index("uuid") + 1], "default", "out", "allow")
    run(*there, "port", "add", "vm", "web", "dev", THERE_DEV, "mac", VM_MAC, "addr", VM[4], "addr",
        VM[6])


def measure_sizes(rows, world):
    for flows in QUICK_SIZES if rows.quick else SIZES:
        sides = Sides(world, flows)
        count = rounds_for(rows, flows)
        rows.add(f"save, {flows:,} flows", "conntrack -L -o save", "ms",
                 in_turn(count, sides.roam_save, sides.conntrack_save))
        rows.add(f"load, {flows:,} flows", "conntrack --load-file", "ms",
                 in_turn(count, sides.roam_load, sides.conntrack_load))
        rows.add(f"save piped into load, {flows:,} flows", "conntrack: dump, then load", "ms",
                 in_turn(count, sides.roam_piped, sides.conntrack_both))
        sides.empty()
    rows.add("the bare start of a process", "roam help against true", "ms",
             in_turn(rows.rounds(11), lambda: timed([ROAM, "help"], stdout=subprocess.DEVNULL),
                     lambda: timed(["true"])))


def peak_kib(words, **options):
    """Largest resident set of one command."""
    done = subprocess.run([str(word) for word in (BUILD / "bench/peak", *words)], check=True,
                          stderr=subprocess.PIPE, text=True, **options)
    return float(done.stderr)


def measure_memory(rows, world):
    """The process, not the kernel's tables: it must not grow with the flows, once those that wait
    for a bulk load are as many as may."""
    few, many = (50000, 200000) if rows.quick else (100000, 1000000)
    peaks = {}
    for flows in (few, many):
        sides = Sides(world, flows)
        with open(sides.image, "wb") as target:
            save = peak_kib([*sides.roam, "state", "save", "web", "-"], stdout=target)
        sides.empty_there()
        load = peak_kib([*sides.there, "state", "load", sides.image, "replace"],
                        stdout=subprocess.DEVNULL)
        peaks[flows] = save, load
        sides.empty()
    for verb, side in (("save", 0), ("load", 1)):
        rows.add(f"memory of {verb}, {many:,} flows", f"of {few:,} flows", "KiB",
                 [(peaks[many][side], peaks[few][side])])


def measure_others(rows, world):
    """A VM with 1,000 flows, on a host with many flows of others and on one without."""
    others = 100000 if rows.quick else 1000000
    world.roam("vm", "set", "web", "flows", 1000)
    world.ns("host", BUILD / "bench/flows", world.bpffs / "roam", "web", 1000)
    busy = world.bpffs / "busy"
    roam = [*world.inside("host"), ROAM, "--bpffs", busy]
    run(*roam, "host", "init")
    for name, dev, flows in (("web", "tap0", 1000), ("other", "tap1", others)):
        world.ns("host", "ip", "link", "add", dev, "type", "veth", "peer", "name", f"{dev}-peer")
        run(*roam, "vm", "add", name, "flows", flows, "half", 64)
        run(*roam, "port", "add", "vm", name, "dev", dev, "mac",
            VM_MAC if name == "web" else "52:54:00:00:00:11", "addr",
            "10.9.0.10" if name == "web" else "10.9.0.11", "addr",
            "fd09::10" if name == "web" else "fd09::11")
        world.ns("host", BUILD / "bench/flows", busy, name, flows)
    empty = [*world.inside("host"), ROAM, "--bpffs", world.bpffs / "roam"]
    save = ["state", "save", "web", "-"]
    rows.add(f"save of 1,000 flows beside {others:,} of others", "alone on its host", "ms",
             in_turn(rows.rounds(21), lambda: timed([*roam, *save], stdout=subprocess.DEVNULL),
                     lambda: timed([*empty, *save], stdout=subprocess.DEVNULL)))
    run(*roam, "host", "teardown")


def measure_idle(rows, world):
    """Bytes of maps of a VM with default quotas, against 2 MiB."""
    world.roam("vm", "add", "idle")
    line = world.roam("vm", "show", "idle").split()
    rows.add("maps of an idle VM", "2 MiB", "bytes",
             [(float(line[line.index("bytes") + 1]), 2.0 * 1024 * 1024)])


def freezes(flows, changing, rounds, *how):
    """Milliseconds from a VM's freeze until it may run at the destination."""
    lines = run(BUILD / "bench/handover", flows, changing, rounds, *how).splitlines()
    return [float(line.split()[0]) for line in lines]


def measure_freeze(rows, world):
    """The last delta costs what has changed, not what there is."""
    count = rows.rounds(11)
    sides = Sides(world, 10000)
    for flows, changing in ((100000, 10000), (1000, 1000)):
        for what, how in (("a second", ()), ("at once", ("at-once",))):
            peer = [sides.conntrack_both() for _ in range(count)]
            rows.add(f"freeze until active, {flows:,} flows, {changing:,} changing {what}",
                     "conntrack: dump, then load 10,000", "ms",
                     list(zip(freezes(flows, changing, count, *how), peer)))
    sides.empty()
    most = 100000 if rows.quick else 1000000
    rows.add(f"freeze until active, {most:,} flows, 10,000 changing a second", "10,000 flows",
             "ms", list(zip(freezes(most, 10000, count), freezes(10000, 10000, count))))


class ConntrackLimits:
    """Room for a million entries while it lasts."""

    def __enter__(self):
        run("modprobe", "-q", "nf_conntrack") if not os.path.exists(CT_LIMIT) else None
        self.before = {}
        for path, value in ((CT_LIMIT, "2000000"), (CT_BUCKETS, "524288")):
            try:
                with open(path, "r+", encoding="ascii") as setting:
                    before = setting.read().strip()
                    setting.seek(0)
                    setting.write(value)
                    setting.flush()
                    self.before[path] = before
            except OSError:
                pass

    def __exit__(self, *_):
        for path, value in self.before.items():
            with open(path, "w", encoding="ascii") as setting:
                setting.write(value)


def measure(rows):
    for line in ("roam state save web - > FILE", "roam state load FILE replace",
                 "roam state save web - | roam state load - replace", "conntrack -L -o save > FILE",
                 "conntrack --load-file FILE", "build/bench/handover FLOWS CHANGING ROUNDS [at-once]"):
        rows.command(line)
    with World() as world, ConntrackLimits():
        world.make_host("default", "out", "allow")
        make_there(world)
        measure_idle(rows, world)
        measure_sizes(rows, world)
        measure_freeze(rows, world)
        measure_memory(rows, world)
        measure_others(rows, world)
