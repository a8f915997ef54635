"""TLS towards the devices: STARTTLS to the letter of RFC 3207, one port for both, and what speaks something else."""

import base64
import contextlib
import json
import socket
import ssl
import threading
import time

import pytest

from support.client import Client
from support.messages import message
from support.s_client import s_client

HELLO_RECORD = bytes.fromhex("16030100c8010000c40303") + bytes(197)  # the beginning of a ClientHello
RESIDUES = {
    "a command": b"EHLO injected.example\r\n",
    "a transaction": b"MAIL FROM:<injected@example.test>\r\nRCPT TO:<inbox@example.test>\r\nDATA\r\n",
    "half a command": b"NO",
    "an empty line": b"\r\n",
    "a line feed": b"\n",
    "a ClientHello": HELLO_RECORD,
    "one octet of it": b"\x16",
}
LAX = "DEFAULT@SECLEVEL=0"


def mail_passes(client, content=message("after")):
    client.ehlo()
    assert client.transaction(content).code == 250


@pytest.mark.parametrize("tls", ["starttls", "auto"])
@pytest.mark.parametrize("kind", RESIDUES)
def test_residue_behind_starttls_closes(tls_listener, authority, kind, tls):
    """In one segment: never a 220, nothing of it executed, nothing of it carried into TLS."""
    proxy = tls_listener(tls)
    with proxy.client() as client:
        client.ehlo()
        client.send(b"STARTTLS\r\n" + RESIDUES[kind])
        reply = client.reply()
        assert reply.status == "554 5.5.1" and "synchronization" in reply.text
        assert client.closed()
    assert proxy.wait_event("session_end")["helo"] == "device.example"
    assert proxy.wait_event("protocol_violation")
    with proxy.client() as client:  # the next one is not touched by it
        client.ehlo()
        client.starttls(authority.client_context())
        mail_passes(client)
    assert [line for line in proxy.upstream.commands("MAIL") if b"injected" in line] == []


@pytest.mark.parametrize("octets", [b"NOOP\r\n", b"EHLO injected.example\r\n", b"\x16", b"\x80\x2e\x01\x03\x01"],
                         ids=["NOOP", "EHLO", "half", "SSLv2"])
def test_cleartext_where_the_handshake_is_due(tls_listener, octets):
    """At most an alert, no reply, and never back to cleartext."""
    proxy = tls_listener("starttls", tables={"timeouts": {"tls_handshake": "2s"}})
    with proxy.client() as client:
        client.ehlo()
        assert client.command("STARTTLS").code == 220
        client.send(octets)
        rest = client.until_closed()
        assert rest == b"" or rest[0] == 21, rest
    assert proxy.wait_event("session_end")["downstream_tls"] == "none"


def test_handshake_that_the_client_breaks_off(tls_listener, stranger):
    """It does not trust the certificate."""
    proxy = tls_listener("starttls")
    with proxy.client() as client:
        client.ehlo()
        with pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(stranger.client_context())
    assert proxy.wait_event("session_end")["downstream_tls"] == "none"
    proxy.wait_text("alert")
    with proxy.client() as client:
        assert "STARTTLS" in client.offers()


@pytest.mark.parametrize("line", ["STARTTLS now", "STARTTLS =", "STARTTLS tls"])
def test_starttls_takes_no_argument(tls_listener, authority, line):
    with tls_listener("starttls").client() as client:
        client.ehlo()
        assert client.command(line).status == "501 5.5.4"
        client.starttls(authority.client_context())
        mail_passes(client)


@pytest.mark.parametrize("line", ["starttls", "StartTLS", "STARTTLS  "])
def test_starttls_in_any_case(tls_listener, authority, line):
    with tls_listener("starttls").client() as client:
        client.ehlo()
        assert client.command(line).code == 220
        client.handshake(authority.client_context())
        mail_passes(client)


def secured(proxy, context, tls):
    if tls == "implicit":
        return proxy.client(tls=context)
    client = proxy.client()
    client.ehlo()
    client.starttls(context)
    return client


