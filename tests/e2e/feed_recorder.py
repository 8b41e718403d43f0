#!/usr/bin/env python3
"""Stands between HAProxy's ring and the agent's log feed, and writes what passes: a line a message.

feed_recorder.py LISTEN-HOST:PORT AGENT-HOST:PORT FILE

Each message goes on to the agent as it came, and then is a line of FILE.sent as well; while the agent is away they wait
here. Ends with exit code 1 at anything that is not octet counting.
"""
import queue
import socket
import sys
import threading
import time


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def send_on(messages, agent, sent):
    """Takes up each connection of the agent's until the agent ends it."""
    connection = None
    while True:
        message = messages.get()
        while True:
            try:
                if connection is None:
                    connection = socket.create_connection(agent)
                    connection.setblocking(False)
                try:
                    if connection.recv(1) == b"":
                        raise ConnectionError
                except BlockingIOError:
                    pass
                connection.setblocking(True)
                connection.sendall(message)
                connection.setblocking(False)
                sent.write(message + b"\n")
                break
            except OSError:
                if connection is not None:
                    connection.close()
                    connection = None
                time.sleep(0.05)


def main():
    listener = socket.create_server(address(sys.argv[1]))
    messages = queue.Queue()
    sent = open(sys.argv[3] + ".sent", "ab", buffering=0)
    threading.Thread(target=send_on, args=(messages, address(sys.argv[2]), sent), daemon=True).start()
    with open(sys.argv[3], "ab", buffering=0) as record:
        while True:
            stream = listener.accept()[0].makefile("rb")
            while True:
                digits = b""
                while (byte := stream.read(1)).isdigit():
                    digits += byte
                if byte == b"" and digits == b"":
                    break
                if byte != b" " or not 0 < int(digits) <= 8192:
                    sys.exit(f"not octet counting: {digits + byte!r}")
                message = stream.read(int(digits))
                if b"\n" in message:
                    sys.exit(f"a line break within: {message!r}")
                record.write(message + b"\n")
                messages.put(digits + b" " + message)


main()
