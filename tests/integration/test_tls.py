"""TLS towards the upstream: what is verified, what works, what is refused before a credential is sent."""

import base64
import ssl

import pytest

from support.attempts import attempt, nothing_leaked
from support.certificates import NAME, OTHER_NAME, pin
from support.messages import message
from support.net import free_port

BOTH = pytest.mark.parametrize("tls", ["implicit", "starttls"])
LAX = "DEFAULT@SECLEVEL=0"


BAD = {
    "expired": (lambda ours, theirs: ours.leaf(start=-10, end=-3), "expired 3 days ago"),
    "not yet valid": (lambda ours, theirs: ours.leaf(start=3, end=10), "not valid before"),
    "other name": (lambda ours, theirs: ours.leaf(dns=(OTHER_NAME,), ip=()), f"is for {OTHER_NAME}, not {NAME}"),
    "address only": (lambda ours, theirs: ours.leaf(dns=(), ip=("127.0.0.1",)), f"not {NAME}"),
    "common name only": (lambda ours, theirs: ours.leaf(dns=(), ip=(), cn=NAME), "common name does not count"),
    "name in the common name, other in SAN": (lambda ours, theirs: ours.leaf(dns=(OTHER_NAME,), cn=NAME), f"not {NAME}"),
    "wildcard one level too high": (lambda ours, theirs: ours.leaf(dns=("*.test",), ip=()), f"not {NAME}"),
    "name with more in front": (lambda ours, theirs: ours.leaf(dns=(f"x.{NAME}",), ip=()), f"not {NAME}"),
    "self-signed": (lambda ours, theirs: ours.self_signed(), "self-signed"),
    "of another authority": (lambda ours, theirs: theirs.leaf(), "not trusted"),
    "for clients": (lambda ours, theirs: ours.leaf(usage="clientAuth"), "not for servers"),
    "weak hash": (lambda ours, theirs: ours.leaf(digest="sha1"), "weak hash"),
    "short key": (lambda ours, theirs: ours.leaf(key="rsa1024"), "too short"),
}


@BOTH
@pytest.mark.parametrize("kind", BAD)
def test_bad_certificate(waxseal, scripted, authority, stranger, kind, tls):
    make, reason = BAD[kind]
    upstream = scripted(tls, context=make(authority, stranger).server_context(ciphers=LAX))
    proxy = waxseal(upstream)
    attempt(proxy, "451 4.7.5", retry=False)
    proxy.wait_text(reason)
    nothing_leaked(upstream)
    assert upstream.in_tls == b""


def test_server_name_is_the_host_when_none_is_given(waxseal, scripted, authority):
    """By address: only an IP SAN will do, and localhost is a name like any other."""
    good = scripted(context=authority.leaf(dns=(), ip=("127.0.0.1",)).server_context())
    attempt(waxseal(good, {"server_name": None}), "250 2.0.0", retry=False)
    bad = scripted(context=authority.leaf(dns=(NAME,), ip=("127.0.0.2",)).server_context())
    proxy = waxseal(bad, {"server_name": None})
    attempt(proxy, "451 4.7.5", retry=False)
    proxy.wait_text("not 127.0.0.1")
    local = scripted(context=authority.leaf(dns=("localhost",), ip=()).server_context())
    attempt(waxseal(local, {"server_name": None, "address": f"localhost:{local.port}"}), "250 2.0.0", retry=False)


GOOD = {
    "wildcard": {"dns": ("*.example.test",)},
    "one of many names": {"dns": (*(f"mx{n}.example.org" for n in range(50)), NAME)},
    "RSA 2048": {"key": "rsa2048"},
    "RSA 3072": {"key": "rsa3072"},
    "RSA 4096": {"key": "rsa4096"},
    "RSA 8192": {"key": "rsa8192"},
    "SHA-512": {"digest": "sha512"},
    "upper case": {"dns": (NAME.upper(),)},
}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("kind", GOOD)
def test_good_certificate(waxseal, scripted, authority, kind, version):
    upstream = scripted(context=authority.leaf(**GOOD[kind]).server_context(minimum=version, maximum=version))
    proxy = waxseal(upstream)
    attempt(proxy, "250 2.0.0", retry=False)
    end = proxy.wait_event("session_end", end="quit")
    assert end["upstream_tls"] == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    assert end["upstream_cipher"].startswith("TLS")


