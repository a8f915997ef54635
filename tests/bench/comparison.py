"""CPU time of waxseal and of its peers for the same messages to the same sink, side by side; and how
many handshakes that takes; and what a second worker brings."""

import contextlib
import re
import subprocess

import peers
from contenders import ByProxy, alternating, processors, row_of, stage_of
from processes import LeftOut, Sink
from hotspots import Profile
from rows import Figure, Goal, Row, compared, left_out

MIB = 1 << 20
OURS = "waxseal, smtps"


def bound(stage, contender, traffic):
    """What the first of the contenders is bound by, in one more run."""
    try:
        with Profile(stage, contender.proxy.pid) as profile:
            contender.send(traffic)
    except LeftOut as why:
        return left_out("what bounds it", why)
    return Row("what bounds it", "", "", profile.bound(),
               {"kinds": dict(profile.shares()), "profile": profile.summary().splitlines()})


def compare(stage, scale, figure, unit, factor, traffic):
    """A row for each; the ratios stand with those that waxseal is compared to."""
    yield figure
    with stage_of(stage) as (contenders, missing):
        results, suites, unable = alternating(contenders, scale.repetitions, traffic)
        rows = [row_of(label, runs, suites[label], factor, unit)
                for label, runs in results.items()]
        yield from compared(rows, rows[0])
        yield from missing + unable
        yield bound(stage, contenders[0], traffic)


SINGLE = {"size": 4096, "connections": 32}
REUSED = {"size": 4096, "connections": 32, "per_connection": 10}
BIG = {"size": 25 * MIB}


def single(stage, scale):
    yield from compare(
        stage, scale, Figure("CPU time per 4 KiB message, a connection each, 32 at once",
                             "1.0 × nginx, 1/3 × HAProxy, 1/6 × stunnel, or less",
                             (Goal(OURS, 1.0, "nginx, no TLS"), Goal(OURS, 1 / 3, "HAProxy, smtps"),
                              Goal(OURS, 1 / 6, "stunnel, STARTTLS"))),
        "µs", 1e6, {"messages": scale.small, **SINGLE})


def reused(stage, scale):
    yield from compare(
        stage, scale, Figure("CPU time per 4 KiB message, ten a connection, 32 at once",
                             "1.0 × nginx or less", (Goal(OURS, 1.0, "nginx, no TLS"),)),
        "µs", 1e6, {"messages": scale.small, **REUSED})


def big(stage, scale):
    yield from compare(
        stage, scale, Figure("CPU time per MiB, 25 MiB messages one after another",
                             "0.8 × stunnel or less", (Goal(OURS, 0.8, "stunnel, STARTTLS"),)),
        "ms", 1e3 / 25, {"messages": scale.big, **BIG, "per_connection": scale.big})


def editor(stage, scale):
    """The header editor alone, as a share of what all of waxseal spends on the same message."""
    yield Figure("The header editor's share of the CPU time for a 25 MiB message", "3 % or less",
                 (Goal("share", 3.0),))
    output = subprocess.run([stage.tool("bench_editor"), str(25 * MIB), "50"], check=True,
                            capture_output=True, text=True).stdout
    alone = float(re.search(r"seconds=(\S+)", output).group(1))
    with Sink(stage, "implicit") as sink, peers.Waxseal(stage, sink) as proxy:
        contender = ByProxy(stage, proxy, sink)
        traffic = {"messages": max(scale.big, 4), **BIG, "per_connection": max(scale.big, 4)}
        contender.send({**traffic, "messages": 1})
        used, _, _ = contender.send(traffic)
    whole = used.total / traffic["messages"]
    yield Row("editor", alone * 1e6, "µs", "thread's CPU time, with every default repair")
    yield Row("waxseal", whole * 1e3, "ms", "the whole program, for the same size")
    yield Row("share", 100 * alone / whole, "%")


