# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The traffic of the demo: real sockets in the VM's and the client's namespaces.

`traffic.py vm` serves, `traffic.py client` opens connections of every kind and keeps them going.
tools/demo starts both and talks to them by lines on stdin and stdout: the client prints "ready" once
all connections are up; "finish" makes it use every connection once more and print its findings as
one line of JSON.
"""

import asyncio
import json
import sys
import time

VM = {"v4": "10.77.0.10", "v6": "fd77::10"}
CLIENT = {"v4": "10.77.0.100", "v6": "fd77::100"}
TCP_PORT = 443
VIP_BACKEND_PORT = 4430  # hosts.py says why it is not TCP_PORT
UDP_PORT = 5300
VIP_TO_VM = {"v4": "10.77.9.10", "v6": "fd77:9::10"}
VIP_FROM_VM = {"v4": "10.77.9.100", "v6": "fd77:9::100"}
# The VM opens connections to the client: to its own address, and to a VIP whose backend it is.
BACK_PORT = 8443
FAR_PORT = 8444
# Of each family. "vip": from the client through a VIP to the VM, "far": from the VM through another.
PER_KIND = {"busy": 30, "idle": 40, "half": 25, "vip": 100, "back": 15, "far": 100, "udp": 10}
FROM_VM = {"back": (CLIENT, BACK_PORT), "far": (VIP_FROM_VM, FAR_PORT)}
BUSY_PERIOD = 0.05
PERIOD = {"vip": 0.25, "far": 0.25}  # so many that they need not be that busy
FINAL_TIMEOUT = 4.0
OPEN_TIMEOUT = 30.0  # the kernel would try for two minutes


async def serve_connection(reader, writer):
    """Echoes lines. After the other end's FIN, a half-closed connection gets ticks until it goes."""
    try:
        while line := await reader.readline():
            if line == b"quit\n":
                break
            writer.write(line)
            await writer.drain()
        else:
            while not writer.is_closing():
                writer.write(b"tick\n")
                await writer.drain()
                await asyncio.sleep(BUSY_PERIOD)
    except OSError:
        pass
    finally:
        writer.close()


class UdpEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def keep_echoing(stop):
    """Keeps VM-opened connections to the client busy; the client is the one who judges them."""
    async def one(address, port):
        reader, writer = await asyncio.open_connection(address, port)
        await serve_connection(reader, writer)

    tasks = []
    for kind, (addresses, port) in FROM_VM.items():
        for address in addresses.values():
            tasks += [asyncio.create_task(one(address, port)) for _ in range(PER_KIND[kind])]
    await stop.wait()
    for task in tasks:
        task.cancel()


async def vm_main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for family in ("v4", "v6"):
        for port in (TCP_PORT, VIP_BACKEND_PORT):
            await asyncio.start_server(serve_connection, VM[family], port, backlog=512)
        await loop.create_datagram_endpoint(UdpEcho, local_addr=(VM[family], UDP_PORT))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)  # "connect"
    task = asyncio.create_task(keep_echoing(stop))
    await loop.run_in_executor(None, sys.stdin.readline)  # "quit", or the end of the demo
    stop.set()
    await task


class Flow:
    """One connection as the client sees it, and what became of it."""

    def __init__(self, kind, family):
        self.kind = kind
        self.family = family
        self.reader = self.writer = None
        self.last = time.monotonic()
        self.stall = 0.0
        self.reset = False
        self.lost = False
        self.done = False

    def progress(self):
        now = time.monotonic()
        self.stall = max(self.stall, now - self.last)
        self.last = now

    async def exchange(self, text, timeout):
        self.writer.write(text)
        await self.writer.drain()
        answer = await asyncio.wait_for(self.reader.readline(), timeout)
        if answer != text:
            raise ConnectionError(f"sent {text!r}, got {answer!r}")
        self.progress()

    async def run_busy(self):
        number = 0
        while not self.done:
            number += 1
            await self.exchange(b"%s %d\n" % (self.kind.encode(), number), None)
            await asyncio.sleep(PERIOD.get(self.kind, BUSY_PERIOD))

    async def run_half(self):
        while not self.done:
            if not await self.reader.readline():
                raise ConnectionError("the other end has closed")
            self.progress()

    async def run(self):
        try:
            if self.kind == "half":
                await self.run_half()
            elif self.kind != "idle":
                await self.run_busy()
        except ConnectionResetError:
            self.reset = True
        except (OSError, ConnectionError):
            self.lost = True

    async def finish(self):
        """Uses the connection once more: it lives only if that works."""
        self.done = True
        try:
            if self.kind == "idle":
                await self.exchange(b"still there\n", FINAL_TIMEOUT)
            elif time.monotonic() - self.last > 2 * PERIOD.get(self.kind, 0.25):
                # Busy and half-closed ones show by themselves: give them time to come back.
                before = self.last
                for _ in range(int(FINAL_TIMEOUT / 0.1)):
                    await asyncio.sleep(0.1)
                    if self.last != before:
                        break
                else:
                    self.lost = not self.reset
        except ConnectionResetError:
            self.reset = True
        except (OSError, ConnectionError, asyncio.TimeoutError):
            self.lost = True


