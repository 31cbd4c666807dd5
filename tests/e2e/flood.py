# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""New flows as fast as they come, called by policy.sh inside a namespace.

  flood.py send ADDR PORT,PORT…   one datagram from a new port to each of the ports in turn, until
                                  SIGTERM; prints "ready", then "sent PORT N" for each
  flood.py count PORT,PORT…       counts what comes in; prints "ready", then "got PORT N" for each
"""
import selectors
import signal
import socket
import sys

RUNNING = [True]
# Source ports, so that no flow is used twice within a run.
FIRST, LAST = 1024, 65535


def make(address=None):
    kind = socket.AF_INET6 if address is None or ":" in address else socket.AF_INET
    one = socket.socket(kind, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return one


def payload(port, ports):
    """Longer by one for each port after the first."""
    return b"flood" + bytes(ports.index(port))


def send(address, ports):
    sent = dict.fromkeys(ports, 0)
    source = FIRST
    while RUNNING:
        with make(address) as one:
            one.bind(("", source))
            for port in ports:
                one.sendto(payload(port, ports), (address, port))
                sent[port] += 1
        source = source + 1 if source < LAST else FIRST
    for port, count in sent.items():
        print(f"sent {port} {count}", flush=True)


def count(ports):
    got = dict.fromkeys(ports, 0)
    selector = selectors.DefaultSelector()
    for port in ports:
        one = make()
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(("::", port))
        selector.register(one, selectors.EVENT_READ, port)
    print("ready", flush=True)
    while RUNNING:
        for key, _ in selector.select(0.1):
            key.fileobj.recv(2048)
            got[key.data] += 1
    for port, number in got.items():
        print(f"got {port} {number}", flush=True)


def main(what, *words):
    signal.signal(signal.SIGTERM, lambda *_: RUNNING.clear())
    ports = [int(port) for port in words[-1].split(",")]
    if what == "count":
        count(ports)
    else:
        print("ready", flush=True)
        send(words[0], ports)


main(*sys.argv[1:])
