"""Who takes part in a comparison of CPU time, and how the cost of a message is taken from each.

All run at the same time and wait while another works; each repetition gives every one the same kind
of messages, in an order that is reversed each time, so that a machine which gets slower meanwhile
gets slower for all.
"""

import contextlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import typing

import direct
import peers
import readings
from processes import STALLED, Failure, LeftOut, Sink, program, wait_for
from rows import Row, left_out


class Cost(typing.NamedTuple):
    """Seconds a message."""

    cpu: float
    system: float
    wall: float
    generator: float
    sink: float


class ByProxy:
    """Messages of bench_load, through a proxy."""

    def __init__(self, stage, proxy, sink):
        self.stage, self.proxy, self.sink = stage, proxy, sink
        self.label, self.share = proxy.label, proxy.share

    def send(self, traffic):
        """(CPU used, wall seconds, CPU seconds of the generator)"""
        pid, options = self.proxy.pid, {"auth": "yes"} if self.proxy.auth else {}
        before, delivered = readings.cpu(pid), self.sink.totals()["messages"]
        run = self.stage.load(self.proxy.port, **traffic, **options)
        # Some answer before they have delivered.
        wait_for(f"{self.label}: every message at the sink",
                 lambda: self.sink.totals()["messages"] - delivered >= traffic["messages"], STALLED,
                 0.05)
        # The end of the connections is work too; the generator does not wait for it.
        used = readings.settled(lambda: readings.cpu(pid), 2.0, 0.05) - before
        return used, run["seconds"], run["cpu"]


