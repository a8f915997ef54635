"""The programs that take part: each is started on loopback and ended by its pid.

Flow: `with Sink(stage, ...) as sink, Waxseal(stage, sink) as proxy: stage.load(proxy.port, ...)`.
A Stage knows where the programs are and owns the temporary directory. The proxies are in peers.py.
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
STALLED = 120  # seconds until messages that are not taken are given up


class Failure(Exception):
    """Something did not work, as opposed to being slow."""


class LeftOut(Exception):
    """What cannot be measured here, and why."""


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
        os.chmod(self.folder, 0o755)  # some peers become other users
        self.files = 0
        self.made = None

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

    def directory(self, name, owner="root"):
        path = self.path(name)
        os.makedirs(path)
        os.chmod(path, 0o755)
        if owner != "root":
            shutil.chown(path, owner)
        return path

    def tool(self, name):
        path = os.path.join(self.tools, name)
        if not os.path.exists(path):
            raise LeftOut(f"{name} was not built")
        return path

    def certificates(self):
        """One authority and one provider for all of the run."""
        self.made = self.made or Certificates(self)
        return self.made

    def load_command(self, port, **options):
        command = [self.tool("bench_load"), "--port", str(port)]
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


class Certificates:
    """ca, chain, key: of localhost and 127.0.0.1, P-256, by openssl."""

    def __init__(self, stage):
        self.ca, self.chain, self.key = (stage.path(name) for name in ("ca.pem", "chain", "key"))
        ca_key, request = stage.path("ca.key"), stage.path("request")
        extensions = stage.write("extensions", "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl(*new, "-x509", "-keyout", ca_key, "-out", self.ca, "-subj", "/CN=bench CA")
        self.openssl(*new, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                     "-set_serial", "1", "-extfile", extensions, "-out", self.chain)

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"openssl {arguments[0]}: {done.stderr.strip()}")


class Program:
    """A process, with its output in a file."""

    def __init__(self, stage, name, command, **options):
        self.stage = stage
        self.name = name
        self.log = stage.path(name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, **options)
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
    """bench_sink: takes every message, over TLS unless told otherwise."""

    def __init__(self, stage, tls, options=(), keywords=("CHUNKING",)):
        self.tls = tls
        self.ca = stage.certificates().ca
        command = [stage.tool("bench_sink"), "--tls", tls, *options]
        if tls != "none":
            command += ["--chain", stage.certificates().chain, "--key", stage.certificates().key]
        for keyword in keywords:
            command += ["--keyword", keyword]
        super().__init__(stage, f"sink-{tls}", command)
        self.wait_until("listening", lambda: "listening" in self.text())
        self.port = int(re.search(r"listening (\d+)", self.text())[1])

    def auth_port(self):
        """Where nginx asks who may log in."""
        self.wait_until("listening for nginx", lambda: "auth" in self.text())
        return int(re.search(r"auth (\d+)", self.text())[1])

    def totals(self):
        """connections, open, most, full, resumed, messages, octets (numbers) and tls (text)."""
        before = self.text().count("total ")
        self.process.send_signal(signal.SIGUSR1)
        self.wait_until("totals", lambda: self.text().count("total ") > before)
        pairs = re.findall(r"(\w+)=(\S+)", self.text().rsplit("total ", 1)[1])
        return {name: int(value) if value.isdigit() else value for name, value in pairs}

    def messages(self):
        """(octets, hash) of each message."""
        return [(int(octets), digest) for octets, digest
                in re.findall(r"message octets=(\d+) sha256=(\w+)", self.text())]


class Delay(Program):
    """bench_delay: a way of so many milliseconds to the sink, and as many back."""

    def __init__(self, stage, sink, one_way):
        self.tls, self.ca = sink.tls, sink.ca
        super().__init__(stage, "delay", [stage.tool("bench_delay"), "--to", str(sink.port),
                                          "--one-way", str(one_way)])
        self.wait_until("listening", lambda: "listening" in self.text())
        self.port = int(re.search(r"listening (\d+)", self.text())[1])


def environment():
    """Ours, without any setting for waxseal in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WAXSEAL_")}


def root_only(what):
    if os.geteuid() != 0:
        raise LeftOut(f"{what} has to be started by root")


def program(*names):
    """The path of the first that is installed."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found:
            return found
    raise LeftOut(f"{names[0]} is not installed: scripts/setup bench")
