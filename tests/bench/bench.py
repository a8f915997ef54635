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
import subprocess
import sys
import time

import figures
import readings
from comparison import comparison
from processes import Failure, Stage, find_stunnel
from rows import Row


@dataclasses.dataclass
class Scale:
    """How much of everything."""

    full: bool = False
    repetitions: int = 5
    large_mib: int = 1024
    steady_seconds: int = 20
    steady_octets: int = 30_000_000
    sessions: int = 5000
    starts: int = 10
    small: int = 1000
    big: int = 8


QUICK = Scale(repetitions=2, large_mib=256, steady_seconds=5, steady_octets=5_000_000,
              sessions=1000, starts=3, small=200, big=2)

PARTS = {
    "identical": figures.identical,
    "large": figures.large_message,
    "idle": figures.idle_sessions,
    "start": figures.start,
    "cpu": comparison,
}


def versions(binary):
    """What is compared, as it names itself."""
    first = subprocess.run([binary, "--version"], capture_output=True, text=True,
                           check=True).stdout.strip().splitlines()[0]
    if not find_stunnel():
        return first
    # stunnel says it on stderr.
    lines = subprocess.run([find_stunnel(), "-version"], capture_output=True, text=True,
                           check=False).stderr.splitlines()
    named = [line for line in lines if line.startswith(("stunnel", "Compiled with"))]
    return ", ".join([first, *named])


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="waxseal")
    parser.add_argument("--tools", required=True, help="where bench_load and bench_sink are")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--full", action="store_true", help="the slow message to its end")
    parser.add_argument("--repetitions", type=int, help="of each comparison")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="one part")
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


def measure(chosen, report):
    """All parts that were asked for; False when one found something wrong."""
    good = True

    def tell(name, row):
        report.append(row.record(name))
        print(row.line(), flush=True)

    with Stage(os.path.abspath(chosen.binary), os.path.abspath(chosen.tools)) as stage:
        for name in chosen.only or PARTS:
            try:
                for row in PARTS[name](stage, scale_of(chosen)):
                    tell(name, row)
            except Failure as failure:
                good = False
                tell(name, Row(name, "FAILED", "", str(failure)))
    return good


def main():
    chosen = arguments()
    # An end from outside is one for what was started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    begin = time.monotonic()
    report = {"date": datetime.date.today().isoformat(), "machine": readings.machine(),
              "versions": versions(chosen.binary), "rows": []}
    print(f"{report['date']}  {report['machine']}\n{report['versions']}\n")
    report["good"] = measure(chosen, report["rows"])
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
