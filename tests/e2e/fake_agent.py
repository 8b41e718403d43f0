"""An agent that shakes hands, and answers health checks, as it should, and then does what its mode says to each question:

    answers      `deny`
    slow         `deny`, after 700 ms
    silent       nothing
    garbage      bytes that are no frame
    truncated    half an ACK
    other_ids    an ACK of another stream and frame
    no_actions   an ACK that sets nothing
    unknown      a frame of a type that nobody knows
    closes       the end of the connection
    resets       a reset

    fake_agent.py HOST:PORT MODE COUNTS       COUNTS: a file that always says "connections questions"

Health checks are not counted."""
import os
import socket
import struct
import sys
import threading
import time

address, mode, counts_path = sys.argv[1:]
lock = threading.Lock()
counts = {"connections": 0, "questions": 0}


def count(what):
    with lock:
        counts[what] += 1
        with open(counts_path + ".new", "w", encoding="ascii") as file:
            file.write(f"{counts['connections']} {counts['questions']}\n")
        os.rename(counts_path + ".new", counts_path)


def varint(n):
    if n < 240:
        return bytes([n])
    out = [n & 15 | 240]
    n = (n - 240) >> 4
    while n >= 128:
        out.append(n & 127 | 128)
        n = (n - 128) >> 7
    return bytes(out + [n])


def read_varint(data, at):
    n = data[at]
    at += 1
    if n < 240:
        return n, at
    shift = 4
    while True:
        n += data[at] << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return n, at


def text(value):
    return varint(len(value)) + value


def frame(kind, stream, number, payload):
    body = bytes([kind]) + struct.pack(">I", 1) + varint(stream) + varint(number) + payload
    return struct.pack(">I", len(body)) + body


HELLO = frame(101, 0, 0, text(b"version") + b"\x08" + text(b"2.0") + text(b"max-frame-size") + b"\x03" + varint(16380)
              + text(b"capabilities") + b"\x08" + text(b"pipelining"))
DENY = b"\x01\x03\x02" + text(b"verdict") + b"\x08" + text(b"deny")


def answer(connection, stream, number):
    ack = frame(103, stream, number, DENY)
    if mode == "slow":
        time.sleep(0.7)
    if mode in ("answers", "slow"):
        connection.sendall(ack)
    elif mode == "garbage":
        # Of a length that may be: of one too large HAProxy 2.6 and 3.0 say the same as of a question too large.
        connection.sendall(struct.pack(">I", 64) + os.urandom(64))
    elif mode == "truncated":
        connection.sendall(ack[: len(ack) // 2])
    elif mode == "other_ids":
        connection.sendall(frame(103, stream + 1000, number + 7, DENY))
    elif mode == "no_actions":
        connection.sendall(frame(103, stream, number, b""))
    elif mode == "unknown":
        connection.sendall(frame(77, stream, number, DENY))
    elif mode == "closes":
        return False
    elif mode == "resets":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
    return True


def read_frame(file):
    size = file.read(4)
    return file.read(struct.unpack(">I", size)[0]) if len(size) == 4 else b""


def serve(connection):
    with connection, connection.makefile("rb") as file:
        body = read_frame(file)
        if not body:
            return
        connection.sendall(HELLO)
        # A boolean that is true.
        if b"healthcheck\x11" in body:
            return
        count("connections")
        while body := read_frame(file):
            if body[0] != 3:
                return
            count("questions")
            stream, at = read_varint(body, 5)
            number, _ = read_varint(body, at)
            if not answer(connection, stream, number):
                return


def serve_quietly(connection):
    try:
        serve(connection)
    except OSError:
        pass


host, port = address.rsplit(":", 1)
listener = socket.create_server((host, int(port)), backlog=1024)
with open(counts_path, "w", encoding="ascii") as out:
    out.write("0 0\n")
while True:
    threading.Thread(target=serve_quietly, args=(listener.accept()[0],), daemon=True).start()
