"""waxseal itself: found, configured, started, its log read as JSON, stopped, and looked at through /proc."""

import contextlib
import json
import os
import signal
import subprocess

from .client import Client
from .net import free_port, listening, wait_until
from .process import Process, sanitizer_report

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def binary():
    named = os.environ.get("WAXSEAL_BINARY")
    candidates = [named] if named else [os.path.join(ROOT, "build", preset, "waxseal") for preset in ("release", "dev")]
    for path in candidates:
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise FileNotFoundError("no waxseal to test: build it (cmake --preset release && cmake --build --preset release) "
                            "or name one in WAXSEAL_BINARY")


def beside(name):
    """A program of the same build as the one under test, else of any that is there."""
    places = [os.path.dirname(binary()), *(os.path.join(ROOT, "build", preset) for preset in ("release", "dev"))]
    for place in places:
        if os.access(path := os.path.join(place, name), os.X_OK):
            return path
    raise FileNotFoundError(f"{name} is not built (cmake --build --preset release --target {name})")


def sanitized():
    """Whether the program under test was built with a sanitizer: its memory says nothing then."""
    with open(binary(), "rb") as file:
        program = file.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def environment(**extra):
    """Ours without any WAXSEAL_ setting; with WAXSEAL_TEST_WORKERS every waxseal has so many workers."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WAXSEAL_")}
    if workers := os.environ.get("WAXSEAL_TEST_WORKERS"):
        clean["WAXSEAL_WORKERS"] = workers
    return clean | {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1",
                    "TSAN_OPTIONS": "second_deadlock_stack=1"} | extra


def run(*arguments, env=None, timeout=60, **options):
    """A command that ends by itself, such as check."""
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, env=env or environment(), check=False, **options)
    assert not sanitizer_report(done.stderr), done.stderr
    return done


def to_toml(value, inner=False):
    """A table: plain values, then [tables] and [[arrays of tables]]; a table in one of those is written in one line."""
    scalars, tables = [], []
    for key, item in value.items():
        if isinstance(item, dict) and inner:
            scalars.append(f"{key} = {{ {', '.join(f'{name} = {json.dumps(one)}' for name, one in item.items())} }}")
        elif isinstance(item, dict):
            tables.append(f"[{key}]\n{to_toml(item)}")
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            tables += [f"[[{key}]]\n{to_toml(entry, inner=True)}" for entry in item]
        else:
            scalars.append(f"{key} = {json.dumps(item)}")  # strings, numbers, booleans, lists: TOML writes them as JSON does
    return "\n".join(scalars + tables) + "\n"


def write_private(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def upstream_table(directory, upstream, **changes):
    """The [[upstream]] for a real or scripted server; a change to None leaves the key out."""
    password_file = os.path.join(directory, f"password-{upstream.port}")
    write_private(password_file, upstream.password + "\n")
    table = {
        "name": f"upstream-{upstream.port}",
        "address": f"{upstream.host}:{upstream.port}",
        "tls": upstream.tls,
        "server_name": upstream.server_name,
        "ca_file": upstream.ca_file,
        "username": upstream.username,
        "password_file": password_file,
    } | changes
    return {key: value for key, value in table.items() if value is not None}


DEVICE = {"kind": "device"}  # the default, as devices and real clients meet it


class Waxseal:
    """One running proxy. `configuration` is a dict like the TOML file; the first listener gets the port when it has no
    address. prefix: a command in front of it, such as prlimit. log_level, log_format: None leaves them to the file.

    Listeners are strict, but for line ends, unless the configuration says kind: what a test sends is then what has to
    arrive, octet for octet."""

    KIND = {"kind": "strict", "line_endings": "repair"}

    def __init__(self, directory, configuration, port=None, env=None, log_level="debug", log_format="json", prefix=()):
        os.makedirs(directory, exist_ok=True)
        self.directory = directory
        self.port = port or free_port()
        self.file = os.path.join(directory, "waxseal.toml")
        self.write(configuration)
        flags = {"--log-format": log_format, "--log-level": log_level}
        given = [word for flag, value in flags.items() if value is not None for word in (flag, value)]
        argv = [*prefix, binary(), "run", "-c", self.file, *given]
        self.process = Process(argv, directory, "waxseal", env=env or environment(), cwd=directory)
        self.pid = self.process.pid
        self._parsed = []
        self._offset = {}
        self._checked = False
        self._ended_by = 0
        self.process.wait_ready(lambda: listening(self.port))

    def write(self, configuration):
        configuration = dict(configuration)
        listen = configuration.setdefault("listen", [{}])
        listen = [{"address": f"127.0.0.1:{self.port}"} | dict(listen[0]), *map(dict, listen[1:])]
        configuration["listen"] = [one if "kind" in one else self.KIND | one for one in listen]
        write_private(self.file, to_toml(configuration))

    # Talking to it

    def client(self, **options):
        return Client(self.port, **options)

    def wait_offer(self, keyword, timeout=10):
        """Until EHLO shows what the upstream offers: it is asked once at the start."""

        def offered():
            with self.client() as client:
                return keyword in client.offers()

        wait_until(offered, timeout, f"waxseal to offer {keyword}")

    # Its log

    @property
    def log(self):
        """All events so far, in order; a line that is not JSON is {"event": None, "raw": line}."""
        for path in (self.process.stdout_path, self.process.stderr_path):
            with open(path, "rb") as file:
                file.seek(self._offset.get(path, 0))
                octets = file.read()
            complete = octets[: octets.rfind(b"\n") + 1]
            self._offset[path] = self._offset.get(path, 0) + len(complete)
            self._parsed += [parse_line(line) for line in complete.decode("utf-8", "replace").splitlines()]
        return self._parsed

    def events(self, event, **fields):
        return [entry for entry in self.log
                if entry["event"] == event and all(entry.get(key) == value for key, value in fields.items())]

    def wait_event(self, event, timeout=20, count=1, **fields):
        """The latest of at least `count` events of that name with those fields."""
        return wait_until(lambda: found[-1] if len(found := self.events(event, **fields)) >= count else None, timeout,
                          f"{count} event(s) {event} {fields} in the log")

    def log_text(self):
        return self.process.output()

    def wait_text(self, text, timeout=20):
        wait_until(lambda: text.lower() in self.log_text().lower(), timeout, f"{text!r} in the log")

    # Its life

    def reload(self, configuration=None):
        if configuration is not None:
            self.write(configuration)
        self.process.signal(signal.SIGHUP)

    def signal(self, number):
        self.process.signal(number)

    def stop(self, timeout=20):
        """SIGTERM; the exit code."""
        code = self.process.stop(timeout)
        self.check()
        return code

    def discard(self):
        """At the end of a test, whatever is still under way: two signals end it at once."""
        if self.process.running:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(0.5)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGTERM)
                self._ended_by = -signal.SIGTERM  # it may be past listening to signals
        self.process.stop(40)
        self.check()

    def check(self):
        """Fails when a sanitizer had something to say or the program crashed; says it once."""
        if not self._checked:
            self._checked = True
            report = sanitizer_report(self.process.output())
            assert not report, report
            code = self.process.exit_code or 0
            assert code >= 0 or code == self._ended_by, f"waxseal ended by signal {-code}"

    # What it uses

    def descriptors(self):
        """Not counting /dev/null: libuv keeps one for each worker, from its first connection on."""
        directory, count = f"/proc/{self.pid}/fd", 0
        for descriptor in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += os.readlink(f"{directory}/{descriptor}") != "/dev/null"
        return count

    def memory(self):
        """Resident, in KiB."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def parse_line(line):
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) and "event" in entry else {"event": None, "raw": line}
