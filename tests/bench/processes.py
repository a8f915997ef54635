"""The programs that take part: each is started on loopback and ended by its pid.

Flow: `with Sink(stage, ...) as sink, Waxseal(stage, sink) as proxy: stage.load(proxy.port, ...)`.
A Stage knows where the programs are and owns the temporary directory.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 30  # seconds until a program that does not come up is given up
STALLED = 300  # seconds until messages that are not taken are given up


class Failure(Exception):
    """Something did not work, as opposed to being slow."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=PATIENCE, interval=0.02):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(interval)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Stage:
    """Where the programs are, and a directory that ends with the run."""

    def __init__(self, binary, tools):
        self.binary = binary
        self.tools = tools
        self.folder = tempfile.mkdtemp(prefix="waxseal-bench-")
        self.files = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        self.files += 1
        return os.path.join(self.folder, f"{self.files}-{name}")

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def load_command(self, port, **options):
        command = [os.path.join(self.tools, "bench_load"), "--port", str(port)]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        return command

    def load(self, port, **options):
        """Runs the generator to its end: its figures by name. Every message must be accepted."""
        try:
            done = subprocess.run(self.load_command(port, **options), capture_output=True,
                                  text=True, timeout=STALLED, check=False)
        except subprocess.TimeoutExpired as stalled:
            raise Failure(f"the load generator is not served: {' '.join(stalled.cmd)}") from None
        if done.returncode != 0:
            raise Failure(f"the load generator: {done.stdout.strip()} {done.stderr.strip()}")
        return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", done.stdout)}


class Program:
    """A process, with its output in a file."""

    def __init__(self, stage, name, command):
        self.stage = stage
        self.name = name
        self.log = stage.path(name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_until(self, what, condition):
        def met():
            if self.process.poll() is not None:
                raise Failure(f"{self.name} has ended: {self.text()[-2000:]}")
            return condition()
        wait_for(f"{self.name}: {what}", met)

    def end(self, number=signal.SIGTERM):
        """Politely, then not."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Sink(Program):
    """bench_sink: takes every message over TLS."""

    def __init__(self, stage, tls, hashed=False, rate=0):
        self.tls = tls
        self.ca = stage.path("ca.pem")
        command = [os.path.join(stage.tools, "bench_sink"), "--tls", tls, "--ca-out", self.ca]
        command += ["--hash"] if hashed else []
        command += ["--rate", str(rate)] if rate else []
        super().__init__(stage, "sink", command)
        self.wait_until("listening", lambda: "listening" in self.text())
        self.port = int(re.search(r"listening (\d+)", self.text())[1])

    def totals(self):
        """connections, messages, octets (numbers) and tls (text)."""
        before = self.text().count("total ")
        self.process.send_signal(signal.SIGUSR1)
        self.wait_until("totals", lambda: self.text().count("total ") > before)
        pairs = re.findall(r"(\w+)=(\S+)", self.text().rsplit("total ", 1)[1])
        return {name: int(value) if value.isdigit() else value for name, value in pairs}

    def messages(self):
        """(octets, hash) of each message."""
        return [(int(octets), digest) for octets, digest
                in re.findall(r"message octets=(\d+) sha256=(\w+)", self.text())]


class Waxseal(Program):
    """The proxy, as a user runs it: everything not named is at its default."""

    CONFIGURATION = """
[[listen]]
address = "127.0.0.1:{port}"
line_endings = "{line_endings}"
[[upstream]]
address = "127.0.0.1:{upstream}"
tls = "{tls}"
{ca}
max_connections = 64
[limits]
max_sessions = {sessions}
max_sessions_per_client = {sessions}
max_message_size = "{largest}"
"""

    def __init__(self, stage, sink, line_endings="repair", largest="50MiB", sessions=1000):
        self.label = "waxseal"
        self.port = free_port()
        self.configuration = stage.write("waxseal.toml", self.CONFIGURATION.format(
            port=self.port, upstream=sink.port, tls=sink.tls, ca=f'ca_file = "{sink.ca}"',
            line_endings=line_endings, largest=largest, sessions=sessions))
        super().__init__(stage, "waxseal", [stage.binary, "run", "-c", self.configuration])
        self.wait_until("listening", lambda: accepts(self.port))
        # Until it has asked the upstream once; what it offers then is what it measures with.
        self.wait_until("the upstream's offer", lambda: "8BITMIME" in self.hello())

    def hello(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(b"EHLO bench.example\r\nQUIT\r\n")
            said = b""
            while part := client.recv(4096):
                said += part
            return said.decode("ascii", "replace")


class Stunnel(Program):
    """stunnel as its manual has it for SMTP, checking the same chain and name as waxseal does."""

    CONFIGURATION = """
foreground = yes
pid =
syslog = no
[smtp]
client = yes
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{upstream}
verifyChain = yes
checkIP = 127.0.0.1
CAfile = {ca}
{more}
"""

    def __init__(self, stage, sink, ciphersuites=""):
        self.label = "stunnel, ChaCha20" if ciphersuites else "stunnel"
        self.port = free_port()
        more = "protocol = smtp\n" if sink.tls == "starttls" else ""
        more += f"ciphersuites = {ciphersuites}\n" if ciphersuites else ""
        configuration = stage.write("stunnel.conf", self.CONFIGURATION.format(
            port=self.port, upstream=sink.port, ca=sink.ca, more=more))
        super().__init__(stage, "stunnel", [find_stunnel(), configuration])
        self.wait_until("listening", lambda: accepts(self.port))


def find_stunnel():
    """The program's path, or nothing."""
    return shutil.which("stunnel4") or shutil.which("stunnel")
