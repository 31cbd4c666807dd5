# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Traffic that goes on while a VM moves, for move.sh: real sockets in two namespaces.

  moving.py serve              in the VM: echoes on TCP 443 and UDP 5300; on TCP 8443 takes all that
                               comes until the other end has no more, and answers with its SHA-256
  moving.py use FILE ADDR…     in the client: connections to each address, all of which go on until
                               FILE exists; then what became of them, one line each:
                               "bulk N" of those that sent everything and got its hash back,
                               "idle N" that still echo after having been silent all the time,
                               "udp N" of the numbered datagrams sent at the end that came back,
                               "forged N" bytes or datagrams that nobody had sent; and "done"
  moving.py announce MAC       what QEMU sends when a VM goes on: RARP, so that bridges learn
"""
import hashlib
import os
import random
import socket
import socketserver
import sys
import threading
import time

ECHO_PORT, BULK_PORT, UDP_PORT = 443, 8443, 5300
IDLE = 8  # to each address
LAST_DATAGRAMS = 20
PIECE = 32768
PAUSE_S = 0.004
PATIENCE_S = int(os.environ.get("PATIENCE_S", "8"))


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


# ---- the VM ------------------------------------------------------------------------------------

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Hash(socketserver.BaseRequestHandler):
    def handle(self):
        found = hashlib.sha256()
        while data := self.request.recv(1 << 18):
            found.update(data)
        self.request.sendall(found.hexdigest().encode())


class EchoDatagram(socketserver.BaseRequestHandler):
    def handle(self):
        data, one = self.request
        one.sendto(data, self.client_address)


class Tcp(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    request_queue_size = 64
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A connection that was broken: the client tells of it."""


class Udp(socketserver.UDPServer):
    address_family = socket.AF_INET6


def serve():
    servers = [Tcp(("::", ECHO_PORT), Echo), Tcp(("::", BULK_PORT), Hash),
               Udp(("::", UDP_PORT), EchoDatagram)]
    for one in servers:
        threading.Thread(target=one.serve_forever).start()
    print("ready", flush=True)


# ---- the client --------------------------------------------------------------------------------

class Client:
    def __init__(self, address):
        self.address = address
        self.over = threading.Event()
        self.bulk = self.connect(BULK_PORT)
        self.idle = [self.connect(ECHO_PORT) for _ in range(IDLE)]
        self.udp = socket.socket(family(address), socket.SOCK_DGRAM)
        self.udp.connect((address, UDP_PORT))
        self.udp.settimeout(0.2)
        self.number = 0
        self.result = {"bulk": 0, "idle": 0, "udp": 0, "forged": 0}
        self.threads = [threading.Thread(target=job) for job in (self.send_bulk, self.send_udp)]

    def connect(self, port):
        one = socket.create_connection((self.address, port), timeout=3)
        one.settimeout(PATIENCE_S)
        return one

    def send_bulk(self):
        sent, source = hashlib.sha256(), random.Random(1)
        try:
            while not self.over.is_set():
                piece = source.randbytes(PIECE)
                self.bulk.sendall(piece)
                sent.update(piece)
                time.sleep(PAUSE_S)
            self.bulk.shutdown(socket.SHUT_WR)
            self.result["bulk"] = int(self.bulk.recv(100) == sent.hexdigest().encode())
        except OSError:
            pass

    def exchange(self):
        self.number += 1
        self.udp.send(b"%d" % self.number)
        try:
            while (got := int(self.udp.recv(100))) != self.number:
                self.result["forged"] += not 0 < got < self.number
        except OSError:
            return 0
        return 1

    def send_udp(self):
        while not self.over.is_set():
            self.exchange()
            time.sleep(PAUSE_S)

    def use_idle(self):
        for one in self.idle:
            one.settimeout(3)
            try:
                one.sendall(b"still here")
                self.result["idle"] += one.recv(100) == b"still here"
            except OSError:
                pass

    def finish(self):
        self.over.set()
        idle = threading.Thread(target=self.use_idle)
        idle.start()
        for thread in (*self.threads, idle):
            thread.join()
        self.result["udp"] = sum(self.exchange() for _ in range(LAST_DATAGRAMS))


def use(file, *addresses):
    clients = [Client(address) for address in addresses]
    for client in clients:
        for thread in client.threads:
            thread.start()
    print("ready", flush=True)
    while not os.path.exists(file):
        time.sleep(0.02)
    ends = [threading.Thread(target=client.finish) for client in clients]
    for thread in ends:
        thread.start()
    for thread in ends:
        thread.join()
    for what in clients[0].result:
        print(what, sum(client.result[what] for client in clients))
    print("done", flush=True)


def announce(mac):
    mac = bytes.fromhex(mac.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as one:
        one.bind(("eth0", 0))
        one.send(b"\xff" * 6 + mac + bytes.fromhex("80350001080006040003") + mac + bytes(4) +
                 mac + bytes(4) + bytes(18))


{"serve": serve, "use": use, "announce": announce}[sys.argv[1]](*sys.argv[2:])
