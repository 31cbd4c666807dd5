# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A peer of a roamd that has a certificate and says whatever it likes, for handover_lies.sh:

  peer.py ADDRESS PORT PKI NAME   connects with PKI/NAME.pem, sends HELLO, then does what the lines
                                  of standard input say, and prints what comes, a line each:
                                  "TYPE BODY", or "closed" at the end

  hello VERSION OLDEST   before all else, if not 1 and 1
  send TYPE JSON         a message; TYPE by name
  frame TYPE TEXT        the same with any body
  data COUNT             DATA of so many bytes that are no image
  image FILE             DATA of what is in it
  flood COUNT SIZE       so many DATA of so many bytes each, at once
  deltas FROM COUNT ID   so many deltas of nothing, BEGIN and END, at once
  many COUNT             so many connections more, each with the half of a frame of DATA
  ask COUNT ID           so many times RESUME of that handover, or of none, at once
  skip                   the next frame has a number that is one too high
  wait TYPE              until one comes; fails if it does not
  end                    until the other end closes
"""
import json
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

TYPES = ["none", "hello", "offer", "accept", "refuse", "begin", "data", "end", "ack", "last",
         "ready", "claim", "release", "done", "abort", "aborted", "resume", "stale", "ping"]
PATIENCE_S = 20
STUCK_S = 4  # the other end does not read


class Peer:
    def __init__(self, address, port, pki, name):
        self.where = address, port, pki, name
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(f"{pki}/ca.pem")
        context.load_cert_chain(f"{pki}/{name}.pem", f"{pki}/{name}.key")
        self.wire = context.wrap_socket(socket.create_connection((address, port)))
        self.wire.settimeout(PATIENCE_S)
        self.name, self.number, self.come = name, 0, b""

    def frame(self, kind, body):
        self.wire.sendall(self.packed(kind, body))

    def packed(self, kind, body):
        self.number += 1
        return struct.pack("!IHHI", len(body), TYPES.index(kind), 0, self.number) + body

    def at_once(self, frames):
        """What roamd does not read for a while may wait here; that is no failure."""
        self.wire.settimeout(STUCK_S)
        try:
            self.wire.sendall(b"".join(self.packed(kind, body) for kind, body in frames))
        except TimeoutError:
            print("stuck", flush=True)
            sys.exit()
        self.wire.settimeout(PATIENCE_S)

    def many(self, count):
        others = []
        for _ in range(count):
            try:
                other = Peer(*self.where)
                other.hello(1, 1)
                other.wire.settimeout(STUCK_S)
                other.wire.sendall(other.packed("data", bytes(1 << 20))[:1 << 19])
                others.append(other)
            except OSError:
                pass
        time.sleep(1)
        open_still = sum(other.is_open() for other in others)
        print("open", open_still, flush=True)

    def is_open(self):
        self.wire.settimeout(0.05)
        try:
            while self.wire.recv(65536):
                pass
        except TimeoutError:
            return True
        except OSError:
            pass
        return False

    def hello(self, version, oldest):
        self.frame("hello", json.dumps({"version": int(version), "oldest": int(oldest),
                                        "host": self.name}).encode())

    def one(self):
        """The next frame that is no ping; None: closed."""
        while True:
            while len(self.come) < 12 or len(self.come) < 12 + struct.unpack("!I", self.come[:4])[0]:
                try:
                    data = self.wire.recv(65536)
                except (ConnectionError, ssl.SSLError):
                    data = b""
                if not data:
                    print("closed", flush=True)
                    return None
                self.come += data
            size, kind = struct.unpack("!IH", self.come[:6])
            body, self.come = self.come[12:12 + size], self.come[12 + size:]
            if TYPES[kind] != "ping":
                print(TYPES[kind], body.decode(errors="replace"), flush=True)
                return TYPES[kind]

    def wait(self, kind):
        while (got := self.one()) != kind:
            if got is None:
                sys.exit(1)

    def do(self, words):
        if words[0] in ("send", "frame"):
            self.frame(words[1], words[2].encode())
        elif words[0] == "data":
            self.frame("data", b"roam?" * (int(words[1]) // 5))
        elif words[0] == "image":
            self.frame("data", Path(words[1]).read_bytes())
        elif words[0] == "flood":
            self.at_once([("data", b"r" * int(words[2]))] * int(words[1]))
        elif words[0] == "deltas":
            count, name = words[2].split()
            bodies = [json.dumps({"id": name, "sequence": int(words[1]) + i}).encode()
                      for i in range(int(count))]
            self.at_once([(kind, body) for body in bodies for kind in ("begin", "end")])
        elif words[0] == "many":
            self.many(int(words[1]))
        elif words[0] == "ask":
            body = json.dumps({"id": words[2], "state": "rounds", "sequence": 0}).encode()
            self.at_once([("resume", body)] * int(words[1]))
        elif words[0] == "skip":
            self.number += 1
        elif words[0] == "wait":
            self.wait(words[1])
        elif words[0] == "end":
            while self.one():
                pass
        else:
            sys.exit(f"{words[0]}?")


def main():
    peer = Peer(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
    lines = [line.rstrip("\n").split(" ", 2) for line in sys.stdin if line.strip()]
    if lines and lines[0][0] == "hello":
        peer.hello(*lines.pop(0)[1:])
    else:
        peer.hello(1, 1)
    for words in lines:
        try:
            peer.do(words)
        except (ConnectionError, ssl.SSLError):
            print("closed", flush=True)
            return


main()
