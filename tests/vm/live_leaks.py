# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What reaches a VM's tap on a host, behind all that judges it: forbidden frames among them carry the
mark of tools/demo.d/forbidden.py.

  live_leaks.py DEV    prints "ready"; "finish" on stdin makes it print {"leaks": …, "leaked": the
                       first one in hex, "frames": all that went to the tap} and end

The device may come and go.
"""
import json
import select
import socket
import sys

MARK = b"roam-forbidden"


def main(dev):
    found = {"leaks": 0, "leaked": [], "frames": 0}
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
    sock.setblocking(False)
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([sock, sys.stdin], [], [])
        while sock in readable:
            try:
                data, (name, _, kind, *_) = sock.recvfrom(65536)
            except OSError:
                break
            if name != dev or kind != socket.PACKET_OUTGOING:
                continue
            found["frames"] += 1
            if MARK in data:
                found["leaks"] += 1
                found["leaked"] = found["leaked"] or [data.hex()]
        if sys.stdin in readable:
            break
    print(json.dumps(found), flush=True)


main(sys.argv[1])
