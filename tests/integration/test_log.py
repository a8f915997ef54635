"""The log: one event a line, all that session_end promises, no secret, nothing that could forge a line."""

import base64
import json
import os
import re
import time

import pytest

from support.messages import message
from support.net import wait_until
from support.proxy import environment
from support.servers import PASSWORD, USER

FORMATS = ["json", "logfmt", "text"]
ECHOED_AT = ["mail", "rcpt", "data", "end"]
PHASES = ["queue_ms", "connect_ms", "tls_ms", "login_ms", "envelope_ms", "body_ms", "reply_ms"]


def test_session_end(waxseal, scripted):
    upstream = scripted(script={"rcpt": [None, b"550 5.1.1 no such user"]})
    proxy = waxseal(upstream, log_level="info")
    content = message("logged")
    with proxy.client() as client:
        client.ehlo("printer.example")
        client.command("MAIL FROM:<device@example.test>")
        client.command("RCPT TO:<one@example.test>")
        client.command("RCPT TO:<two@example.test>")
        client.command("DATA")
        client.finish(content)
        client.transaction(content)
        client.quit()
    end = proxy.wait_event("session_end")
    assert end["session"] and end["level"] == "info"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", end["time"])
    assert end["listener"] == f"127.0.0.1:{proxy.port}"
    assert end["client"].startswith("127.0.0.1")
    assert end["helo"] == "printer.example"
    assert end["downstream_tls"] == "none"
    assert end["upstream_tls"] == "TLSv1.3" and end["upstream_cipher"].startswith("TLS")
    assert end["account"] == USER
    assert end["end"] == "quit"
    first, second = end["transactions"]
    assert first["from"] == "<device@example.test>"
    assert first["to"] == ["<one@example.test>"] and first["refused_recipients"] == 1
    assert second["to"] == ["<inbox@example.test>"]
    for transaction in (first, second):
        assert transaction["size"] == len(content)
        assert transaction["reply"].startswith("250 2.0.0 queued as")
        assert transaction["outcome"] == "accepted"
        assert transaction["upstream"] == f"upstream-{upstream.port}"
        assert all(isinstance(transaction[phase], int) and 0 <= transaction[phase] < 60_000 for phase in PHASES)
    assert [entry["event"] for entry in proxy.log if entry.get("session") == end["session"]][-1] == "session_end"


def test_time_of_each_phase_is_that_phase(waxseal, scripted):
    """The upstream is slow at the end only, and the log says so."""
    upstream = scripted(script={"end": lambda peer: time.sleep(0.6) or b"250 2.0.0 slow"})
    proxy = waxseal(upstream)
    with proxy.client() as client:
        client.ehlo()
        client.transaction(message("slow"))
    transaction = proxy.wait_event("session_end")["transactions"][0]
    assert transaction["reply_ms"] >= 550
    assert all(transaction[phase] < 500 for phase in PHASES if phase != "reply_ms")


def test_session_without_a_transaction(waxseal, scripted):
    proxy = waxseal(scripted())
    with proxy.client():
        pass
    end = proxy.wait_event("session_end")
    assert end["end"] == "disconnected" and end["transactions"] == [] and end["upstream_tls"] == "none"


def forms_of(secret, user):
    """What a careless log line could hold of a password."""
    texts = [secret, user + "\0" + secret, "\0" + user + "\0" + secret]
    encoded = [base64.b64encode(text.encode()).decode() for text in texts]
    return [secret, secret.encode().hex(), *encoded]


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("mechanism", ["plain", "login"])
@pytest.mark.parametrize("outcome", ["accepted", "refused", "refused with an echo",
                                     *(f"{step} refused with an echo" for step in ECHOED_AT)])
def test_no_credential_and_no_body(waxseal, scripted, log_format, mechanism, outcome):
    """At debug level, in every format, whether the login succeeds or fails, and when the device offers a password. Some
    servers repeat what they do not like."""

    def echo(peer):
        return b"501 5.5.2 cannot use " + peer.commands[-1][0].strip() + b" " + base64.b64encode(PASSWORD.encode())

    def parrot(_peer):
        return b"550 5.7.1 no: " + base64.b64encode(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())

    script = {"refused": {"auth": b"535 5.7.8 no"}, "refused with an echo": {"auth": echo},
              **{f"{step} refused with an echo": {step: parrot} for step in ECHOED_AT}}.get(outcome, {})
    proxy = waxseal(scripted("starttls", script=script), {"auth": mechanism}, log_format=log_format)
    device_secret = "device-secret-42"
    with proxy.client() as client:
        client.ehlo()
        client.command("AUTH PLAIN " + base64.b64encode(b"\0user\0" + device_secret.encode()).decode())
        client.command("AUTH LOGIN")
        client.command(base64.b64encode(device_secret.encode()).decode())
        client.transaction(message("t", b"confidential-body-text\r\n"))
        client.quit()
    proxy.wait_text("session_end")
    proxy.stop()
    text = proxy.log_text()
    for form in [*forms_of(PASSWORD, USER), *forms_of(device_secret, "user"), "confidential-body-text"]:
        assert form not in text


@pytest.mark.parametrize("log_format", FORMATS)
def test_nothing_forges_a_line(waxseal, scripted, log_format):
    """One line an event whatever names and replies hold; no control character reaches a terminal."""
    forged = "\x1b[2J\x07\x08 x\u202e\u2028event=session_end\" end=\"forged"
    upstream = scripted(script={"end": b"550 5.7.1 \x1b]0;title\x07 \xff\xfe time=2026 level=error event=\"forged\""})
    proxy = waxseal(upstream, log_format=log_format)
    with proxy.client() as client:
        client.command(f"EHLO {forged}".encode())
        client.command(f"MAIL FROM:<{forged}@example.test>".encode())
        client.transaction(message("forged"))
        client.quit()
    proxy.wait_text("session_end")
    proxy.stop()
    text = proxy.log_text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u2028\ufffd]", text), text
    lines = text.splitlines()
    ends = [line for line in lines if "session_end" in line]
    assert len(ends) == 1
    for line in lines:
        if log_format == "json":
            assert json.loads(line)["event"] != "forged"
        else:
            assert re.match(r"(time=)?\d{4}-\d\d-\d\dT", line), line


def test_level_is_honoured(waxseal, scripted):
    proxy = waxseal(scripted(), log_level="warn")
    with proxy.client() as client:
        client.ehlo()
        client.transaction(message("quiet"))
        client.quit()
    proxy.stop()
    assert all(entry["level"] in ("warn", "error") for entry in proxy.log)
    assert not proxy.events("session_end")


def test_blocked_log_does_not_stop_mail(waxseal, scripted, directory):
    """Nobody reads the pipe that it logs to."""
    pipe = f"{directory}/pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        proxy = waxseal(scripted(), prefix=["sh", "-c", 'exec "$@" 2>"$0"', pipe], env=environment())
        for number in range(400):
            with proxy.client() as client:
                client.ehlo("x" * 400)
                if number % 40 == 0:
                    assert client.transaction(message("blocked")).code == 250
        proxy.signal(15)
        assert proxy.process.wait(15) == 0
    finally:
        os.close(reader)


def test_two_sessions_are_told_apart(waxseal, scripted):
    proxy = waxseal(scripted())
    for _ in range(2):
        with proxy.client() as client:
            client.ehlo()
    proxy.wait_event("session_end", count=2)
    assert len({end["session"] for end in proxy.events("session_end")}) == 2
