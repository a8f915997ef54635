"""A load balancer in front: whom its header names is the client, for allow, for limits and in the log; nobody else is believed."""

import socket
import struct

import pytest

from support.messages import message
from support.net import wait_until

GOOD, OTHER, BAD = "192.0.2.9", "192.0.2.10", "198.51.100.9"
GOOD6, BAD6 = "2001:db8::9", "2001:db9::9"
ALLOW = ["192.0.2.0/24", "2001:db8::/32"]
MAGIC = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source):
    kind, to = ("TCP6", "2001:db8::1") if ":" in source else ("TCP4", "192.0.2.1")
    return f"PROXY {kind} {source} {to} 40000 25\r\n".encode()


def v2(source, more=b""):
    family, kind, to = (socket.AF_INET6, 0x21, "2001:db8::1") if ":" in source else (socket.AF_INET, 0x11, "192.0.2.1")
    block = socket.inet_pton(family, source) + socket.inet_pton(family, to) + struct.pack(">HH", 40000, 25) + more
    return MAGIC + struct.pack(">BBH", 0x21, kind, len(block)) + block


def with_tlvs(source):
    """What HAProxy's send-proxy-v2 and AWS add: an authority, and 2000 octets of something unknown."""
    return v2(source, b"\x02\x00\x04mail" + b"\xea" + struct.pack(">H", 2000) + b"\r\n.\r\n" * 400)


VERSIONS = pytest.mark.parametrize("header", [v1, v2, with_tlvs])
OF_NOBODY = {"v1": b"PROXY UNKNOWN\r\n", "v1 with addresses": b"PROXY UNKNOWN 192.0.2.9 192.0.2.1 1 2\r\n",
             "v2": MAGIC + b"\x20\x00\x00\x00", "v2 with addresses": b"".join([MAGIC, b"\x20", v2(GOOD)[13:]])}


@pytest.fixture
def balanced(tls_listener):
    """balanced(): a listener whose load balancer is 127.0.0.1, and behind it others than 127.0.0.1."""

    def make(tls="none", **options):
        files = {"certificate_file": None, "key_file": None} if tls == "none" else {}
        return tls_listener(tls, **({"proxy_protocol": ["127.0.0.1/32"], "allow": ALLOW} | files | options))

    return make


def announced(proxy, header, **options):
    return proxy.client(greeting=False, first=header, **options)


@VERSIONS
@pytest.mark.parametrize("source", [GOOD, GOOD6])
def test_client_is_whom_the_header_names(balanced, header, source):
    proxy = balanced()
    with announced(proxy, header(source)) as client:
        assert client.reply().code == 220
        client.ehlo()
        assert client.transaction(message("balanced")).code == 250
        client.quit()
    end = proxy.wait_event("session_end")
    assert (end["client"], end["end"]) == (source, "quit")
    assert [sent.content for sent in proxy.upstream.messages] == [message("balanced")]


@VERSIONS
@pytest.mark.parametrize("source", [BAD, BAD6])
def test_allow_is_about_whom_the_header_names(balanced, header, source):
    """And not about the load balancer, even where that is allowed."""
    proxy = balanced(allow=[*ALLOW, "127.0.0.0/8"])
    with announced(proxy, header(source) + b"EHLO x\r\n") as client:
        assert client.reply().status == "554 5.7.1"
        assert client.closed()
    assert proxy.wait_event("client_refused")["client"] == source
    assert not proxy.events("session_end")


@pytest.mark.parametrize("kind", OF_NOBODY)
def test_header_that_names_nobody(balanced, kind):
    """A health check: the load balancer is its own client, and allowed or not as anybody."""
    for allow, code in ((ALLOW, 554), ([*ALLOW, "127.0.0.1/32"], 220)):
        proxy = balanced(allow=allow)
        with announced(proxy, OF_NOBODY[kind]) as client:
            assert client.reply().code == code
    assert proxy.wait_event("session_end")["client"] == "127.0.0.1"


NO_HEADER = {
    "a command": b"EHLO x\r\nMAIL FROM:<a@example.test>\r\n",
    "a ClientHello": b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(197),
    "words in front": b"EHLO x\r\n" + v1(GOOD),
    "bare LF": v1(GOOD).replace(b"\r\n", b"\n"),
    "other case": v1(GOOD).lower(),
    "no address": b"PROXY TCP4\r\n",
    "a name": v1("localhost"),
    "a line of 108": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "version 3": MAGIC + b"\x31" + v2(GOOD)[13:],
    "too long a block": MAGIC + b"\x21\x11\xff\xff" + bytes(100),
    "a TLV that does not end": v2(GOOD, b"\x02\x00\x05mail"),
}


