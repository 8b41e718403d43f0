"""Holds listening sockets and runs a program that they are passed to, as systemd's socket activation does; each time it
ends, however, it is started again at once.

    keep.py PIDFILE ADDRESS... -- COMMAND...        ADDRESS: 127.0.0.1:9010 or unix:/path

PIDFILE always names the process that runs. SIGTERM ends the program and this."""
import os
import signal
import socket
import sys

pidfile, *rest = sys.argv[1:]
addresses, command = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
sockets = []
child = 0


def listen(address):
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(address[5:])
    else:
        host, port = address.rsplit(":", 1)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, int(port)))
    s.listen(1024)
    return s


def start():
    pid = os.fork()
    if pid:
        return pid
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # First out of the way of the numbers that they get.
    aside = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate(sockets)]
    for i, fd in enumerate(aside):
        os.dup2(fd, 3 + i, inheritable=True)
    os.closerange(3 + len(sockets), 200)
    os.environ["LISTEN_FDS"] = str(len(sockets))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execvp(command[0], command)


def end(*_):
    os.kill(child, signal.SIGCONT)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    sys.exit(0)


sockets += [listen(address) for address in addresses]
signal.signal(signal.SIGTERM, end)
while True:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    child = start()
    with open(pidfile + ".new", "w", encoding="ascii") as file:
        file.write(str(child))
    os.rename(pidfile + ".new", pidfile)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    os.waitpid(child, 0)