def test_ipv6(waxseal, scripted, authority):
    """On both sides."""
    upstream = scripted(host="::1", context=authority.leaf(dns=(), ip=("::1",)).server_context())
    port = free_port()
    proxy = waxseal(upstream, {"address": f"[::1]:{upstream.port}", "server_name": None}, {"address": f"[::1]:{port}"}, port=port)
    with proxy.client(host="::1") as client:
        client.ehlo()
        assert client.transaction(message("ipv6")).code == 250
    assert proxy.wait_event("session_end")["client"] == "::1"


def test_server_name_in_upper_case(waxseal, scripted):
    attempt(waxseal(scripted(), {"server_name": NAME.upper()}), "250 2.0.0", retry=False)


def test_sni_is_the_verified_name(waxseal, scripted, certificate):
    asked = []
    context = certificate.server_context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    attempt(waxseal(scripted(context=context)), "250 2.0.0", retry=False)
    assert set(asked) == {NAME}


@pytest.mark.parametrize("preference", ["the client's order", "its own order"])
def test_tls12_server_that_signs_with_rsa_pss(waxseal, scripted, authority, preference):
    """Many providers' front ends. OpenSSL's own order has PSS before PKCS#1."""
    context = authority.leaf(key="rsa2048").server_context(maximum=ssl.TLSVersion.TLSv1_2)
    if preference == "its own order":
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    upstream = scripted(context=context)
    attempt(waxseal(upstream), "250 2.0.0", retry=False)
    assert len(upstream.messages) == 1


@BOTH
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
def test_old_tls_is_refused(waxseal, scripted, authority, version, tls):
    context = authority.leaf(key="rsa2048").server_context(minimum=version, maximum=version, ciphers=LAX)
    upstream = scripted(tls, context=context)
    proxy = waxseal(upstream)
    attempt(proxy, "451 4.7.5", retry=False)
    proxy.wait_text("TLS 1.0/1.1")
    assert upstream.in_tls == b""


@BOTH
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_server_that_wants_a_client_certificate(waxseal, scripted, authority, version, tls):
    context = authority.leaf().server_context(minimum=version, maximum=version, client_ca=authority.ca_file)
    proxy = waxseal(scripted(tls, context=context))
    attempt(proxy, "451 4.7.5", retry=False)
    proxy.wait_text("wants a client certificate")


# Pins and versions

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
WRONG_PIN = base64.b64encode(bytes(range(32))).decode()
UNPINNED = "public key is not the pinned one"


def in_hex(text):
    return base64.b64decode(text).hex()


def good(ours, _theirs):
    return ours.leaf()


def pinned(make, pins, only=False, form=str):
    """The server's certificate, and the keys of [[upstream]] with these pins; leaf and ca stand for those that the server has."""

    def prepare(ours, theirs):
        own = make(ours, theirs)
        known = {"leaf": pin(own.key), "ca": pin(ours.key)}
        return own, {"pin_sha256": [form(known.get(one, one)) for one in pins], "pin_only": only}

    return prepare


def versions(changes):
    return lambda ours, theirs: (ours.leaf(), changes)


