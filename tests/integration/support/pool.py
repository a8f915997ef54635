"""What the tests of connections that are kept ready have in common."""

import socket
import sys

from .messages import message
from .proxy import environment
from .upstream import OFFER, drop, finish, reset, says, stall

CHUNKING = (*OFFER, "CHUNKING")
ONE_BY_ONE = tuple(keyword for keyword in OFFER if keyword != "PIPELINING")
OFFERS = {"DATA": OFFER, "BDAT": CHUNKING, "one by one": ONE_BY_ONE}

# How an upstream leaves a connection.
ENDINGS = {
    "FIN": drop,
    "close_notify": finish,
    "RST": reset,
    "421": says(b"421 4.4.2 idle for too long", finish),
    "421 and no end": says(b"421 4.3.2 closing down", stall),
}


def workers(count):
    """An environment. Each worker has connections of its own: what meets which is certain only where there is one."""
    return environment(WAXSEAL_WORKERS=str(count))


def start(waxseal, upstream, /, count=1, **options):
    """A proxy with so many workers, once it has its first connection ready."""
    proxy = waxseal(upstream, env=workers(count), **options)
    proxy.wait_event("upstream_ready")
    upstream.wait_settled()
    return proxy


def send(proxy, token, content=None):
    """A session with one message; the first reply that refuses, or the last one."""
    with proxy.client(timeout=60) as client:
        client.ehlo()
        reply = client.transaction(content or message(token))
        client.quit()
    return reply


def accepted(proxy, token, content=None):
    reply = send(proxy, token, content)
    assert reply.status == "250 2.0.0", (token, reply)


def arrived(upstream):
    """The Message-IDs of all that was said to be taken or would have been, in order for each connection."""
    return [sent.content.partition(b"Message-ID: <")[2].partition(b"@")[0].decode() for sent in upstream.messages]


def once_each(upstream, tokens):
    assert sorted(arrived(upstream)) == sorted(tokens)
    for sent in upstream.messages:
        assert sent.recipients == [b"TO:<inbox@example.test>"] and sent.mail.startswith(b"FROM:<device@example.test>")


def connections(proxy, sessions):
    """How each transaction of so many sessions that ended with QUIT came by its connection."""
    proxy.wait_event("session_end", end="quit", count=sessions)
    return [transaction["connection"] for end in proxy.events("session_end", end="quit") for transaction in end["transactions"]]


def connections_towards(upstream):
    """The proxy's ports of those that it has not begun to close, as the kernel sees them."""
    there = f"{int.from_bytes(socket.inet_aton(upstream.host), sys.byteorder):08X}:{upstream.port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as file:
        return [int(here.partition(":")[2], 16) for _, here, address, state, *_ in map(str.split, file)
                if address == there and state == "01"]


def never(proxy, sessions, *events):
    """None of these in the log, once it has told the ends of so many sessions."""
    proxy.wait_event("session_end", count=sessions)
    for event in events:
        assert not proxy.events(event)
