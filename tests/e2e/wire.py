# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A wire between two roamd that does what it is told, for handover_wire.sh:

  wire.py ADDRESS PORT TO-ADDRESS TO-PORT FOLDER HOLD

takes connections at ADDRESS and makes one to TO-ADDRESS for each. While FOLDER/hold exists, a
connection lets HOLD bytes through from its beginning, and writes FOLDER/held; the rest waits until
FOLDER/hold is gone. FOLDER/do says what happens to all connections, once; it is removed then:

  corrupt   of the next bytes from the beginning side, the last one is another
  reset     both sides get an RST
"""
import os
import select
import socket
import struct
import sys
import threading

TICK_S = 0.02


class Wire(threading.Thread):
    def __init__(self, one, other, folder, hold):
        super().__init__(daemon=True)
        self.ends = {one: other, other: one}
        self.begins, self.folder, self.hold = one, folder, hold
        self.passed, self.corrupt = 0, False

    def told(self, name):
        return os.path.exists(f"{self.folder}/{name}")

    def holds(self):
        """How much may pass; None: all."""
        if not self.told("hold"):
            return None
        if self.passed >= self.hold and not self.told("held"):
            with open(f"{self.folder}/held", "w", encoding="ascii"):
                pass
        return self.hold - self.passed

    def reset(self):
        for end in self.ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()

    def carry(self, end, most):
        data = end.recv(min(most, 65536))
        if end is self.begins:
            self.passed += len(data)
            if self.corrupt and data:
                data = data[:-1] + bytes([data[-1] ^ 1])
                self.corrupt = False
        self.ends[end].sendall(data)
        return data

    def run(self):
        try:
            while True:
                most = self.holds()
                ready = [end for end in self.ends if end is not self.begins or most is None or most > 0]
                for end in select.select(ready, [], [], TICK_S)[0]:
                    if not self.carry(end, 65536 if end is not self.begins or most is None else most):
                        raise OSError
        except (OSError, ValueError):
            for end in self.ends:
                end.close()


def look(folder, wires):
    """Does what FOLDER/do says."""
    try:
        with open(f"{folder}/do", encoding="ascii") as file:
            what = file.read().strip()
        if not what:
            return
        os.unlink(f"{folder}/do")
    except OSError:
        return
    for wire in wires:
        if what == "corrupt":
            wire.corrupt = True
        elif what == "reset":
            wire.reset()


def main():
    at, to = (sys.argv[1], int(sys.argv[2])), (sys.argv[3], int(sys.argv[4]))
    folder, hold = sys.argv[5], int(sys.argv[6])
    wires = []
    with socket.create_server(at) as server:
        print("ready", flush=True)
        while True:
            if select.select([server], [], [], TICK_S)[0]:
                one = server.accept()[0]
                try:
                    other = socket.create_connection(to, timeout=5)
                except OSError:
                    one.close()
                    continue
                for end in (one, other):
                    end.settimeout(None)
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                wires.append(Wire(one, other, folder, hold))
                wires[-1].start()
            wires = [wire for wire in wires if wire.is_alive()]
            look(folder, wires)


main()
