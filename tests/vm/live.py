# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Two hosts, a client, a foe, and a real VM that QEMU migrates from host to host while its clients go
on. Used by tests/vm/migrate.py, tests/vm/barrier.py, tools/demo-qemu and tools/bench/downtime.py.

    client, foe ── net: br0 ─┬─ up0 :a: br0 ── tap0 ── QEMU
                             └─ up0 :b: br0 ── tap0 ── QEMU, which waits

Hosts are network namespaces of this process's own, with roam's pins in a bpffs of their own.
Addresses are those of tools/demo, whose forbidden traffic and foe (tools/demo.d) are used as well.
"""
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import guest  # noqa: E402
from results import Results  # noqa: E402
import live_guest  # noqa: E402

HERE = Path(__file__).resolve().parent
PARTS = guest.TOP / "tools/demo.d"
ROAM = os.environ.get("ROAM", str(guest.BUILD / "roam"))
PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
ROAMD = str(Path(ROAM).parent / "roamd")
PATIENCE_S = 60  # with a peer
KSFT_SKIP = 4
GONE_S = 20  # until a source has forgotten a VM that has moved
PREFIX = f"roam-{os.getpid()}-"
SPACES = ("net", "a", "b", "client", "foe")
MAC = live_guest.MAC
ADDRS = {"client": ("10.77.0.100/24", "fd77::100/64"),
         "foe": ("10.77.0.66/24", "fd77:0:0:66::66/64")}
MACS = {"client": "52:54:00:77:01:00", "foe": "52:54:00:77:01:66"}
HOST_ADDRS = {"a": "10.77.0.101", "b": "10.77.0.102"}
HOST_MACS = {"a": "52:54:00:77:02:01", "b": "52:54:00:77:02:02"}
VM_ADDRS = ("10.77.0.10", "fd77::10")
VIPS = ("10.77.9.10", "fd77:9::10")
SERVICES = tuple(zip(("web4", "web6"), VIPS, VM_ADDRS))
RATE_BPS = 12_000_000  # bytes; of what the VM sends: more than it does
# Nothing else comes in, and nothing else goes out.
POLICY = (
    "acl add vm web name web in prio 10 allow tcp from any dport 443",
    "acl add vm web name echo in prio 20 allow udp from any dport 5300",
    "acl add vm web name back out prio 10 allow tcp to any dport 8443",
    f"qos set vm web out rate {8 * RATE_BPS}bit burst 500000",
    "ips set vm web rate 50 burst 200 block 10m max 1h",
    "lb on vm web",
)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.decode().strip()}")
    return done.stdout


def netns(space):
    return f"/var/run/netns/{PREFIX}{space}"


def inside(space):
    return ("nsenter", f"--net={netns(space)}")


def ip(space, text):
    return run(*inside(space), "ip", *text.split())


# ---- the network -------------------------------------------------------------------------------

def cable(space, dev):
    ip("net", f"link add to-{space} type veth peer name {dev} netns {PREFIX}{space}")
    ip("net", f"link set to-{space} master br0 up")
    ip(space, f"link set {dev} up")


def make_end(space):
    """A client: its MAC alone may come from it, as a switch's port security has it, because the
    forger in it would else teach the bridge that it is the VM."""
    ip(space, f"link set eth0 address {MACS[space]}")
    for addr in ADDRS[space]:
        ip(space, f"addr add {addr} dev eth0" + (" nodad" if ":" in addr else ""))
    run(*inside("net"), "bridge", "link", "set", "dev", f"to-{space}", "learning", "off")
    run(*inside("net"), "bridge", "fdb", "replace", MACS[space], "dev", f"to-{space}", "master",
        "static")


def make_network():
    for space in SPACES:
        run("ip", "netns", "add", PREFIX + space)
        run(*inside(space), "sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0",
            "net.ipv6.conf.default.accept_dad=0")
        ip(space, "link set lo up")
    ip("net", "link add br0 type bridge mcast_snooping 0")
    ip("net", "link set br0 up")
    for space in ("client", "foe"):
        cable(space, "eth0")
        make_end(space)
    for space in ("a", "b"):
        cable(space, "up0")
        # Of its own: a bridge without one takes another when a tap comes or goes, and the other
        # host's roamd would not find it for seconds.
        ip(space, f"link add br0 address {HOST_MACS[space]} type bridge mcast_snooping 0")
        ip(space, "link set br0 up")
        ip(space, "link set up0 master br0")
        ip(space, f"addr add {HOST_ADDRS[space]}/24 dev br0")
    for vip, addr in zip(VIPS, VM_ADDRS):
        ip("client", f"route add {vip} via {addr}")
    ip("foe", "route add fd77::/64 dev eth0")
    # An attack does not wait for an answer of its neighbour, and loses nothing meanwhile.
    for addr in VM_ADDRS:
        ip("foe", f"neigh replace {addr} lladdr {MAC} dev eth0 nud permanent")


def remove_network():
    for space in SPACES:
        if os.path.exists(netns(space)):
            run("ip", "netns", "del", PREFIX + space)


# ---- a host ------------------------------------------------------------------------------------

def openssl(text):
    run("openssl", *text.split())


def make_certificates(scratch, names=tuple(HOST_ADDRS)):
    """An authority, and the hosts' certificates, as roamd wants them."""
    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(f"req -x509 {key} -days 2 -subj /CN=test -keyout {scratch}/ca.key -out {scratch}/ca.pem")
    for name in names:
        openssl(f"req {key} -subj /CN={name} -addext subjectAltName=DNS:{name} "
                f"-keyout {scratch}/{name}.key -out {scratch}/{name}.csr")
        openssl(f"x509 -req -in {scratch}/{name}.csr -CA {scratch}/ca.pem -CAkey {scratch}/ca.key "
                f"-CAcreateserial -copy_extensions copy -days 2 -out {scratch}/{name}.pem")


