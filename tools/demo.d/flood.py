# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A sender that is held to its limit, for the demo.

`flood.py send RATE` in the meter's namespace sends datagrams at two and a half times RATE (bytes a
second) to the client, half of them over IPv6, until it is ended. `flood.py take` in the client's
counts what arrives, as long as it was on the wire; to each line on stdin it answers with the bytes
since the start and the time.
"""
import select
import socket
import sys
import time

CLIENT = ((socket.AF_INET, "10.77.0.100"), (socket.AF_INET6, "fd77::100"))
PORT = 5400
PAYLOAD = 1200
HEADERS = {socket.AF_INET: 14 + 20 + 8, socket.AF_INET6: 14 + 40 + 8}
EXCESS = 2.5


def send(rate):
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for family, _ in CLIENT]
    pause = len(sockets) * PAYLOAD / (EXCESS * rate)
    due = time.monotonic()
    print("ready", flush=True)
    while True:
        for one, (_, address) in zip(sockets, CLIENT):
            try:
                one.sendto(bytes(PAYLOAD), (address, PORT))
            except OSError:
                pass  # the device is on its way
        # What could not be sent in a pause is not made up for.
        due = max(due + pause, time.monotonic() - 0.02)
        time.sleep(max(0.0, due - time.monotonic()))


def take():
    sockets = []
    for family, address in CLIENT:
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        one.bind((address, PORT))
        sockets.append(one)
    total = 0
    print("ready", flush=True)
    while True:
        for one in select.select([sys.stdin, *sockets], [], [])[0]:
            if one is sys.stdin:
                if not sys.stdin.readline():
                    return
                print(total, time.monotonic(), flush=True)
            else:
                total += len(one.recv(65536)) + HEADERS[one.family]


if sys.argv[1] == "send":
    send(float(sys.argv[2]))
else:
    take()
