"""Commands over the wire: what is answered here, what is refused, and that nothing hides in an argument."""

import pytest

from support.messages import message
from support.upstream import OFFER


@pytest.fixture
def client(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream)
    proxy.wait_offer("SMTPUTF8")
    with proxy.client() as client:
        client.upstream = upstream
        client.proxy = proxy
        yield client


@pytest.mark.parametrize("line, status", [
    ("NOOP", "250 2.0.0"), ("noop with words", "250 2.0.0"), ("RSET", "250 2.0.0"), ("VRFY root", "252 2.5.2"), ("EXPN list", "502 5.5.1"),
    ("HELP", "214 2.0.0"), ("STARTTLS", "502 5.5.1"), ("AUTH PLAIN AGEAYg==", "502 5.5.1"), ("XCLIENT ADDR=127.0.0.1", "500 5.5.2"),
    ("XFORWARD NAME=x", "500 5.5.2"), ("TURN", "500 5.5.2"), ("ETRN x", "500 5.5.2"), ("", "500 5.5.2"), (" NOOP", "500 5.5.2"), ("EHLO", "501 5.5.4"),
    ("MAIL", "501 5.5.4"), ("RCPT TO:<b@example.test>", "503 5.5.1"), ("DATA", "503 5.5.1"),
])
def test_answers(client, line, status):
    client.ehlo()
    assert client.command(line).status == status
    assert client.command("NOOP").code == 250  # exactly one reply


def test_offer_names_neither_tls_nor_authentication(client):
    assert not {"STARTTLS", "AUTH", "CHUNKING", "XCLIENT"} & set(client.offers())


@pytest.mark.parametrize("line", ["MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>", "DATA"])
def test_hello_comes_first(client, line):
    assert client.command(line).status == "503 5.5.1"


@pytest.mark.parametrize("line, status", [
    ("MAIL FROM:a@example.test", "501 5.1.7"), ("MAIL FROM:<a@example.test", "501 5.1.7"), ("MAIL FROM:<a b@example.test>", "501 5.1.7"),
    ("MAIL FROM:<a@example.test>RCPT TO:<x@y>", "501 5.1.7"), ("MAIL FROM:<a@example.test> FOO=BAR", "555 5.5.4"),
    ("MAIL FROM:<a@example.test> SIZE=-1", "501 5.5.4"), ("MAIL FROM:<a@example.test> SIZE=1 SIZE=2", "501 5.5.4"),
    ("MAIL FROM:<a@example.test> BODY=X", "501 5.5.4"), ("MAIL FROM:<a@example.test> BODY=BINARYMIME", "501 5.5.4"),
    ("MAIL FROM:<a@example.test> SIZE=1\tBODY=8BITMIME", "501 5.5.4"), ("MAIL FROM:<a@example.test> ENVID=+0D+0A", "501 5.5.4"),
    ("MAIL FROM:<a@example.test> ENVID=+00", "501 5.5.4"), ("MAIL FROM:<a@example.test> AUTH=+0AMAIL", "501 5.5.4"),
    ("MAIL FROM:<a@example.test> RET=ALL", "501 5.5.4"), ("MAIL FROM:<a@example.test> SMTPUTF8=1", "501 5.5.4"),
    ('MAIL FROM:<"a\x1b[2J"@example.test>', "501 5.1.7"),
])
def test_bad_sender(client, line, status):
    client.ehlo()
    assert client.command(line).status == status
    assert client.command("RCPT TO:<b@example.test>").status == "503 5.5.1"
    assert client.upstream.commands("MAIL") == []


