# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Which datagrams come through which device, for handover_once.sh, in the VM:

  once.py DEV…   until SIGTERM: looks at the numbered datagrams to moving.py's port, of both families,
                 that are marked as expedited (DSCP 46); then how many came through each, "DEV N", and through more than one, "both N"
"""
import select
import signal
import socket
import sys

PORT = 5300
ETH, UDP, ETH_P_ALL = 14, 17, 3
MARK = 46


def datagram(frame):
    """What tells it from all others: family, port of the sender, its number; None: it is no such one."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == UDP and frame[15] >> 2 == MARK:
        at = ETH + (frame[14] & 15) * 4
    elif kind == b"\x86\xdd" and frame[20] == UDP and (
            int.from_bytes(frame[14:16], "big") >> 6 & 63) == MARK:
        at = ETH + 40
    else:
        return None
    if int.from_bytes(frame[at + 2:at + 4], "big") != PORT:
        return None
    end = at + int.from_bytes(frame[at + 4:at + 6], "big")
    return kind, frame[at:at + 2], frame[at + 8:end]


def listen(dev):
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    one.bind((dev, 0))
    return one


def main():
    devs = sys.argv[1:]
    sockets = {listen(dev): dev for dev in devs}
    seen = {dev: set() for dev in devs}
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    print("ready", flush=True)
    while not stop:
        for one in select.select(list(sockets), [], [], 0.2)[0]:
            frame, where = one.recvfrom(65536)
            found = datagram(frame) if where[2] != socket.PACKET_OUTGOING else None
            if found:
                seen[sockets[one]].add(found)
    for dev in devs:
        print(dev, len(seen[dev]))
    print("both", sum(1 for one in set.union(*seen.values())
                      if sum(one in some for some in seen.values()) > 1), flush=True)


main()
