"""CPU time of waxseal and of stunnel for the same messages to the same sink, side by side.

All proxies of a mode run at the same time and wait while another works; each repetition gives every
one the same messages, in an order that is reversed each time, so that a machine which gets slower
meanwhile gets slower for all.
"""

import contextlib
import statistics

import readings
from figures import MIB
from processes import Failure, Sink, Stunnel, Waxseal, find_stunnel
from rows import Row

CHACHA20 = "TLS_CHACHA20_POLY1305_SHA256"


def proxies(stage, sink, started):
    """The proxies in front of the sink; `started` ends them."""
    contenders = [started.enter_context(Waxseal(stage, sink))]
    if find_stunnel():
        contenders.append(started.enter_context(Stunnel(stage, sink)))
        contenders.append(started.enter_context(Stunnel(stage, sink, CHACHA20)))
    return contenders


def measure(stage, proxy, sink, traffic):
    """(CPU seconds, wall seconds, CPU seconds of the generator), each a message."""
    before, delivered = readings.cpu(proxy.pid), sink.totals()["messages"]
    run = stage.load(proxy.port, **traffic)
    # The end of the connections is work too; the generator does not wait for it.
    used = readings.settled(lambda: readings.cpu(proxy.pid), 2.0, 0.05) - before
    if sink.totals()["messages"] - delivered != traffic["messages"]:
        raise Failure(f"{proxy.label}: not every message has arrived at the sink")
    return [value / traffic["messages"] for value in (used, run["seconds"], run["cpu"])]


def run_all(stage, scale, tls, traffic):
    """The repetitions of each proxy, and what TLS it had, by its label."""
    with Sink(stage, tls) as sink, contextlib.ExitStack() as started:
        contenders = proxies(stage, sink, started)
        results = {proxy.label: [] for proxy in contenders}
        suites = {}
        for proxy in contenders:  # the first message of each pays for pages and caches
            stage.load(proxy.port, messages=1, size=traffic["size"])
            suites[proxy.label] = sink.totals()["tls"]
        for turn in range(scale.repetitions):
            for proxy in contenders[::-1 if turn % 2 else 1]:
                results[proxy.label].append(measure(stage, proxy, sink, traffic))
    return results, suites


def compare(stage, scale, tls, what, unit, traffic):
    """A row for each proxy; the ratios stand with those that waxseal is compared to."""
    results, suites = run_all(stage, scale, tls, traffic)
    factor = {"ms": 1e3, "µs": 1e6}[unit]
    own = statistics.median(run[0] for run in results["waxseal"])
    for label, runs in results.items():
        used = [run[0] for run in runs]
        middle = statistics.median(used)
        seconds, generator = (statistics.median(run[i] for run in runs) for i in (1, 2))
        ratio = "" if label == "waxseal" else f"waxseal / this = {own / middle:.2f}; "
        yield Row(f"CPU for {what}, {tls}: {label}", middle * factor, unit,
                  f"{ratio}{min(used) * factor:.1f} to {max(used) * factor:.1f} in {len(used)}; "
                  f"{suites[label]}; {1 / seconds:.1f} messages/s; "
                  f"generator {generator * factor:.1f} {unit}",
                  {"runs": [value * factor for value in used], "ratio": own / middle})


def comparison(stage, scale):
    small = {"messages": scale.small, "size": 4096, "connections": 32}
    large = {"messages": scale.big, "size": 25 * MIB, "per_connection": scale.big}
    if not find_stunnel():
        yield Row("stunnel4", "missing", "", "scripts/setup test installs it")
    for tls in ("implicit", "starttls"):
        yield from compare(stage, scale, tls, "a 4 KiB message", "µs", small)
    for tls in ("implicit", "starttls"):
        yield from compare(stage, scale, tls, "a 25 MiB message", "ms", large)
