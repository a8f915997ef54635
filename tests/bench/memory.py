"""What sessions cost in memory: silent ones, ones that have spoken, and ones in the middle of a body.

PSS of the process tree, less what it was before, by the number of sessions.
"""

import resource
import selectors
import socket
import time

import direct
import peers
import readings
from processes import Failure, LeftOut, Sink
from rows import Figure, Goal, Row, compared, left_out


class Crowd:
    """Many sessions in clear text at once."""

    def __init__(self, port, count):
        self.count = count
        self.clients = []
        for _ in range(count):
            self.clients.append(socket.create_connection(("127.0.0.1", port), 30))
        self.expect(b"220")

    def say(self, command, code=b"250"):
        for client in self.clients:
            client.sendall(command)
        self.expect(code)

    def expect(self, code):
        for number, client in enumerate(self.clients):
            reply = client.recv(4096)
            while not complete(reply):
                more = client.recv(4096)
                if not more:
                    break
                reply += more
            if not reply.startswith(code):
                raise Failure(f"session {number + 1} of {self.count}: {reply!r}")

    def pump(self, content, seconds, sample):
        """Sends to all as fast as they take it, for so long at most; sample() every now and then.
        False when time was up."""
        left = {client: memoryview(content) for client in self.clients}
        end, next_sample = time.monotonic() + seconds, 0.0
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                client.setblocking(False)
                selector.register(client, selectors.EVENT_WRITE)
            while selector.get_map() and time.monotonic() < end:
                for key, _ in selector.select(0.05):
                    client = key.fileobj
                    left[client] = left[client][client.send(left[client][:16384]):]
                    if not left[client]:
                        selector.unregister(client)
                if time.monotonic() >= next_sample:
                    sample()
                    next_sample = time.monotonic() + 0.05
            done = not selector.get_map()
        for client in self.clients:
            client.settimeout(30)
        return done

    def close(self, polite=True):
        """Half of them as they should, half as devices do."""
        for client in self.clients[::2] if polite else ():
            client.sendall(b"QUIT\r\n")
        for client in self.clients:
            client.close()
        self.clients.clear()


def complete(reply):
    """Whether its last line is one."""
    lines = reply.split(b"\r\n")
    return len(lines) > 1 and not lines[-1] and lines[-2][3:4] != b"-"


def most_descriptors():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def limits(count):
    return f"max_sessions = {count + 10}\nmax_sessions_per_client = {count + 10}"


def rounds(proxy, sink, count, times):
    """KiB a session of silent ones and of those that have spoken, so often; then (PSS, descriptors
    but for those of connections to the sink) before, with the sessions and after."""
    def level():
        return (readings.pss(proxy.pid),
                readings.descriptors(proxy.pid) - sink.totals()["open"])
    before = readings.settled(level)
    for _ in range(times):
        crowd = Crowd(proxy.port, count)
        silent = readings.settled(level)
        crowd.say(b"EHLO idle.bench.example\r\n")
        crowd.say(b"NOOP\r\n")
        spoken = readings.settled(level)
        crowd.close()
        after = readings.settled(level)
        yield ((silent[0] - before[0]) / count, (spoken[0] - before[0]) / count, before, spoken,
               after)


def of_waxseal(stage, sink, count):
    """Rows of three times over: the second and third show whether freed memory is used again."""
    silent, spoken, notes = [], [], []
    with peers.Waxseal(stage, sink, limits=limits(count)) as proxy:
        for quiet, loud, before, during, after in rounds(proxy, sink, count, 3):
            silent.append(quiet)
            spoken.append(loud)
            notes.append(f"{during[0]} then {after[0]}")
            if after[1] != before[1]:
                raise Failure(f"descriptors left behind: {before[1]} before, {after[1]} after")
        note = (f"{count} sessions, three times; PSS {before[0]} KiB before, with them and after: "
                + ", ".join(notes))
    return [Row.of("waxseal, have not spoken", silent, "KiB", f"{count} sessions, three times"),
            Row.of("waxseal, have spoken", spoken, "KiB", note)]


def of_peer(stage, sinks, kind, tls, count):
    try:
        proxy = kind(stage, sinks[tls])
    except LeftOut as why:
        return [left_out(kind.NAME or kind.__name__, why)]
    with proxy:
        silent, spoken, *_ = next(rounds(proxy, sinks[tls], count, 1))
    return [Row(f"{proxy.label}, have not spoken", silent, "KiB", f"{count} sessions"),
            Row(f"{proxy.label}, have spoken", spoken, "KiB", f"{count} sessions")]


def idle(stage, scale):
    yield Figure("Memory per idle cleartext session: growth of PSS", "4 KiB or less",
                 (Goal("waxseal, have not spoken", 4.0), Goal("waxseal, have spoken", 4.0)))
    hard = most_descriptors()
    # waxseal counts two descriptors a session; the limit of this process is its limit too.
    count = min(scale.sessions, (hard - 200) // 2)
    if count < scale.sessions:
        yield Row("fewer sessions than wanted", count, "",
                  f"this process may have {hard} descriptors")
    with Sink(stage, "implicit") as smtps, Sink(stage, "none") as clear:
        sinks = {"implicit": smtps, "none": clear}
        rows = of_waxseal(stage, smtps, count)
        for kind, tls in ((peers.Nginx, "none"), (peers.Haproxy, "implicit"),
                          (peers.Stunnel, "implicit")):
            rows += of_peer(stage, sinks, kind, tls, scale.peer_sessions)
        yield from compared(rows, rows[1])


def in_transfer(stage, sink, kind, count, size, seconds, **options):
    """A row: the highest PSS while all send so many MiB at once, or until time is up."""
    try:
        proxy = kind(stage, sink, **options)
    except LeftOut as why:
        return left_out(kind.NAME or kind.__name__, why)
    with proxy:
        before, seen = readings.settled(lambda: readings.pss(proxy.pid)), []
        crowd = Crowd(proxy.port, count)
        crowd.say(b"EHLO idle.bench.example\r\n")
        crowd.say(b"MAIL FROM:<load@bench.example>\r\n")
        crowd.say(b"RCPT TO:<sink@bench.example>\r\n")
        crowd.say(b"DATA\r\n", b"354")
        complete_body = crowd.pump(direct.body(size << 20) + b".\r\n", seconds,
                                   lambda: seen.append(readings.pss(proxy.pid)))
        if complete_body:
            crowd.expect(b"250")
        crowd.close(polite=complete_body)
    how = "all of it" if complete_body else f"for {seconds} s"
    return Row(proxy.label, (max(seen) - before) / count, "KiB",
               f"{count} sessions; PSS {before} KiB, then up to {max(seen)}; {how}")


def transfer(stage, scale):
    count = scale.transfers
    kinds = ((peers.Waxseal, "implicit",
              {"connections": count + 10, "limits": limits(count)}),
             (peers.Nginx, "none", {}), (peers.Haproxy, "implicit", {}),
             (peers.Stunnel, "implicit", {}))
    for what, options, size, seconds in (
            ("a 1 MiB body, the provider takes what comes", (), 1, 60),
            ("a body that the provider takes at 50 kB/s, so that buffers are full",
             ("--rate", "50000"), 16, 6)):
        yield Figure(f"Memory per session in the middle of {what}", "96 KiB or less",
                     (Goal("waxseal, smtps", 96),))
        rows = []
        for kind, tls, more in kinds:
            with Sink(stage, tls, options) as sink:
                rows.append(in_transfer(stage, sink, kind, count, size, seconds,
                                        **more))
        yield from compared(rows, rows[0])
