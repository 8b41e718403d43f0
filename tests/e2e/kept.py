"""Clients that keep their connections while HAProxy is reloaded: one request after the other on a connection, requests
that pause in the middle of their headers, and HTTP/2 streams.

    kept.py HOST:PORT STOP CONNECTIONS        until the file STOP exists; so many connections of each kind

Asks for /denied and /free in turn, which must be answered 403 and 200, and prints how many answers of each kind were so.
Any other answer is an error. A connection may end without an answer; how many did is printed, too. Clients of one more kind,
`deaf`, go on with HTTP/2 streams after HAProxy has said GOAWAY: they may be told to come back later, by 503."""
import collections
import os
import random
import socket
import sys
import threading
import time

import h2

address, stop, connections = sys.argv[1:]
host, port = address.rsplit(":", 1)
PATHS = (("/denied", "403"), ("/free", "200"))
counts, wrong, lock = collections.Counter(), [], threading.Lock()


class Ended(Exception):
    pass


def receive(connection):
    data = connection.recv(65536)
    if not data:
        raise Ended
    return data


def pause():
    time.sleep(random.uniform(0.001, 0.05))


class Http1:
    def __init__(self, in_halves):
        self.in_halves = in_halves

    def open(self, connection):
        pass

    def ask(self, connection, path):
        request = f"GET {path} HTTP/1.1\r\nHost: e2e.example\r\n\r\n".encode()
        if self.in_halves:
            connection.sendall(request[: len(request) // 2])
            time.sleep(random.uniform(0.1, 2))
            request = request[len(request) // 2 :]
        connection.sendall(request)
        answer = receive(connection)
        while b"\r\n\r\n" not in answer:
            answer += receive(connection)
        head, body = answer.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(fields[b"content-length"]):
            body += receive(connection)
        return head.split(b" ", 2)[1].decode()


class Http2:
    def __init__(self, is_deaf):
        self.is_deaf = is_deaf

    def open(self, connection):
        self.stream, self.input, self.is_last = -1, b"", False
        connection.sendall(h2.HELLO)

    def ask(self, connection, path):
        if self.is_last:
            raise Ended
        self.stream += 2
        connection.sendall(h2.get(self.stream, path))
        answer = None
        while True:
            found, self.input = h2.frames(self.input)
            for kind, flags, stream, payload in found:
                if kind == h2.SETTINGS and not flags & h2.ACK:
                    connection.sendall(h2.SETTINGS_ACK)
                elif kind == h2.RST_STREAM:
                    raise Ended
                elif kind == h2.GOAWAY and not self.is_deaf:
                    # Those up to this one are still answered.
                    self.is_last = True
                    if int.from_bytes(payload[:4], "big") < self.stream:
                        raise Ended
                elif kind == h2.HEADERS:
                    answer = h2.status(payload)
                if stream == self.stream and flags & h2.END_STREAM and kind in (h2.HEADERS, h2.DATA):
                    return answer
            self.input += receive(connection)


def run(name, client):
    connection = None
    while not os.path.exists(stop):
        for path, wanted in PATHS:
            try:
                if connection is None:
                    connection = socket.create_connection((host, int(port)))
                    connection.settimeout(60)
                    client.open(connection)
                got = client.ask(connection, path)
                with lock:
                    counts[name] += 1
                    if got != wanted and (name, got) != ("deaf", "503"):
                        wrong.append(f"{name}: {path} got {got}")
            except (Ended, ConnectionError):
                counts["ended"] += 1
                connection.close()
                connection = None
            pause()


threads = []
for i in range(int(connections)):
    for kind, one in (("kept", Http1(False)), ("halves", Http1(True)), ("streams", Http2(False)), ("deaf", Http2(True))):
        threads.append(threading.Thread(target=run, args=(kind, one)))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(" ".join(f"{kind}={count}" for kind, count in sorted(counts.items())))
if wrong:
    sys.exit(f"{len(wrong)} wrong answers: " + "; ".join(wrong[:5]))
