"""Clients that never stop asking: load.py URL-ADDRESS PORT CLIENT...

Each CLIENT is a source address with one request at a time, on a new connection, some twenty a second, with 0.3 seconds for
the answer. A line for each on standard output: when it ended in Unix time, and the status, or what went wrong."""

import http.client
import sys
import threading
import time


def ask(address, port, client):
    connection = http.client.HTTPConnection(address, port, timeout=0.3, source_address=(client, 0))
    try:
        connection.request("GET", "/load")
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def keep_asking(address, port, client):
    while True:
        outcome = ask(address, port, client)
        sys.stdout.write(f"{time.time():.3f} {outcome}\n")
        sys.stdout.flush()
        time.sleep(0.05)


for source in sys.argv[3:]:
    threading.Thread(target=keep_asking, args=(sys.argv[1], int(sys.argv[2]), source), daemon=True).start()
threading.Event().wait()
