#!/usr/bin/env python3
"""An HTTP/2 client whose body comes late: late_body.py HOST:PORT SOURCE PATH SIZE

It sends the headers of a POST with a body of SIZE bytes (up to 16,384), waits until HAProxy has read them, then sends the body. It
prints the status, and `reset` if HAProxy ended the stream by RST_STREAM.
"""
import socket
import struct
import sys

ADDRESS, SOURCE, PATH, SIZE = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
DATA, HEADERS, RST_STREAM, SETTINGS, PING = 0, 1, 3, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def literal(name, value):
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def send(kind, flags, stream, payload=b""):
    conn.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)


def frames():
    buffer = b""
    while True:
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
            end = 9 + int.from_bytes(buffer[:3], "big")
            yield buffer[3], buffer[4], buffer[9:end]
            buffer = buffer[end:]
        more = conn.recv(65536)
        if not more:
            return
        buffer += more


host, port = ADDRESS.rsplit(":", 1)
conn = socket.create_connection((host, int(port)), timeout=60, source_address=(SOURCE, 0))
conn.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
send(SETTINGS, 0, 0)
send(HEADERS, END_HEADERS, 1, literal(":method", "POST") + literal(":scheme", "http") + literal(":path", PATH) +
     literal(":authority", "x") + literal("content-length", str(SIZE)))
send(PING, 0, 0, b"headers.")
status, reset = "nothing", ""
for kind, flags, payload in frames():
    if kind == PING and flags & ACK and payload == b"headers.":
        send(DATA, END_STREAM, 1, b"x" * SIZE)
    elif kind == PING and flags & ACK:
        break
    elif kind == HEADERS:
        # :status is the first field: indexed, or a literal of three digits.
        status = {0x88: "200", 0x8C: "400"}.get(payload[0]) or payload[2:5].decode()
    elif kind == RST_STREAM:
        reset = " reset"
    if kind in (DATA, HEADERS) and flags & END_STREAM:
        # The answer is whole. What HAProxy has to say of the stream comes before it answers this.
        send(PING, 0, 0, b"the end.")
print(status + reset)
