"""The command line: what it says, where it points, how it exits."""

import base64
import hashlib
import hmac
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import termios

import pytest

from support.client import Client
from support.messages import message
from support.net import free_port, listening, wait_until
from support.process import Process
from support.proxy import ROOT, binary, environment, run, write_private

GOOD = """\
[[upstream]]
address = "smtp.example.com:465"
username = "scanner@example.com"
password_file = "password"
"""


@pytest.fixture
def check(directory):
    """check(text): `waxseal check` of that file; the finished process, its errors with the directory cut off."""
    write_private(f"{directory}/password", "secret\n")

    def make(text, *arguments, command="check", limits=None, **env):
        write_private(f"{directory}/waxseal.toml", text)
        def limit():
            for what, values in (limits or {}).items():
                resource.setrlimit(what, values)

        done = run(command, "-c", f"{directory}/waxseal.toml", *arguments, env=environment(**env), preexec_fn=limit)
        done.lines = done.stderr.replace(f"{directory}/", "").splitlines()
        return done

    return make


# Asking it about itself


def test_version():
    done = run("--version")
    assert done.returncode == 0 and re.fullmatch(r"waxseal \d+\.\d+\.\d+\n", done.stdout)


def test_help():
    done = run("--help")
    assert done.returncode == 0
    for word in ("run", "check", "demo", "hash-password", "--version", "WAXSEAL_UPSTREAM", "64", "71", "78"):
        assert word in done.stdout
    for command in ("run", "check", "demo"):
        done = run(command, "--help")
        assert done.returncode == 0 and "--listen" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--nonsense"], ["nonsense"], ["run", "--nonsense"], ["run", "-c"], ["check", "extra"], ["demo", "-x"],
                                       ["hash-password", "hunter2"]],
                         ids=" ".join)
def test_usage_errors(arguments):
    done = run(*arguments)
    assert done.returncode == 64
    assert done.stderr != "" and done.stdout == ""


# hash-password


def hashes(line, password):
    """Whether the line is the SCRAM-SHA-256 verifier of the password (RFC 5802 3)."""
    empty, name, iterations, *encoded = line.removesuffix("\n").split("$")
    salt, stored_key, server_key = (base64.b64decode(part, validate=True) for part in encoded)
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return (empty, name) == ("", "scram-sha-256") and stored_key == hashlib.sha256(client_key).digest() and \
        server_key == hmac.digest(salted, b"Server Key", "sha256")


def hash_password(text):
    return subprocess.run([binary(), "hash-password"], input=text, capture_output=True, timeout=60, env=environment(), check=False)


@pytest.mark.parametrize("text, password", [(b"pencil\n", b"pencil"), (b"pencil", b"pencil"), (b"pencil\r\n", b"pencil"),
                                            (b"two words\nmore\n", b"two words"), ("pä$$\n".encode(), "pä$$".encode())])
def test_hash_password_of_a_line(text, password):
    done = hash_password(text)
    assert (done.returncode, done.stderr) == (0, b"")
    assert hashes(done.stdout.decode(), password)
    assert done.stdout != hash_password(text).stdout


@pytest.mark.parametrize("text", [b"", b"\n", b"a\0b\n", b"a\rb\n", b"\xff\n", b"x" * 4097 + b"\n"])
def test_hash_password_refuses_what_no_login_could_say(text):
    done = hash_password(text)
    assert (done.returncode, done.stdout) == (64, b"")
    assert done.stderr.startswith(b"the password ") and done.stderr.count(b"\n") == 1


