"""An upstream, or somebody on the way to it, that talks nonsense, too much, out of turn, or in clear."""

import time

import pytest

from support.attempts import attempt, not_completed, nothing_leaked
from support.upstream import CHUNKING, OFFER, says, stall


@pytest.mark.parametrize("said", [
    b"\x16\x03\x01 \xff\x00", b"999 what", b"abc", b"", b"25", b"250ok", b"250 ok\nRSET", b"250-a\r\n550 b", b"250 nul\0here",
    b"250 " + b"x" * 100_000, b"\r\n".join([b"250-line"] * 10_000) + b"\r\n250 end",
], ids=lambda said: repr(said[:14]))
@pytest.mark.parametrize("step", ["greeting", "ehlo_tls", "mail", "rcpt", "data"])
def test_talks_nonsense(hostile, step, said):
    proxy, upstream = hostile({step: [says(said.replace(b"250", b"220") if step == "greeting" else said, stall)]})
    attempt(proxy, "451 4.7.5")
    not_completed(upstream)


@pytest.mark.parametrize("said", [b"\x16\x03\x01", b"999 what", b"250-a\r\n550 b", b"250 ok\n", b"354 again"], ids=repr)
def test_nonsense_is_no_confirmation(hostile, said):
    proxy, _ = hostile({"end": [says(said, stall)]})
    attempt(proxy, "451 4.4.2")
    proxy.wait_event("outcome_unknown")


@pytest.mark.parametrize("step, said, offer", [
    ("auth", b"235 ok\r\n250 sender ok", OFFER),
    ("mail", b"250 sender ok\r\n250 recipient ok", ("8BITMIME",)),  # with PIPELINING both have been asked
    ("mail", b"250 sender ok\r\n250 recipient ok\r\n354 go on", OFFER),
    ("rcpt", b"250 recipient ok\r\n354 go on", OFFER),
    ("rcpt", b"250 recipient ok\r\n250 queued already", CHUNKING),
    ("data", b"354 go on\r\n250 queued already", OFFER),
])
def test_replies_before_it_was_asked(hostile, step, said, offer):
    """A reply to a command that was not sent yet confirms nothing."""
    proxy, upstream = hostile({step: [says(said, stall)]}, upstream_options={"offer": offer})
    attempt(proxy, "451 4.7.5")
    not_completed(upstream)


def test_replies_to_auth_before_it_was_asked(hostile):
    """235 behind the reply to EHLO: taken for the login's, mail would go out under nobody's account."""

    def early(peer):
        peer.wire.send(b"250-mail\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n235 2.7.0 welcome\r\n")
        return stall(peer)

    proxy, upstream = hostile({"ehlo_tls": [early]})
    attempt(proxy, "451 4.7.5")
    assert b"MAIL" not in upstream.peers[0].wire.inside


def test_hostile_text_is_cleaned(hostile):
    proxy, _ = hostile({"end": [b"550 5.7.1 \x1b[2J\x07 bad \xff\xc3\xbc \x7f %s%n ${jndi:x}"]})
    reply = attempt(proxy, "550 5.7.1")
    assert all(32 <= octet < 127 for octet in reply.raw[:-2]), reply.raw
    proxy.wait_text("bad")
    log = proxy.log_text()
    assert "\x1b" not in log and "\x07" not in log and "\x7f" not in log


# STARTTLS: stripped, refused, injected into


@pytest.mark.parametrize("script", [
    {"ehlo": b"250-mail\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN"},
    {"ehlo": b"250 mail"},
    {"starttls": b"454 4.7.0 TLS not available"},
    {"starttls": b"502 5.5.1 what"},
    {"starttls": b"250 2.0.0 fine"},
    {"starttls": b"454 no\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok"},
    {"starttls": b"220 go\r\n250-evil\r\n250 AUTH PLAIN"},
    {"starttls": b"220-go\r\n220 on\r\n250 ok"},
    {"starttls": b"220 go\r\n2"},
    {"starttls": b"220 go\n"},
    {"starttls": says(b"220 go\r\n235 ok", stall)},
], ids=lambda script: repr(next(iter(script.values())))[:40])
def test_starttls_stripped_refused_or_injected_into(hostile, script):
    proxy, upstream = hostile(script, "starttls")
    attempt(proxy, "451 4.7.5", retry=False)
    nothing_leaked(upstream)
    assert upstream.in_tls == b""
    upstream.script = {}
    attempt(proxy, "250 2.0.0", retry=False)


def test_plaintext_in_place_of_the_server_hello(hostile):
    def inject(peer):
        peer.wire.send(b"220 go\r\n")
        time.sleep(0.2)  # the proxy has begun its handshake
        peer.wire.send_clear(b"250-evil\r\n250 AUTH PLAIN\r\n")
        return stall(peer)

    proxy, upstream = hostile({"starttls": [inject]}, "starttls")
    attempt(proxy, "451 4.7.5")
    nothing_leaked(upstream)


@pytest.mark.parametrize("said", [b"220 hi\r\n", b"220 hi\r\n250 ok\r\n235 ok\r\n" * 100, b"\0" * 5000, b"HTTP/1.1 400 Bad Request\r\n\r\n"],
                         ids=lambda said: repr(said[:10]))
def test_plaintext_where_tls_is_implicit(hostile, said):
    def speak(peer):
        peer.wire.send_clear(said)
        return stall(peer)

    proxy, upstream = hostile({"handshake": [speak]})
    attempt(proxy, "451 4.7.5")
    assert b"EHLO" not in upstream.in_clear
    nothing_leaked(upstream)


def test_what_was_offered_in_clear_is_forgotten(hostile):
    """8BITMIME only before TLS: MAIL must not use it."""
    proxy, upstream = hostile({"ehlo": b"250-mail\r\n250-STARTTLS\r\n250-SMTPUTF8\r\n250-DSN\r\n250 8BITMIME",
                               "ehlo_tls": b"250-mail\r\n250 AUTH PLAIN"}, "starttls")
    attempt(proxy, "250 2.0.0", retry=False)
    assert b"BODY" not in upstream.messages[0].mail