@pytest.mark.parametrize("tls", ["none", "starttls", "implicit", "auto"])
@pytest.mark.parametrize("kind", NO_HEADER)
def test_without_a_header_not_a_word(balanced, kind, tls):
    proxy = balanced(tls, allow=[*ALLOW, "127.0.0.0/8"])
    with announced(proxy, NO_HEADER[kind]) as client:
        assert client.closed()
    failed = proxy.wait_event("client_failed")
    assert (failed["cause"], failed["client"]) == ("no_header", "127.0.0.1") and failed["reason"]
    assert not proxy.events("session_end") and proxy.upstream.commands("MAIL") == []
    with announced(proxy, v1(BAD)) as client:  # the next one is not touched by it
        assert client.until_closed() == b"" if tls == "implicit" else client.reply().status == "554 5.7.1"


@VERSIONS
def test_header_in_pieces(balanced, header):
    """And the first command right behind it, which waits for the greeting."""
    octets = header(GOOD)[:200]
    rest = header(GOOD)[200:] + b"EHLO x\r\n"
    with balanced().client(greeting=False) as client:
        client.send_slowly([octets[at : at + 1] for at in range(len(octets))], 0.002)
        client.send(rest)
        assert [reply.code for reply in client.replies(2)] == [220, 250]


@pytest.mark.parametrize("header", [v1, v2])
def test_from_somebody_else_it_is_no_header(balanced, header):
    """Who is not a load balancer cannot say who it is; the log tells what to do if it is one."""
    proxy = balanced(allow=[*ALLOW, "127.0.0.2/32"])
    with proxy.client(source="127.0.0.2") as client:
        client.send(header(GOOD) + b"EHLO x\r\n")
        rest = client.until_closed()
        assert rest.split(b"\r\n")[-2].startswith(b"500 5.5.2 A PROXY header") and b"221" not in rest, rest
    assert "proxy_protocol" in proxy.wait_event("protocol_violation")["hint"]
    assert proxy.wait_event("session_end")["client"] == "127.0.0.2"


@VERSIONS
@pytest.mark.parametrize("tls", ["implicit", "auto"])
@pytest.mark.parametrize("source", [GOOD, GOOD6])
def test_header_and_client_hello_in_one_segment(balanced, authority, header, tls, source):
    """Of what follows the header not an octet is lost or looked at in clear."""
    proxy = balanced(tls)
    with proxy.client(greeting=False) as client:
        client.socket.send(header(source), socket.MSG_MORE)  # waits for what comes next
        client.handshake(authority.client_context())
        assert client.reply().code == 220
        client.ehlo()
        assert client.transaction(message("one segment")).code == 250
        client.quit()
    end = proxy.wait_event("session_end")
    assert end["client"] == source and end["downstream_tls"] == "TLSv1.3"


def test_starttls_behind_a_header(balanced, authority):
    proxy = balanced("starttls")
    with announced(proxy, v2(GOOD)) as client:
        assert client.reply().code == 220
        client.ehlo()
        client.starttls(authority.client_context())
        client.ehlo()
        client.quit()
    assert proxy.wait_event("session_end")["client"] == GOOD


@VERSIONS
def test_limits_of_a_client_are_of_whom_the_header_names(balanced, header):
    proxy = balanced(tables={"limits": {"max_sessions_per_client": 1}})
    with announced(proxy, header(GOOD)) as first, announced(proxy, header(OTHER)) as other:
        assert [first.reply().code, other.reply().code] == [220, 220]
        with announced(proxy, header(GOOD)) as second:
            assert second.reply().status == "421 4.7.0"
            assert second.closed()
        first.ehlo()
        first.quit()
        other.ehlo()
    wait_until(lambda: proxy.events("session_end", client=GOOD))
    with announced(proxy, header(GOOD)) as again:  # its place is free
        assert again.reply().code == 220
    assert [event["client"] for event in proxy.events("client_refused")] == [GOOD]


def test_rate_of_a_client_is_of_whom_the_header_names(balanced):
    proxy = balanced(tables={"limits": {"max_connections_per_minute": 2}})
    for source, codes in ((GOOD, [220, 220, 421]), (GOOD6, [220, 220, 421]), ("2001:db8::a", [421]), (OTHER, [220])):
        for code in codes:
            with announced(proxy, v1(source)) as client:
                assert client.reply().code == code, source  # of IPv6 a whole /64 is one
