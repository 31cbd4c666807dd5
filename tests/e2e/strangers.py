# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Connections to a roamd of those who are no peers, for handover.sh:

  strangers.py ADDRESS PORT PKI   PKI has ca.pem; what each kind learned, one line each:
                                  "plain N", "tls N", "tls12 N": bytes that came back behind the
                                  handshake (or instead of one) of who sends noise, has no
                                  certificate, or speaks an older TLS;
                                  "many N": how many of a hundred silent connections stay open
"""
import socket
import ssl
import sys
import time

WHERE = sys.argv[1], int(sys.argv[2])


def rest(one):
    """What comes until the other end has closed the connection."""
    got = 0
    one.settimeout(10)
    try:
        while data := one.recv(65536):
            got += len(data)
    except OSError:
        pass
    return got


def plain():
    with socket.create_connection(WHERE) as one:
        one.sendall(b"\0\0\0\x20\0\1\0\0\0\0\0\1" + b"{" * 100000)
        # An alert at most: it says that this is no TLS.
        return max(0, rest(one) - 7)


def tls(context):
    context.load_verify_locations(f"{sys.argv[3]}/ca.pem")
    context.check_hostname = False
    try:
        with socket.create_connection(WHERE) as one, context.wrap_socket(one) as inner:
            inner.sendall(b"\0\0\0\x02\0\1\0\0\0\0\0\1{}")
            return rest(inner)
    except OSError:
        return 0


def older():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return tls(context)


def many():
    all_of_them = [socket.create_connection(WHERE) for _ in range(100)]
    time.sleep(1)
    closed = 0
    for one in all_of_them:
        one.setblocking(False)
        try:
            closed += not one.recv(1)
        except BlockingIOError:
            pass
        except OSError:
            closed += 1
    for one in all_of_them:
        one.close()
    return len(all_of_them) - closed


print("plain", plain())
print("tls", tls(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)))
print("tls12", older())
print("many", many())