def profiled(stage, part):
    """The text that README.md keeps beside a figure: waxseal alone, profiled for some seconds."""
    count = {"single": 10_000, "reused": 20_000, "big": 60}[part]
    traffic = {"single": SINGLE, "reused": REUSED, "big": {**BIG, "per_connection": count}}[part]
    with Sink(stage, "implicit") as sink, peers.Waxseal(stage, sink) as proxy:
        contender = ByProxy(stage, proxy, sink)
        contender.send({**traffic, "messages": count // 10})
        with Profile(stage, proxy.pid) as profile:
            used, _, _ = contender.send({**traffic, "messages": count})
    unit = 1e3 / 25 if part == "big" else 1e6
    return (f"{part}: {count} messages, {used.total / count * unit:,.2f} "
            f"{'ms per MiB' if part == 'big' else 'µs a message'} while profiled, "
            f"{100 * used.system / used.total:.0f} % of it in the kernel\n\n{profile.summary()}")


def handshakes_of(stage, kind, tls, messages, **options):
    """A row: how many the sink has seen since before the proxy started."""
    with Sink(stage, tls) as sink:
        try:
            proxy = kind(stage, sink, **options)
        except LeftOut as why:
            return left_out(kind.NAME or kind.__name__, why)
        with proxy:
            stage.load(proxy.port, messages=messages, **SINGLE)
            total = sink.totals()
    count = (total["full"] + total["resumed"]) * 1000 / messages
    label = proxy.label + "".join(f", {name} {value}" for name, value in options.items())
    return Row(label, count, "",
               f"full {total['full']}, resumed {total['resumed']}, at most {total['most']} "
               f"connections at once, {messages} messages", {"totals": total})


def handshakes(stage, scale):
    yield Figure("Handshakes per 1,000 one-message sessions, 32 at once",
                 "the number of connections allowed (default 10) or less, all but the first resumed",
                 (Goal(OURS, 10), Goal(f"{OURS}, connections 32", 32), Goal(f"{OURS}, full", 1)))
    runs = ((peers.Waxseal, "implicit", {}), (peers.Waxseal, "starttls", {}),
            (peers.Waxseal, "implicit", {"connections": 32}), (peers.Haproxy, "implicit", {}),
            (peers.Stunnel, "implicit", {}), (peers.Stunnel, "starttls", {}))
    rows = [handshakes_of(stage, kind, tls, scale.sessions_short, **options)
            for kind, tls, options in runs]
    yield from compared(rows, rows[0])
    if "totals" in rows[0].extra:
        yield Row(f"{OURS}, full", rows[0].extra["totals"]["full"])


def workers(stage, scale):
    """With cores to spare messages/s, without CPU time a message."""
    room = processors() >= 4
    yield Figure("Two workers beside one: 4 KiB messages, a connection each, 32 at once",
                 "1.8 × messages/s with cores free; else the same CPU time a message "
                 f"(here: {processors()} processors, so the {'first' if room else 'second'})",
                 (Goal("messages/s, two / one", 1.8, least=True) if room else
                  Goal("CPU time a message, two / one", 1.05),))
    traffic = {"messages": scale.small, **SINGLE}
    with contextlib.ExitStack() as started:
        sink = started.enter_context(Sink(stage, "implicit"))
        contenders = []
        for count in (1, 2):
            try:
                proxy = started.enter_context(peers.Waxseal(stage, sink, workers=count))
            except LeftOut as why:
                yield left_out(f"waxseal, workers {count}", why)
                return
            contenders.append(ByProxy(stage, proxy, sink))
            contenders[-1].label = f"waxseal, workers {count}"
        results, suites, _ = alternating(contenders, scale.repetitions, traffic)
        rows = [row_of(label, runs, suites[label], 1e6, "µs") for label, runs in results.items()]
        yield from rows
        one, two = ([run.wall for run in results[label]] for label in results)
        yield Row.of("messages/s, two / one", [a / b for a, b in zip(one, two)], "×",
                     "wall time, generator and sink on the same machine")
        one, two = ([run.cpu for run in results[label]] for label in results)
        yield Row.of("CPU time a message, two / one", [b / a for a, b in zip(one, two)], "×")
