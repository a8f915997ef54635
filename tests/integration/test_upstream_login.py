"""How waxseal logs in upstream with what is no password: access tokens and client certificates; and a SCRAM server that
does not know the password."""

import base64
import os
import re

import pytest

from support import oauth
from support.attempts import attempt
from support.messages import message
from support.net import wait_until
from support.proxy import write_private
from support.servers import PASSWORD, USER

BY_TOKEN = ("xoauth2", "oauthbearer")
FAREWELLS = {"xoauth2": b"", "oauthbearer": b"AQ=="}  # RFC 7628 3.2.3: a lone ^A
ENDPOINTS = ["dovecot-starttls", "dovecot-implicit", "postfix-starttls", "postfix-smtps"]
LONG = 2048  # octets of padding: AUTH has no room for the token then (RFC 4954 4)
WRONG = {"expired": oauth.token(USER, -600), "another's": oauth.token("somebody@example.test"),
         "forged": oauth.token(USER, secret=b"x" * 32), "expired and long": oauth.token(USER, -600, padding=LONG)}


@pytest.fixture
def by_token(waxseal, directory):
    """by_token(upstream, "xoauth2", access): a proxy that finds this access token in its file, which .write() changes."""
    path = os.path.join(directory, "token")

    def make(upstream, auth, access, **keys):
        write_private(path, access + "\n")
        proxy = waxseal(upstream, {"auth": auth, "password_file": None, "token_file": path} | keys)
        proxy.write_token = lambda access: write_private(path, access + "\n")
        return proxy

    return make


def send(proxy, token):
    """The first reply that refuses, or the one to the whole message."""
    with proxy.client(timeout=60) as client:
        client.ehlo()
        return client.transaction(message(token))


def not_logged(proxy, access):
    """Neither the token nor any 24 characters of it, nor of its base64, however that is aligned."""
    text = proxy.log_text()
    forms = [access, *(base64.b64encode(b" " * before + access.encode()).decode()[4:-4] for before in range(3))]
    pieces = (form[at : at + 24] for form in forms for at in range(0, len(form) - 23, 24))
    assert [piece for piece in pieces if piece in text] == []


# Tokens that are right


@pytest.mark.parametrize("padding", [0, LONG], ids=["short", "long"])
@pytest.mark.parametrize("auth", [*BY_TOKEN, "auto"])
@pytest.mark.parametrize("name", ENDPOINTS)
def test_token_at_a_real_server(by_token, endpoint, token, name, auth, padding):
    """A long one in two steps, since it does not fit into the command."""
    upstream = endpoint(name)
    access = oauth.token(USER, padding=padding)
    proxy = by_token(upstream, auth, access)
    assert send(proxy, token).code == 250
    assert len(upstream.mailbox.wait(token)) == 1
    end = proxy.wait_event("session_end")
    assert end["account"] == USER
    assert end["mechanism"].lower() == ("xoauth2" if auth == "auto" else auth)
    not_logged(proxy, access)


@pytest.mark.parametrize("room", ["fits", "one octet too long"])
@pytest.mark.parametrize("auth", BY_TOKEN)
def test_initial_response_only_where_it_fits(by_token, scripted, auth, room):
    """512 octets, CRLF included; the response comes with the 334 otherwise."""
    upstream = scripted(mechanisms=(auth.upper(),))
    # 3 octets more of the token are 4 more of the command, which is CRLF more than that.
    fixed = {"xoauth2": f"user={USER}\1auth=Bearer \1\1",
             "oauthbearer": f"n,a={USER},\1host=127.0.0.1\1port={upstream.port}\1auth=Bearer \1\1"}[auth]
    most = (512 - len(f"AUTH {auth} \r\n")) // 4 * 3 - len(fixed)
    access = "t" * (most if room == "fits" else most + 1)
    upstream.tokens = {access}
    proxy = by_token(upstream, auth, access)
    assert send(proxy, "in").code == 250
    assert len(upstream.messages) == 1
    for line in upstream.commands("AUTH"):
        assert len(line) <= 512
        assert len(line.split()) == (3 if room == "fits" else 2), line
    assert {peer.credentials for peer in upstream.peers if peer.messages} == {(USER, access)}


