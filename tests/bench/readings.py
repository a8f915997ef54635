"""What the kernel knows about a process: memory, descriptors, CPU time; and what machine this is.

Memory is in KiB, CPU time in seconds. CPU time comes from the process's own clock (nanoseconds,
threads that have ended included), plus that of its living descendants as /proc lists them.
"""

import os
import platform
import time


def _table(path):
    """KiB by name, of a file of lines `Name:   123 kB`."""
    with open(path, encoding="ascii") as file:
        pairs = (line.split()[:2] for line in file if line.rstrip().endswith(" kB"))
        return {name.rstrip(":"): int(value) for name, value in pairs}


def memory(pid):
    """VmRSS and VmHWM."""
    return _table(f"/proc/{pid}/status")


def pss(pid):
    """The share of memory that is the process's own: shared pages are divided by their users."""
    return _table(f"/proc/{pid}/smaps_rollup")["Pss"]


def forget_peak(pid):
    """From now on VmHWM is the peak from now on."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def _children(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                yield from (int(child) for child in file.read().split())
        except FileNotFoundError:  # a thread that has just ended
            pass


def cpu(pid):
    """User and system time of the process and its descendants."""
    clock = (~pid << 3) | 2  # CPUCLOCK_SCHED of that process: see clock_getcpuclockid(3)
    return time.clock_gettime(clock) + sum(cpu(child) for child in _children(pid))


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
