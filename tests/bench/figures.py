"""The measurements, all but the comparison. Each takes the stage and the scale of the run, yields
rows for the table, and raises Failure only for what is wrong, never for what is
slow.
"""

import hashlib
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import time

import readings
from processes import Failure, Program, Sink, Waxseal, accepts, free_port
from rows import Row

MIB = 1 << 20


def lines_of(octets, seed=1):
    """CRLF lines of 0 to 998 octets, dots at the beginning and 8-bit octets among them."""
    source = random.Random(seed)
    table = bytes(octet if octet not in b"\0\r\n" else ord("x") for octet in range(256))
    stream = source.randbytes(octets).translate(table)
    made = bytearray()
    while len(made) < octets - 1100:
        line = stream[len(made):len(made) + source.choice((0, 1, 76, 76, 76, 500, 996))]
        made += source.choice((b"", b"", b"", b".", b"..")) + line + b"\r\n"
    made += b"y" * ((octets - len(made)) // 2 - 2) + b"\r\n"
    made += b"." + b"z" * (octets - len(made) - 3) + b"\r\n"
    return bytes(made)


def identical(stage, _):
    """A 25 MiB message arrives as it was sent."""
    body = lines_of(25 * MIB)
    wanted = (len(body), hashlib.sha256(body).hexdigest())
    file = stage.path("body")
    with open(file, "wb") as out:
        out.write(body)
    for tls in ("implicit", "starttls"):
        for line_endings in ("repair", "reject"):
            with Sink(stage, tls, hashed=True) as sink, \
                    Waxseal(stage, sink, line_endings=line_endings) as proxy:
                took = stage.load(proxy.port, body=file)["seconds"]
                if sink.messages() != [wanted]:
                    raise Failure(f"{tls}, {line_endings}: sent {wanted}, "
                                  f"arrived {sink.messages()}")
                yield Row(f"25 MiB message, {tls}, line_endings {line_endings}", "identical", "",
                          f"SHA-256 of the body at the sink; took {took:.2f} s")
    os.unlink(file)


def large_message(stage, scale):
    """Resident memory while a message much larger than any buffer goes through."""
    size = scale.large_mib
    with Sink(stage, "implicit") as sink, Waxseal(stage, sink, largest="2GiB") as proxy:
        idle = readings.settled(lambda: readings.memory(proxy.pid)["VmRSS"])
        readings.forget_peak(proxy.pid)
        run = stage.load(proxy.port, size=16 * MIB, repeat=size // 16)
        peak = readings.memory(proxy.pid)["VmHWM"]
        yield Row(f"{size} MiB message, full speed: growth of memory", (peak - idle) / 1024, "MiB",
                  f"resident, peak {peak} KiB, idle {idle} KiB; {size / run['seconds']:.0f} MiB/s")
    yield slow_reader(stage, scale)


def slow_reader(stage, scale):
    """The same against a sink that reads 1 MB/s, all of it or until memory stays the same."""
    with Sink(stage, "implicit", rate=1_000_000) as sink, \
            Waxseal(stage, sink, largest="2GiB") as proxy:
        idle = readings.settled(lambda: readings.memory(proxy.pid)["VmRSS"])
        readings.forget_peak(proxy.pid)
        options = {"size": 16 * MIB, "repeat": scale.large_mib // 16}
        with Program(stage, "load", stage.load_command(proxy.port, **options)) as load:
            start, steady_since, resident = time.monotonic(), time.monotonic(), 0
            while load.process.poll() is None:
                time.sleep(0.5)
                now = readings.memory(proxy.pid)["VmRSS"]
                if abs(now - resident) > 256:
                    resident, steady_since = now, time.monotonic()
                steady = time.monotonic() - steady_since > scale.steady_seconds
                if not scale.full and steady and sink.totals()["octets"] >= scale.steady_octets:
                    break
            seconds, octets = time.monotonic() - start, sink.totals()["octets"]
            peak = readings.memory(proxy.pid)["VmHWM"]
            complete = load.process.poll() is not None
            if complete and load.process.returncode != 0:
                raise Failure(f"the slow message was not accepted: {load.text()}")
            load.end(signal.SIGKILL)
        sink.end(signal.SIGKILL)
    how = "all of it" if complete else f"ended there, the same for {scale.steady_seconds} s"
    return Row(f"{scale.large_mib} MiB message, sink reads 1 MB/s: growth",
               (peak - idle) / 1024, "MiB",
               f"resident, peak {peak} KiB, idle {idle} KiB; {octets / 1e6:.0f} MB in "
               f"{seconds:.0f} s: {how}")


class Crowd:
    """Many cleartext sessions at once, all idle."""

    def __init__(self, port, count):
        self.port = port
        self.count = count
        self.clients = []

    def open(self):
        for _ in range(self.count):
            self.clients.append(socket.create_connection(("127.0.0.1", self.port), 30))
        self.expect(b"220")
        self.say(b"EHLO idle.bench.example\r\n")

    def say(self, command):
        for client in self.clients:
            client.sendall(command)
        self.expect(b"250")

    def expect(self, code):
        for number, client in enumerate(self.clients):
            reply = client.recv(4096)
            while not reply.endswith(b"\r\n"):
                reply += client.recv(4096) or b" connection closed\r\n"
            if not reply.startswith(code):
                raise Failure(f"session {number + 1} of {self.count}: {reply!r}")

    def close(self):
        """Half of them as they should, half as devices do."""
        for client in self.clients[::2]:
            client.sendall(b"QUIT\r\n")
        for client in self.clients:
            client.close()
        self.clients.clear()


def idle_sessions(stage, scale):
    """What a session costs, and what is left behind."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # waxseal counts two descriptors a session; the limit of this process is its limit too.
    count = min(scale.sessions, (hard - 200) // 2)
    if count < scale.sessions:
        yield Row("idle sessions: fewer than wanted", count, "",
                  f"this process may have {hard} descriptors")
    with Sink(stage, "implicit") as sink, Waxseal(stage, sink, sessions=count + 10) as proxy:
        def level():
            return readings.pss(proxy.pid), readings.descriptors(proxy.pid)
        before = readings.settled(level)
        yield Row(f"{count} idle sessions: before", before[0], "KiB",
                  f"PSS of the process; {before[1]} descriptors")
        for turn in ("first", "second", "third"):
            crowd = Crowd(proxy.port, count)
            crowd.open()
            crowd.say(b"NOOP\r\n")
            during = readings.settled(level)
            crowd.close()
            after = readings.settled(level)
            each = (during[0] - before[0]) / count
            yield Row(f"{count} idle sessions, {turn} time: each", each, "KiB",
                      f"all answer NOOP; PSS {during[0]} KiB, {during[1]} descriptors; "
                      f"when closed {after[0]} KiB, {after[1]} descriptors")
            if after[1] != before[1]:
                raise Failure(f"descriptors left behind: {before[1]} before, {after[1]} after")


def start_once(command, port):
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while not accepts(port):
            if process.poll() is not None or time.monotonic() - begin > 30:
                raise Failure("waxseal does not start: " + " ".join(command))
            time.sleep(0.0005)
        took, used = time.monotonic() - begin, readings.cpu(process.pid)
        process.terminate()
    return took * 1000, used * 1000


def start(stage, scale):
    """From exec until a connection is accepted."""
    port = free_port()
    command = [stage.binary, "run", "--listen", f"127.0.0.1:{port}",
               "--upstream", f"smtps://127.0.0.1:{free_port()}"]
    runs = [start_once(command, port) for _ in range(scale.starts)]
    times = [took for took, _ in runs]
    used = statistics.median(used for _, used in runs)
    store = "/etc/ssl/certs/ca-certificates.crt"
    certificates = "no"
    if os.path.exists(store):
        with open(store, encoding="utf-8") as file:
            certificates = file.read().count("BEGIN CERTIFICATE")
    yield Row("start until it listens", statistics.median(times), "ms",
              f"median of {len(times)}, {min(times):.1f} to {max(times):.1f}; CPU {used:.1f} ms; "
              f"{certificates} certificates in the system's store")