class Host:
    """A namespace, and roam under a folder of its own, with a roamd while it is up."""

    def __init__(self, name, bpffs, scratch):
        self.name, self.dir, self.scratch = name, os.path.join(bpffs, name), scratch
        self.control = f"{scratch}/{name}.sock"
        self.roamd = None

    def roam(self, *args, data=None):
        return run(*inside(self.name), ROAM, "--bpffs", self.dir, "--control", self.control, *args,
                   input=data)

    def configuration(self):
        peers = "".join(f"  - {{name: {name}, address: {addr}}}\n"
                        for name, addr in HOST_ADDRS.items() if name != self.name)
        return (f"name: {self.name}\ncertificate: {self.scratch}/{self.name}.pem\n"
                f"key: {self.scratch}/{self.name}.key\nca: {self.scratch}/ca.pem\n"
                f"control: {self.control}\nstate: {self.scratch}/state-{self.name}\n"
                f"bpffs: {self.dir}\npeers:\n{peers}")

    def start_roamd(self):
        config = Path(f"{self.scratch}/{self.name}.yaml")
        config.write_text(self.configuration())
        with open(f"{self.scratch}/{self.name}.log", "ab") as log:
            self.roamd = subprocess.Popen([*inside(self.name), ROAMD, "-c", str(config)],
                                          stdin=subprocess.DEVNULL, stderr=log, stdout=log)
        end = time.monotonic() + PATIENCE_S
        while not os.path.exists(self.control):
            if time.monotonic() > end or self.roamd.poll() is not None:
                raise RuntimeError(f"roamd at {self.name}: {self.roamd_log()}")
            time.sleep(0.02)

    def stop_roamd(self):
        if self.roamd:
            self.roamd.kill()
            self.roamd.wait()
            self.roamd = None
        if os.path.exists(self.control):
            os.unlink(self.control)

    def roamd_log(self):
        log = Path(f"{self.scratch}/{self.name}.log")
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def down(self):
        self.stop_roamd()
        self.roam("host", "teardown")

    def expect(self, source):
        """The VM may come from there: its tap is ready."""
        self.roam(*f"handover expect vm web from {source} dev {MAC}=tap0".split())

    def wait_gone(self):
        end = time.monotonic() + GONE_S
        while self.has_vm():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} keeps the VM: {self.roamd_log()}")
            time.sleep(0.05)

    def ask(self, text):
        return json.loads(self.roam("-j", *text.split()))

    def up(self):
        self.roam("host", "init", "uplink", "up0")
        for name, vip, addr in SERVICES:
            self.roam("lb", "add", name, "vip", vip, "port", "443", "tcp")
            self.roam("lb", "backend", name, "add", "addr", addr)
        self.start_roamd()

    def has_vm(self):
        return bool(self.ask("vm show"))

    def make_policy(self, midstream="strict"):
        self.roam("vm", "add", "web",
                  *f"default in drop out drop midstream {midstream}".split())
        self.roam("port", "add", "vm", "web", "dev", "tap0", "mac", MAC,
                  *(word for addr in VM_ADDRS for word in ("addr", addr)))
        for line in POLICY:
            self.roam(*line.split())

    def make_tap(self):
        """Not up yet: a tap that is down takes no frame that was not judged."""
        ip(self.name, "tuntap add dev tap0 mode tap")
        ip(self.name, "link set tap0 master br0")

    def tap_up(self):
        ip(self.name, "link set tap0 up")

    def remove_tap(self):
        ip(self.name, "link del tap0")

    def counter(self, reason):
        return sum(row["packets"] for row in self.ask("stats show vm web")
                   if row["reason"] == reason)

    def blocked(self):
        return sorted(row["from"] for row in self.ask("ips blocks vm web")
                      if row["state"] == "blocked")

    def passed(self):
        """Bytes that the limit let pass."""
        return sum(row["passed_bytes"] for row in self.ask("qos show vm web"))