@pytest.mark.parametrize("mode,way", [("starttls", "starttls"), ("implicit", "implicit"), ("auto", "starttls"), ("auto", "implicit")])
def test_tls_only_once(tls_listener, authority, mode, way):
    with secured(tls_listener(mode), authority.client_context(), way) as client:
        assert "STARTTLS" not in client.offers()
        assert client.command("STARTTLS").status == "503 5.5.1"
        assert client.transaction(message("inside")).code == 250


def test_starttls_where_there_is_no_tls(waxseal, scripted):
    with waxseal(scripted()).client() as client:
        assert "STARTTLS" not in client.offers()
        assert client.command("STARTTLS").status == "502 5.5.1"


def test_starttls_forgets_the_transaction_and_the_name(tls_listener, authority):
    proxy = tls_listener("starttls")
    with proxy.client() as client:
        client.ehlo("before.example")
        assert client.command("MAIL FROM:<before@example.test>").code == 250
        assert client.command("RCPT TO:<before@example.test>").code == 250
        client.starttls(authority.client_context())
        for line in ("RCPT TO:<inbox@example.test>", "DATA", "MAIL FROM:<device@example.test>"):
            assert client.command(line).status == "503 5.5.1"
        client.ehlo("after.example")
        assert client.transaction(message("after")).code == 250
        client.quit()
    end = proxy.wait_event("session_end")
    assert end["helo"] == "after.example" and end["downstream_tls"].startswith("TLSv1.")
    assert len(proxy.upstream.messages) == 1
    assert not any(b"before" in recipient for recipient in proxy.upstream.messages[0].recipients)


@pytest.mark.parametrize("tls", ["starttls", "auto"])
@pytest.mark.parametrize("auth", ["none", "any"])
def test_require_tls(tls_listener, authority, tls, auth):
    with tls_listener(tls, require_tls=True, auth=auth).client() as client:
        offers = client.offers()
        assert "STARTTLS" in offers and "AUTH" not in offers
        lines = ["HELO device.example", "MAIL FROM:<device@example.test>", "RCPT TO:<inbox@example.test>", "RSET", "VRFY someone"]
        for line in lines + ["AUTH PLAIN AHUAcA=="] * (auth == "any"):
            reply = client.command(line)
            assert reply.status == "530 5.7.0" and "STARTTLS" in reply.text, (line, reply)
        assert client.command("NOOP").code == 250
        client.starttls(authority.client_context())
        assert ("AUTH" in client.offers()) == (auth == "any")
        assert client.transaction(message("inside")).code == 250


def test_credentials_in_clear_stay_out_of_the_log(tls_listener):
    """They are refused unread; whoever has listened has them, but no file keeps them."""
    proxy = tls_listener("starttls", require_tls=True, auth="any")
    secret = "s3cret-77aa"
    encoded = [base64.b64encode(text.encode()).decode() for text in (f"\0printer\0{secret}", secret)]
    with proxy.client() as client:
        client.ehlo()
        for line in [f"AUTH PLAIN {encoded[0]}", f"AUTH LOGIN {encoded[1]}", encoded[0], f"AUTH {encoded[1]}"]:
            reply = client.command(line)
            assert reply.status == "530 5.7.0" and not any(form in reply.text for form in (secret, *encoded))
        client.quit()
    proxy.wait_event("session_end")
    proxy.stop()
    for form in (secret, *encoded):
        assert form not in proxy.log_text()


# Two on one port


def test_auto_greets_who_waits_and_refuses_who_does_not(tls_listener, authority):
    """EHLO before the greeting that is held back gets a refusal in its place."""
    proxy = tls_listener("auto")
    with proxy.client() as client:
        mail_passes(client)
    with proxy.client(greeting=False) as client:
        client.send(b"EHLO device.example\r\n")
        assert client.reply().status == "554 5.5.0"
        assert client.closed()
    assert 'tls = "auto"' in proxy.wait_event("protocol_violation", reason="data sent before the greeting")["hint"]
    with proxy.client(tls=authority.client_context()) as client:
        mail_passes(client)
    ends = [proxy.wait_event("session_end", count=3), *proxy.events("session_end")][1:]
    assert sorted(end["downstream_tls"] == "none" for end in ends) == [False, True, True]


