#!/usr/bin/env python3
"""An origin that works or fails as told: told_origin.py HOST:PORT FILE

FILE says how: a status, `garbage` (no HTTP), `reset` or `hang`. It is read for each request; a path that begins with a
status, `garbage` or `reset` gives that: /500/a. Each method and path is written, one a line, to FILE.seen. Answers have the header fields that stand
in the query, `/a?Vary:*&Age:1`, and as their body how many requests there were; where the query has `bytes=N`, N letters more.
"""
import asyncio
import socket
import struct
import sys
import urllib.parse

FILE = sys.argv[2]
number = 0


def answer(status, method, query):
    parts = [urllib.parse.unquote(part) for part in query.split("&") if part]
    sizes = [int(part[6:]) for part in parts if part.startswith("bytes=")]
    body = f"{number}\n" + "x" * sum(sizes)
    fields = [part for part in parts if ":" in part] + [f"Content-Length: {len(body)}"]
    head = "\r\n".join([f"HTTP/1.1 {status} x"] + fields)
    return (head + "\r\n\r\n" + body * (method != "HEAD")).encode()


class Origin(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.request = b""

    def complete(self):
        head, end, body = self.request.partition(b"\r\n\r\n")
        head = head.lower()
        if b"transfer-encoding:" in head:
            return body.endswith(b"0\r\n\r\n")
        length = head.partition(b"content-length: ")[2].partition(b"\r")[0]
        return end and len(body) >= int(length or 0)

    def data_received(self, data):
        global number
        self.request += data
        if not self.complete():
            return
        method, url = self.request.split(b" ", 2)[:2]
        path, _, query = url.decode().partition("?")
        self.request = b""
        number += 1
        with open(FILE) as file:
            mode = file.read().strip()
        with open(FILE + ".seen", "a") as seen:
            seen.write(f"{method.decode()} {path}\n")
        if path[1:4].isdigit():
            mode = path[1:4]
        elif path.startswith(("/garbage/", "/reset/")):
            mode = path.split("/")[1]
        if mode == "hang":
            return
        if mode == "reset":
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.transport.abort()
        elif mode == "garbage":
            self.transport.write(b"This is no HTTP.\r\n\r\n")
            self.transport.close()
        else:
            self.transport.write(answer(mode, method.decode(), query))


async def main():
    host, port = sys.argv[1].rsplit(":", 1)
    server = await asyncio.get_running_loop().create_server(Origin, host, int(port))
    await server.serve_forever()


asyncio.run(main())
