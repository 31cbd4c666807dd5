# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Real sockets for the tests in this folder, called by tests/world.sh inside a namespace.

  sock.py serve PORT[,PORT…]    echoes on TCP and UDP, IPv4 and IPv6; prints "ready"
  sock.py tcp ADDR PORT [FROM]  one exchange over a new connection; exit 0 if it works
  sock.py tries ADDR PORT FROM COUNT  opens COUNT connections at once; prints how many came about
  sock.py bulk ADDR PORT BYTES  there and back over one connection
  sock.py reset ADDR PORT COUNT  COUNT connections, each used and then reset
  sock.py udp ADDR PORT COUNT   sends datagrams; prints how many came back
  sock.py large ADDR PORT COUNT BYTES  the same with datagrams of so many bytes, all different
  sock.py fill ADDR PORT COUNT  one datagram from each of COUNT sockets; prints how many answers
  sock.py smuggle ADDR VIP PORT  a SYN from 192.0.2.1 to an IPv4 VIP, in a tunnel to ADDR
  sock.py stream ADDR PORT [SIZE]   numbered datagrams, one a millisecond (fewer when the other end
                                is slow: no queue gets full), until SIGTERM; prints "ready", then how
                                many were sent and how many of their answers never came
  sock.py hold ADDR PORT COUNT  COUNT connections, each used in every round; prints a line a round:
                                "round N alive M"
"""
import os
import random
import select
import selectors
import signal
import socket
import struct
import sys
import time

# Below the first retransmission of a SYN (1 s), so that a refused connection is one packet; more
# where an answer is expected (lib.sh, check).
PATIENT = "PATIENT" in os.environ
OPEN_TIMEOUT_S = 10.0 if PATIENT else 0.7
REPLY_TIMEOUT_S = 10.0 if PATIENT else 2.0
DATAGRAM_TIMEOUT_S = 3.0 if PATIENT else 0.3
ROUND_PAUSE_S = 0.01
UNANSWERED_MAX = 16
UNANSWERED_LARGE_MAX = 4  # in fragments: all streams share the server's buffer
SILENCE_S = 20.0  # an emulated processor may be busy with others for some seconds


def kind_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def make(address, kind):
    return socket.socket(kind_of(address), kind)


def listen(port):
    tcp = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for one in (tcp, udp):
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.bind(("::", port))
    tcp.listen(4096)
    return tcp, udp


def answer(selector, one):
    """What is to be done with one socket that has something to say."""
    if one.type == socket.SOCK_DGRAM:
        data, peer = one.recvfrom(65536)
        one.sendto(data, peer)
    elif one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        selector.register(one.accept()[0], selectors.EVENT_READ)
    else:
        data = one.recv(65536)
        if data:
            one.sendall(data)
        else:
            raise ConnectionError("closed")


def serve(ports):
    selector = selectors.DefaultSelector()
    for port in ports.split(","):
        for one in listen(int(port)):
            selector.register(one, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            try:
                answer(selector, key.fileobj)
            except OSError:
                if key.fileobj.type == socket.SOCK_STREAM:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def connect(address, port, source=None):
    one = make(address, socket.SOCK_STREAM)
    if source:
        one.bind((source, 0))
    one.settimeout(OPEN_TIMEOUT_S)
    one.connect((address, int(port)))
    one.settimeout(REPLY_TIMEOUT_S)
    return one


def exchange(one):
    one.sendall(b"echo\n")
    return one.recv(5) == b"echo\n"


def tcp(address, port, source=None):
    try:
        with connect(address, port, source) as one:
            return 0 if exchange(one) else 1
    except OSError as error:
        print(error)
        return 1


def tries(address, port, source, count):
    sockets = []
    for _ in range(int(count)):
        one = make(address, socket.SOCK_STREAM)
        one.bind((source, 0))
        one.setblocking(False)
        one.connect_ex((address, int(port)))
        sockets.append(one)
    time.sleep(OPEN_TIMEOUT_S)
    print(len(select.select([], sockets, [], 0)[1]))
    return 0


def bulk(address, port, count):
    """In pieces that fit into the sockets' buffers."""
    left = int(count)
    with connect(address, port) as one:
        while left > 0:
            piece = min(left, 1 << 16)
            one.sendall(bytes(piece))
            left -= piece
            while piece > 0:
                got = len(one.recv(piece))
                if not got:
                    return 1
                piece -= got
    return 0


