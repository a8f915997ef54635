"""A device's own account: tried at the upstream, whose verdict it gets, and nothing of it kept."""

import base64

import pytest

from support.messages import message
from support.net import wait_until
from support.servers import PASSWORD, USER
from support.upstream import OFFER

SECRETS = ("wr0ng-9a61", PASSWORD)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def log_in(client, mechanism, name, password):
    if mechanism == "PLAIN":
        return client.command("AUTH PLAIN " + encoded(f"\0{name}\0{password}"))
    assert client.command("AUTH LOGIN").code == 334
    assert client.command(encoded(name)).code == 334
    return client.command(encoded(password))


@pytest.fixture
def passing(waxseal, endpoint, scripted):
    """passing(upstream): a proxy that has no account of its own."""

    def make(upstream=None, **changes):
        upstream = upstream or scripted()
        proxy = waxseal(upstream, {"username": None, "password_file": None} | changes, {"auth": "passthrough"})
        proxy.upstream = upstream
        return proxy

    return make


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("name", ["postfix-smtps", "postfix-starttls", "exim-implicit"])
def test_right_password(passing, endpoint, token, name, mechanism):
    upstream = endpoint(name)
    proxy = passing(upstream)
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<device@example.test>").status == "530 5.7.0"
        assert log_in(client, mechanism, USER, PASSWORD).code == 235
        assert client.transaction(message(token)).code == 250
        client.quit()
    assert len(upstream.mailbox.wait(token)) == 1
    assert proxy.wait_event("session_end")["account"] == USER
    assert PASSWORD not in proxy.log_text() and encoded(PASSWORD) not in proxy.log_text()


@pytest.mark.parametrize("name", ["postfix-smtps", "exim-implicit"])
def test_wrong_password_at_a_real_server(passing, endpoint, token, name):
    proxy = passing(endpoint(name))
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert log_in(client, "PLAIN", USER, "wr0ng-9a61").code == 535
        assert client.command("MAIL FROM:<device@example.test>").status == "530 5.7.0"
        assert log_in(client, "PLAIN", USER, PASSWORD).code == 235  # the session goes on
        assert client.transaction(message(token)).code == 250
    assert "wr0ng-9a61" not in proxy.log_text()


VERDICTS = {
    "535": (b"535 5.7.8 Your own words; see https://example.test/help", "535 5.7.8", "Your own words; see https://example.test/help"),
    "several lines": (b"535-5.7.139 First line\r\n535 5.7.139 second line", "535 5.7.139", "First line second line"),
    "534": (b"534 5.7.9 Application password needed", "534 5.7.9", "Application password needed"),
    "454": (b"454 4.7.0 Not just now", "454 4.7.0", "Not just now"),
}


@pytest.mark.parametrize("kind", VERDICTS)
def test_verdict_is_the_upstreams_own(passing, scripted, kind):
    reply, status, text = VERDICTS[kind]
    proxy = passing(scripted(script={"auth": [reply]}))
    with proxy.client(timeout=60) as client:
        client.ehlo()
        told = log_in(client, "PLAIN", USER, PASSWORD)
        assert told.status == status
        assert all(word in told.text for word in text.split())
        assert log_in(client, "PLAIN", USER, PASSWORD).code == 235
        assert client.transaction(message("in")).code == 250


def test_mail_goes_over_the_connection_that_was_logged_in(passing):
    """One login upstream for each of the device, and never with anybody else's name."""
    proxy = passing()
    for name, code in ((USER, 235), ("somebody@example.test", 535), (USER, 235)):
        with proxy.client(timeout=60) as client:
            client.ehlo()
            assert log_in(client, "PLAIN", name, PASSWORD).code == code
            if code == 235:
                assert client.transaction(message("one")).code == 250
                assert client.transaction(message("two")).code == 250
            client.quit()
    tried = [peer.credentials for peer in proxy.upstream.peers if peer.credentials]
    assert tried == [(USER, PASSWORD), ("somebody@example.test", PASSWORD), (USER, PASSWORD)]
    assert [len(peer.messages) for peer in proxy.upstream.peers if peer.credentials] == [2, 0, 2]


