"""Listeners of every kind: unix sockets, sockets that systemd passes on, TLS with certificates of one's own or a self-signed
one, reload of them."""

import hashlib
import os
import re
import shutil
import smtplib
import socket
import ssl
import stat
import sys

import pytest

from support import proxy
from support.client import Client
from support.messages import message
from support.net import free_port
from support.proxy import run, to_toml, write_private

# In front of waxseal: opens a socket and passes it on as systemd would (sd_listen_fds(3)).
ACTIVATE = """
import fcntl, os, socket, sys
names, port = sys.argv[1:3]
sockets = []
for _ in names.split(":"):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", int(port) if not sockets else 0))
    one.listen()
    sockets.append(one)
high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in sockets]  # out of the way of 3, 4, ...
for number, one in enumerate(high):
    os.dup2(one, 3 + number)
    os.close(one)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}
os.execv(sys.argv[3], sys.argv[3:])
"""


@pytest.fixture
def start(directory):
    """start(upstream, listener, ...): waxseal with these [[listen]]."""
    made = []

    def make(upstream, *listeners, server=None, **options):
        configuration = {"listen": list(listeners), "upstream": [proxy.upstream_table(directory, upstream)],
                         "server": {"state_dir": f"{directory}/state"} | (server or {})}
        made.append(proxy.Waxseal(os.path.join(directory, f"waxseal-{len(made)}"), configuration, **options))
        made[-1].configuration = configuration
        return made[-1]

    yield make
    for one in made:
        one.discard()


@pytest.fixture
def check(directory):
    """check(listener, ...): `waxseal check` of these [[listen]], with an upstream that nobody asks."""

    def make(*listeners, upstream=None, state_dir=None):
        file = f"{directory}/check.toml"
        upstream = {"address": "smtp.example.com:465"} | (upstream or {})
        write_private(file, to_toml({"server": {"state_dir": state_dir or f"{directory}/state"}, "listen": list(listeners),
                                     "upstream": [upstream]}))
        return run("check", "-c", file)

    return make


def unverified():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def fingerprint(der):
    return ":".join(f"{octet:02X}" for octet in hashlib.sha256(der).digest())


def fingerprint_in(file):
    with open(file, encoding="ascii") as pem:
        return fingerprint(ssl.PEM_cert_to_DER_cert(pem.read()))