def client_hello(authority):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    engine = authority.client_context().wrap_bio(incoming, outgoing, server_hostname="mail.example.test")
    with pytest.raises(ssl.SSLWantReadError):
        engine.do_handshake()
    return outgoing.read()


def test_auto_with_a_hello_in_pieces(tls_listener, authority):
    """The first octet decides, however late the next one comes."""
    hello = client_hello(authority)
    with tls_listener("auto").client(greeting=False) as client:
        client.send_slowly([hello[:1]], 0.3)
        client.send_slowly([hello[1:6], hello[6:]])
        answer = client.socket.recv(65536)
        assert answer[:1] == b"\x16", answer


# Truncation: TCP ends, TLS was not said to end


@pytest.mark.parametrize("ending", ["FIN", "RST", "close_notify"])
@pytest.mark.parametrize("last", [b"half\r\n", b"in a line", b"\r\n.", b"\r\n.\r"], ids=repr)
@pytest.mark.parametrize("mode,way", [("implicit", "implicit"), ("starttls", "starttls"), ("auto", "implicit")])
def test_truncated_body_is_not_delivered(tls_listener, authority, mode, way, last, ending):
    proxy = tls_listener(mode)
    with secured(proxy, authority.client_context(), way) as client:
        client.ehlo()
        client.open_data()
        client.send(b"Subject: half\r\n\r\n" + last)
        if ending == "close_notify":
            client.socket.settimeout(20)
            with contextlib.suppress(OSError):
                client.socket.unwrap()
        elif ending == "RST":
            client.reset()
        else:
            client.socket.shutdown(socket.SHUT_WR)  # of a TLS socket: nothing but TCP's
    end = proxy.wait_event("session_end")
    assert end["end"] == "disconnected_in_body" and [one["outcome"] for one in end["transactions"]] == ["aborted"]
    proxy.upstream.wait_settled()
    assert proxy.upstream.messages == []
    assert b"\r\n.\r\n" not in proxy.upstream.in_tls


UNSENT = {  # what a device says, then nothing more; the step whose reply finds it gone; what the log says
    "an envelope": (b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA", "rcpt", b"250 2.1.5 ok", "disconnected", "aborted"),
    "a message": (message("complete") + b".\r\n", "end", b"250 2.0.0 ok", "disconnected", "accepted"),
    "a message and QUIT": (message("complete") + b".\r\nQUIT\r\n", "end", b"250 2.0.0 ok", "quit", "accepted"),
}


@pytest.mark.parametrize("last, end", [(b"", "disconnected"), (b"NOOP", "disconnected"), (b"QUIT\r\n", "quit")])
@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_truncation_between_messages(tls_listener, authority, way, last, end):
    """As of many devices, which never say close_notify: what was confirmed stands."""
    proxy = tls_listener("auto")
    with secured(proxy, authority.client_context(), way) as client:
        mail_passes(client)
        client.send(last)
        client.socket.shutdown(socket.SHUT_WR)
    assert proxy.wait_event("session_end")["end"] == end
    proxy.upstream.wait_settled()
    assert len(proxy.upstream.messages) == 1


@pytest.mark.parametrize("kind", UNSENT)
def test_truncation_before_a_reply(tls_listener, scripted, authority, kind):
    """Nobody is there to hear it: the session is over before that of whoever comes next."""
    said, step, answer, end, outcome = UNSENT[kind]
    answered = threading.Event()

    def late(_peer):
        time.sleep(0.3)
        answered.set()
        return answer

    proxy = tls_listener("implicit", upstream=scripted(script={step: [late]}))
    with secured(proxy, authority.client_context(), "implicit") as client:
        client.ehlo()
        if step == "end":
            client.open_data()
        client.send(said)
        client.socket.shutdown(socket.SHUT_WR)
    assert answered.wait(20)
    with secured(proxy, authority.client_context(), "implicit") as after:
        after.ehlo("after.example")
        assert after.transaction(message("after")).code == 250
        after.quit()
    proxy.wait_event("session_end", count=2)
    first, second = proxy.events("session_end")
    assert (first["helo"], second["helo"]) == ("device.example", "after.example")
    assert (first["end"], [one["outcome"] for one in first["transactions"]]) == (end, [outcome])


# What speaks something else


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_client_hello_in_clear_is_explained(tls_listener, waxseal, scripted, authority, tls):
    proxy = waxseal(scripted()) if tls == "none" else tls_listener(tls)
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        proxy.client(tls=authority.client_context())
    told = json.dumps(proxy.wait_event("protocol_violation"))
    assert "implicit TLS" in told and "auto" in told, told
    with proxy.client() as client:
        mail_passes(client)


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST /mail HTTP/1.1", "HEAD / HTTP/1.0", "CONNECT a.example:25 HTTP/1.1",
                                  "PUT / HTTP/1.1", "OPTIONS * HTTP/1.1", "DELETE / HTTP/1.1"])
