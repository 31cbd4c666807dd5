# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Frames as no honest stack sends them, for the tests in this folder; see tests/world.sh for who
has which address.

  frames.py send DEV COUNT KIND[@VLAN[.VLAN]]…  sends COUNT of each kind
  frames.py catch DEV                           prints "ready", and on SIGTERM a line "KIND COUNT"
                                                for each kind of such frames that came in,
                                                "KIND dscp N COUNT" for those with a mark
  frames.py kinds                               all kinds, one a line

A kind beginning with `vm-` is sent by the VM, one with `in-` by the client. Every frame ends in a
trailer that names its kind, behind what its headers speak of.
"""
import collections
import re
import signal
import socket
import struct
import sys

VM_MAC, CLIENT_MAC = "525400000010", "5254000000c1"
OTHER_MAC, ALL_MAC, ALL6_MAC = "525400000066", "ffffffffffff", "333300000001"
VM4, CLIENT4, OTHER4, NO4, ALL4 = (
    socket.inet_aton(a) for a in ("10.9.0.10", "10.9.0.1", "10.9.0.66", "0.0.0.0",
                                  "255.255.255.255"))
VM6, CLIENT6, OTHER6, NO6, ALL6 = (
    socket.inet_pton(socket.AF_INET6, a)
    for a in ("fd09::10", "fd09::1", "fd09::66", "::", "ff02::1"))
IPV4, IPV6, ARP, RARP, LLDP = 0x0800, 0x86DD, 0x0806, 0x8035, 0x88CC
TCP, UDP, ICMP, ICMP6, DESTINATION_OPTIONS, FRAGMENT = 6, 17, 1, 58, 60, 44
SYN, FIN, RST, ACK = 0x02, 0x01, 0x04, 0x10
TRAILER = b"roam-frame:%s;"
CAUGHT = re.compile(rb"roam-frame:([a-z0-9-]+);")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(dest, source, ethertype, body):
    return bytes.fromhex(dest) + bytes.fromhex(source) + struct.pack("!H", ethertype) + body


def ip4(source, dest, proto, body, more=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, more, 64, proto, 0, source,
                       dest)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def ip6(source, dest, proto, body, hops=64):
    return struct.pack("!IHBB", 6 << 28, len(body), proto, hops) + source + dest + body


def fragment6(source, dest, proto, field, body):
    """`field`: offset in bytes, more-fragments bit."""
    return ip6(source, dest, FRAGMENT, struct.pack("!BBHI", proto, 0, field, 7) + body)


def ip(source, dest, proto, body):
    """By the length of the addresses; the checksum at its place, if the protocol has one."""
    place = {UDP: 6, TCP: 16, ICMP6: 2}.get(proto)
    if place is not None:
        pseudo = source + dest + struct.pack("!II", len(body), proto)
        body = body[:place] + struct.pack("!H", checksum(pseudo + body)) + body[place + 2:]
    return (ip4 if len(source) == 4 else ip6)(source, dest, proto, body)


def udp(source, dest, sport=4000, dport=5300):
    return ip(source, dest, UDP, struct.pack("!HHHH", sport, dport, 12, 0) + b"data")


def tcp(source, dest, flags=SYN, dport=443):
    return ip(source, dest, TCP, struct.pack("!HHIIBBHHH", 4001, dport, 1, 1, 5 << 4, flags, 8192,
                                             0, 0))


def error(source, dest):
    """Port unreachable, about a datagram that nobody has sent."""
    if len(source) == 4:
        body = struct.pack("!BBHI", 3, 3, 0, 0) + udp(dest, source, 4009, 4010)[:28]
        return ip(source, dest, ICMP, body[:2] + struct.pack("!H", checksum(body)) + body[4:])
    return ip(source, dest, ICMP6, struct.pack("!BBHI", 1, 4, 0, 0) +
              udp(dest, source, 4009, 4010)[:48])


def echo(source, dest):
    if len(source) == 4:
        body = struct.pack("!BBHHH", 8, 0, 0, 77, 1)
        return ip(source, dest, ICMP, body[:2] + struct.pack("!H", checksum(body)) + body[4:])
    return ip(source, dest, ICMP6, struct.pack("!BBHHH", 128, 0, 0, 77, 1))


def arp(op, sender_mac, sender, target_mac, target):
    return (struct.pack("!HHBBH", 1, IPV4, 6, 4, op) + bytes.fromhex(sender_mac) + sender +
            bytes.fromhex(target_mac) + target)


def nd(source, kind, target, lladdr, hops=255):
    """A neighbour solicitation (135) or advertisement (136), or whatever has their shape."""
    option = bytes([1 if kind == 135 else 2, 1]) + bytes.fromhex(lladdr)
    body = struct.pack("!BBHI", kind, 0, 0, 0x20000000) + target + option
    pseudo = source + ALL6 + struct.pack("!II", len(body), ICMP6)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ip6(source, ALL6, ICMP6, body, hops)


def patch(data, place, value):
    return data[:place] + value + data[place + len(value):]


def options6(source, dest, count):
    """A UDP datagram behind destination options."""
    body, following = udp(source, dest)[40:], UDP
    for _ in range(count):
        body, following = bytes([following, 0, 1, 4, 0, 0, 0, 0]) + body, DESTINATION_OPTIONS
    return ip6(source, dest, following, body)


def of_family(prefix, me, my4, my6, you, your4, your6):
    """What either end may send, and what none may, in both families."""
    for family, kind, mine, yours in (("4", IPV4, my4, your4), ("6", IPV6, my6, your6)):
        def put(name, body, source=me, dest=you, kind=kind, family=family):
            frame = eth(dest, source, kind, body)
            KINDS[f"{prefix}-{name}{family}"] = frame

        other = OTHER4 if family == "4" else OTHER6
        put("udp", udp(mine, yours))
        put("reply", udp(mine, yours, 5300, 4000))
        put("syn", tcp(mine, yours))
        put("denied", udp(mine, yours, 4000, 23))
        put("ack", tcp(mine, yours, ACK))
        put("rst", tcp(mine, yours, RST))
        put("error", error(mine, yours))
        put("echo", echo(mine, yours))
        put("mac", udp(mine, yours), source=VM_MAC if prefix == "in" else OTHER_MAC)
        put("addr", udp(yours if prefix == "in" else other, yours))
        put("no-addr", udp(NO4 if family == "4" else NO6, yours))
        put("flags", tcp(mine, yours, SYN | FIN))
        total = 2 if family == "4" else 4
        put("long", patch(udp(mine, yours), total, b"\xff\x00"))
        put("version", patch(udp(mine, yours), 0, b"\x75" if family == "4" else b"\x70"))
        put("udp-long", patch(udp(mine, yours), (20 if family == "4" else 40) + 4, b"\x0f\xff"))
        put("tcp-short", patch(tcp(mine, yours), (20 if family == "4" else 40) + 12, b"\x10"))


KINDS = {}


def vm_kinds():
    def out(ethertype, body, dest=CLIENT_MAC):
        return eth(dest, VM_MAC, ethertype, body)

    return {
        "vm-arp": out(ARP, arp(2, VM_MAC, VM4, CLIENT_MAC, CLIENT4)),
        "vm-arp-addr": out(ARP, arp(2, VM_MAC, CLIENT4, CLIENT_MAC, CLIENT4)),
        "vm-arp-hw": out(ARP, arp(2, OTHER_MAC, VM4, CLIENT_MAC, CLIENT4)),
        "vm-arp-request": out(ARP, arp(1, VM_MAC, OTHER4, "0" * 12, CLIENT4), ALL_MAC),
        "vm-arp-mac": eth(ALL_MAC, OTHER_MAC, ARP, arp(1, OTHER_MAC, VM4, "0" * 12, CLIENT4)),
        "vm-arp-op": out(ARP, arp(8, VM_MAC, VM4, CLIENT_MAC, CLIENT4)),
        "vm-arp-type": out(ARP, patch(arp(2, VM_MAC, VM4, CLIENT_MAC, CLIENT4), 0, b"\0\6")),
        "vm-rarp": out(RARP, arp(3, VM_MAC, NO4, VM_MAC, NO4), ALL_MAC),
        "vm-rarp-hw": out(RARP, arp(3, VM_MAC, NO4, OTHER_MAC, NO4), ALL_MAC),
        "vm-na": out(IPV6, nd(VM6, 136, VM6, VM_MAC), ALL6_MAC),
        "vm-na-target": out(IPV6, nd(VM6, 136, CLIENT6, VM_MAC), ALL6_MAC),
        "vm-na-hw": out(IPV6, nd(VM6, 136, VM6, OTHER_MAC), ALL6_MAC),
        "vm-na-hops": out(IPV6, nd(VM6, 136, VM6, VM_MAC, 254), ALL6_MAC),
        "vm-ns-addr": out(IPV6, nd(OTHER6, 135, CLIENT6, VM_MAC), ALL6_MAC),
        "vm-ra": out(IPV6, nd(VM6, 134, NO6, VM_MAC), ALL6_MAC),
        "vm-redirect": out(IPV6, nd(VM6, 137, CLIENT6, VM_MAC), ALL6_MAC),
        "vm-dhcp-server4": out(IPV4, udp(VM4, ALL4, 67, 68), ALL_MAC),
        "vm-dhcp-server6": out(IPV6, udp(VM6, ALL6, 547, 546), ALL6_MAC),
        "vm-dhcp4": out(IPV4, udp(NO4, ALL4, 68, 67), ALL_MAC),
        "vm-dhcp6": out(IPV6, udp(VM6, ALL6, 546, 547), ALL6_MAC),
        "vm-lldp": out(LLDP, b"\x02\x07\x04" + b"\0" * 40),
        "vm-later4": out(IPV4, ip4(VM4, CLIENT4, UDP, b"\0" * 16, 0x2001)),
        "vm-later6": out(IPV6, fragment6(VM6, CLIENT6, UDP, 9, b"\0" * 16)),
        "vm-tiny4": out(IPV4, ip4(VM4, CLIENT4, TCP, b"\0" * 8, 0x2000)),
        "vm-tiny6": out(IPV6, fragment6(VM6, CLIENT6, TCP, 1, b"\0" * 8)),
        "vm-ra-first6": out(IPV6, fragment6(VM6, ALL6, ICMP6, 1, bytes([134]) + b"\0" * 15)),
        "vm-ra-atomic6": out(IPV6, fragment6(VM6, ALL6, ICMP6, 0, bytes([134]) + b"\0" * 15)),
        "vm-options6": out(IPV6, options6(VM6, CLIENT6, 8)),
        "vm-too-many6": out(IPV6, options6(VM6, CLIENT6, 9)),
    }


def in_kinds():
    def into(ethertype, body, dest=VM_MAC):
        return eth(dest, CLIENT_MAC, ethertype, body)

    return {
        "in-other4": into(IPV4, udp(CLIENT4, OTHER4)),
        "in-other6": into(IPV6, udp(CLIENT6, OTHER6)),
        "in-other-mac4": into(IPV4, udp(CLIENT4, VM4), OTHER_MAC),
        "in-ra": into(IPV6, nd(CLIENT6, 134, NO6, CLIENT_MAC), ALL6_MAC),
        "in-na-hops": into(IPV6, nd(CLIENT6, 136, CLIENT6, CLIENT_MAC, 64), ALL6_MAC),
        "in-arp-mac": eth(ALL_MAC, VM_MAC, ARP, arp(1, VM_MAC, VM4, "0" * 12, CLIENT4)),
        "in-dhcp-server4": into(IPV4, udp(CLIENT4, VM4, 67, 68)),
        "in-dhcp-server6": into(IPV6, udp(CLIENT6, VM6, 547, 546)),
    }


def tagged(frame, vlans):
    """Behind the addresses: 802.1ad outside if there are two tags."""
    tags = vlans.split(".") if vlans else []
    head = b""
    for number, tag in enumerate(tags):
        kind = 0x88A8 if number == 0 and len(tags) == 2 else 0x8100
        head += struct.pack("!HH", kind, int(tag))
    return frame[:12] + head + frame[12:]


def send(dev, count, *kinds):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((dev, 0))
        for word in kinds:
            kind, _, vlans = word.partition("@")
            frame = tagged(KINDS[kind], vlans) + TRAILER % kind.encode()
            for _ in range(int(count)):
                sock.send(frame)


def mark_of(data):
    """The DSCP of an untagged frame."""
    word, = struct.unpack_from("!H", data, 14)
    return (word >> 6 if word >> 12 == 6 else word >> 2) & 0x3F


def catch(dev):
    caught = collections.Counter()
    done = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        sock.bind((dev, 0))
        sock.settimeout(0.1)
        signal.signal(signal.SIGTERM, lambda *_: done.append(1))
        print("ready", flush=True)
        while True:
            try:
                data, (_, _, kind, *_) = sock.recvfrom(65536)
            except socket.timeout:
                if done:
                    break
                continue
            match = CAUGHT.search(data)
            if match and kind != socket.PACKET_OUTGOING:
                name = match.group(1).decode()
                caught[name] += 1
                if mark_of(data):
                    caught[f"{name} dscp {mark_of(data)}"] += 1
    for kind, count in caught.items():
        print(kind, count)


of_family("vm", VM_MAC, VM4, VM6, CLIENT_MAC, CLIENT4, CLIENT6)
of_family("in", CLIENT_MAC, CLIENT4, CLIENT6, VM_MAC, VM4, VM6)
KINDS.update(vm_kinds())
KINDS.update(in_kinds())

if sys.argv[1] == "kinds":
    print("\n".join(KINDS))
else:
    {"send": send, "catch": catch}[sys.argv[1]](*sys.argv[2:])
