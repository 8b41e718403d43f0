#!/usr/bin/env python3
"""Sends requests of every outcome and prints what the analytics must say of them, a number a line.

feed_client.py HOST:PORT NETWORK [KIND=NUMBER]...

So many requests of each of KINDS, mixed, from addresses that begin with the two bytes NETWORK. Those of a connection
are sent without waiting for answers. It is answers that are counted; one that its kind cannot have is an error. The
origin is feed_origin.py; rules, which have the names of kinds, and the coarse limit are those of feed_counts.sh.
"""
import collections
import itertools
import random
import socket
import struct
import sys

CONNECTIONS = 48  # open at a time
WINDOW = 40       # requests under way on each
COARSE = 1000     # the coarse limit
LIMIT = 5         # of the rules
MOST = 900        # requests of a client that is not to reach the coarse limit

RULES = ("forbidden", "limited", "slow", "banned")
counts = collections.Counter()


def count(kind, status, *columns, verdict=None, whose=None):
    """`verdict`: the agent's. `whose`: "origin" if it sent the answer, "refused" if HAProxy did and nothing had failed."""
    counts.update(("responses", f"status_{status // 100}xx", *columns))
    if whose and status >= 400:
        counts.update([f"{whose}_{status // 100}xx"])
    if verdict:
        rule = kind if kind in RULES else ""
        counts.update(("requests", verdict, f"/{kind}/1 requests", f"rule {rule} matched", f"rule {rule} {verdict}"))
        counts.update([f"/{kind}/1 denied"] * (verdict == "denied"))


class Connection:
    """Of a client that has no other; sends requests of these kinds."""

    def __init__(self, front, address, kinds):
        self.socket = socket.create_connection(front, timeout=60, source_address=(address, 0))
        self.kinds = kinds
        self.buffer = b""
        self.sent = collections.Counter()

    def serve(self):
        """Each step takes the answers to what the one before has sent, and sends more."""
        for first in range(0, len(self.kinds), WINDOW):
            window = self.kinds[first:first + WINDOW]
            self.socket.sendall(b"".join(map(request, window)))
            yield
            for kind in window:
                self.sent[kind] += 1
                KINDS[kind](self, kind, self.sent[kind])
        self.socket.close()

    def receive(self):
        data = self.socket.recv(65536)
        self.buffer += data
        return data

    def head(self):
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if not self.receive():
                sys.exit(f"no answer, but {self.buffer!r}")
        head, self.buffer = self.buffer[:end].lower(), self.buffer[end + 4:]
        return head

    def answer(self, status):
        """The head of the next answer, which must have this status."""
        head = self.head()
        if int(head[9:12]) != status:
            sys.exit(f"not {status}: {head!r}")
        length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r")[0]
        while length and len(self.buffer) < int(length):
            if not self.receive():
                sys.exit(f"only {self.buffer!r} after {head!r}")
        self.buffer = self.buffer[int(length or 0):]
        return head

    def ends(self):
        while self.receive():
            pass


def request(kind):
    path = {"refused": "/a/../b", "invalid": "/\x01", "undecided": "/forbidden/1"}.get(kind, f"/{kind}/1")
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


# What becomes of the `nth` request of its kind from a client.

def forwarded(connection, kind, nth):
    status = int(kind) if kind.isdigit() else 200
    connection.answer(status)
    count(kind, status, *["not_found", "origin_404"] * (status == 404), verdict="allowed", whose="origin")


def forbidden(connection, kind, nth):
    connection.answer(403)
    count(kind, 403, verdict="denied", whose="refused")


def limited(connection, kind, nth):
    if nth <= LIMIT:
        forwarded(connection, kind, nth)
    else:
        connection.answer(429)
        count(kind, 429, verdict="denied", whose="refused")


def slow(connection, kind, nth):
    connection.answer(200)
    count(kind, 200, verdict="allowed" if nth <= LIMIT else "slowed")


def banned(connection, kind, nth):
    """HAProxy asks the agent again each 10 seconds; only the agent's answers name the limit."""
    if nth <= LIMIT:
        forwarded(connection, kind, nth)
    elif b"\r\nratelimit-policy:" in connection.answer(429):
        count(kind, 429, verdict="denied", whose="refused")
    else:
        count(kind, 429, "ban_denied", whose="refused")


def coarse(connection, kind, nth):
    if nth <= COARSE:
        forwarded(connection, kind, nth)
    else:
        connection.answer(429)
        count(kind, 429, "coarse_denied", whose="refused")


def refused(connection, kind, nth):
    """By the configuration, before anybody asked."""
    connection.answer(400)
    count(kind, 400, "refused", whose="refused")


def undecided(connection, kind, nth):
    """Without an agent nobody forbids it."""
    connection.answer(200)
    count(kind, 200, "undecided")


def broken(connection, kind, nth):
    connection.answer(502)
    count(kind, 502, "origin_errors", verdict="allowed")


def originless(connection, kind, nth):
    connection.answer(503)
    count(kind, 503, "origin_errors", verdict="allowed")


def shut(connection, kind, nth):
    """The origin's breaker is open: nobody is asked."""
    connection.answer(503)
    count(kind, 503, "refused")


def cut(connection, kind, nth):
    """The origin goes away in the middle."""
    connection.head()
    while connection.receive():
        pass
    count(kind, 200, "origin_errors", verdict="allowed")


def endless(connection, kind, nth):
    """The client goes away in the middle."""
    connection.head()
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    count(kind, 200, "aborted", verdict="allowed")


KINDS = dict.fromkeys(("ok", "204", "302", "304", "404", "410", "500"), forwarded)
KINDS |= {f.__name__: f for f in (forbidden, limited, slow, banned, coarse, refused, undecided, broken, originless,
                                  shut, cut, endless)}
KINDS["invalid"] = refused
# Not among others on a connection, and at most so many: the end of it, or slow, or about all of a client's requests.
APART = {"slow": 20, "banned": MOST, "coarse": 2 * COARSE, "invalid": 1, "originless": 2, "cut": 1, "endless": 1}


def chunks(kinds, size):
    return [kinds[i:i + size] for i in range(0, len(kinds), size)]


def main():
    host, port = sys.argv[1].split(":")
    numbers = {kind: int(number) for kind, number in (argument.split("=") for argument in sys.argv[3:])}
    mixed = [kind for kind, number in numbers.items() for _ in range(number) if kind not in APART]
    random.shuffle(mixed)
    work = chunks(mixed, MOST)
    for kind, size in APART.items():
        work += chunks([kind] * numbers.get(kind, 0), size)
    random.shuffle(work)

    addresses = (f"{sys.argv[2]}.{i}.{j}" for i in range(256) for j in range(1, 255))
    waiting = (Connection((host, int(port)), address, kinds).serve() for address, kinds in zip(addresses, work))
    running = []
    while running := running + list(itertools.islice(waiting, CONNECTIONS - len(running))):
        running = [steps for steps in running if next(steps, steps) is not steps]
    for name, number in counts.items():
        print(f"{name}|{number}")


main()