class UdpFlow(asyncio.DatagramProtocol):
    def __init__(self):
        self.sent = self.got = 0
        self.last = time.monotonic()
        self.stall = 0.0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        now = time.monotonic()
        self.got += 1
        self.stall = max(self.stall, now - self.last)
        self.last = now

    async def run(self):
        while True:
            self.sent += 1
            self.transport.sendto(b"%d" % self.sent)
            await asyncio.sleep(BUSY_PERIOD)


async def open_flow(kind, family):
    flow = Flow(kind, family)
    address = VIP_TO_VM[family] if kind == "vip" else VM[family]
    try:
        flow.reader, flow.writer = await asyncio.wait_for(
            asyncio.open_connection(address, TCP_PORT), OPEN_TIMEOUT)
        await flow.exchange(b"hello\n", OPEN_TIMEOUT)
    except (OSError, asyncio.TimeoutError) as error:
        raise RuntimeError(f"{kind} to {address} does not open") from error
    if kind == "half":
        flow.writer.write_eof()
    return flow


async def open_flows(back):
    flows = []
    for family in ("v4", "v6"):
        for kind in ("busy", "idle", "half", "vip"):
            flows += await asyncio.gather(
                *(open_flow(kind, family) for _ in range(PER_KIND[kind])))
    print("opened", flush=True)
    wanted = 2 * sum(PER_KIND[kind] for kind in FROM_VM)
    while len(back) < wanted:
        await asyncio.sleep(0.05)
    return flows + back


def accept_back(back, kind, family):
    async def accepted(reader, writer):
        flow = Flow(kind, family)
        flow.reader, flow.writer = reader, writer
        back.append(flow)

    return accepted


def count(flows):
    return {
        "connections": len(flows),
        "alive": sum(not f.reset and not f.lost for f in flows),
        "resets": sum(f.reset for f in flows),
        "lost": sum(f.lost for f in flows),
    }


def findings(flows, udp):
    busy = [f for f in flows if f.kind != "idle"]
    return {
        **count(flows),
        "lb": {"to_vm": count([f for f in flows if f.kind == "vip"]),
               "from_vm": count([f for f in flows if f.kind == "far"])},
        "stall_ms_max": round(1000 * max(f.stall for f in busy), 1),
        "udp_exchanges": len(udp),
        "udp_alive": sum(time.monotonic() - u.last < 1.0 for u in udp),
        "udp_stall_ms_max": round(1000 * max(u.stall for u in udp), 1),
    }


async def client_main():
    loop = asyncio.get_running_loop()
    back, udp = [], []
    for kind, (_, port) in FROM_VM.items():
        for family, address in CLIENT.items():
            await asyncio.start_server(accept_back(back, kind, family), address, port,
                                       backlog=512)
    flows = await open_flows(back)
    for family in ("v4", "v6"):
        for _ in range(PER_KIND["udp"]):
            _, flow = await loop.create_datagram_endpoint(
                UdpFlow, remote_addr=(VM[family], UDP_PORT))
            udp.append(flow)
    tasks = [asyncio.create_task(f.run()) for f in flows + udp]
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)  # "finish"
    await asyncio.gather(*(f.finish() for f in flows))
    print(json.dumps(findings(flows, udp)), flush=True)
    for task in tasks:
        task.cancel()


asyncio.run(vm_main() if sys.argv[1] == "vm" else client_main())
