"""Many requests at the same moment: clients whose connections each open a number of HTTP/2 streams at once, with frames
made by hand. Prints how many answers had which status, `reset` for a stream or connection that ended without one, and
how long the answers took.

    burst.py HOST:PORT PATH CLIENTS CONNECTIONS STREAMS [1]

CLIENTS source addresses, 127.210.0.1 and up, have CONNECTIONS connections each; each connection opens STREAMS streams.
With a last argument of 1 the requests are HTTP/1.1, pipelined, in place of streams."""
import collections
import selectors
import socket
import sys
import time

address, path, clients, connections, streams = sys.argv[1:6]
clients, connections, streams = int(clients), int(connections), int(streams)
http1 = sys.argv[6:] == ["1"]
host, port = address.rsplit(":", 1)
END_STREAM, ACK = 1, 1
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
# Of the statuses in HPACK's static table; any other is a literal of three digits.
INDEXED = {0x88: "200", 0x89: "204", 0x8A: "206", 0x8B: "304", 0x8C: "400", 0x8D: "404", 0x8E: "500"}


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(index, value):
    return bytes([index, len(value)]) + value.encode()


# :method GET, :scheme http, :path and :authority of the static table without indexing.
FIELDS = b"\x82\x86" + literal(4, path) + literal(1, "burst.example")
REQUEST = f"GET {path} HTTP/1.1\r\nHost: burst.example\r\n\r\n".encode()


class Connection:
    def __init__(self, source):
        self.socket = socket.create_connection((host, int(port)), source_address=(source, 0))
        self.input = b""
        self.open = set(range(1, 2 * streams, 2))
        if not http1:
            # A window for all answers, so that none waits for us.
            self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0) + frame(8, 0, 0, b"\x3f\xff\x00\x00"))

    def begin(self):
        if http1:
            self.output = REQUEST * streams
        else:
            self.output = b"".join(frame(HEADERS, END_STREAM | 4, stream, FIELDS) for stream in sorted(self.open))
        self.socket.setblocking(False)

    def send(self):
        try:
            self.output = self.output[self.socket.send(self.output):]
        except BlockingIOError:
            pass
        except OSError:
            self.output = b""
        return bool(self.output)

    def finish(self, status, stream=None):
        if stream is None:
            stream = min(self.open, default=None)
        if stream in self.open:
            self.open.remove(stream)
            answers[status] += 1
            times.append(time.monotonic() - start)

    # False when the peer has closed.
    def receive(self):
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            return False
        self.input += data
        if http1:
            self.take_answers()
        else:
            self.take_frames()
        return True

    # The bodies of all answers have a Content-Length.
    def take_answers(self):
        while b"\r\n\r\n" in self.input:
            head, rest = self.input.split(b"\r\n\r\n", 1)
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            size = int(fields[b"content-length"])
            if len(rest) < size:
                return
            self.input = rest[size:]
            self.finish(head.split(b" ", 2)[1].decode())

    def take_frames(self):
        at = 0
        while len(self.input) >= at + 9:
            size, kind, flags = int.from_bytes(self.input[at : at + 3], "big"), self.input[at + 3], self.input[at + 4]
            stream = int.from_bytes(self.input[at + 5 : at + 9], "big")
            if len(self.input) < at + 9 + size:
                break
            payload = self.input[at + 9 : at + 9 + size]
            at += 9 + size
            if kind == HEADERS:
                self.finish(INDEXED.get(payload[0]) or payload[2:5].decode("latin-1"), stream)
            elif kind == RST_STREAM:
                self.finish("reset", stream)
            elif kind == SETTINGS and not flags & ACK:
                self.output += frame(SETTINGS, ACK, 0)
        self.input = self.input[at:]


answers, times = collections.Counter(), []
everyone = [Connection(f"127.210.0.{client + 1}") for client in range(clients) for _ in range(connections)]
for connection in everyone:
    connection.begin()
start = time.monotonic()
selector = selectors.DefaultSelector()
for connection in everyone:
    connection.send()
    selector.register(connection.socket, selectors.EVENT_READ, connection)
waiting = set(everyone)
while waiting:
    events = selector.select(60)
    if not events:
        break
    for key, _ in events:
        connection = key.data
        if not connection.receive():
            connection.open, lost = set(), len(connection.open)
            answers["reset"] += lost
        if connection.output and connection.open:
            connection.send()
        if not connection.open:
            selector.unregister(connection.socket)
            waiting.discard(connection)
answers["none"] += sum(len(connection.open) for connection in waiting)
times.sort()
print(" ".join(f"{status}:{count}" for status, count in sorted(answers.items()) if count), file=sys.stdout)
if times:
    print(f"p50 {times[len(times) // 2] * 1000:.0f} ms, last {times[-1] * 1000:.0f} ms", file=sys.stderr)
