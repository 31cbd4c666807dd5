# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""ICMP errors as sockets see them, called by tests/e2e/errors.sh inside a namespace.

  errors.py refused ADDR PORT    exit 0 if a datagram there is answered by ECONNREFUSED
  errors.py hop ADDR PORT LIMIT  who says that a datagram with this hop limit went no further
  errors.py forge ADDR COUNT     errors to ADDR about datagrams that it has never sent
"""
import errno
import socket
import struct
import sys
import time

DEADLINE_S = 10
PAUSE_S = 0.05
IP_RECVERR, IPV6_RECVERR = 11, 25
UNREACHABLE4, UNREACHABLE6 = 3, 1


def kind_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def asking(address, port):
    one = socket.socket(kind_of(address), socket.SOCK_DGRAM)
    one.connect((address, int(port)))
    return one


def refused(address, port):
    with asking(address, port) as one:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            try:
                one.send(b"?")
                time.sleep(PAUSE_S)
            except ConnectionRefusedError:
                return 0
    return 1


def offender(ancillary):
    """From struct sock_extended_err and the address behind it."""
    for level, _, data in ancillary:
        if level == socket.IPPROTO_IP:
            return socket.inet_ntop(socket.AF_INET, data[20:24])
        if level == socket.IPPROTO_IPV6:
            return socket.inet_ntop(socket.AF_INET6, data[24:40])
    return "nobody"


def hop(address, port, limit):
    ipv6 = ":" in address
    with asking(address, port) as one:
        if ipv6:
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, int(limit))
        else:
            one.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            one.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, int(limit))
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            try:
                one.send(b"?")
                time.sleep(PAUSE_S)
                print(offender(one.recvmsg(64, 512, socket.MSG_ERRQUEUE)[1]))
                return 0
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EHOSTUNREACH):
                    raise
    return 1


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def forge(address, count):
    ipv6 = ":" in address
    remote = "2001:db8::66" if ipv6 else "203.0.113.66"
    ends = socket.inet_pton(kind_of(address), address) + socket.inet_pton(kind_of(remote), remote)
    ports = struct.pack("!HHHH", 40000, 53, 8, 0)
    if ipv6:
        quote = struct.pack("!IHBB", 6 << 28, len(ports), socket.IPPROTO_UDP, 64) + ends
        proto, head = socket.IPPROTO_ICMPV6, struct.pack("!BBHI", UNREACHABLE6, 4, 0, 0)
    else:
        quote = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, socket.IPPROTO_UDP, 0) + ends
        proto, head = socket.IPPROTO_ICMP, struct.pack("!BBHI", UNREACHABLE4, 3, 0, 0)
    message = head + quote + ports
    if not ipv6:  # the kernel does it for IPv6
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    with socket.socket(kind_of(address), socket.SOCK_RAW, proto) as one:
        for _ in range(int(count)):
            one.sendto(message, (address, 0))
    return 0


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