WRONG_NAME, SELF_SIGNED, UNTRUSTED = (BAD[kind][0] for kind in ("other name", "self-signed", "of another authority"))
RULES = {  # what the server shows and what is configured; versions the server has; the version used, or why there is none
    "leaf": (pinned(good, ["leaf"]), {}, "TLSv1.3"),
    "leaf in hexadecimal": (pinned(good, ["leaf"], form=in_hex), {}, "TLSv1.3"),
    "leaf in TLS 1.2": (pinned(good, ["leaf"]), {"maximum": V12}, "TLSv1.2"),
    "CA": (pinned(good, ["ca"]), {}, "TLSv1.3"),
    "CA in hexadecimal": (pinned(good, ["ca"], form=in_hex), {}, "TLSv1.3"),
    "one of two": (pinned(good, [WRONG_PIN, "leaf"]), {}, "TLSv1.3"),
    "wrong": (pinned(good, [WRONG_PIN]), {}, UNPINNED),
    "wrong in hexadecimal": (pinned(good, [WRONG_PIN], form=in_hex), {}, UNPINNED),
    "wrong in TLS 1.2": (pinned(good, [WRONG_PIN]), {"maximum": V12}, UNPINNED),
    "right, other name": (pinned(WRONG_NAME, ["leaf"]), {}, f"is for {OTHER_NAME}, not {NAME}"),
    "right, other authority": (pinned(UNTRUSTED, ["leaf"]), {}, "not trusted"),
    "right, self-signed": (pinned(SELF_SIGNED, ["leaf"]), {}, "self-signed"),
    "only, right": (pinned(good, ["leaf"], True), {}, "TLSv1.3"),
    "only, right, self-signed": (pinned(SELF_SIGNED, ["leaf"], True), {}, "TLSv1.3"),
    "only, right, self-signed, in hexadecimal": (pinned(SELF_SIGNED, ["leaf"], True, in_hex), {}, "TLSv1.3"),
    "only, right, other name": (pinned(WRONG_NAME, ["leaf"], True), {}, "TLSv1.3"),
    "only, wrong": (pinned(good, [WRONG_PIN], True), {}, UNPINNED),
    "only, wrong, self-signed": (pinned(SELF_SIGNED, [WRONG_PIN], True), {}, UNPINNED),
    "only, CA": (pinned(good, ["ca"], True), {}, UNPINNED),
    "max 1.2": (versions({"max_tls": "1.2"}), {}, "TLSv1.2"),
    "min 1.3": (versions({"min_tls": "1.3"}), {}, "TLSv1.3"),
    "min 1.3, server of 1.2": (versions({"min_tls": "1.3"}), {"maximum": V12}, "server does not offer TLS 1.3"),
    "max 1.2, server of 1.3": (versions({"max_tls": "1.2"}), {"minimum": V13}, "server does not offer TLS 1.2"),
}


@pytest.mark.parametrize("kind", RULES)
def test_pins_and_versions(waxseal, scripted, authority, stranger, kind):
    prepare, server, expected = RULES[kind]
    own, changes = prepare(authority, stranger)
    upstream = scripted(context=own.server_context(**server))
    if changes.get("pin_only"):
        changes["ca_file"] = None
    proxy = waxseal(upstream, changes)
    if expected.startswith("TLSv1."):
        attempt(proxy, "250 2.0.0", retry=False)
        assert proxy.wait_event("session_end")["upstream_tls"] == expected
        assert len(upstream.messages) == 1
    else:
        attempt(proxy, "451 4.7.5", retry=False)
        failed = proxy.wait_event("upstream_failed", cause="tls")
        assert expected in failed["reason"], failed
        nothing_leaked(upstream)
        assert upstream.in_tls == b""


def test_system_trust_store_does_not_know_our_authority(waxseal, scripted):
    """Without ca_file it is the system's; started all the same."""
    upstream = scripted()
    proxy = waxseal(upstream, {"ca_file": None})
    attempt(proxy, "451 4.7.5", retry=False)
    proxy.wait_text("not trusted")


@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_server_with_one_curve(waxseal, scripted, certificate, curve):
    """A HelloRetryRequest, where X25519 is the only share sent."""
    context = certificate.server_context()
    context.set_ecdh_curve(curve)
    attempt(waxseal(scripted(context=context)), "250 2.0.0", retry=False)


def test_large_replies_and_many_records(waxseal, scripted):
    """An EHLO reply over several TLS records, one octet each at its start."""

    def offer(peer):
        for octet in b"250-mail.example.test\r\n250-8BITMIME\r\n":
            peer.wire.send(bytes([octet]))
        peer.wire.send(b"".join(b"250-X-EXTENSION-%d %s\r\n" % (n, b"x" * 80) for n in range(200)))
        return b"250 AUTH PLAIN"

    upstream = scripted(script={"ehlo_tls": offer})
    attempt(waxseal(upstream), "250 2.0.0")
    assert [sent.content for sent in upstream.messages] == [message("first"), message("second")]
