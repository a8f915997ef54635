"""Ports and waiting."""

import random
import socket
import time

_given = set()


def free_port():
    """A loopback port that nobody listens on, below the range the kernel gives to outgoing connections."""
    while True:
        port = random.randrange(10000, 32000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def wait_until(condition, timeout=10, what="condition"):
    """Polls until the condition is true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out after {timeout} s: {what}")
        time.sleep(0.01)


def listening(port):
    """Whether somebody does, without disturbing them: a connection would be a session in their log."""
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as file:
            for line in file:
                fields = line.split()
                if fields[3] == "0A" and fields[1].endswith(wanted):
                    return True
    return False