def shown_fingerprint(port):
    """Of the certificate that an implicit listener serves to a new connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        with unverified().wrap_socket(plain, server_hostname="mail.example.test") as secured:
            assert secured.recv(4) == b"220 "
            return fingerprint(secured.getpeercert(binary_form=True))


def deliver(client):
    client.ehlo()
    client.open_data()
    assert client.finish(message("listeners")).code == 250


# Unix sockets


class UnixClient(Client):
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self._input = b""
        self.greeting = self.reply()


def test_unix_socket(start, scripted, directory):
    """The file has its mode, takes mail, follows a reload of its mode and goes with waxseal."""
    path = f"{directory}/smtp.sock"
    upstream = scripted()
    running = start(upstream, {}, {"address": f"unix:{path}", "mode": "0600"})
    assert stat.S_ISSOCK(os.stat(path).st_mode) and stat.S_IMODE(os.stat(path).st_mode) == 0o600
    running.wait_event("listening", address=f"unix:{path}", tls="none")
    with UnixClient(path) as client:
        deliver(client)
    assert len(upstream.messages) == 1
    running.configuration["listen"][1]["mode"] = "0666"
    running.reload(running.configuration)
    running.wait_event("reloaded")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    assert running.stop() == 0
    assert not os.path.exists(path)


# Socket activation


def activated(names, port):
    return (sys.executable, "-c", ACTIVATE, names, str(port))


def test_activation(start, scripted):
    """A socket that was passed on is listened on, by its name, also after a reload."""
    port = free_port()
    upstream = scripted()
    running = start(upstream, {"address": "systemd:submission", "allow": ["127.0.0.0/8"]}, port=port,
                    prefix=activated("submission:other", port))
    running.wait_event("listening", address=f"submission (127.0.0.1:{port})")
    assert running.events("inherited_socket_unused", name="other")
    with running.client() as client:
        deliver(client)
    running.reload()
    running.wait_event("reloaded")
    with running.client() as client:
        deliver(client)
    assert len(upstream.messages) == 2


def test_activation_without_name(start, scripted):
    """Without a name a listener takes all that no other one names."""
    port = free_port()
    running = start(scripted(), {"address": "systemd:", "allow": ["127.0.0.0/8"]},
                    {"address": "systemd:named", "allow": ["127.0.0.0/8"]}, port=port,
                    prefix=activated("first:named:third", port))
    running.wait_event("listening", count=3)
    names = [event["address"].split(" ")[0] for event in running.events("listening")]
    assert names == ["first", "third", "named"]


def test_not_activated(directory):
    """A socket that nobody has passed on is said to be missing; check, which is passed none, does not mind."""
    file = f"{directory}/waxseal.toml"
    write_private(file, to_toml({"listen": [{"address": "systemd:smtp", "allow": ["127.0.0.0/8"]}],
                                 "upstream": [{"address": "smtp.example.com:465"}]}))
    done = run("run", "-c", file)
    assert done.returncode == 71
    assert done.stderr.splitlines()[-1].startswith("cannot listen on systemd:smtp: systemd has passed no socket; start waxseal by")
    assert run("check", "-c", file).returncode == 0


# The self-signed certificate


def test_self_signed(start, scripted, check, directory):
    """Made at the first start, used from then on; check says which it is and makes none."""
    listener = {"tls": "implicit"}
    before = check({"address": "127.0.0.1:0"} | listener)
    assert before.returncode == 0, before.stderr
    assert f"which the first start makes: {directory}/state/self-signed.crt" in before.stdout
    assert not os.path.exists(f"{directory}/state")

    running = start(scripted(), listener)
    made = running.wait_event("self_signed_certificate", state="made", file=f"{directory}/state/self-signed.crt")
    assert stat.S_IMODE(os.stat(f"{directory}/state").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{directory}/state/self-signed.key").st_mode) == 0o600
    assert sorted(os.listdir(f"{directory}/state")) == ["self-signed.crt", "self-signed.key"]
    assert made["fingerprint"] == fingerprint_in(made["file"])
    running.stop()

    again = start(scripted(), listener)
    assert again.wait_event("self_signed_certificate", state="kept")["fingerprint"] == made["fingerprint"]
    after = check({"address": "127.0.0.1:0"} | listener)
    assert f"the self-signed certificate {made['file']}, SHA-256 {made['fingerprint']}" in after.stdout


def test_self_signed_is_served(start, scripted):
    """A device that trusts that certificate, and no other, gets its mail through."""
    upstream = scripted()
    running = start(upstream, {"tls": "implicit"})
    kept = running.wait_event("self_signed_certificate")
    assert shown_fingerprint(running.port) == kept["fingerprint"]
    context = ssl.create_default_context(cafile=kept["file"])
    with smtplib.SMTP_SSL("127.0.0.1", running.port, context=context, timeout=20) as client:
        client.sendmail("a@example.test", ["b@example.test"], message("self-signed"))
    assert len(upstream.messages) == 1


def test_self_signed_cannot_be_kept(check, directory):
    """A place where nothing can be kept is an error that says what to do, at the check already."""
    write_private(f"{directory}/file", "")
    done = check({"address": "127.0.0.1:0", "tls": "starttls"}, {"address": "127.0.0.1:0", "tls": "auto"},
                 state_dir=f"{directory}/file/below")
    assert done.returncode == 78
    assert re.fullmatch(r"\[server\] state_dir: cannot keep a self-signed certificate in .*/file/below: .*; name a directory .*\n",
                        done.stderr)


# Certificates of one's own


def test_certificate_reload(start, scripted, authority, certificate, directory):
    """SIGHUP: the new certificate is served to the next connection; a bad one leaves the old."""
    chain, key = f"{directory}/tls.crt", f"{directory}/tls.key"

    def install(one):
        shutil.copyfile(one.chain, chain)
        write_private(key, open(one.key, encoding="ascii").read())

    install(certificate)
    running = start(scripted(), {"tls": "implicit", "certificate_file": chain, "key_file": key})
    first = fingerprint_in(chain)
    assert shown_fingerprint(running.port) == first
    install(authority.leaf(cn="renewed"))
    assert shown_fingerprint(running.port) == first
    running.reload()
    running.wait_event("reloaded")
    second = fingerprint_in(chain)
    assert second != first and shown_fingerprint(running.port) == second
    write_private(chain, "not a certificate\n")
    running.reload()
    assert chain in running.wait_event("reload_failed")["reason"]
    assert shown_fingerprint(running.port) == second


@pytest.mark.parametrize("days, text", [(12, r"expires in 1[12] days"), (-2, r"expired \d+ (days|hours) ago")])
def test_expiry(start, scripted, check, authority, days, text):
    """Said by check and in the log, of our own certificates on both sides; waxseal starts all the same."""
    soon = authority.leaf(cn="soon", start=-10, end=days)
    files = {"certificate_file": soon.chain, "key_file": soon.key}
    done = check({"address": "127.0.0.1:0", "tls": "starttls"} | files, upstream=files)
    assert done.returncode == 0, done.stderr
    for user in ("listener 127.0.0.1:0", "upstream default"):
        assert re.search(rf"^{user}: the certificate in {re.escape(soon.chain)} \(CN=soon\) {text} \(", done.stderr, re.M)
    running = start(scripted(), {"tls": "starttls"} | files)
    event = running.wait_event("certificate_expires", file=soon.chain)
    assert re.search(text, event["text"]) and event["level"] == ("warn" if days > 0 else "error")


def test_no_word_of_a_certificate_that_is_good(start, scripted, check, authority):
    good = authority.leaf(cn="good", end=90)
    files = {"certificate_file": good.chain, "key_file": good.key}
    assert "expire" not in check({"address": "127.0.0.1:0", "tls": "starttls"} | files).stderr
    running = start(scripted(), {"tls": "starttls"} | files)
    running.wait_event("listening", tls="starttls")
    assert not running.events("certificate_expires")


# What check says


def test_check_says_what_would_be_done(check, certificate, directory):
    write_private(f"{directory}/token", "token\n")
    done = check({"address": "127.0.0.1:0", "tls": "auto", "certificate_file": certificate.chain, "key_file": certificate.key},
                 {"address": f"unix:{directory}/smtp.sock", "auth": "any"},
                 upstream={"username": "scanner@example.com", "token_file": f"{directory}/token"})
    assert done.returncode == 0, done.stderr
    *lines, workers = done.stdout.splitlines()[1:]
    assert re.fullmatch("  workers: [0-9]+(, one a processor)?", workers)
    assert lines == [
        f"  listener 127.0.0.1:0: implicit TLS, STARTTLS or cleartext with {certificate.chain}, no login, to default",
        f"  listener unix:{directory}/smtp.sock: no TLS, any login accepted, to default",
        "  upstream default: smtp.example.com:465, implicit TLS, verified as smtp.example.com, login as scanner@example.com "
        "with a token",
    ]
