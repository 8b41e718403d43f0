#!/usr/bin/env python3
"""An origin that speaks TLS: tls_origin.py HOST:PORT CERTIFICATE SEEN

CERTIFICATE is a file with the key. Each request is a line of the file SEEN, path and the name that the client asked for,
which is also the answer.
"""
import http.server
import ssl
import sys

ADDRESS, CERTIFICATE, SEEN = sys.argv[1:]


def keep_name(connection, name, _):
    connection.asked_for = name


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        line = f"{self.path} {getattr(self.connection, 'asked_for', None)}\n"
        with open(SEEN, "a") as seen:
            seen.write(line)
        self.send_response(200)
        self.send_header("Content-Length", str(len(line)))
        self.end_headers()
        self.wfile.write(line.encode())


class Server(http.server.ThreadingHTTPServer):
    # In the connection's thread: a client that leaves the handshake unfinished holds up nobody else.
    def finish_request(self, request, client_address):
        super().finish_request(context.wrap_socket(request, server_side=True), client_address)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE)
context.sni_callback = keep_name
host, port = ADDRESS.rsplit(":", 1)
Server((host, int(port)), Handler).serve_forever()