def test_token_is_read_anew_for_each_login(by_token, scripted):
    upstream = scripted(mechanisms=("XOAUTH2",), tokens={"token-1"})
    proxy = by_token(upstream, "xoauth2", "token-1", idle_connections=0)
    assert send(proxy, "one").code == 250
    upstream.tokens = {"token-2"}
    proxy.write_token("token-2")
    assert send(proxy, "two").code == 250
    assert [peer.credentials for peer in upstream.peers if peer.messages] == [(USER, "token-1"), (USER, "token-2")]
    assert proxy.events("upstream_failed") == []


# Tokens that are wrong


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("auth", BY_TOKEN)
@pytest.mark.parametrize("name", ["dovecot-implicit", "postfix-starttls"])
def test_wrong_token_at_a_real_server(by_token, endpoint, token, name, auth, kind):
    """Our problem, and not the device's; the reason stands in the challenge that comes before the 535."""
    upstream = endpoint(name)
    proxy = by_token(upstream, auth, WRONG[kind])
    assert send(proxy, token).status == "451 4.7.0"
    failed = proxy.wait_event("upstream_failed", cause="credentials")
    assert re.search(r'refused the login \(\{"status":"\w+"', failed["reason"]) and "535" in failed["reason"], failed
    assert upstream.mailbox.find(token) == []
    not_logged(proxy, WRONG[kind])


@pytest.mark.parametrize("padding", [0, LONG], ids=["short", "long"])
@pytest.mark.parametrize("auth", BY_TOKEN)
def test_challenge_that_refuses_a_token_is_answered(by_token, scripted, auth, padding):
    """Else the server would wait for ever with its 535."""
    access = oauth.token(USER, -600, padding=padding)
    upstream = scripted(mechanisms=(auth.upper(),), script={"challenge": b'{"status":"401","schemes":"bearer expired"}'})
    proxy = by_token(upstream, auth, access)
    assert send(proxy, "out").status == "451 4.7.0"
    proxy.wait_text("bearer expired")
    peer = upstream.wait_peer(lambda peer: peer.farewell is not None)
    assert peer.farewell == FAREWELLS[auth]
    assert peer.credentials == (USER, access)
    assert upstream.commands("MAIL") == []
    not_logged(proxy, access)


@pytest.mark.parametrize("echo", [lambda access: access, lambda access: base64.b64encode(access.encode()).decode()],
                         ids=["as it is", "in base64"])
@pytest.mark.parametrize("auth", BY_TOKEN)
def test_token_that_the_server_repeats_is_not_logged(by_token, scripted, auth, echo):
    """In its challenge and in its reply."""
    access = oauth.token(USER, -600)
    words = f"no such token: {echo(access)}".encode()
    upstream = scripted(mechanisms=(auth.upper(),), script={"challenge": words, "auth": b"535 5.7.8 " + words})
    proxy = by_token(upstream, auth, access)
    assert send(proxy, "out").status == "451 4.7.0"
    proxy.wait_event("upstream_failed", cause="credentials")
    not_logged(proxy, access)


def test_a_refreshed_token_is_tried_at_once(by_token, scripted):
    """However long a refused one has put the upstream out of use."""
    upstream = scripted(mechanisms=("XOAUTH2",), tokens={"token-2"})
    proxy = by_token(upstream, "xoauth2", "token-1")
    proxy.wait_event("upstream_failed", cause="credentials")
    assert send(proxy, "early").status == "451 4.7.0"
    proxy.write_token("token-2")
    wait_until(lambda: send(proxy, "late").code == 250, 10, "the new token to be tried")
    assert [b"late" in sent.content for sent in upstream.messages] == [True]


