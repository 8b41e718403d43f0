#!/usr/bin/env python3
"""An origin that works or fails as told: breaker_origin.py HOST:PORT FILE

FILE says how: a status, `garbage` (no HTTP), `reset` or `hang`. It is read for each request; a path that begins with a
status gives that: /500/a. Each path is written, one a line, to FILE.seen.
"""
import asyncio
import socket
import struct
import sys

FILE = sys.argv[2]


class Origin(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.request = b""

    def data_received(self, data):
        self.request += data
        if not self.request.endswith(b"\r\n\r\n"):
            return
        path = self.request.split(b" ", 2)[1].decode()
        self.request = b""
        with open(FILE) as file:
            mode = file.read().strip()
        with open(FILE + ".seen", "a") as seen:
            seen.write(path + "\n")
        if path[1:4].isdigit():
            mode = path[1:4]
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
            self.transport.write(f"HTTP/1.1 {mode} x\r\nContent-Length: 3\r\n\r\nok\n".encode())


async def main():
    host, port = sys.argv[1].rsplit(":", 1)
    server = await asyncio.get_running_loop().create_server(Origin, host, int(port))
    await server.serve_forever()


asyncio.run(main())