@pytest.mark.parametrize("line, status", [
    ("RCPT TO:b@example.test", "501 5.1.3"), ("RCPT TO:<>", "501 5.1.3"), ("RCPT TO:<b@example.test> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
    ("RCPT TO:<b@example.test> ORCPT=rfc822;+0D+0A", "501 5.5.4"), ("RCPT TO:<b@example.test> FOO", "555 5.5.4"), ("RCPT TO:<b@exa\tmple.test>", "501 5.1.3"),
])
def test_bad_recipient(client, line, status):
    client.ehlo()
    assert client.command("MAIL FROM:<a@example.test>").code == 250
    assert client.command(line).status == status
    assert client.command("DATA").code in (503, 554)
    assert client.upstream.commands("RCPT") == []


@pytest.mark.parametrize("octets", [
    b"NOOP\n", b"MAIL FROM:<a@example.test>\nRCPT TO:<x@example.test>\r\n", b"MAIL FROM:<a@example.test>\rRCPT TO:<x@example.test>\r\n",
    b"MAIL FROM:<a\0@example.test>\r\n", b"NO\0OP\r\n", b"MAIL FROM:<\"a\r\0\nb\"@example.test>\r\n",
], ids=repr)
def test_bad_line_end_in_a_command_closes(client, octets):
    client.ehlo()
    client.send(octets)
    assert client.reply().status == "500 5.5.2"
    assert client.closed()
    assert client.upstream.commands("MAIL") == []


def test_tail_of_a_long_command_is_not_executed(client):
    client.ehlo()
    for filler in (2040, 2043, 2046, 4096, 16384, 60000):
        client.send(b"NOOP " + b"A" * filler + b"MAIL FROM:<evil@example.test>\r\n")
        assert client.reply().status == "500 5.5.2"
        assert client.command("RCPT TO:<b@example.test>").status == "503 5.5.1"
    assert client.upstream.commands("MAIL") == []


def test_tail_of_a_long_command_in_pieces(client):
    client.ehlo()
    client.send_slowly([b"NOOP " + b"A" * 2043, b"B" * 100, b"RSET", b"\r", b"\n"], 0.05)
    assert client.reply().status == "500 5.5.2"
    assert client.silent()


def test_command_without_end_closes(client):
    client.ehlo()
    client.send(b"NOOP " + b"A" * 200_000)
    assert client.until_closed().startswith(b"500 5.5.2 ")


@pytest.mark.parametrize("octets, said", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"554 5.7.0"),
    (b"POST / HTTP/1.1\r\nContent-Length: 40\r\n\r\nMAIL FROM:<evil@example.test>\r\n", b"554 5.7.0"),
    (b"CONNECT x:25 HTTP/1.1\r\n\r\n", b"554 5.7.0"),
    (b"BDAT 9 LAST\r\nMAIL FROM", b"502 5.5.1"),
    (b"BDAT 18446744073709551616\r\nRSET\r\n", b"502 5.5.1"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, b"554 5.7.0"),
    (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nEHLO x\r\nMAIL FROM:<evil@example.test>\r\n", b"500 5.5.2"),
    (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + b"\x7f\x00\x00\x01" * 3, b"500 5.5.2"),
    (bytes(range(256)) * 300, b"500 5.5.2"),
], ids=lambda value: repr(value[:12]))
def test_what_is_not_smtp_closes(client, octets, said):
    client.send(octets)
    rest = client.until_closed()
    lines = rest.split(b"\r\n")
    assert lines.pop() == b"" and lines[-1].startswith(said), rest
    assert not any(line.startswith((b"221", b"250")) for line in lines)
    assert client.upstream.commands("MAIL") == []


def test_too_many_errors(waxseal, scripted):
    with waxseal(scripted(), limits={"max_errors": 5}).client() as client:
        client.ehlo()
        assert [client.command("WHAT").status for _ in range(5)] == ["500 5.5.2"] * 5
        assert client.command("NOOP").status == "421 4.7.0"
        assert client.closed()


CLAIMS = ["XCLIENT ADDR=192.0.2.66 LOGIN=admin", "XCLIENT NAME=spoofed.example ADDR=192.0.2.66 PORT=25 PROTO=ESMTP HELO=spoofed.example",
          "xclient addr=[UNAVAILABLE]", "XCLIENT", "XFORWARD NAME=spoofed.example ADDR=192.0.2.66 SOURCE=LOCAL", "XFORWARD"]


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("line", CLAIMS)
def test_nobody_is_believed_who_says_who_they_are(waxseal, scripted, line, trusted):
    """Wherever it is said, even in front of an upstream that would believe waxseal: that hears of the device as it is."""
    upstream = scripted(offer=[*OFFER, "XCLIENT NAME ADDR LOGIN", "XFORWARD NAME ADDR SOURCE"])
    proxy = waxseal(upstream, {"xclient": trusted} if trusted else None)
    with proxy.client() as client:
        assert client.command(line).code in (500, 502, 503)
        assert not {"XCLIENT", "XFORWARD"} & set(client.offers())
        for before in ("NOOP", "MAIL FROM:<a@example.test>", "RCPT TO:<b@example.test>"):
            assert client.command(before).code == 250
            assert client.command(line).code in (500, 502, 503)
        assert client.command("DATA").code == 354
        assert client.finish(message("mine")).code == 250
        client.quit()
    end = proxy.wait_event("session_end")
    assert (end["client"], end["helo"], end["user"]) == ("127.0.0.1", "device.example", "")
    heard = [line for peer in upstream.peers if peer.messages for line in peer.lines("XCLIENT") + peer.lines("XFORWARD")]
    assert b"192.0.2.66" not in upstream.in_tls and b"spoofed" not in upstream.in_tls and b"admin" not in upstream.in_tls
    assert bool(heard) == trusted and all(b"ADDR=127.0.0.1" in said for said in heard), heard


def test_replies_quote_nothing_the_client_sent(client):
    marker = "marker-\u00fc"
    client.ehlo(marker)
    for line in (marker, f"MAIL FROM:<{marker}", f"MAIL FROM:<a@example.test> {marker}=1", f"VRFY {marker}", f"HELP {marker}"):
        assert b"marker" not in client.command(line.encode()).raw
