# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A source of too many connections, for the demo.

`foe.py` in a namespace of its own opens more connections at once than the VM's limit allows, says
"attacked", and goes on trying, over IPv4 and IPv6. "finish" on stdin makes it print one line of JSON:
{"attack": connections tried at once, "admitted": of those, "tries": after that, "through": of
those} and end. A source that is blocked gets nothing through.
"""
import json
import select
import socket
import struct
import sys
import time

VM = ((socket.AF_INET, "10.77.0.10"), (socket.AF_INET6, "fd77::10"))
PORT = 443
ATTACK = 600  # of each family
PERIOD = 0.1


def connect(family, address):
    one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    # Away with a reset: nothing of it stays here.
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.connect_ex((address, PORT))
    return one


def count_open(sockets, seconds):
    """How many get through within the time; closes all."""
    waiting, good, end = select.poll(), 0, time.monotonic() + seconds
    left = {one.fileno(): one for one in sockets}
    for number in left:
        waiting.register(number, select.POLLOUT)
    while left and (rest := end - time.monotonic()) > 0:
        for number, _ in waiting.poll(1000 * rest):
            waiting.unregister(number)
            one = left.pop(number)
            good += not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    for one in sockets:
        one.close()
    return good


def main():
    admitted = count_open([connect(*vm) for vm in VM for _ in range(ATTACK)], 0.5)
    tries = through = 0
    print("attacked", flush=True)
    while not select.select([sys.stdin], [], [], PERIOD)[0]:
        tries += len(VM)
        through += count_open([connect(*vm) for vm in VM], 0.1)
    print(json.dumps({"attack": len(VM) * ATTACK, "admitted": admitted, "tries": tries,
                      "through": through}), flush=True)


main()
