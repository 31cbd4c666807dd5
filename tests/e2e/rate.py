# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A sender that is policed, and who measures what arrives, for rate.sh.

  rate.py send tcp|udp ADDR PORT RATE   more than RATE (UDP: twice as much), until it is killed
  rate.py take PORT                takes all that comes over TCP and UDP and throws it away
  rate.py measure MAC SECONDS RATE BURST BEGINS   of frames from MAC that come in at eth0, as long as
                                   they are on the wire: prints the mean rate in per mille of RATE
                                   (bytes a second), and by how many bytes the worst interval of
                                   100 ms is above RATE and BURST together (0: none). The mean is of
                                   SECONDS or more, from one of the moments in the file BEGINS (ns of
                                   the clock, a line each) to another
"""
import socket
import sys
import threading
import time

ETH_P_ALL = 3
SO_TIMESTAMPNS_OLD = 35
PAYLOAD = 1400
STREAMS = 8
INTERVAL_NS = 100_000_000
AROUND_S = 5  # seen beyond what is measured: moves begin every 1.5 s or so


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send_tcp(address, port):
    """Several connections: one alone takes longer to get over what it lost than a move's pause."""
    def fill():
        with socket.create_connection((address, port)) as one:
            while True:
                one.sendall(bytes(65536))

    for _ in range(STREAMS):
        threading.Thread(target=fill).start()


def send_udp(address, port, rate):
    pause = PAYLOAD / (2 * rate)
    with socket.socket(family(address), socket.SOCK_DGRAM) as one:
        due = time.monotonic()
        while True:
            try:
                one.sendto(bytes(PAYLOAD), (address, port))
            except OSError:  # no route while the device is away
                pass
            due = max(due + pause, time.monotonic() - 0.05)
            time.sleep(max(0, due - time.monotonic()))


def send(proto, address, port, rate):
    if proto == "tcp":
        send_tcp(address, int(port))
    else:
        send_udp(address, int(port), float(rate))


def take(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", int(port)))
    server.listen()
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    datagrams.bind(("::", int(port)))
    print("ready", flush=True)

    def drain(one):
        while one.recv(1 << 18):
            pass

    threading.Thread(target=drain, args=(datagrams,), daemon=True).start()
    while True:
        threading.Thread(target=drain, args=(server.accept()[0],), daemon=True).start()


def frames(mac, seconds):
    """(time in ns, length) of each."""
    mac = bytes.fromhex(mac.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        one.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS_OLD, 1)
        one.bind(("eth0", 0))
        one.settimeout(0.1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                head, extra, _, _ = one.recvmsg(64, 64, socket.MSG_TRUNC)
            except TimeoutError:
                continue
            if head[6:12] != mac:
                continue
            stamp = extra[0][2]
            yield (int.from_bytes(stamp[:8], "little") * 10**9 + int.from_bytes(stamp[8:16], "little"),
                   int.from_bytes(head[16:18], "big") + 14 if head[12:14] == b"\x08\x00" else
                   int.from_bytes(head[18:20], "big") + 54)


def worst(seen, rate, burst):
    """By how much any interval exceeds what it may have."""
    total, first, most = 0, 0, 0
    for when, size in seen:
        total += size
        while seen[first][0] <= when - INTERVAL_NS:
            total -= seen[first][1]
            first += 1
        most = max(most, total)
    return max(0, round(most - rate * INTERVAL_NS / 1e9 - burst))


def window(begins, seen, seconds):
    """From one moment of which frames were seen to another, as far apart as asked if there is one."""
    begins = [at for at in begins if seen[0][0] <= at] + [seen[-1][0]]
    return begins[0], next((at for at in begins if at >= begins[0] + seconds * 1e9), begins[-1])


def measure(mac, seconds, rate, burst, begins):
    seen = list(frames(mac, float(seconds) + AROUND_S))
    with open(begins, encoding="ascii") as lines:
        first, last = window([int(line) for line in lines], seen, float(seconds))
    mean = sum(size for when, size in seen if first <= when < last) / (last - first) * 1e9
    print(round(1000 * mean / float(rate)), worst(seen, float(rate), float(burst)))


{"send": send, "take": take, "measure": measure}[sys.argv[1]](*sys.argv[2:])