def at_terminal(*answers):
    """hash-password at a terminal: what it showed, and its exit code; an answer is typed, or a signal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(binary(), ["waxseal", "hash-password"], environment())
    shown = b""
    for prompt, answer in zip((b"Password: ", b"Again: "), answers):
        while not shown.endswith(prompt):
            shown += os.read(terminal, 1000)
        wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO)
        if isinstance(answer, bytes):
            os.write(terminal, answer)
        else:
            os.kill(pid, answer)
    while True:
        try:
            more = os.read(terminal, 1000)
        except OSError:  # how Linux says that the other end has closed
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_hash_password_at_a_terminal_asks_twice_and_shows_nothing():
    shown, code = at_terminal(b"pencil\n", b"pencil\n")
    assert code == 0 and b"pencil" not in shown
    assert hashes(shown.split(b"\r\n")[2].decode(), b"pencil")
    shown, code = at_terminal(b"pencil\n", b"pencils\n")
    assert code == 64 and b"pencil" not in shown and b"not the same" in shown


def test_hash_password_at_a_terminal_can_be_interrupted():
    assert at_terminal(signal.SIGINT) == (b"Password: ", -signal.SIGINT)
def test_hardening():
    """Position-independent, relocations read-only, no executable stack; what is installed binds all symbols at start."""
    done = subprocess.run(["readelf", "--wide", "--file-header", "--program-headers", "--dynamic", binary()], capture_output=True,
                          text=True, timeout=60, check=True, env={**os.environ, "LC_ALL": "C"})
    assert re.search(r"^ *Type: +DYN\b", done.stdout, re.M)
    assert re.search(r"^ *INTERP\b", done.stdout, re.M), "a shared object, not a program"
    assert re.search(r"^ *GNU_RELRO\b", done.stdout, re.M)
    assert re.search(r"^ *GNU_STACK( +0x[0-9a-f]+){5} RW +0x", done.stdout, re.M)
    assert not re.search(r"^ *LOAD .* RWE ", done.stdout, re.M)
    assert not re.search(r"\((TEXTREL|RPATH|RUNPATH)\)", done.stdout)
    if os.path.basename(os.path.dirname(binary())) == "release":
        assert re.search(r"\(FLAGS_1\).*\bNOW\b", done.stdout) and re.search(r"\(FLAGS_1\).*\bPIE\b", done.stdout)


@pytest.mark.parametrize("machine, flag", [("x86_64", "-fcf-protection"), ("aarch64", "-mbranch-protection=standard"), ("riscv64", "")])
def test_mbedtls_is_built_with_the_flags_of_the_machine(machine, flag):
    script = f". {ROOT}/scripts/mbedtls.sh; mbedtls_branch_protection {machine}"
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == flag
    with open(f"{ROOT}/scripts/mbedtls.sh", encoding="utf-8") as file:
        assert '$(mbedtls_branch_protection "$(uname -m)")' in file.read()


# check


def test_check_accepts(check):
    done = check(GOOD)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("text, error", [
    (GOOD + "adress = 1\n", r"waxseal.toml:5:1: .*adress.*unknown key; did you mean address\?"),
    (GOOD + "[limits]\nmax_sesions = 3\n", r"waxseal.toml:6:1: .*did you mean max_sessions\?"),
    (GOOD + "[limits]\nmax_message_size = 50\n", r"waxseal.toml:6:20: .*max_message_size.*write"),
    (GOOD + "[timeouts]\nconnect = \"10 parsecs\"\n", r"waxseal.toml:6:11: .*connect"),
    (GOOD + "[timeout]\n", r"waxseal.toml:5:\d+: .*did you mean .*timeouts"),
    (GOOD + "tls = \"none\"\n", r"waxseal.toml:5:7: .*allow_cleartext"),
    (GOOD + "tls = \"sometimes\"\n", r"waxseal.toml:5:7: .*implicit"),
    (GOOD + "password = \"x\"\n", r"waxseal.toml:5:1: .*password_file"),
    (GOOD.replace("smtp.example.com:465", "smtp.example.com:99999"), r"waxseal.toml:2:11: .*port"),
    (GOOD.replace('"password"', '"nothing-here"'), r"waxseal.toml:4:17: .*password_file.*cannot be read"),
    (GOOD + "x = [\n", r"waxseal.toml:\d+:\d+: "),
    (GOOD.replace("username", "# username"), r"waxseal.toml:4:17: .*user name"),
    ('[[listen]]\naddress = "0.0.0.0:2525"\n' + GOOD, r"waxseal.toml:2:11: .*open relay"),
    ('[[listen]]\naddress = "[::]:2525"\n' + GOOD, r"waxseal.toml:2:11: .*open relay"),
    ('[[listen]]\naddress = "127.0.0.1:2525"\nupstream = ["nobody"]\n' + GOOD, r"waxseal.toml:3:13: .*nobody"),
    ('[[listen]]\nallow = ["10.0.0.1/40"]\n' + GOOD, r"waxseal.toml:2:\d+: .*allow"),
    (GOOD + 'name = "a"\n' + GOOD + 'name = "a"\n', r"waxseal.toml:10:8: .*name"),
], ids=lambda value: value[-30:])
def test_check_refuses(check, text, error):
    done = check(text)
    assert done.returncode == 78
    assert any(re.match(error, line) for line in done.lines), done.stderr
    ran = check(text, command="run")
    assert ran.returncode == 78 and ran.lines[: len(done.lines)] == done.lines


def test_check_tells_all_errors_in_one_run(check):
    done = check('[[listen]]\naddress = "0.0.0.0:25"\n' + GOOD.replace("465", "0") + 'colour = "red"\n[log]\nlevel = "loud"\n')
    places = [re.match(r"waxseal.toml:(\d+):", line)[1] for line in done.lines]
    assert done.returncode == 78
    assert places == ["2", "4", "7", "9"]


def test_check_starts_nothing(check):
    port = free_port()
    assert check(f'[[listen]]\naddress = "127.0.0.1:{port}"\n' + GOOD).returncode == 0
    with socket.create_server(("127.0.0.1", port)):
        assert check(f'[[listen]]\naddress = "127.0.0.1:{port}"\n' + GOOD).returncode == 0


def test_allowed_networks_make_it_no_open_relay(check):
    assert check('[[listen]]\naddress = "0.0.0.0:2525"\nallow = ["192.0.2.0/24"]\n' + GOOD).returncode == 0


def test_world_readable_password_is_warned_about(check, directory):
    os.chmod(f"{directory}/password", 0o644)
    done = check(GOOD)
    assert done.returncode == 0
    assert "waxseal.toml:4:17: " in "\n".join(done.lines) and "chmod 600" in done.stderr


def test_more_sessions_than_descriptors_are_warned_about(check):
    for wanted, warned in [(96, False), (97, True)]:
        done = check(GOOD + f"[limits]\nmax_sessions = {wanted}\n", limits={resource.RLIMIT_NOFILE: (256, 256)},
                     WAXSEAL_WORKERS="1")
        assert done.returncode == 0
        assert ("max_sessions: only 96 of 97 " in done.stderr and "LimitNOFILE" in done.stderr) == warned
        assert len(done.lines) == warned


def test_no_upstream_at_all(directory):
    write_private(f"{directory}/empty.toml", "")
    for arguments in (["-c", f"{directory}/empty.toml"], ["-c", f"{directory}/missing.toml"]):
        for command in ("check", "run"):
            done = run(command, *arguments)
            assert done.returncode == 78 and len(done.stderr.splitlines()) == 1


def test_errors_of_flags_and_environment_name_them():
    done = run("check", "--upstream", "http://example.com")
    assert done.returncode == 78 and "--upstream" in done.stderr
    done = run("check", env=environment(WAXSEAL_UPSTREAM="smtps://"))
    assert done.returncode == 78 and "WAXSEAL_UPSTREAM" in done.stderr
    done = run("check", "--upstream", "smtps://example.com", "--log-level", "loud")
    assert done.returncode == 78 and "--log-level" in done.stderr


# run


def test_port_in_use(check):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = check(f'[[listen]]\naddress = "127.0.0.1:{port}"\n' + GOOD, "--log-format", "text", command="run")
    assert done.returncode == 71
    assert str(port) in done.stderr and "in use" in done.stderr


def settings(upstream, directory, scheme):
    write_private(f"{directory}/secret", upstream.password)
    return {"UPSTREAM": f"{scheme}://127.0.0.1:{upstream.port}", "USERNAME": upstream.username, "CA_FILE": upstream.ca_file,
            "PASSWORD_FILE": f"{directory}/secret"}


@pytest.mark.parametrize("scheme, tls", [("smtps", "implicit"), ("smtp", "starttls")])
@pytest.mark.parametrize("way", ["environment", "flags", "both"])
def test_run_without_a_file(scripted, directory, way, scheme, tls):
    """A sidecar. Flags beat the environment."""
    upstream = scripted(tls)
    given = settings(upstream, directory, scheme)
    port = free_port()
    given["LISTEN"] = f"127.0.0.1:{port}"
    flags = [part for key, value in given.items() for part in ("--" + key.lower().replace("_", "-"), value)]
    variables = {f"WAXSEAL_{key}": value for key, value in given.items()}
    if way == "environment":
        flags = []
    elif way == "flags":
        variables = {}
    else:
        variables |= {"WAXSEAL_UPSTREAM": "smtps://127.0.0.1:1", "WAXSEAL_LISTEN": "127.0.0.1:2"}
    process = Process([binary(), "run", *flags], directory, "waxseal", env=environment(**variables))
    try:
        process.wait_ready(lambda: listening(port))
        with Client(port) as client:
            client.ehlo()
            assert client.transaction(message("sidecar")).code == 250
    finally:
        assert process.stop() == 0
    assert len(upstream.messages) == 1


@pytest.mark.parametrize("way", ["environment", "flags"])
def test_a_sender_that_is_none(way):
    given = ("--upstream", "smtps://127.0.0.1:1", "--sender", "scanner")
    variables = {"WAXSEAL_UPSTREAM": "smtps://127.0.0.1:1", "WAXSEAL_SENDER": "scanner"}
    done = run("check", *given) if way == "flags" else run("check", env=environment(**variables))
    assert done.returncode == 78
    assert f'{"--sender" if way == "flags" else "WAXSEAL_SENDER"}: "scanner" is not an address; write a whole one' in done.stderr


def test_environment_beats_the_file(waxseal, scripted):
    written, named = scripted(), scripted()
    proxy = waxseal(written, env=environment(WAXSEAL_UPSTREAM=f"smtps://127.0.0.1:{named.port}"))
    with proxy.client() as client:
        client.ehlo()
        client.transaction(message("environment"))
    assert named.peers and not written.peers


def test_configuration_named_in_the_environment(directory, scripted):
    write_private(f"{directory}/broken.toml", "nonsense = 1\n")
    done = run("check", env=environment(WAXSEAL_CONFIG=f"{directory}/broken.toml"))
    assert done.returncode == 78 and "broken.toml:1:1: " in done.stderr


# demo


@pytest.fixture
def demo(directory):
    """A running demo: (process, port)."""
    port = free_port()
    process = Process([binary(), "demo", "--listen", f"127.0.0.1:{port}"], directory, "demo", env=environment())
    process.wait_ready(lambda: listening(port) and "curl" in process.output())
    yield process, port
    assert process.stop() == 0


def test_demo(demo):
    """The line it prints is run as it stands; the message appears, with how it came."""
    process, port = demo
    line = next(line.strip() for line in process.output().splitlines() if re.search(r"\bcurl\b.*smtp://", line))
    assert f":{port}" in line
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (line, done.stderr)
    wait_until(lambda: re.search(r"TLSv1\.3", process.output()), what=f"the TLS version in {process.output()}")
    output = process.output()
    assert re.search(r"TLS[_-][A-Z0-9_-]+", output), "the cipher"
    assert re.search(r"\d+(\.\d+)? ?(ms|µs|s)\b", output), "the time each phase took"
    assert "Subject:" in output


def test_demo_takes_more_than_one_message(demo):
    process, port = demo
    with Client(port) as client:
        client.ehlo()
        for number in range(3):
            assert client.transaction(message(f"demo-{number}")).code == 250
    wait_until(lambda: all(f"demo-{number}" in process.output() for number in range(3)))


def test_demo_ends_with_an_interrupt(directory):
    port = free_port()
    process = Process([binary(), "demo", "--listen", f"127.0.0.1:{port}"], directory, "demo", env=environment())
    process.wait_ready(lambda: listening(port))
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0


def test_demo_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("demo", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 71 and "in use" in done.stderr
