#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""A QEMU that is none, for tests/e2e/handover_follow.sh: its migration, and a VM that shell commands
pause and let go on.

  qemu_fake.py SOCKET COPIED PAUSE THERE HERE

The VM is paused by PAUSE once the file COPIED exists, goes on at the destination by THERE, and here by
HERE if the migration is cancelled. Writes down what it is told. One client, as QEMU's monitor has it.
"""
import json
import os
import select
import socket
import subprocess
import sys


class Qemu:
    def __init__(self, connection, copied, pause, there, here):
        self.connection, self.copied = connection, copied
        self.commands = {"pause": pause, "there": there, "here": here}
        self.status, self.running = "none", True
        self.capabilities = {}

    def say(self, what):
        self.connection.sendall((json.dumps(what) + "\r\n").encode())

    def event(self, name, **data):
        self.say({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 1}})

    def enter(self, status):
        self.status = status
        self.event("MIGRATION", status=status)

    def do(self, which):
        print("does", which, flush=True)
        subprocess.run(self.commands[which], shell=True, check=True)

    def looks(self):
        """Memory is copied once the test says so."""
        if self.status == "active" and os.path.exists(self.copied):
            self.do("pause")
            self.running = False
            self.event("STOP")
            self.enter("pre-switchover")

    def answer(self, command, words):
        if command == "migrate-set-capabilities":
            self.capabilities = {one["capability"]: one["state"] for one in words["capabilities"]}
        elif command == "query-migrate-capabilities":
            return [{"capability": name, "state": on} for name, on in self.capabilities.items()]
        elif command == "query-status":
            return {"running": self.running, "status": "running" if self.running else "paused"}
        elif command == "query-migrate":
            return {"status": self.status, "total-time": 1, "downtime": 1,
                    "ram": {"transferred": 1, "remaining": 1, "dirty-pages-rate": 1}}
        return {}

    def then(self, command):
        if command == "migrate":
            self.enter("setup")
            self.enter("active")
        elif command == "migrate-continue":
            self.enter("device")
            self.do("there")
            self.enter("completed")
        elif command == "migrate_cancel" and self.status in ("setup", "active", "pre-switchover"):
            self.enter("cancelling")
            if not self.running:
                self.do("here")
                self.running = True
                self.event("RESUME")
            self.enter("cancelled")

    def serve(self):
        self.say({"QMP": {"version": {}, "capabilities": []}})
        decoder, text = json.JSONDecoder(), ""
        while True:
            if select.select([self.connection], [], [], 0.01)[0]:
                got = self.connection.recv(65536).decode()
                if not got:
                    return
                text += got
            while text.strip():
                try:
                    told, end = decoder.raw_decode(text.lstrip())
                except ValueError:
                    break
                text = text.lstrip()[end:]
                command = told["execute"]
                print("told", command, flush=True)
                self.say({"return": self.answer(command, told.get("arguments", {})),
                          "id": told.get("id")})
                self.then(command)
            self.looks()


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(1)
    print("ready", flush=True)
    Qemu(listener.accept()[0], *sys.argv[2:6]).serve()


main()