class BySmtplib:
    """One Python program with as many threads as there are connections, its start not counted."""

    share = 0.2
    proxy = None

    def __init__(self, stage, sink):
        self.sink = sink
        self.label = f"direct, smtplib, {peers.WAYS[sink.tls]}"

    def send(self, traffic):
        words = (self.sink.port, self.sink.tls, self.sink.ca, traffic["messages"], traffic["size"],
                 traffic.get("connections", 1), traffic.get("per_connection", 1))
        done = subprocess.run([sys.executable, direct.__file__, *map(str, words)], text=True,
                              capture_output=True, check=False, timeout=STALLED)
        if done.returncode != 0:
            raise Failure(f"{self.label}: {done.stderr.strip()[-300:]}")
        run = {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", done.stdout)}
        return readings.Cpu(run["cpu"]), run["seconds"], 0.0


class BySwaks:
    """One swaks a message, as a script of an administrator's would: its start is its cost."""

    share = 0.02
    proxy = None

    def __init__(self, stage, sink):
        self.sink = sink
        self.label = f"direct, swaks, {peers.WAYS[sink.tls]}"
        self.stage = stage
        self.swaks = program("swaks")

    def send(self, traffic):
        if traffic.get("per_connection", 1) > 1 and traffic["size"] < 1 << 20:
            raise LeftOut("swaks sends one message a connection")
        with tempfile.NamedTemporaryFile(dir=self.stage.folder) as file:
            file.write(direct.body(traffic["size"]))
            file.flush()
            return self.run(file.name, traffic)

    def run(self, name, traffic):
        command = [self.swaks, "--server", "127.0.0.1", "--port", str(self.sink.port),
                   "--from", direct.SENDER, "--to", direct.RECIPIENT, "--data", "@" + name,
                   "--helo", "load.bench.example", "--silent", "3", "--tls-verify",
                   "--tls-ca-path", self.sink.ca,
                   "--tls" if self.sink.tls == "starttls" else "--tls-on-connect"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        left, at_once = traffic["messages"], traffic.get("connections", 1)
        while left > 0:
            now = min(left, at_once)
            left -= now
            running = [subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                       for _ in range(now)]
            for one in running:
                said, _ = one.communicate(timeout=STALLED)
                if one.returncode != 0:
                    raise Failure(f"{self.label}: {said[-300:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        system = after.ru_stime - before.ru_stime
        return readings.Cpu(after.ru_utime - before.ru_utime + system, system), 0.0, 0.0


# In the order of the table.
PROXIES = ((peers.Waxseal, "implicit"), (peers.Waxseal, "starttls"), (peers.Nginx, "none"),
           (peers.Haproxy, "implicit"), (peers.Stunnel, "implicit"), (peers.Stunnel, "starttls"),
           (peers.Postfix, "starttls"), (peers.Dovecot, "starttls"))
CLIENTS = ((BySmtplib, "implicit"), (BySmtplib, "starttls"), (BySwaks, "starttls"))


def gathered(stage, started):
    """(contenders, rows for those that are left out); `started` ends them all."""
    sinks = {tls: started.enter_context(Sink(stage, tls)) for tls in peers.WAYS}
    there, missing = [], []
    for kind, tls in (*PROXIES, *CLIENTS):
        sink = sinks[tls]
        try:
            if issubclass(kind, peers.Proxy):
                there.append(ByProxy(stage, started.enter_context(kind(stage, sink)), sink))
            else:
                there.append(kind(stage, sink))
        except LeftOut as why:
            if kind is peers.Waxseal:
                raise Failure(str(why)) from None
            name = getattr(kind, "NAME", "") or kind.__name__.removeprefix("By").lower()
            missing.append(left_out(f"{name}, {peers.WAYS[tls]}", why))
    return there, missing


def traffic_of(contender, traffic):
    """The part of the messages that it gets: whole connections."""
    each = traffic.get("per_connection", 1)
    count = max(1, round(traffic["messages"] * contender.share / each)) * each
    if traffic["size"] >= 1 << 20:
        count = traffic["messages"]
    return {**traffic, "messages": count}


def measure(contender, traffic):
    traffic = traffic_of(contender, traffic)
    sink = contender.sink
    before = readings.cpu(sink.pid).total
    used, seconds, generator = contender.send(traffic)
    at_sink = readings.cpu(sink.pid).total - before
    count = traffic["messages"]
    return Cost(*(value / count for value in (used.total, used.system, seconds, generator,
                                              at_sink)))


def alternating(contenders, repetitions, traffic):
    """Runs of each by its label, TLS by its label, rows for those that do not do this."""
    results, suites, missing = {one.label: [] for one in contenders}, {}, []
    for one in list(contenders):  # the first message of each pays for pages and caches
        try:
            each = traffic.get("per_connection", 1)
            one.send({**traffic, "messages": each if traffic["size"] < 1 << 20 else 1,
                      "connections": 1})
            suites[one.label] = one.sink.totals()["tls"]
        except LeftOut as why:
            contenders.remove(one)
            missing.append(left_out(one.label, why))
        except Failure as why:
            if isinstance(one.proxy, peers.Waxseal):
                raise
            contenders.remove(one)
            missing.append(left_out(one.label, str(why).replace("\n", " ")[:300]))
    for turn in range(repetitions):
        for one in contenders[::-1 if turn % 2 else 1]:
            results[one.label].append(measure(one, traffic))
    return {label: runs for label, runs in results.items() if runs}, suites, missing


def row_of(label, runs, suite, factor, unit):
    """CPU time a message, times factor."""
    def middle(of):
        return sorted(of(run) for run in runs)[len(runs) // 2]
    note = []
    if middle(lambda run: run.system):
        # Ticks beside nanoseconds: may be a little more than all of it.
        share = min(1.0, middle(lambda run: run.system / run.cpu))
        note.append(f"kernel {100 * share:.0f} %")
    note.append(f"generator {middle(lambda run: run.generator) * factor:.2f}, "
                f"sink {middle(lambda run: run.sink) * factor:.2f} {unit}")
    if middle(lambda run: run.wall):
        note.append(f"{1 / middle(lambda run: run.wall):.1f} messages/s")
    return Row.of(label, [run.cpu * factor for run in runs], unit, "; ".join([*note, suite]),
                  messages_per_second=[1 / run.wall for run in runs if run.wall],
                  generator=middle(lambda run: run.generator) * factor,
                  sink=middle(lambda run: run.sink) * factor)


@contextlib.contextmanager
def stage_of(stage):
    """The contenders, ended at the end."""
    with contextlib.ExitStack() as started:
        yield gathered(stage, started)


def processors():
    return len(os.sched_getaffinity(0))
