# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a socket is told of a connection or a datagram within two seconds; see tests/e2e/rules.sh.

  refused.py tcp|udp ADDRESS PORT   prints "refused", "open", or the error's name; "silent"
"""
import errno
import socket
import sys

kind, address, port = sys.argv[1:]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
    sock.settimeout(2)
    try:
        sock.connect((address, int(port)))
        if kind == "udp":
            sock.send(b"data")
            sock.recv(100)
        print("open")
    except ConnectionRefusedError:
        print("refused")
    except TimeoutError:
        print("silent")
    except OSError as error:
        print(errno.errorcode[error.errno])