def reset(address, port, count):
    for one in [connect(address, port) for _ in range(int(count))]:
        if not exchange(one):
            return 1
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    return 0


def udp(address, port, count):
    """One after the other, so that no queue on the way overflows."""
    answers = 0
    with make(address, socket.SOCK_DGRAM) as one:
        one.connect((address, int(port)))
        one.settimeout(DATAGRAM_TIMEOUT_S)
        for number in range(int(count)):
            one.send(b"%d" % number)
            if answers == number:  # after one that was lost, wait no more
                try:
                    answers += bool(one.recv(2048))
                except OSError:
                    pass
    print(answers)
    return 0


def large(address, port, count, size):
    """Datagrams that go in fragments; what comes back must be what went."""
    answers = 0
    with make(address, socket.SOCK_DGRAM) as one:
        one.connect((address, int(port)))
        one.settimeout(DATAGRAM_TIMEOUT_S)
        for _ in range(int(count)):
            data = random.randbytes(int(size))
            one.send(data)
            try:
                answers += one.recv(65536) == data
            except OSError:
                pass
    print(answers)
    return 0


def fill(address, port, count):
    sockets = []
    for _ in range(int(count)):
        one = make(address, socket.SOCK_DGRAM)
        one.connect((address, int(port)))
        one.send(b"fill")
        sockets.append(one)
    time.sleep(DATAGRAM_TIMEOUT_S)
    answers = 0
    for one in sockets:
        try:
            answers += bool(one.recv(2048, socket.MSG_DONTWAIT))
        except OSError:  # none, or only an error
            pass
    print(answers)
    return 0


def smuggle(address, vip, port):
    """IPv4 in IPv4, whose header the kernel makes. No checksums: it is not to get anywhere."""
    inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, socket.IPPROTO_TCP, 0,
                        socket.inet_aton("192.0.2.1"), socket.inet_aton(vip))
    inner += struct.pack("!HHIIBBHHH", 40000, int(port), 1, 0, 0x50, 0x02, 65535, 0, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IPIP) as one:
        one.sendto(inner, (address, 0))
    return 0


def use_all(living):
    """One exchange on each, all at once; those on which it worked."""
    waiting, still = list(living), []
    for one in living:
        one.sendall(b"echo\n")
    deadline = time.monotonic() + REPLY_TIMEOUT_S
    while waiting and time.monotonic() < deadline:
        for one in select.select(waiting, [], [], deadline - time.monotonic())[0]:
            waiting.remove(one)
            try:
                still += [one] if one.recv(5) == b"echo\n" else []
            except OSError:
                pass
    return still


def stream(address, port, size=4):
    going, missing, number = [True], set(), 0
    most = UNANSWERED_MAX if int(size) < 1000 else UNANSWERED_LARGE_MAX
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    with make(address, socket.SOCK_DGRAM) as one:
        one.connect((address, int(port)))
        heard = time.monotonic()
        print("ready", flush=True)
        while going or (missing and time.monotonic() < heard + SILENCE_S):
            if going and len(missing) < most:
                one.send(struct.pack("!I", number).ljust(int(size), b"."))
                missing.add(number)
                number += 1
            while select.select([one], [], [], 0.001)[0]:
                missing.discard(struct.unpack("!I", one.recv(65536)[:4])[0])
                heard = time.monotonic()
    print(f"sent {number} missing {len(missing)}", flush=True)
    return 0


def hold(address, port, count):
    living = [connect(address, port) for _ in range(int(count))]
    number = 0
    while True:
        number += 1
        living = use_all(living)
        print(f"round {number} alive {len(living)}", flush=True)
        time.sleep(ROUND_PAUSE_S)


COMMANDS = {"serve": serve, "tcp": tcp, "tries": tries, "bulk": bulk, "reset": reset, "udp": udp,
            "large": large, "fill": fill, "hold": hold, "stream": stream, "smuggle": smuggle}
sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
