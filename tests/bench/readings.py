"""What the kernel knows about a process: memory, descriptors, CPU time; and what machine this is.

Memory is in KiB, CPU time in seconds. CPU time comes from the process's own clock (nanoseconds,
threads that have ended included), plus that of its descendants as /proc lists them: the living by
their clocks, the dead by what /proc/PID/stat of who waited for them has of them (ticks).
"""

import os
import platform
import time
import typing

TICKS = os.sysconf("SC_CLK_TCK")


def _table(path):
    """KiB by name, of a file of lines `Name:   123 kB`."""
    with open(path, encoding="ascii") as file:
        pairs = (line.split()[:2] for line in file if line.rstrip().endswith(" kB"))
        return {name.rstrip(":"): int(value) for name, value in pairs}


def memory(pid):
    """VmRSS and VmHWM."""
    return _table(f"/proc/{pid}/status")


def pss(pid):
    """Memory of the process and its descendants; shared pages are divided by their users."""
    return sum(_table(f"/proc/{process}/smaps_rollup")["Pss"] for process in tree(pid))


def forget_peak(pid):
    """From now on VmHWM is the peak from now on."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def tree(pid):
    """The process and its living descendants."""
    yield pid
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except FileNotFoundError:
        return
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                children = file.read().split()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        for child in children:
            yield from tree(int(child))


def _spent(pid):
    """CPU seconds: its own by its clock; then user, system, and of children that have ended and were
    waited for, user and system, all in ticks."""
    clock = (~pid << 3) | 2  # CPUCLOCK_SCHED of that process: see clock_getcpuclockid(3)
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return time.clock_gettime(clock), *(int(ticks) / TICKS for ticks in fields[11:15])


class Cpu(typing.NamedTuple):
    """CPU seconds of a tree of processes, those that have ended included."""

    total: float = 0.0
    system: float = 0.0

    def __sub__(self, other):
        return Cpu(self.total - other.total, self.system - other.system)


def cpu(pid):
    """Of the process and all that it started: who ended since is in its parent's account."""
    total = system = 0.0
    for process in tree(pid):
        try:
            own, _, in_kernel, user_ended, system_ended = _spent(process)
        except OSError:  # it has just ended
            continue
        total += own + user_ended + system_ended
        system += in_kernel + system_ended
    return Cpu(total, system)


def settled(read, seconds=5.0, interval=0.1):
    """The value of read() once it stays the same, or after so many seconds."""
    end = time.monotonic() + seconds
    value = read()
    same = 0
    while same < 3 and time.monotonic() < end:
        time.sleep(interval)
        before, value = value, read()
        same = same + 1 if value == before else 0
    return value


def machine():
    """One line: processor, number of them, kernel, load."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return (f"{model}, {os.cpu_count()} processors, Linux {platform.release()}, "
            f"load {os.getloadavg()[0]:.1f}")
