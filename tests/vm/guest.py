# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Guests for the tests: Debian's kernels under QEMU, without KVM, from an initramfs.

The initramfs is made of this machine's own programs and what they are linked with, of roam's
tests and of the plain build, so that a guest needs neither a disk nor a network. Its tree looks
like the source tree, at /roam. A guest runs one task, a shell script, and writes what that prints
to its second serial port; the first one is for the kernel.

Kernels are where tools/deps unpacks them: build/kernels/VERSION/{vmlinuz,lib/modules}.
"""
import lzma
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BUILD", TOP / "build")).resolve()
QEMU = "qemu-system-x86_64"

# Every change of an inner map waits for RCU; on 6.1 tests/prog/ct took minutes with that, and takes
# 4 s if the kernel hurries.
PARAMETERS = "rcupdate.rcu_expedited=1"

# Not with ERMS and FSRM: a processor that says it copies bytes fast is told to by the kernel, and an
# emulated one copies them one at a time. Without them the verifier takes half of the time. Nor needs
# a guest a fifth level of page tables to walk.
CPU = "max,-erms,-fsrm,-la57"

# Programs of this machine that the tests use; those with a * may be missing. The shell, because
# busybox's prefers its own ip to this one.
PROGRAMS = ("sh", "ip", "tc", "bridge", "bpftool", "nsenter", "unshare", "*python3", "*ethtool",
            "*nft", "*conntrack")
MODULES = ("veth", "bridge", "dummy", "tun", "8021q", "sch_ingress", "cls_bpf", "act_gact",
           "nf_tables", "nf_conntrack", "nf_conntrack_bridge", "nft_ct")
# What of Python's library no test needs, and is large.
PYTHON_WITHOUT = shutil.ignore_patterns("test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter",
                                        "pydoc_data", "config-*", "distutils", "dist-packages",
                                        "unittest", "turtledemo", "*.whl")


class Missing(Exception):
    """Something without which no guest can run here: a reason to skip."""


def kernel_dir(version):
    folder = BUILD / "kernels" / version
    if not shutil.which(QEMU):
        raise Missing(f"{QEMU} is not installed")
    if not (folder / "vmlinuz").exists():
        raise Missing(f"no kernel {version}: tools/deps test fetches it")
    return folder


def libraries(program):
    """What a program is linked with, its loader included."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [word for line in output.splitlines() for word in line.split() if word.startswith("/")]


def put(root, source, target):
    """Copies a file, and, if it is a program, its libraries."""
    place = root / str(target).lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, place)
    for library in libraries(source) if os.access(source, os.X_OK) else []:
        there = root / library.lstrip("/")
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, there)


def put_programs(root):
    put(root, shutil.which("busybox") or "/bin/busybox", "/bin/busybox")
    applets = subprocess.run([root / "bin/busybox", "--list"], capture_output=True, text=True,
                             check=True).stdout.split()
    for applet in applets:
        if not (root / "bin" / applet).exists():
            (root / "bin" / applet).symlink_to("busybox")
    for name in PROGRAMS:
        source = shutil.which(name.lstrip("*"), path="/usr/sbin:/usr/bin:/sbin:/bin")
        if source:
            (root / "bin" / name.lstrip("*")).unlink(missing_ok=True)
            put(root, os.path.realpath(source), f"/bin/{name.lstrip('*')}")
        elif not name.startswith("*"):
            raise Missing(f"{name} is not installed")


def put_python(root):
    """The standard library of the python3 that was copied."""
    python = "/usr/bin/python3"
    if not os.path.exists(python):
        return
    library = subprocess.run([python, "-c", "import os; print(os.path.dirname(os.__file__))"],
                             capture_output=True, text=True, check=True).stdout.strip()
    shutil.copytree(library, root / library.lstrip("/"), ignore=PYTHON_WITHOUT, symlinks=False,
                    ignore_dangling_symlinks=True)
    for extension in (root / library.lstrip("/")).rglob("*.so"):
        for needed in libraries(extension):
            put(root, needed, needed)


