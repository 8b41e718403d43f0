#!/usr/bin/env python3
"""An origin that answers what the first segment of the path says: feed_origin.py HOST:PORT

/404/..., /500/... and so on: that status. /broken: no HTTP. /cut: less than was announced. /endless: it begins and goes
no further. Anything else: 200.
"""
import asyncio
import sys


def answer(status, body=b"hello", length=None):
    return b"HTTP/1.1 %s x\r\nContent-Length: %d\r\n\r\n%s" % (status, length or len(body), body)


class Origin(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.request = b""

    def dribble(self):
        if not self.transport.is_closing():
            self.transport.write(b"more")
            asyncio.get_running_loop().call_later(0.01, self.dribble)

    def data_received(self, data):
        self.request += data
        if not self.request.endswith(b"\r\n\r\n"):
            return
        what = self.request.split(b" ", 2)[1].split(b"/")[1]
        self.request = b""
        if what == b"broken":
            self.transport.write(b"This is no HTTP.\r\n\r\n")
            self.transport.close()
        elif what == b"cut":
            self.transport.write(answer(b"200", length=1000))
            self.transport.close()
        elif what == b"endless":
            self.transport.write(answer(b"200", length=1000000))
            self.dribble()
        elif what in (b"204", b"304"):
            self.transport.write(b"HTTP/1.1 %s x\r\n\r\n" % what)
        else:
            self.transport.write(answer(what if what.isdigit() else b"200"))


async def main():
    host, port = sys.argv[1].rsplit(":", 1)
    server = await asyncio.get_running_loop().create_server(Origin, host, int(port))
    await server.serve_forever()


asyncio.run(main())
