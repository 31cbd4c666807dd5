# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The demo's other processes, in their namespaces: tools/demo talks to them by lines."""
import json
import os
import subprocess
import sys

from network import inside

PARTS = os.path.dirname(os.path.abspath(__file__))


class Peer:
    def __init__(self, space, script, *args):
        self.process = subprocess.Popen(
            [*inside(space), sys.executable, os.path.join(PARTS, script), *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self):
        return self.process.stdout.readline().strip()

    def expect(self, word):
        line = self.read()
        if line != word:
            raise RuntimeError(f"a process of the demo said {line!r}, not {word!r}")

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self, word):
        self.tell(word)
        return self.read()

    def finish(self):
        return json.loads(self.ask("finish"))

    def stop(self):
        self.process.kill()
        self.process.wait()


class Peers:
    """All that run: what the demo starts, in the order in which they need each other."""

    def __init__(self):
        self.all = []

    def start(self, word, space, *command):
        """`word`: what it says once it is there."""
        peer = Peer(space, *command)
        self.all.append(peer)
        peer.expect(word)
        return peer

    def stop(self):
        for peer in self.all:
            peer.stop()
        self.all = []