def put_modules(root, folder, modules=MODULES):
    """These modules and what they depend on, with the order in which to load them."""
    release = next((folder / "lib/modules").iterdir()).name
    subprocess.run(["depmod", "-b", folder, release], check=True)
    order = []
    for module in modules:
        output = subprocess.run(["modprobe", "-d", folder, "-S", release, "--show-depends", module],
                                capture_output=True, text=True, check=False).stdout
        order += [line.split()[1] for line in output.splitlines() if line.startswith("insmod ")]
    names = []
    for path in dict.fromkeys(order):
        data = Path(path).read_bytes()
        name = Path(path).name.removesuffix(".xz")
        place = root / "modules" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(lzma.decompress(data) if path.endswith(".xz") else data)
        names.append(name)
    (root / "modules/order").write_text("\n".join(names) + "\n")


def put_roam(root):
    """The plain build and the tests, as in the source tree."""
    tree = root / "roam"
    for source in [BUILD / "roam", BUILD / "layout.bpf.o", *(BUILD / "tests").glob("e2e/*"),
                   *(BUILD / "tests").glob("budget/*"), *(BUILD / "tests").glob("vm/*"),
                   *(BUILD / "tests/guest").glob("prog/*"),
                   BUILD / "other/build/roam"]:
        if source.is_file():
            put(root, source, Path("/roam/build") / str(source.relative_to(BUILD)).replace("/guest/", "/"))
    shutil.copytree(TOP / "tests", tree / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "include", tree / "include")
    shutil.copytree(TOP / "tools", tree / "tools", ignore=shutil.ignore_patterns("__pycache__"))


def pack(root, target):
    """A newc archive of a folder: what the kernel unpacks as its first root."""
    names = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True, check=True).stdout
    with open(target, "wb") as archive:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"], cwd=root,
                       input=names, stdout=archive, check=True)


class Guest:
    """One kernel with its initramfs; each boot runs one task."""

    def __init__(self, version, scratch):
        self.version, self.scratch = version, Path(scratch)
        self.folder = kernel_dir(version)
        self.initrd = self.scratch / f"initrd-{version}"
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            root = Path(name)
            for folder in ("bin", "dev", "proc", "sys", "tmp", "run", "etc", "var", "root"):
                (root / folder).mkdir()
            (root / "var/run").symlink_to("/run")
            put_programs(root)
            put_python(root)
            put_modules(root, self.folder)
            put_roam(root)
            shutil.copy(TOP / "tests/vm/init", root / "init")
            pack(root, self.initrd)

    def boot(self, task, limit, files=None):
        """Runs a task (shell); the lines that it printed. files: {path: bytes} it finds there.

        None instead of an exit status as the last value: the guest died or ran out of time."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            root = Path(name)
            for path, data in {"task": task.encode(), **(files or {})}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(data)
            pack(root, self.scratch / "extra")
        initrd = self.scratch / "initrd"
        with open(initrd, "wb") as both:
            for part in (self.initrd, self.scratch / "extra"):
                with open(part, "rb") as source:
                    shutil.copyfileobj(source, both)
                both.write(b"\0" * (-both.tell() % 512))
        output = self.run(initrd, limit)
        lines = [line.rstrip("\r") for line in output.split("\n")]
        status = next((int(line.split()[1]) for line in lines if line.startswith("@exit ")), None)
        return [line for line in lines if not line.startswith("@exit ")], status

    def run(self, initrd, limit):
        command = [QEMU, "-accel", "tcg,thread=multi", "-cpu", CPU, "-smp", "2", "-m", "1536",
                   "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   "-kernel", self.folder / "vmlinuz", "-initrd", initrd,
                   "-append", f"console=ttyS0 quiet panic=-1 rdinit=/init {PARAMETERS}",
                   "-serial", f"file:{self.console()}", "-serial", "stdio"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
            try:
                output, _ = qemu.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                qemu.kill()
                output, _ = qemu.communicate()
            except BaseException:
                qemu.kill()
                raise
        return output.decode(errors="replace")

    def console(self):
        return self.scratch / "console"

    def last_words(self):
        """The end of what the kernel said, for a guest that died."""
        text = self.console().read_text(errors="replace") if self.console().exists() else ""
        return [line.strip() for line in text.splitlines()[-30:]]