# ---- who talks ---------------------------------------------------------------------------------

class Peer:
    """A process in a namespace, which is talked to by lines."""

    def __init__(self, space, script, *args):
        self.name = Path(script).stem
        self.process = subprocess.Popen([*inside(space), PYTHON, str(script), *args],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self):
        if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            raise RuntimeError(f"{self.name} says nothing")
        return self.process.stdout.readline().strip()

    def expect(self, word):
        line = self.read()
        if line != word:
            raise RuntimeError(f"{self.name} said {line!r}, not {word!r}")

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return self.read()

    def finish(self):
        return json.loads(self.ask("finish"))

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# ---- all of it ---------------------------------------------------------------------------------

class World:
    """`firewall`: whether the hosts run roam."""

    def __init__(self, scratch, firewall=True):
        self.scratch, self.firewall = Path(scratch), firewall
        self.image = live_guest.make_initrd(scratch)
        self.bpffs = tempfile.mkdtemp(prefix="bpffs.", dir=scratch)
        self.hosts, self.peers, self.qemu = {}, [], {}
        self.at = "a"
        self.moves = 0

    def build(self):
        """Both hosts, and the VM at a."""
        make_network()
        make_certificates(self.scratch)
        run("mount", "-t", "bpf", "bpf", self.bpffs)
        for name in ("a", "b"):
            self.hosts[name] = Host(name, self.bpffs, self.scratch)
            if self.firewall:
                self.hosts[name].up()
        host = self.hosts["a"]
        host.make_tap()
        if self.firewall:
            host.make_policy()
        host.tap_up()
        self.qemu["a"] = live_guest.Qemu(self.image, self.scratch, inside("a"), "a",
                                         more=self.more("a"))

    def more(self, _name):
        """Words for QEMU on that host."""
        return ()

    def wait_up(self):
        """Until the VM serves."""
        end = time.monotonic() + live_guest.PATIENCE_S
        code = "import socket; socket.create_connection(('fd77::10', 443), 1)"
        while subprocess.run([*inside("client"), PYTHON, "-c", code], capture_output=True,
                             check=False).returncode:
            if time.monotonic() > end:
                raise RuntimeError("the VM does not serve")
            time.sleep(0.2)

    def source(self):
        return self.hosts[self.at]

    def dest(self):
        return self.hosts["b" if self.at == "a" else "a"]

    def start(self, space, script, word, *args):
        """`word`: what it says once it is there."""
        peer = Peer(space, script, *args)
        self.peers.append(peer)
        peer.expect(word)
        return peer

    def channel(self):
        """Where the VM's memory goes through."""
        return f"unix:{self.scratch}/migrate.{self.moves}"

    def wait_at_destination(self):
        """The other QEMU, and its tap."""
        self.moves += 1
        dest = self.dest()
        dest.make_tap()
        self.qemu[dest.name] = live_guest.Qemu(self.image, self.scratch, inside(dest.name),
                                               dest.name, self.channel(),
                                               more=self.more(dest.name))

    def forget(self, host, handed_over):
        """What a host has of a VM that is not there: QEMU, the tap, roam's. After a handover roamd
        sees to that."""
        self.qemu.pop(host.name).kill()
        if self.firewall and handed_over:
            host.wait_gone()
        elif self.firewall and host.has_vm():
            host.roam("vm", "del", "web")
        host.remove_tap()

    def tell(self):
        """For whoever has to find out what went wrong."""
        host = self.source()
        return ((host.roam("stats", "show") + host.roam("ct", "show")).decode() +
                "".join(host.roamd_log() for host in self.hosts.values()))

    def last_words(self):
        """The same of all there is, as texts."""
        return [self.tell(), *(qemu.last_words() for qemu in self.qemu.values())]

    def remove(self):
        for peer in self.peers:
            peer.stop()
        for qemu in self.qemu.values():
            qemu.kill()
        for host in self.hosts.values():
            host.stop_roamd()
            if self.firewall and os.path.isdir(host.dir):
                host.roam("host", "teardown")
        remove_network()
        if os.path.ismount(self.bpffs):
            run("umount", self.bpffs)
        self.peers, self.qemu, self.hosts = [], {}, {}


