#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""In QEMU's place: what its dbus-vmstate object does with a helper, for tests/e2e/handover_barrier.sh.

  vmstate.py id BUS               prints the helper's Id
  vmstate.py save BUS FILE        what Save returns
  vmstate.py load BUS FILE        Load with that
  vmstate.py edit FROM TO EDIT…   another record: id=HEX, epoch=+N, sequence=-N, vm=NAME, version=N,
                                  cut=N (the last N bytes), flip (a bit, and the checksum stays)

An error of the helper is printed as the one line that QEMU would write down; exit status 1.
"""
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

HEAD = ">4sBBH16sQQ"


def call(bus, *words):
    done = subprocess.run(["dbus-send", f"--bus={bus}", "--print-reply=literal", "--type=method_call",
                           "--reply-timeout=25000", "--dest=org.qemu.VMState1",
                           "/org/qemu/VMState1", *words],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        print(" ".join(done.stderr.split()))
        sys.exit(1)
    return done.stdout


def get_id(bus):
    print(call(bus, "org.freedesktop.DBus.Properties.Get", "string:org.qemu.VMState1",
               "string:Id").split()[-1])


def save(bus, path):
    text = call(bus, "org.qemu.VMState1.Save")
    # Bytes that are all printable are shown as text.
    quoted = re.search(r'array of bytes "(.*)"', text)
    Path(path).write_bytes(quoted[1].encode() if quoted else
                           bytes.fromhex(text[text.index("[") + 1:text.index("]")]))


def load(bus, path):
    data = Path(path).read_bytes()
    call(bus, "org.qemu.VMState1.Load", "array:byte:" + ",".join(map(str, data)))


def edit(path, to, *edits):
    data = Path(path).read_bytes()
    size = struct.calcsize(HEAD)
    magic, version, _, zero, handover, epoch, sequence = struct.unpack(HEAD, data[:size])
    name, cut, flip = data[size:-4], 0, False
    for one in edits:
        what, _, value = one.partition("=")
        if what == "id":
            handover = bytes.fromhex(value)
        elif what == "epoch":
            epoch += int(value)
        elif what == "sequence":
            sequence += int(value)
        elif what == "vm":
            name = value.encode()
        elif what == "version":
            version = int(value)
        elif what == "cut":
            cut = int(value)
        else:
            flip = True
    data = struct.pack(HEAD, magic, version, len(name), zero, handover, epoch, sequence) + name
    data += struct.pack(">I", zlib.crc32(data))
    if flip:
        data = data[:20] + bytes([data[20] ^ 1]) + data[21:]
    Path(to).write_bytes(data[:len(data) - cut])


{"id": get_id, "save": save, "load": load, "edit": edit}[sys.argv[1]](*sys.argv[2:])