def test_http_is_closed(waxseal, scripted, line):
    """What a page makes a browser say: nothing behind the first line is heard."""
    proxy = waxseal(scripted())
    with proxy.client() as client:
        client.send(line.encode() + b"\r\nHost: x\r\n\r\nEHLO a\r\nMAIL FROM:<injected@example.test>\r\n")
        assert client.reply().status == "554 5.7.0"
        assert client.closed()
    assert "HTTP" in json.dumps(proxy.wait_event("protocol_violation"))
    assert proxy.wait_event("session_end")["transactions"] == []


# Versions and suites


@pytest.mark.parametrize("way", ["implicit", "starttls"])
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_no_tls_below_1_2(tls_listener, authority, version, way):
    proxy = tls_listener(way, own=authority.leaf(key="rsa2048"), legacy_tls=True)
    suite, output = s_client(proxy, way, version, "-cipher", LAX)
    assert suite is None, output
    assert "alert protocol version" in output
    proxy.wait_text("TLS 1.1" if version == "-tls1_1" else "TLS 1.0")


@pytest.mark.parametrize("way", ["implicit", "starttls"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_versions_that_are_taken(tls_listener, way, version):
    suite, output = s_client(tls_listener(way), way, version)
    assert suite, output


@pytest.mark.parametrize("suite", ["AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"])
def test_old_suites_only_where_they_are_wanted(tls_listener, authority, suite):
    own = authority.leaf(key="rsa2048")
    options = ("-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
    refused, output = s_client(tls_listener("implicit", own=own), "implicit", *options)
    assert refused is None and "handshake failure" in output
    taken, output = s_client(tls_listener("implicit", own=own, legacy_tls=True), "implicit", *options)
    assert taken == suite, output


@pytest.mark.parametrize("suite", ["NULL-SHA256", "ECDHE-RSA-NULL-SHA", "AECDH-AES128-SHA", "DHE-RSA-AES128-SHA",
                                   "DHE-RSA-AES256-GCM-SHA384"])
def test_suites_that_are_never_taken(tls_listener, authority, suite):
    proxy = tls_listener("implicit", own=authority.leaf(key="rsa2048"), legacy_tls=True)
    taken, output = s_client(proxy, "implicit", "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
    assert taken is None and "handshake failure" in output, output


def test_handshake_that_never_ends(tls_listener):
    """A deadline of its own: the session is over, and others never noticed."""
    proxy = tls_listener("implicit", tables={"timeouts": {"tls_handshake": "1s"}})
    with Client(proxy.port, greeting=False) as client:
        client.send(HELLO_RECORD[:20])
        rest = client.until_closed()
        assert rest == b"" or rest[0] == 21, rest


@pytest.mark.parametrize("tls", ["starttls", "auto"])
def test_handshake_that_dribbles(tls_listener, authority, tls):
    """Octets that come are no progress: the time for the whole handshake is one."""
    proxy = tls_listener(tls, tables={"timeouts": {"tls_handshake": "1s"}})
    with proxy.client() as client:
        client.ehlo()
        assert client.command("STARTTLS").code == 220
        hello = client_hello(authority)
        for at in range(len(hello)):
            client.send(hello[at : at + 1])
            if not client.silent(0.02):
                break
        else:
            pytest.fail("all of the ClientHello was taken")
        rest = client.until_closed()
        assert rest == b"" or rest[0] == 21, rest
    end = proxy.wait_event("session_end")
    assert (end["end"], end["downstream_tls"]) == ("tls_timeout", "none")
