# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Forbidden traffic, and whoever it reaches: raw frames that no policy here admits.

`forbidden.py SIDE DEV` on a device of the client ("client") or of the VM ("vm") sends frames that
must never arrive at the other side, all of them with a mark in their payload, and counts marked
frames that come in. "finish" on stdin makes it print {"sent": …, "leaks": …, "leaked": the first few
of them in hex} and end.

From the client: openings to a port that is not allowed, from many sources, so that none of them is
blocked for their number; segments in the middle of connections that do not exist; frames that claim
to be the VM. From the VM: frames with somebody else's address,
and with somebody else's MAC. IPv4 and IPv6 alike.
"""

import json
import random
import select
import socket
import struct
import sys

MARK = b"roam-forbidden"
VM_MAC = bytes.fromhex("525400770010")
OTHER_MAC = bytes.fromhex("525400770099")
CLIENT_MAC = bytes.fromhex("525400770100")
VM4, VM6 = socket.inet_aton("10.77.0.10"), socket.inet_pton(socket.AF_INET6, "fd77::10")
CLIENT4, CLIENT6 = socket.inet_aton("10.77.0.100"), socket.inet_pton(socket.AF_INET6, "fd77::100")
STRANGER4 = socket.inet_aton("10.77.0.66")
STRANGER6 = socket.inet_pton(socket.AF_INET6, "fd77::66")
SYN, PSH_ACK = 0x02, 0x18
PERIOD = 0.01


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp(src, dst, sport, dport, flags):
    """A TCP segment with the mark, and an IPv4 or IPv6 header by the length of the addresses."""
    body = struct.pack("!HHIIBBHHH", sport, dport, random.getrandbits(32), 1, 5 << 4, flags, 8192,
                       0, 0) + MARK
    pseudo = src + dst + struct.pack("!II", len(body), socket.IPPROTO_TCP)
    body = body[:16] + struct.pack("!H", checksum(pseudo + body)) + body[18:]
    if len(src) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), socket.IPPROTO_TCP, 64) + src + dst + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, socket.IPPROTO_TCP, 0,
                       src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def frame(dmac, smac, packet):
    ethertype = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return dmac + smac + struct.pack("!H", ethertype) + packet


def unused_port():
    """Above ip_local_port_range: no connection of the demo has it."""
    return random.randrange(61000, 65536)


def anybody(client):
    """Another network than the client's: half of the address is random."""
    half = len(client) // 2
    return client[:half - 1] + random.randbytes(half) + client[-1:]


def from_client():
    """One of each kind."""
    sport = unused_port()
    for vm, client in ((VM4, CLIENT4), (VM6, CLIENT6)):
        yield frame(VM_MAC, CLIENT_MAC, tcp(anybody(client), vm, sport, 22, SYN))
        yield frame(VM_MAC, CLIENT_MAC, tcp(client, vm, sport, 443, PSH_ACK))
        yield frame(VM_MAC, VM_MAC, tcp(client, vm, sport, 443, SYN))
        yield frame(VM_MAC, CLIENT_MAC, tcp(vm, vm, sport, 443, SYN))


def from_vm():
    sport = unused_port()
    for vm, client, stranger in ((VM4, CLIENT4, STRANGER4), (VM6, CLIENT6, STRANGER6)):
        yield frame(CLIENT_MAC, VM_MAC, tcp(stranger, client, sport, 8443, SYN))
        yield frame(CLIENT_MAC, OTHER_MAC, tcp(vm, client, sport, 8443, SYN))
        yield frame(CLIENT_MAC, VM_MAC, tcp(vm, client, sport, 25, SYN))
        yield frame(CLIENT_MAC, VM_MAC, tcp(vm, client, sport, 8443, PSH_ACK))


def main(side, dev):
    make = from_client if side == "client" else from_vm
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    sock.bind((dev, 0))
    sock.setblocking(False)
    sent = leaks = 0
    leaked = []
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([sock, sys.stdin], [], [], PERIOD)
        while sock in readable:
            try:
                data, (_, _, kind, *_) = sock.recvfrom(65536)
            except BlockingIOError:
                break
            except OSError:
                continue  # the device was down for a moment
            if kind != socket.PACKET_OUTGOING and MARK in data:
                leaks += 1
                leaked = leaked or [data.hex()]
        if sys.stdin in readable:
            break
        for data in make():
            try:
                sock.send(data)
                sent += 1
            except OSError:
                pass
    print(json.dumps({"sent": sent, "leaks": leaks, "leaked": leaked}), flush=True)


main(sys.argv[1], sys.argv[2])
