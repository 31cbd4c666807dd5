# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Clients of the VM that tests/vm/migrate.py migrates: real sockets, which all go on all the time.

  live_client.py ADDR…    prints "ready" once all connections are up; "finish" on stdin makes it use
                          each of them once more and print one line of JSON

To each address: a transfer that the VM sends back, both ways hashed; connections that say nothing
until the end; some that are asked every 50 ms. To those that are the VM's own: numbered datagrams,
one every 5 ms. From the VM: the connections that it opens to port 8443, asked as well.

What it finds: counts, gaps in ms (the longest time without an answer), and `series`: what came in
each 20 ms, as [ns of CLOCK_MONOTONIC, bytes of transfers, answered datagrams].
"""
import asyncio
import hashlib
import json
import random
import sys
import time

TCP_PORT, UDP_PORT, BACK_PORT = 443, 5300, 8443
VM = ("10.77.0.10", "fd77::10")
CLIENT = ("10.77.0.100", "fd77::100")
IDLE, BUSY, BACK = 8, 4, 2  # to (or from) each address
PIECE, AHEAD = 8192, 65536  # bytes of a transfer: at a time, and sent before they are back
BUSY_PERIOD, UDP_PERIOD, BIN_NS = 0.05, 0.005, 20_000_000
PATIENCE_S = 10


class Series:
    """What came when."""

    def __init__(self):
        self.bins = {}

    def add(self, size, datagrams):
        one = self.bins.setdefault(time.monotonic_ns() // BIN_NS, [0, 0])
        one[0] += size
        one[1] += datagrams

    def rows(self):
        if not self.bins:
            return []
        return [[number * BIN_NS, *self.bins.get(number, (0, 0))]
                for number in range(min(self.bins), max(self.bins) + 1)]


class Flow:
    """One connection, and what became of it."""

    def __init__(self, kind, reader, writer):
        self.kind, self.reader, self.writer = kind, reader, writer
        self.state = "alive"
        self.last, self.gap, self.number = time.monotonic(), 0.0, 0
        self.over = False

    def progress(self):
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now

    async def judge(self, doing):
        try:
            await doing
        except ConnectionResetError:
            self.state = "reset"
        except (OSError, ConnectionError, EOFError, asyncio.TimeoutError):
            if self.state == "alive":
                self.state = "lost"

    async def exchange(self):
        self.number += 1
        text = b"%s %d\n" % (self.kind.encode(), self.number)
        self.writer.write(text)
        answer = await self.reader.readexactly(len(text))
        if answer != text:
            self.state = "forged"
            raise ConnectionError
        self.progress()

    async def run(self):
        while not self.over and self.kind != "idle":
            await self.exchange()
            await asyncio.sleep(BUSY_PERIOD)

    async def finish(self):
        if self.kind == "idle":
            await asyncio.wait_for(self.exchange(), PATIENCE_S)


class Transfer(Flow):
    """Sends what nobody can guess and reads it back; not more than AHEAD is under way."""

    def __init__(self, reader, writer, series):
        super().__init__("bulk", reader, writer)
        self.series = series
        self.sent, self.got = hashlib.sha256(), hashlib.sha256()
        self.ahead = 0
        self.room = asyncio.Event()

    async def send(self):
        while not self.over:
            while self.ahead >= AHEAD:
                self.room.clear()
                await self.room.wait()
            piece = random.randbytes(PIECE)
            self.sent.update(piece)
            self.ahead += PIECE
            self.writer.write(piece)
            await self.writer.drain()
        self.writer.write_eof()

    async def read(self):
        while data := await self.reader.read(65536):
            self.got.update(data)
            self.ahead -= len(data)
            self.room.set()
            self.progress()
            self.series.add(len(data), 0)

    async def run(self):
        await asyncio.gather(self.send(), self.read())
        if self.sent.digest() != self.got.digest():
            self.state = "forged"


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, series):
        self.series = series
        self.sent = self.answered = self.forged = 0
        self.last, self.gap = time.monotonic(), 0.0
        self.waiting = set()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, _addr):
        number = int(data)
        if number not in self.waiting:
            self.forged += 1
            return
        self.waiting.discard(number)
        now = time.monotonic()
        self.gap, self.last = max(self.gap, now - self.last), now
        self.answered += 1
        self.series.add(0, 1)

    def error_received(self, _error):
        """An answer by ICMP: counted by what does not come back."""

    async def run(self):
        while True:
            self.sent += 1
            self.waiting.add(self.sent)
            self.transport.sendto(b"%d" % self.sent)
            await asyncio.sleep(UDP_PERIOD)


class Client:
    def __init__(self, addresses):
        self.addresses = addresses
        self.series = Series()
        self.flows, self.udp = [], []
        self.opening = True

    async def connect(self, address, kind):
        reader, writer = await asyncio.open_connection(address, TCP_PORT)
        flow = Transfer(reader, writer, self.series) if kind == "bulk" else \
            Flow(kind, reader, writer)
        if kind != "bulk":
            await asyncio.wait_for(flow.exchange(), PATIENCE_S)
        self.flows.append(flow)

    async def accepted(self, reader, writer):
        """The VM connects again if it lost one: that does not make the first one alive."""
        if self.opening:
            self.flows.append(Flow("back", reader, writer))

    async def begin(self):
        loop = asyncio.get_running_loop()
        for address in CLIENT:
            await asyncio.start_server(self.accepted, address, BACK_PORT)
        for address in self.addresses:
            for kind, count in (("bulk", 1), ("idle", IDLE), ("busy", BUSY)):
                for _ in range(count):
                    await self.connect(address, kind)
        while sum(flow.kind == "back" for flow in self.flows) < BACK * len(CLIENT):
            await asyncio.sleep(0.05)
        self.opening = False
        for address in VM:
            _, one = await loop.create_datagram_endpoint(lambda: Datagrams(self.series),
                                                         remote_addr=(address, UDP_PORT))
            self.udp.append(one)

    def findings(self):
        kinds = {}
        for flow in self.flows:
            kinds.setdefault(flow.kind, {}).setdefault(flow.state, 0)
            kinds[flow.kind][flow.state] += 1
        return {
            "kinds": kinds,
            "connections": len(self.flows),
            **{state: sum(flow.state == state for flow in self.flows)
               for state in ("alive", "reset", "lost", "forged")},
            "udp_sent": sum(one.sent for one in self.udp),
            "udp_answered": sum(one.answered for one in self.udp),
            "udp_forged": sum(one.forged for one in self.udp),
            "udp_alive": sum(time.monotonic() - one.last < 1 for one in self.udp),
            "udp_gap_ms": round(1000 * max(one.gap for one in self.udp), 1),
            "tcp_gap_ms": round(1000 * max(flow.gap for flow in self.flows
                                           if flow.kind != "idle"), 1),
            "series": self.series.rows(),
        }


async def main(addresses):
    client = Client(addresses)
    await client.begin()
    runs = [asyncio.create_task(flow.judge(flow.run())) for flow in client.flows]
    udp = [asyncio.create_task(one.run()) for one in client.udp]
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)  # "finish"
    for flow in client.flows:
        flow.over = True
    _, late = await asyncio.wait(runs, timeout=PATIENCE_S)
    for flow, task in zip(client.flows, runs):
        if task in late and flow.state == "alive":
            flow.state = "lost"
    await asyncio.gather(*(flow.judge(flow.finish()) for flow in client.flows
                           if flow.state == "alive"))
    print(json.dumps(client.findings()), flush=True)
    for task in (*udp, *late):
        task.cancel()


asyncio.run(main(sys.argv[1:]))