# ---- how the VM moves --------------------------------------------------------------------------

class Steps(dict):
    """When what was seen, in ns of CLOCK_MONOTONIC, and how it ended."""

    def __init__(self):
        super().__init__()
        self.end, self.total_ms, self.downtime_ms, self.fence_us = None, 0, 0, 0
        self.errors = ""

    def take(self, line):
        said = pairs(line)
        if "end" in said:
            self.end = said["end"]
            self.total_ms, self.downtime_ms = int(said["total_ms"]), int(said["downtime_ms"])
            self.fence_us = int(said.get("fence_us", 0))
        elif said["step"] != "copied":
            self.setdefault(said["step"], int(said["at_ns"]))


def pairs(line):
    """{name: value} of a line of `roam handover follow`, or of build/tests/vm/follow."""
    words = line.split()
    return dict(zip(words[::2], words[1::2]))


def follower(world, state):
    """The command that migrates: with a handover, or, as follow.c has it, nothing but QEMU's part."""
    qmp, channel = str(world.qemu[world.at].qmp), world.channel()
    if not state or not world.firewall:
        return [guest.BUILD / "tests/vm/follow", qmp, "migrate", channel]
    return [ROAM, "--control", world.source().control, "handover", "follow", "vm", "web", "qmp", qmp,
            "to", world.dest().name, "migrate", channel, "late", "1"]


def follow(world, command, see=None):
    """Migrates; returns the Steps."""
    steps = Steps()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        for line in process.stdout:
            steps.take(line)
            if see:
                see(line)
        steps.errors = " ".join(process.stderr.read().split())
    return steps


def move(world, state=True, see=None):
    """One migration to the other host. Without state the policy alone is there."""
    world.wait_at_destination()
    dest = world.dest()
    if world.firewall and state:
        dest.expect(world.source().name)
    elif world.firewall:
        dest.make_policy()
    dest.tap_up()
    steps = follow(world, follower(world, state), see)
    if steps.end == "moved":
        world.forget(world.source(), state)
        world.at = dest.name
    return steps


def plain(world):
    """QEMU alone, without anything that holds or follows it: its own account of the downtime, ms.
    With `return-path`, as whoever follows has it: else QEMU does not count what the destination
    takes to load, nor learns whether it could."""
    world.wait_at_destination()
    world.dest().tap_up()
    monitor = world.qemu[world.at].monitor
    monitor.ask("migrate-set-capabilities",
                capabilities=[{"capability": "return-path", "state": True}])
    monitor.ask("migrate", uri=world.channel())
    while (found := monitor.ask("query-migrate"))["status"] not in ("completed", "failed"):
        time.sleep(0.1)
    if found["status"] == "failed":
        raise RuntimeError(f"QEMU's migration failed: {world.qemu[world.dest().name].last_words()}")
    world.forget(world.source(), False)
    world.at = world.dest().name
    return found["downtime"]


def run_test(prefix, make_world, run, needs=()):
    """The main() of a test of these hosts: run(world, results); exit status. needs: (there, name)…"""
    def stop(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    results = Results()
    print("TAP version 13")
    for there, what in ((os.path.exists("/dev/net/tun"), "/dev/net/tun"), *needs):
        if not there:
            print(f"1..0 # SKIP there is no {what}")
            return KSFT_SKIP
    with tempfile.TemporaryDirectory(prefix=prefix) as scratch:
        world = None
        try:
            world = make_world(scratch)
            run(world, results)
        except guest.Missing as missing:
            print(f"1..0 # SKIP {missing}")
            return KSFT_SKIP
        except RuntimeError as error:
            results.check("runs to its end", False, error, *(world.last_words() if world else ()))
        finally:
            if world:
                world.remove()
    print(f"1..{results.number}")
    return 1 if results.failed else 0
