"""Thousands of messages at a hundred sessions at once, from Postfix's smtp-source: each arrives, and none twice.

Into the counting sink of tests/bench all 10,000; into a real Postfix, which takes its time, 2,000, or as many as
WAXSEAL_MESSAGES says.
"""

import collections
import os
import re
import signal
import subprocess

import pytest

from support import certificates, servers
from support.net import free_port, wait_until
from support.process import Process
from support.proxy import DEVICE, beside

SESSIONS = 100
TO_SINK = 10_000
TO_POSTFIX = int(os.environ.get("WAXSEAL_MESSAGES", "2000"))
# smtp-source's sessions overlap: the next one begins while the last one's QUIT is on its way.
LIMITS = {"max_sessions_per_client": 2 * SESSIONS}


class CountingSink:
    """bench_sink, as an upstream: takes every message, keeps none, and lists to whom each was."""

    host, server_name, username, password = "127.0.0.1", certificates.NAME, servers.USER, servers.PASSWORD

    def __init__(self, directory, certificate, ca_file, tls, keywords):
        self.tls, self.ca_file = tls, ca_file
        words = [word for keyword in ("AUTH PLAIN", *keywords) for word in ("--keyword", keyword)]
        self.process = Process([beside("bench_sink"), "--tls", tls, "--chain", certificate.chain, "--key", certificate.key, "--list", *words],
                               directory, "bench_sink")
        self.process.wait_ready(lambda: "listening" in self.process.output())
        self.port = int(re.search(r"listening (\d+)", self.process.output())[1])

    def messages(self):
        """(octets, recipients) of each."""
        return re.findall(r"^message octets=(\d+) to=(.*)$", self.process.output(), re.MULTILINE)

    def totals(self):
        self.process.signal(signal.SIGUSR1)
        wait_until(lambda: "total " in self.process.output(), 10, "totals")
        return dict(re.findall(r"(\w+)=(\d+)", self.process.output().rsplit("total ", 1)[1]))


@pytest.fixture
def sink(directory, certificate, authority):
    """sink(tls, keywords of EHLO): a counting sink, stopped at the end."""
    made = []

    def make(tls, keywords):
        made.append(CountingSink(directory, certificate, authority.ca_file, tls, keywords))
        return made[-1]

    yield make
    for one in made:
        one.process.stop()


@pytest.fixture
def postfix_alone(directory, authority, certificate, dovecot):
    """One of this test's own: thousands of messages in the mailbox of all tests would slow the others down."""
    os.chmod(directory, 0o755)
    server = servers.Postfix(os.path.join(directory, "postfix"), authority, certificate, dovecot.auth_socket, free_port()).launch()
    yield server
    server.stop()


def source(port, count, token):
    """A connection a message; it ends with an error at the first reply that it does not like. -N numbers the recipients."""
    done = subprocess.run(["smtp-source", "-s", str(SESSIONS), "-m", str(count), "-N", "-S", token, "-l", "4096",
                           "-f", "device@example.test", "-t", "inbox@example.test", f"127.0.0.1:{port}"],
                          capture_output=True, timeout=300, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def accepted(proxy, count):
    """The proxy's own account of it, from its log."""
    ends = wait_until(lambda: found if len(found := [end for end in proxy.events("session_end") if end["transactions"]]) >= count
                      else None, 30, f"{count} sessions to end")
    outcomes = collections.Counter(transaction["outcome"] for end in ends for transaction in end["transactions"])
    assert outcomes == {"accepted": count}


@pytest.mark.slow
@pytest.mark.parametrize("tls, keywords, count", [("implicit", ["CHUNKING"], TO_SINK), ("starttls", [], TO_SINK // 10)])
def test_into_a_counting_sink(waxseal, sink, token, tls, keywords, count):
    upstream = sink(tls, keywords)
    proxy = waxseal(upstream, listen=DEVICE, limits=LIMITS, log_level="info")
    proxy.wait_offer("8BITMIME")
    source(proxy.port, count, token)

    messages = upstream.messages()
    assert len(messages) == count
    assert len({recipient for _, recipient in messages}) == count, "a message arrived twice"
    # Its Message-ID has numbers of any length.
    sizes = [int(octets) for octets, _ in messages]
    assert min(sizes) > 4096 and max(sizes) - min(sizes) < 16, "a message was cut"
    assert upstream.totals()["messages"] == str(count)
    accepted(proxy, count)


@pytest.mark.slow
def test_into_a_real_postfix(waxseal, postfix_alone, token):
    proxy = waxseal(postfix_alone.endpoints()["postfix-smtps"], listen=DEVICE, limits=LIMITS, log_level="info")
    proxy.wait_offer("8BITMIME")
    source(proxy.port, TO_POSTFIX, token)

    postfix_alone.mailbox.wait(token, TO_POSTFIX, timeout=300)
    wait_until(lambda: not postfix_alone.unfinished(), 60, "Postfix to be done")
    mails = postfix_alone.mailbox.find(token)
    assert len(mails) == TO_POSTFIX
    assert len({mail.header("Delivered-To") for mail in mails}) == TO_POSTFIX, "a message arrived twice"
    assert len({mail.hash for mail in mails}) == 1, "a message was changed"
    accepted(proxy, TO_POSTFIX)
