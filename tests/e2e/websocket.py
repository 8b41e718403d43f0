#!/usr/bin/env python3
"""A WebSocket (RFC 6455) for tests: an origin that echoes, and a client.

websocket.py serve HOST:PORT
websocket.py echo1|echo2 HOST:PORT SOURCE SECONDS [FIELD: VALUE]...   over HTTP/1.1, or in an HTTP/2 stream (RFC 8441)

The client opens a WebSocket, sends a message, is silent for so many seconds, sends another, and prints what came back, a line each:
the status, then the echoes. It ends when the other side does.
"""
import base64
import hashlib
import os
import socket
import struct
import sys
import threading
import time

KEY = base64.b64encode(b"0123456789abcdef").decode()


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def connect(address, source=""):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=60, source_address=(source, 0))


class Ended(Exception):
    pass


def exactly(read, size):
    data = b""
    while len(data) < size:
        more = read(size - len(data))
        if not more:
            raise Ended
        data += more
    return data


def message_of(read):
    """The next text message. Ours are shorter than 126 bytes."""
    first, second = exactly(read, 2)
    mask = exactly(read, 4) if second & 0x80 else bytes(4)
    data = exactly(read, second & 0x7F)
    if first != 0x81:
        raise Ended
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def frame_of(text, mask=b""):
    """A text message; a client masks it."""
    data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text)) if mask else text
    return bytes([0x81, len(text) | (0x80 if mask else 0)]) + mask + data


# -- the origin ------------------------------------------------------------------------------------------------


def head_of(read):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(read, 1)
    return head.decode()


def serve_one(conn):
    try:
        head = head_of(conn.recv)
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])}
        if fields.get("upgrade") != "websocket":
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        conn.sendall(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Accept: {accept_of(fields['sec-websocket-key'])}\r\n\r\n".encode())
        while True:
            conn.sendall(frame_of(message_of(conn.recv)))
    except (Ended, OSError):
        pass
    finally:
        conn.close()


def serve(address):
    host, port = address.rsplit(":", 1)
    server = socket.create_server((host, int(port)))
    while True:
        threading.Thread(target=serve_one, args=(server.accept()[0],), daemon=True).start()


# -- the client ------------------------------------------------------------------------------------------------


class Http1:
    def __init__(self, conn, fields):
        self.send, self.recv = conn.sendall, conn.recv
        lines = ["GET /socket HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                 f"Sec-WebSocket-Key: {KEY}"] + fields
        self.send("\r\n".join(lines + ["", ""]).encode())
        head = head_of(self.recv)
        self.status = head.split()[1]
        if self.status == "101" and accept_of(KEY) not in head:
            self.status = "a wrong Sec-WebSocket-Accept"


class Http2:
    """One stream. Header fields are literals without Huffman coding; of the answer's only :status is read."""

    def __init__(self, conn, fields):
        self.conn, self.data = conn, b""
        pseudo = [":method: CONNECT", ":protocol: websocket", ":scheme: http", ":path: /socket", ":authority: x"]
        block = b""
        for field in pseudo + ["sec-websocket-version: 13"] + fields:
            name, value = field.rsplit(": ", 1)
            block += bytes([0, len(name)]) + name.lower().encode() + bytes([len(value)]) + value.encode()
        conn.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(4, 0, 0, b"")
        while not self.next() == 4:
            pass
        self.frame(1, 4, 1, block)
        while not self.next() == 1:
            pass

    def frame(self, kind, flags, stream, payload):
        self.conn.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)

    def next(self):
        head = exactly(self.conn.recv, 9)
        payload = exactly(self.conn.recv, int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        if kind == 4 and not flags & 1:
            settings = dict(struct.iter_unpack(">HI", payload))
            if not settings.get(8):
                raise SystemExit("no SETTINGS_ENABLE_CONNECT_PROTOCOL")
            self.frame(4, 1, 0, b"")
        elif kind == 1:
            self.status = {0x88: "200", 0x8C: "400", 0x8D: "404"}.get(payload[0]) or payload[2:5].decode()
        elif kind == 0:
            self.data += payload
        elif kind == 6 and not flags & 1:
            self.frame(6, 1, 0, payload)
        if kind in (3, 7) or kind == 0 and flags & 1:
            raise Ended
        return kind if not (kind == 4 and flags & 1) else None

    def send(self, data):
        self.frame(0, 0, 1, data)

    def recv(self, size):
        while not self.data:
            self.next()
        data, self.data = self.data[:size], self.data[size:]
        return data


def client(kind, address, source, seconds, fields):
    try:
        stream = kind(connect(address, source), fields)
        print(stream.status, flush=True)
        if stream.status not in ("101", "200"):
            return
        for text, pause in (b"before", float(seconds)), (b"after", 0):
            stream.send(frame_of(text, os.urandom(4)))
            print(message_of(stream.recv).decode(), flush=True)
            time.sleep(pause)
    except (Ended, OSError):
        print("ended", flush=True)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    client({"echo1": Http1, "echo2": Http2}[sys.argv[1]], *sys.argv[2:5], sys.argv[5:])
