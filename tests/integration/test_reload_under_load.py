"""Reload under load: upstreams, certificates and users are replaced while mail goes through, and no session is harmed."""

import base64
import collections
import hashlib
import os
import smtplib

import pytest

from support import proxy as files
from support.certificates import Replaceable
from support.net import free_port, wait_until
from support.process import Process

USER = "printer-2nd-floor"
MESSAGES, SESSIONS = 700, 20
ROUNDS = 6


class Reloaded:
    """A proxy whose upstream, certificate and user's password are of the latest round: a cleartext listener for the load,
    and one with implicit TLS and local users."""

    def __init__(self, directory, pair, certificates):
        self.certificates = certificates
        self.certificate = Replaceable(directory, certificates[0])
        self.password_file = os.path.join(directory, "printer")
        self.tls_port = free_port()
        self.upstreams = [files.upstream_table(directory, server.endpoints()["postfix-smtps"]) for server in pair]
        files.write_private(self.password_file, self.password(0))
        self.proxy = files.Waxseal(os.path.join(directory, "waxseal"), self.configuration(0), log_level="info")

    @staticmethod
    def password(number):
        return f"of round {number}"

    def configuration(self, number):
        secured = {"address": f"127.0.0.1:{self.tls_port}", "tls": "implicit", "auth": "local",
                   "certificate_file": self.certificate.chain, "key_file": self.certificate.key}
        return {"listen": [{}, secured], "upstream": [self.upstreams[number % 2]],
                "user": [{"name": USER, "password_file": self.password_file}]}

    def reload(self, number):
        self.certificate.put(self.certificates[number])
        files.write_private(self.password_file, self.password(number))
        self.proxy.reload(self.configuration(number))
        self.proxy.wait_event("reloaded", count=number)

    def log_in(self, context, number, password):
        """A new connection, on which a login is under way: its answer is still to be read. A refusal is held back, for
        longer with each one of an address: every round has its own."""
        smtp = smtplib.SMTP_SSL("127.0.0.1", self.tls_port, context=context, timeout=60, source_address=(f"127.0.1.{number}", 0))
        shown = hashlib.sha256(smtp.sock.getpeercert(binary_form=True)).hexdigest()
        assert shown == self.certificates[number].fingerprint()
        smtp.ehlo()
        smtp.putcmd("AUTH", "PLAIN " + base64.b64encode(f"\0{USER}\0{password}".encode()).decode())
        return smtp

    def transactions(self):
        return [transaction for end in self.proxy.events("session_end") for transaction in end["transactions"]]

    def sent_to(self, number):
        """How many messages the upstream of that round has got."""
        name = self.upstreams[number % 2]["name"]
        return [transaction["upstream"] for transaction in self.transactions()].count(name)


@pytest.fixture
def reloaded(directory, pair, authority):
    names = [authority.leaf(cn=f"round {number}") for number in range(ROUNDS + 1)]
    assert len({name.fingerprint() for name in names}) == len(names)
    running = Reloaded(directory, pair, names)
    yield running
    running.proxy.discard()


@pytest.fixture
def source(reloaded, directory, token):
    """Postfix's smtp-source: it ends with an error at the first reply that it does not like. -N numbers the recipients."""
    running = Process(["smtp-source", "-s", SESSIONS, "-m", MESSAGES, "-N", "-S", token, "-l", 2048,
                       "-f", "device@example.test", "-t", "inbox@example.test", f"127.0.0.1:{reloaded.proxy.port}"],
                      directory, "smtp-source")
    yield running
    running.stop()


@pytest.mark.slow
def test_reload_under_load(reloaded, source, pair, authority, token):
    context = authority.client_context()
    wait_until(lambda: reloaded.sent_to(0) >= SESSIONS, 60, "mail to go through")
    refused = []
    for number in range(1, ROUNDS + 1):
        before = reloaded.sent_to(number)
        reloaded.reload(number)
        refused.append(reloaded.log_in(context, number, reloaded.password(number - 1)))
        with reloaded.log_in(context, number, reloaded.password(number)) as accepted:
            assert accepted.getreply()[0] == 235
        wait_until(lambda: not source.running or reloaded.sent_to(number) >= before + SESSIONS, 60, "mail to go there")
        assert source.running, f"smtp-source ended with {source.exit_code}, so there was no load any more"
    for smtp in refused:
        with smtp:
            assert smtp.getreply()[0] == 535

    assert source.wait(180) == 0
    wait_until(lambda: len(reloaded.transactions()) >= MESSAGES, 20, "the last session to end")
    assert collections.Counter(transaction["outcome"] for transaction in reloaded.transactions()) == {"accepted": MESSAGES}
    arrived_once(pair, token)


def arrived_once(pair, token):
    """Every message in one of the two mailboxes, and in that one once."""

    def recipients():
        return [mail.header("Delivered-To") for server in pair for mail in server.mailbox.find(token)]

    wait_until(lambda: len(recipients()) >= MESSAGES, 120, "every message to be delivered")
    assert len(recipients()) == len(set(recipients())) == MESSAGES
    assert all(server.mailbox.find(token) for server in pair)