# EXTERNAL


@pytest.fixture
def certified(waxseal, scripted, authority, certificate):
    """certified(mechanisms, keys of [[upstream]]): a proxy with a certificate of its own, and .upstream, which requires it."""
    own = authority.leaf(usage="clientAuth")

    def make(mechanisms, upstream, **options):
        demanding = scripted(context=certificate.server_context(client_ca=authority.ca_file), mechanisms=mechanisms)
        proxy = waxseal(demanding, {"certificate_file": own.chain, "key_file": own.key} | upstream, **options)
        proxy.upstream = demanding
        return proxy

    return make


@pytest.mark.parametrize("name", [USER, None], ids=["for somebody", "for itself"])
@pytest.mark.parametrize("mechanisms", [("EXTERNAL",), ("SCRAM-SHA-256", "PLAIN", "EXTERNAL")], ids="+".join)
def test_external(certified, mechanisms, name):
    """RFC 4422 A: the name to act for; RFC 4954 4: "=" for none."""
    proxy = certified(mechanisms, {"auth": "external", "username": name, "password_file": None})
    assert send(proxy, "in").code == 250
    response = base64.b64encode(name.encode()) if name else b"="
    assert set(proxy.upstream.commands("AUTH")) == {b"AUTH EXTERNAL " + response + b"\r\n"}
    assert len(proxy.upstream.messages) == 1
    assert proxy.wait_event("session_end")["mechanism"] == "EXTERNAL"


def test_external_that_is_not_offered(certified):
    proxy = certified(("PLAIN",), {"auth": "external", "password_file": None})
    assert send(proxy, "out").status == "451 4.7.0"
    proxy.wait_text("EXTERNAL")
    assert proxy.upstream.commands("AUTH") == []


def test_auto_is_never_external(certified):
    """With a password the account is what the password is for, not what the certificate is for."""
    proxy = certified(("EXTERNAL",), {"auth": "auto"})
    assert send(proxy, "out").status == "451 4.7.0"
    proxy.wait_text("offers only EXTERNAL")
    assert proxy.upstream.commands("AUTH") == []
    assert proxy.upstream.messages == []


def test_auto_with_a_certificate_takes_the_password(certified):
    proxy = certified(("EXTERNAL", "SCRAM-SHA-256"), {"auth": "auto"})
    assert send(proxy, "in").code == 250
    assert {line.split()[1] for line in proxy.upstream.commands("AUTH")} == {b"SCRAM-SHA-256"}


# SCRAM with a server that does not know the password

SIGNATURES = {
    "another": (b"v=" + base64.b64encode(b"\0" * 32), "does not know the password"),
    "too short": (b"v=" + base64.b64encode(b"\0" * 16), "does not know the password"),
    "empty": (b"v=", "does not know the password"),
    "no base64": (b"v=!!!!", "does not know the password"),
    "no verifier": (b"x=y", "malformed"),
    "none": (b"", "accepted a login that is not complete"),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_scram_server_that_does_not_know_the_password(waxseal, scripted, kind):
    """It accepts every login, and gets no mail."""
    signature, reason = SIGNATURES[kind]
    upstream = scripted(mechanisms=("SCRAM-SHA-256",), script={"signature": signature, "auth": b"235 2.7.0 welcome"})
    proxy = waxseal(upstream, {"auth": "scram-sha-256"})
    attempt(proxy, "451 4.7.5", retry=False)
    assert reason in proxy.wait_event("upstream_failed")["reason"]
    assert upstream.commands("MAIL") == [] and upstream.messages == []
    assert PASSWORD not in proxy.log_text()


def test_scram_server_that_does(waxseal, scripted):
    upstream = scripted(mechanisms=("SCRAM-SHA-256",))
    attempt(waxseal(upstream, {"auth": "scram-sha-256"}), "250 2.0.0")
    assert len(upstream.messages) == 2
