"""Many requests at the same moment: each connection sends all of its own at once, as HTTP/2 streams or pipelined.

    burst.py HOST:PORT PATH CLIENTS CONNECTIONS REQUESTS [h1]

CLIENTS source addresses, from 127.210.0.1 on, have CONNECTIONS connections each, and these REQUESTS requests each, in
HTTP/2 or, with `h1`, HTTP/1.1. Prints how many had which status (`lost`: a stream or connection that ended without one),
and on standard error how long the answers took."""
import collections
import selectors
import socket
import sys
import time

import h2

address, path = sys.argv[1:3]
clients, connections, requests = map(int, sys.argv[3:6])
is_http1 = sys.argv[6:] == ["h1"]
host, port = address.rsplit(":", 1)
counts, times = collections.Counter(), []


class Connection:
    def __init__(self, source):
        self.socket = socket.create_connection((host, int(port)), source_address=(source, 0))
        self.streams = set(range(1, 2 * requests, 2))  # without an answer
        self.input = self.output = b""
        if not is_http1:
            self.socket.sendall(h2.HELLO)

    def begin(self):
        self.socket.setblocking(False)
        if is_http1:
            self.output = f"GET {path} HTTP/1.1\r\nHost: e2e.example\r\n\r\n".encode() * requests
        else:
            self.output = b"".join(h2.get(stream, path) for stream in sorted(self.streams))
        self.send()

    def send(self):
        try:
            while self.output:
                self.output = self.output[self.socket.send(self.output) :]
        except BlockingIOError:
            pass
        except OSError:
            self.output = b""  # receive() sees the end

    def finish(self, stream, status):
        if stream in self.streams:
            self.streams.remove(stream)
            counts[status] += 1
            times.append(time.monotonic() - start)

    def receive(self):
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            counts["lost"] += len(self.streams)
            self.streams.clear()
        self.input += data
        if is_http1:
            self.take_answers()
        else:
            self.take_frames()
        self.send()

    # All answers here have a Content-Length.
    def take_answers(self):
        while b"\r\n\r\n" in self.input:
            head, rest = self.input.split(b"\r\n\r\n", 1)
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            size = int(fields[b"content-length"])
            if len(rest) < size:
                return
            self.input = rest[size:]
            self.finish(min(self.streams), head.split(b" ", 2)[1].decode())

    def take_frames(self):
        found, self.input = h2.frames(self.input)
        for kind, flags, stream, payload in found:
            if kind == h2.HEADERS:
                self.finish(stream, h2.status(payload))
            elif kind == h2.RST_STREAM:
                self.finish(stream, "lost")
            elif kind == h2.SETTINGS and not flags & h2.ACK:
                self.output += h2.SETTINGS_ACK


everyone = [Connection(f"127.210.0.{client + 1}") for client in range(clients) for _ in range(connections)]
selector = selectors.DefaultSelector()
start = time.monotonic()
for connection in everyone:
    connection.begin()
    selector.register(connection.socket, selectors.EVENT_READ, connection)
while selector.get_map():
    events = selector.select(60)
    if not events:
        sys.exit("no answer for a minute")
    for key, _ in events:
        key.data.receive()
        if not key.data.streams:
            selector.unregister(key.data.socket)
print(" ".join(f"{status}:{count}" for status, count in sorted(counts.items()) if count))
times.sort()
if times:
    print(f"half of the answers within {times[len(times) // 2] * 1000:.0f} ms, all within {times[-1] * 1000:.0f}", file=sys.stderr)
