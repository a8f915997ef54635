"""The driver of scripts/bench: runs the measurements one after another and prints a table.

Figures, never verdicts: it fails only where something is wrong (a body that changed, a message that
was refused, a descriptor left behind), whatever the clock says. See README.md beside it.
"""

import argparse
import dataclasses
import datetime
import json
import os
import signal
import sys
import time

import comparison
import figures
import latency
import memory
import peers
import readings
from processes import Failure, LeftOut, Stage
from rows import Figure, Row


@dataclasses.dataclass
class Scale:
    """How much of everything."""

    full: bool = False
    repetitions: int = 5
    large_mib: int = 1024
    steady_seconds: int = 20
    steady_octets: int = 30_000_000
    sessions: int = 5000
    peer_sessions: int = 1000
    transfers: int = 200
    starts: int = 10
    small: int = 2000
    big: int = 4
    sessions_short: int = 1000


QUICK = Scale(repetitions=2, large_mib=256, steady_seconds=5, steady_octets=5_000_000,
              sessions=1000, peer_sessions=300, transfers=100, starts=3, small=400, big=1,
              sessions_short=500)

PARTS = {
    "identical": figures.identical,
    "large": figures.large_message,
    "start": figures.start,
    "single": comparison.single,
    "reused": comparison.reused,
    "big": comparison.big,
    "editor": comparison.editor,
    "latency": latency.latency,
    "handshakes": comparison.handshakes,
    "idle": memory.idle,
    "transfer": memory.transfer,
    "workers": comparison.workers,
}
PROFILED = ("single", "reused", "big")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--waxseal", required=True, metavar="PATH", help="the program to measure")
    parser.add_argument("--tools", required=True, help="where bench_load and the others are")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--full", action="store_true", help="the slow message to its end")
    parser.add_argument("--repetitions", type=int, help="of each comparison")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part")
    parser.add_argument("--profile", action="append", choices=PROFILED,
                        help="where waxseal spends its time in that part, and nothing else")
    parser.add_argument("--json", metavar="FILE", help="the table for programs")
    chosen = parser.parse_args()
    if chosen.repetitions is not None and chosen.repetitions < 1:
        parser.error("--repetitions is at least 1")
    return chosen


def scale_of(chosen):
    scale = dataclasses.replace(QUICK if chosen.quick else Scale(), full=chosen.full)
    if chosen.repetitions is not None:
        scale.repetitions = chosen.repetitions
    return scale


def profile(stage, chosen):
    """Profiles instead of figures."""
    for part in chosen.profile:
        try:
            print(comparison.profiled(stage, part) + "\n", flush=True)
        except (Failure, LeftOut) as why:
            print(f"{part}: {why}")
            return False
    return True


class Table:
    """Prints rows as they come, and keeps them for the end and for programs."""

    def __init__(self):
        self.records = []
        self.figures = []  # (Figure, its rows)

    def add(self, part, row):
        if isinstance(row, Figure):
            self.figures.append((row, []))
        else:
            figure, rows = self.figures[-1]
            rows.append(row)
            self.records.append(row.record(part, figure))
        print(row.line(), flush=True)

    def run(self, part, measurement):
        """False when it found something wrong."""
        begin = time.monotonic()
        try:
            for row in measurement:
                self.add(part, row)
        except (Failure, LeftOut) as why:
            wrong = isinstance(why, Failure)
            if not self.figures:
                self.figures.append((Figure(part), []))
            self.add(part, Row(part, "FAILED" if wrong else "left out", "", str(why)))
            return not wrong
        finally:
            print(f"    ({part}: {time.monotonic() - begin:.0f} s)", flush=True)
        return True

    def goals(self):
        """What was to be reached, once more and in one place; returns it for programs."""
        found = []
        for figure, rows in self.figures:
            if figure.goals:
                print(f"{figure.what}")
                print("\n".join(goal.line(rows) for goal in figure.goals))
                found += [{"figure": figure.what, **goal.record(rows)} for goal in figure.goals]
        return found


def main():
    chosen = arguments()
    # An end from outside is one for what was started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    report = {"date": datetime.date.today().isoformat(), "machine": readings.machine(),
              "versions": peers.versions(chosen.waxseal)}
    print(f"{report['date']}  {report['machine']}\n{report['versions']}")
    with Stage(os.path.abspath(chosen.waxseal), os.path.abspath(chosen.tools)) as stage:
        if chosen.profile:
            return 0 if profile(stage, chosen) else 1
        print("\n  who: median [smallest .. largest], then waxseal / this")
        table = Table()
        good = [table.run(name, PARTS[name](stage, scale_of(chosen)))
                for name in chosen.only or PARTS]
    print("\nWhat was to be reached")
    report |= {"rows": table.records, "goals": table.goals(), "good": all(good)}
    report["seconds"] = round(time.monotonic() - begin, 1)
    report["load_at_end"] = os.getloadavg()[0]
    print(f"\n{report['seconds']:.0f} s, load at the end {report['load_at_end']:.1f}")
    if chosen.json:
        with open(chosen.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2, ensure_ascii=False)
            file.write("\n")
    return 0 if report["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