def test_upstream_that_is_away(passing, scripted):
    """Not the device's fault, so not a 535: it would throw its password away."""
    upstream = scripted()
    upstream.close()
    proxy = passing(upstream)
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert log_in(client, "PLAIN", USER, PASSWORD).code in (451, 454)
        assert client.command("NOOP").code == 250


def test_nothing_in_any_log(passing, scripted):
    """At the lowest level, whatever became of it: neither the password nor its base64."""
    proxy = passing(scripted(script={"auth": [b"535 5.7.8 no"]}))
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert log_in(client, "LOGIN", USER, SECRETS[0]).code == 535
        assert client.command("AUTH PLAIN " + encoded(f"\0{USER}\0{SECRETS[0]}") + "=").code == 501
        assert client.command("AUTH NTLM " + encoded(SECRETS[0])).code == 504
        assert log_in(client, "PLAIN", USER, SECRETS[1]).code == 235
        assert client.command("AUTH PLAIN " + encoded(f"\0{USER}\0{SECRETS[1]}")).code == 503
        client.quit()
    proxy.wait_event("session_end")
    proxy.stop()
    text = proxy.log_text()
    for secret in SECRETS:
        for form in (secret, encoded(secret), encoded(f"\0{USER}\0{secret}"), encoded(f"\0{USER}\0{secret}")[:-4]):
            assert form not in text


@pytest.mark.parametrize("mechanisms, password", [(("EXTERNAL",), PASSWORD), (("EXTERNAL", "SCRAM-SHA-256"), "x\x01"),
                                                  (("EXTERNAL", "XOAUTH2"), PASSWORD)], ids=["alone", "SCRAM", "XOAUTH2"])
def test_our_certificate_vouches_for_no_device(passing, scripted, authority, certificate, mechanisms, password):
    """Where the upstream has no login that takes a password, EXTERNAL would let in whoever asks."""
    own = authority.leaf(usage="clientAuth")
    context = certificate.server_context(client_ca=authority.ca_file)
    proxy = passing(scripted(context=context, mechanisms=mechanisms), certificate_file=own.chain, key_file=own.key)
    with proxy.client(timeout=60) as client:
        client.ehlo()
        reply = log_in(client, "PLAIN", USER, password)
        assert reply.code in (451, 454, 501, 535), reply
        assert client.command("MAIL FROM:<device@example.test>").status == "530 5.7.0"
    assert proxy.upstream.commands("AUTH") == []


def test_xclient_comes_before_the_devices_login(passing, scripted):
    upstream = scripted(offer=(*OFFER, "XCLIENT NAME ADDR PORT"))
    proxy = passing(upstream, xclient=True)
    with proxy.client(source="127.0.0.77") as client:
        client.ehlo()
        assert log_in(client, "PLAIN", USER, PASSWORD).code == 235
        assert client.transaction(message("in")).code == 250
    peer = upstream.wait_peer(lambda peer: peer.messages)
    assert [line.split()[0] for line, _ in peer.commands][:4] == [b"EHLO", b"XCLIENT", b"EHLO", b"AUTH"]
    assert b" ADDR=127.0.0.77 " in peer.lines("XCLIENT")[0]


def test_postfix_sees_the_device_that_logged_in(passing, endpoint, token):
    upstream = endpoint("postfix-smtps")
    with passing(upstream, xclient=True).client(source="127.0.0.77") as client:
        client.ehlo()
        assert log_in(client, "PLAIN", USER, PASSWORD).code == 235
        assert client.transaction(message(token)).code == 250
    assert len(upstream.mailbox.wait(token)) == 1
    client = wait_until(lambda: upstream.server.client_of(token), 10, "the message in Postfix's log")
    assert "[127.0.0.77]" in client
