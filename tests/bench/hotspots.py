"""Where a program spends its processor time: perf attached to it while it works.

Flow: `with Profile(stage, pid) as profile: ...`; then bound() for a line and summary() for a page.
Symbols are grouped by what they are for, so that the next thing to make cheaper is in sight.
"""

import re
import signal
import subprocess
import time

from processes import Failure, LeftOut, Program, program

# What a symbol is for: the first that matches. The kernel is told by perf itself.
KINDS = (
    ("SMTP", r"waxseal::smtp::"),
    ("sessions", r"waxseal::(relay|auth|base|upstream)::|^waxseal::\w+$"),
    ("log", r"spdlog|fmt::v|waxseal::(app::|log|Log|Record)|nlohmann"),
    ("TLS", r"mbedtls_|^psa_|tls::|aes|gcm|chacha|poly1305|sha(256|512)|ecp_|mpi_|x25519|Hacl|_fe_|"
            r"ghash|asn1|x509|^\.\.@"),
    ("event loop", r"waxseal::net::|^uv_|^uv__|epoll"),
    ("copies and memory", r"malloc|^_?int_|^c?free|calloc|realloc|operator (new|delete)|mem(cpy|move|set)|"
               r"unlink_chunk|tcache"),
)
CRYPTO_LIBRARIES = re.compile(r"lib(crypto|ssl)")


class Profile:
    """Records while it is entered."""

    def __init__(self, stage, pid):
        self.file = stage.path("perf.data")
        self.perf = program("perf")
        self.command = [self.perf, "record", "-q", "-e", "cpu-clock", "-F", "1999", "-p", str(pid),
                        "-o", self.file]
        self.stage = stage
        self.found = []

    def __enter__(self):
        self.recorder = Program(self.stage, "perf", self.command)
        try:
            # Its file has a header before it listens to anything; there is no better sign.
            self.recorder.wait_until("recording", lambda: wait_size(self.file))
            time.sleep(0.3)
        except Failure as failure:
            self.recorder.end()
            raise LeftOut(str(failure)) from None
        return self

    def __exit__(self, kind, *_):
        self.recorder.end(signal.SIGINT)
        if kind is None:
            self.read()

    def read(self):
        done = subprocess.run(
            [self.perf, "report", "-i", self.file, "--stdio", "-q", "--no-children", "-g", "none",
             "-F", "overhead,dso,symbol"], capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            parts = re.match(r"\s*([\d.]+)%\s+(\S+)\s+\[(.)\]\s+(.*\S)", line)
            if parts:
                self.found.append((float(parts[1]), parts[2], parts[3], parts[4]))
        if not self.found:
            raise LeftOut("perf has seen nothing: " + done.stderr.strip()[:200])

    def shares(self):
        """Percent by kind, the largest first."""
        sums = {}
        for percent, library, ring, symbol in self.found:
            kind = kind_of(library, ring, symbol)
            sums[kind] = sums.get(kind, 0.0) + percent
        return sorted(sums.items(), key=lambda pair: -pair[1])

    def bound(self):
        """One line: the kinds, and the symbols that cost most outside of the kernel."""
        kinds = ", ".join(f"{kind} {percent:.0f} %" for kind, percent in self.shares())
        own = [one for one in self.found if one[2] != "k"][:4]
        first = ", ".join(f"{short(symbol)} {percent:.1f}" for percent, _, _, symbol in own)
        return f"{kinds}; most: {first}"

    def summary(self, lines=25):
        """What README.md keeps: the kinds, then the symbols."""
        text = [f"{percent:6.1f} %  {kind}" for kind, percent in self.shares()]
        text.append("")
        for percent, library, ring, symbol in self.found[:lines]:
            place = "kernel" if ring == "k" else library
            text.append(f"{percent:6.1f} %  {place:<16} {short(symbol)}")
        return "\n".join(text)


def wait_size(path):
    try:
        with open(path, "rb") as file:
            return bool(file.read(1))
    except FileNotFoundError:
        return False


def kind_of(library, ring, symbol):
    if ring == "k":
        return "kernel"
    if CRYPTO_LIBRARIES.match(library):
        return "TLS"
    for kind, pattern in KINDS:
        if re.search(pattern, symbol):
            return kind
    return "other"


def short(symbol):
    """Without its parameters and the insides of templates."""
    bare = re.sub(r"\(.*", "", symbol.replace("(anonymous namespace)::", ""))
    while "<" in bare and "operator" not in bare:
        less = re.sub(r"<[^<>]*>", "", bare)
        if less == bare:
            break
        bare = less
    return (bare or symbol)[:70]
