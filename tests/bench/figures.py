"""Measurements of waxseal alone. Like those in the other files each takes the stage and the scale of
the run, yields a heading and rows for the table, and raises Failure only for what is wrong, never
for what is slow.
"""

import hashlib
import itertools
import os
import random
import signal
import statistics
import subprocess
import time

import readings
from peers import Waxseal
from processes import Failure, Program, Sink, accepts, environment, free_port
from rows import Figure, Row

MIB = 1 << 20
LARGEST = 'max_message_size = "2GiB"'


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
    yield Figure("A 25 MiB message arrives as it was sent")
    body = lines_of(25 * MIB)
    wanted = (len(body), hashlib.sha256(body).hexdigest())
    file = stage.path("body")
    with open(file, "wb") as out:
        out.write(body)
    for tls, keywords in itertools.product(("implicit", "starttls"), (["CHUNKING"], ["HELP"])):
        for line_endings in ("repair", "reject"):
            with Sink(stage, tls, ["--hash"], keywords) as sink, \
                    Waxseal(stage, sink, line_endings=line_endings, kind="strict") as proxy:
                took = stage.load(proxy.port, body=file)["seconds"]
                if sink.messages() != [wanted]:
                    raise Failure(f"{tls}, {line_endings}: sent {wanted}, "
                                  f"arrived {sink.messages()}")
                yield Row(f"{tls}, {line_endings}, {' '.join(keywords)}", "identical", "",
                          f"SHA-256 of the body at the sink; took {took:.2f} s")
    os.unlink(file)


def large_message(stage, scale):
    """Resident memory while a message much larger than any buffer goes through."""
    size = scale.large_mib
    yield Figure(f"Growth of resident memory while a message of {size} MiB goes through")
    with Sink(stage, "implicit") as sink, Waxseal(stage, sink, limits=LARGEST) as proxy:
        idle = readings.settled(lambda: readings.memory(proxy.pid)["VmRSS"])
        readings.forget_peak(proxy.pid)
        run = stage.load(proxy.port, size=16 * MIB, repeat=size // 16)
        peak = readings.memory(proxy.pid)["VmHWM"]
        yield Row("full speed", (peak - idle) / 1024, "MiB",
                  f"peak {peak} KiB, idle {idle} KiB; {size / run['seconds']:.0f} MiB/s")
    yield slow_reader(stage, scale)


def slow_reader(stage, scale):
    """The same against a sink that reads 1 MB/s, all of it or until memory stays the same."""
    with Sink(stage, "implicit", ["--rate", "1000000"]) as sink, \
            Waxseal(stage, sink, limits=LARGEST) as proxy:
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
    return Row("sink reads 1 MB/s",
               (peak - idle) / 1024, "MiB",
               f"peak {peak} KiB, idle {idle} KiB; {octets / 1e6:.0f} MB in "
               f"{seconds:.0f} s: {how}")


def start_once(command, port):
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=environment()) as process:
        while not accepts(port):
            if process.poll() is not None or time.monotonic() - begin > 30:
                raise Failure("waxseal does not start: " + " ".join(command))
            time.sleep(0.0005)
        took, used = time.monotonic() - begin, readings.cpu(process.pid).total
        process.terminate()
    return took * 1000, used * 1000


def start(stage, scale):
    """From exec until a connection is accepted."""
    yield Figure("Time from exec until a connection is accepted")
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
    yield Row.of("waxseal", times, "ms", f"{len(times)} times; CPU {used:.1f} ms; "
                 f"{certificates} certificates in the system's store")
