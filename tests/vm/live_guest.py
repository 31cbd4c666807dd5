# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The VM that tests/vm/migrate.py migrates: Debian's kernel under QEMU without KVM, an initramfs with
busybox, the drivers of a virtio network card and the programs of tests/vm/inguest, and a tap.

Both ends of a migration are made alike; the destination's waits with -incoming. Used by live.py.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import guest  # noqa: E402

VERSION = "6.1"
MODULES = ("virtio_pci", "virtio_net", "af_packet")
MEMORY_MB = 128
MAC = "52:54:00:77:00:10"
PATIENCE_S = 90  # a kernel boots in 5 s here, and in much more when others want the processor too


def make_initrd(scratch):
    """The guest's only file system."""
    folder = guest.kernel_dir(VERSION)
    initrd = Path(scratch) / "initrd"
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        root = Path(name)
        for place in ("bin", "dev", "proc", "sys", "modules"):
            (root / place).mkdir()
        shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin/busybox")
        for applet in ("sh", "mount", "insmod", "ip", "poweroff"):
            (root / "bin" / applet).symlink_to("busybox")
        for program in ("server", "forbid"):
            source = guest.BUILD / "tests/vm/inguest" / program
            if not source.exists():
                raise guest.Missing(f"{source} is not built")
            shutil.copy(source, root / "bin" / program)
        guest.put_modules(root, folder, MODULES)
        shutil.copy(guest.TOP / "tests/vm/inguest/init", root / "init")
        guest.pack(root, initrd)
    return folder / "vmlinuz", initrd


class Monitor:
    """QMP, as far as a test needs it."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(path))
        self.file = self.sock.makefile("r")
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, **arguments):
        try:
            self.sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        except OSError as error:
            raise RuntimeError(f"{command}: QEMU is gone: {error}") from None
        while True:
            line = self.file.readline()
            if not line:
                raise RuntimeError(f"{command}: QEMU is gone")
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.sock.close()


class Qemu:
    """One QEMU in a namespace. Two monitors: one for who follows, one for the test."""

    def __init__(self, image, scratch, inside, name, incoming=None, more=()):
        kernel, initrd = image
        self.scratch, self.name = Path(scratch), name
        self.qmp, self.own = (self.scratch / f"{name}.{part}" for part in ("qmp", "own"))
        self.console = self.scratch / f"{name}.console"
        self.errors = open(self.scratch / f"{name}.errors", "w+b")
        command = [
            *inside, guest.QEMU, "-accel", "tcg", "-cpu", guest.CPU, "-m", str(MEMORY_MB),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", kernel, "-initrd", initrd,
            "-append", "console=ttyS0 quiet panic=-1 rdinit=/init no_timer_check mitigations=off",
            "-serial", f"file:{self.console}",
            "-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=n0,mac={MAC},romfile=",
            "-qmp", f"unix:{self.qmp},server=on,wait=off",
            "-qmp", f"unix:{self.own},server=on,wait=off",
            *more, *(["-incoming", incoming] if incoming else [])]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.errors,
                                        stderr=self.errors)
        self.monitor = None
        end = time.monotonic() + 20
        while not self.monitor:
            try:
                self.monitor = Monitor(self.own)
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise RuntimeError(f"QEMU at {name}: {self.last_words()}") from None
                time.sleep(0.02)

    def status(self):
        return self.monitor.ask("query-status")["status"]

    def last_words(self):
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace")
        if self.console.exists():
            text += self.console.read_text(errors="replace")[-1000:]
        return text

    def kill(self):
        self.process.kill()
        self.process.wait()
        if self.monitor:
            self.monitor.close()
            self.monitor = None
        self.errors.close()
        for path in (self.qmp, self.own):
            if os.path.exists(path):
                os.unlink(path)
