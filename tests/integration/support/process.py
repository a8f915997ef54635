"""Programs under our care: started, watched, stopped by their own pid, their output kept for a failed test."""

import contextlib
import os
import signal
import subprocess
import weakref

from .net import wait_until

_all = weakref.WeakSet()

SANITIZER_MARKS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "UndefinedBehaviorSanitizer")


class Process:
    """One program. Its output goes to files, so that it never blocks and can be read at any time."""

    def __init__(self, argv, directory, name=None, env=None, **options):
        self.name = name or os.path.basename(argv[0])
        self.stdout_path = os.path.join(directory, self.name + ".stdout")
        self.stderr_path = os.path.join(directory, self.name + ".stderr")
        self.log_paths = [self.stdout_path, self.stderr_path]
        # setpriv: should the tests be killed, what they started goes too.
        with open(self.stdout_path, "ab") as out, open(self.stderr_path, "ab") as err:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *map(str, argv)],
                stdin=options.pop("stdin", subprocess.DEVNULL),
                stdout=out,
                stderr=err,
                env=env,
                start_new_session=True,
                **options,
            )
        self.pid = self._process.pid
        self.stdin = self._process.stdin
        _all.add(self)

    @property
    def running(self):
        return self._process.poll() is None

    @property
    def exit_code(self):
        return self._process.poll()

    def output(self):
        return "".join(read_text(path) for path in (self.stdout_path, self.stderr_path))

    def wait_ready(self, ready, timeout=20):
        wait_until(lambda: not self.running or ready(), timeout, f"{self.name} to start\n{tails(self)}")
        if not self.running:
            raise AssertionError(f"{self.name} ended with {self.exit_code}\n{tails(self)}")

    def signal(self, number):
        self._process.send_signal(number)

    def wait(self, timeout=20):
        return self._process.wait(timeout)

    def kill_all(self):
        """SIGKILL for it and all its descendants, whatever their process groups are."""
        doomed = [self.pid]
        for pid in doomed:
            doomed += [child for child in _children(pid) if child not in doomed]
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(5)

    def stop(self, timeout=20):
        """SIGTERM, then SIGKILL for it and what it started. Returns the exit code."""
        if self.running:
            self._process.terminate()
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(5)
            raise AssertionError(f"{self.name} did not end within {timeout} s of SIGTERM") from None


def _children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def tail(text, limit=6000):
    return text if len(text) <= limit else "…" + text[-limit:]


def tails(process):
    return "".join(f"--- {path}\n{tail(read_text(path))}\n" for path in process.log_paths)


def all_tails():
    """(title, text) of everything that runs or ran and is still referenced: for the report of a failed test."""
    return [(process.name, tails(process)) for process in list(_all) if process.running or process.exit_code]


def sanitizer_report(text):
    """The part of the output that a sanitizer wrote, or nothing."""
    for mark in SANITIZER_MARKS:
        at = text.find(mark)
        if at >= 0:
            return text[max(0, at - 200) : at + 8000]
    return ""
