# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""TCP of two real stacks, as whoever is between them sees it, for captured.c.

  capture.py FILE SEED SECONDS   in a network namespace of its own

Two ends, each a namespace, speak over a relay that loses, doubles and holds back frames, before
and behind the place where they are recorded. Connections are of all kinds that sockets can make:
either end closes first, halves, resets, refusals, windows that close, ports that are used again at
once, both ends that open at once, with and without options. FILE gets each frame that passes,
behind its length in two bytes.
"""
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

ETH_P_ALL = 3
PACKET_IGNORE_OUTGOING = 23
ENDS = {  # name: (MAC, IPv4, IPv6), as cast.h has them
    "vm": ("52:54:00:aa:bb:10", "10.0.0.10", "fd00::10"),
    "peer": ("52:54:00:cc:dd:20", "192.0.2.7", "2001:db8::7"),
}
OTHER = {"vm": "peer", "peer": "vm"}
SERVER, CLOSED, TOGETHER = 443, 444, 5000
CLIENTS = 6
LOST, DOUBLED, HELD = 0.02, 0.01, 0.03
PATIENCE = 2
FAULTS = (OSError, EOFError)


def run(command):
    subprocess.run(command, shell=True, check=True)


# ---- an end ----------------------------------------------------------------------------------


def device(name):
    mac, *addrs = ENDS[name]
    their_mac, *theirs = ENDS[OTHER[name]]
    run("ip link set lo up; ethtool -K eth0 tx off sg off tso off gso off gro off > /dev/null")
    run(f"ip link set eth0 address {mac} addrgenmode none; ip link set eth0 up")
    for own, other in zip(addrs, theirs):
        nodad = "nodad" if ":" in own else ""
        run(f"ip addr add {own} dev eth0 {nodad}; ip route add {other} dev eth0 src {own}")
        run(f"ip neigh replace {other} lladdr {their_mac} dev eth0 nud permanent")


def sysctl(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drain(sock, pause=0.0):
    while sock.recv(4096):
        time.sleep(pause)


def answer(sock):
    """What the first byte asks for."""
    with sock:
        sock.settimeout(PATIENCE)
        try:
            how = sock.recv(1)
            if how == b"e":
                while data := sock.recv(4096):
                    sock.sendall(data)
            elif how == b"d":
                sock.sendall(bytes(random.randrange(60000)))
            elif how == b"h":
                drain(sock)
                sock.sendall(bytes(20000))
            elif how == b"s":
                drain(sock, 0.01)
            elif how == b"r":
                sock.recv(4096)
                reset(sock)
        except FAULTS:
            pass


def serve():
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    server.bind(("::", SERVER))
    server.listen(64)
    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def client(name, dice):
    """One connection."""
    target = dice.choice(ENDS[OTHER[name]][1:])
    how = dice.choice(b"edhsr")
    with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET) as sock:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dice.random() < 0.3:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        if dice.random() < 0.3:
            sock.bind(("", dice.randrange(6000, 6020)))
        for option in ("tcp_sack", "tcp_window_scaling", "tcp_timestamps"):
            sysctl(option, int(dice.random() < 0.7))
        sock.connect((target, CLOSED if dice.random() < 0.05 else SERVER))
        sock.sendall(bytes([how]) + bytes(dice.randrange(30000)))
        if dice.random() < 0.2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            time.sleep(1.3)
        if dice.random() < 0.2:
            reset(sock)
            return
        if dice.random() < 0.6:
            sock.shutdown(socket.SHUT_WR)
        drain(sock)


def clients(name, dice):
    while True:
        try:
            client(name, dice)
        except FAULTS:
            time.sleep(0.01)


def together(name, begin):
    """Both ends call each other, again and again, each time from a port to the same."""
    number = 0
    while True:
        number += 1
        time.sleep(max(0, begin + number * 0.25 - time.time()))
        own, other = (ENDS[end][1 + number % 2] for end in (name, OTHER[name]))
        with socket.socket(socket.AF_INET6 if ":" in own else socket.AF_INET) as sock:
            sock.settimeout(0.2)
            try:
                sock.bind((own, TOGETHER + number))
                sock.connect((other, TOGETHER + number))
                sock.sendall(b"x")
                drain(sock)
            except FAULTS:
                pass


def end(name, seed):
    """Each line that comes is a step: there is a device; when both ends begin; it is over."""
    sys.stdin.readline()
    device(name)
    print("ready", flush=True)
    begin = sys.stdin.readline()
    random.seed(seed)
    threading.Thread(target=serve, daemon=True).start()
    threading.Thread(target=together, args=(name, float(begin)), daemon=True).start()
    for number in range(CLIENTS):
        dice = random.Random(f"{seed} {name} {number}")
        threading.Thread(target=clients, args=(name, dice), daemon=True).start()
    sys.stdin.readline()
    os._exit(0)


# ---- between them ----------------------------------------------------------------------------


def open_device(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(263, PACKET_IGNORE_OUTGOING, 1)  # SOL_PACKET
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((name, 0))
    return sock


def is_tcp(frame):
    return (frame[12:14] == b"\x08\x00" and frame[23] == 6) or \
           (frame[12:14] == b"\x86\xdd" and frame[20] == 6)


def relay(file, seconds):
    socks = {name: open_device(f"to-{name}") for name in ENDS}
    until = time.monotonic() + seconds
    held = []  # (when, to whom, frame)

    def pass_on(name, frame):
        """Through the place where frames are recorded."""
        file.write(struct.pack("<H", len(frame)) + frame)
        if random.random() >= LOST:
            socks[OTHER[name]].send(frame)

    while (now := time.monotonic()) < until:
        for item in [item for item in held if item[0] <= now]:
            held.remove(item)
            pass_on(*item[1:])
        ready, _, _ = select.select(list(socks.values()), [], [], 0.002)
        for name, sock in socks.items():
            if sock not in ready:
                continue
            frame = sock.recv(2048)
            if not is_tcp(frame) or random.random() < LOST:
                continue
            if random.random() < DOUBLED:
                held.append((now + random.random() * 0.02, name, frame))
            if random.random() < HELD:
                held.append((now + random.random() * 0.01, name, frame))
            else:
                pass_on(name, frame)


def tell(process, line):
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()


def main(path, seed, seconds):
    random.seed(seed)
    ends = {}
    try:
        for name in ENDS:
            ends[name] = subprocess.Popen(
                ["unshare", "-n", sys.executable, "-S", __file__, "end", name, seed],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        time.sleep(0.3)  # each is in its namespace
        for name, process in ends.items():
            run(f"ip link add to-{name} type veth peer name eth0 netns {process.pid}")
            run(f"ip link set to-{name} up addrgenmode none")
        for process in ends.values():
            tell(process, "")
        for process in ends.values():
            process.stdout.readline()
        begin = time.time() + 0.5
        for process in ends.values():
            tell(process, begin)
        with open(path, "wb") as file:
            relay(file, float(seconds))
    finally:
        for process in ends.values():
            process.kill()
            process.wait()


if sys.argv[1] == "end":
    end(*sys.argv[2:])
else:
    main(*sys.argv[1:])
