"""How long a device waits: from connecting to the last 250, with 100 ms to the provider and back.

In round trips of that way. The device speaks clear text, one command at a time, to a proxy on its
own machine; a direct client has the long way for itself.
"""

import contextlib
import socket
import time

import direct
import peers
from processes import PATIENCE, Delay, Failure, LeftOut, Sink
from rows import Figure, Goal, Row, compared, left_out

ONE_WAY = 50  # milliseconds
ROUND_TRIP = 2 * ONE_WAY / 1000
PAUSE = 0.7  # seconds between messages: whoever gets ready for the next one has the time to


class Device:
    """A simple client; connecting is tried until somebody listens."""

    def __init__(self, port):
        end = time.monotonic() + PATIENCE
        while True:
            self.begin = time.perf_counter()
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), 1)
                break
            except ConnectionRefusedError:
                if time.monotonic() > end:
                    raise Failure("nobody listens") from None
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def say(self, octets, wanted):
        if octets:
            self.socket.sendall(octets)
        line = self.replies.readline()
        while line[3:4] == b"-":
            line = self.replies.readline()
        if not line.startswith(wanted):
            raise Failure(f"{octets[:40]!r} was answered {line!r}")

    def send(self, content):
        """Seconds to the last 250."""
        self.say(b"", b"220")
        self.say(b"EHLO device.bench.example\r\n", b"250")
        self.say(b"MAIL FROM:<load@bench.example>\r\n", b"250")
        self.say(b"RCPT TO:<sink@bench.example>\r\n", b"250")
        self.say(b"DATA\r\n", b"354")
        self.say(content + b".\r\n", b"250")
        took = time.perf_counter() - self.begin
        self.say(b"QUIT\r\n", b"221")
        self.socket.close()
        return took


class Ways:
    """Sinks, each at the end of a long way, started when they are first asked for."""

    def __init__(self, stage, started):
        self.stage, self.started, self.made = stage, started, {}

    def to(self, tls, chunking=True):
        if (tls, chunking) not in self.made:
            keywords = ("CHUNKING",) if chunking else ()
            sink = self.started.enter_context(Sink(self.stage, tls, keywords=keywords))
            self.made[tls, chunking] = self.started.enter_context(Delay(self.stage, sink, ONE_WAY))
        return self.made[tls, chunking]


def first_message(stage, way, content):
    """Of a waxseal that has only just been started, and has not been spoken to."""
    with peers.Waxseal(stage, way, wait=False) as proxy:
        return Device(proxy.port).send(content)


def measurements(stage, ways, started, content):
    """{label: a function that measures once, or why it cannot}"""
    def through(kind, tls, **options):
        proxy = started.enter_context(kind(stage, ways.to(tls, **options)))
        return lambda: Device(proxy.port).send(content)

    smtps, starttls = ways.to("implicit"), ways.to("starttls")
    wanted = {
        "waxseal, smtps, ready, CHUNKING": lambda: through(peers.Waxseal, "implicit"),
        "waxseal, STARTTLS, ready, CHUNKING": lambda: through(peers.Waxseal, "starttls"),
        "waxseal, smtps, ready, DATA": lambda: through(peers.Waxseal, "implicit", chunking=False),
        "waxseal, smtps, first message":
            lambda: lambda: first_message(stage, smtps, content),
        "waxseal, STARTTLS, first message":
            lambda: lambda: first_message(stage, starttls, content),
        "direct, STARTTLS":
            lambda: lambda: direct.timed(starttls.port, "starttls", starttls.ca, content),
        "direct, smtps": lambda: lambda: direct.timed(smtps.port, "implicit", smtps.ca, content),
        "direct, smtps, pipelined":
            lambda: lambda: direct.timed_pipelined(smtps.port, smtps.ca, content),
        "stunnel, smtps": lambda: through(peers.Stunnel, "implicit"),
        "stunnel, STARTTLS": lambda: through(peers.Stunnel, "starttls"),
        "HAProxy, smtps": lambda: through(peers.Haproxy, "implicit"),
    }
    found = {}
    for label, make in wanted.items():
        try:
            found[label] = make()
        except LeftOut as why:
            found[label] = why
    return found


def latency(stage, scale):
    yield Figure("Round trips from connecting to the last 250: 10 KiB message, 100 ms upstream",
                 "ready connection 2.2 with CHUNKING, 3.2 without; first message no more than a "
                 "direct client",
                 (Goal("waxseal, smtps, ready, CHUNKING", 2.2),
                  Goal("waxseal, STARTTLS, ready, CHUNKING", 2.2),
                  Goal("waxseal, smtps, ready, DATA", 3.2),
                  # By one in a hundred, which is what these times are good for.
                  Goal("waxseal, smtps, first message", 1.01, "direct, smtps"),
                  Goal("waxseal, STARTTLS, first message", 1.01, "direct, STARTTLS")))
    content = direct.body(10 * 1024)
    with contextlib.ExitStack() as started:
        found = measurements(stage, Ways(stage, started), started, content)
        runs = {label: [] for label, once in found.items() if callable(once)}
        time.sleep(2 * PAUSE)
        for _ in range(scale.repetitions):
            for label in runs:
                runs[label].append(found[label]() / ROUND_TRIP)
                time.sleep(PAUSE)
        rows = [Row.of(label, times, "") for label, times in runs.items()]
        yield from compared(rows, rows[0])
        for label, why in found.items():
            if label not in runs:
                yield left_out(label, why)
