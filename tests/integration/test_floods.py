"""What somebody repeats at will: connections, errors, logins, handshakes. It costs them time, and the log one line a minute."""

import base64
import signal
import socket
import time

import pytest

from support.messages import message
from support.net import wait_until
from support.proxy import write_private

SECRET = "p4ssw0rd of the printer"


def ended(proxy, count, **fields):
    """All session_end, once there are so many: by then the log has what those sessions did."""
    proxy.wait_event("session_end", count=count, **fields)
    return proxy.events("session_end")


# Connections


def test_connections_in_a_minute(waxseal, scripted):
    """The one too many is told so and closed; said once in the log; another address is not touched by it."""
    proxy = waxseal(scripted(), limits={"max_connections_per_minute": 3})
    for _ in range(3):
        with proxy.client() as client:
            client.ehlo()
            client.quit()
    ended(proxy, 3)
    for _ in range(5):  # though nobody else is there
        with proxy.client(greeting=False) as client:
            reply = client.reply()
            assert reply.status == "421 4.7.0" and "minute" in reply.text
            assert client.closed()
    with proxy.client(source="127.0.0.2") as other:
        other.ehlo()
        assert other.transaction(message("other")).code == 250
    ended(proxy, 4)
    refused = proxy.events("client_refused")
    assert [(event["client"], event["count"]) for event in refused] == [("127.0.0.1", 1)]
    assert refused[0]["reply"].startswith("421 4.7.0 ")


def test_any_number_of_connections_in_a_minute(waxseal, scripted):
    """The default."""
    proxy = waxseal(scripted())
    for _ in range(150):
        with proxy.client():
            pass
    ended(proxy, 150)
    assert not proxy.events("client_refused")


# Errors


def test_refusals_beyond_half_come_late(waxseal, scripted):
    """Up to half of max_errors they come at once; each one after that is held back, and nobody else waits for it."""
    upstream = scripted()
    proxy = waxseal(upstream, limits={"max_errors": 6, "error_delay": "1s"})
    with proxy.client() as client, proxy.client() as other:
        client.ehlo()
        for _ in range(3):
            assert client.command("WHAT").status == "500 5.5.2"
            assert client.command("NOOP").code == 250
        for _ in range(2):
            client.send(b"WHAT\r\nNOOP\r\n")
            assert client.silent()
            assert [reply.code for reply in client.replies(2)] == [500, 250]
        other.ehlo()
        client.send(b"WHAT\r\n")
        assert client.silent()
        assert other.transaction(message("other")).code == 250
        assert client.reply().status == "500 5.5.2"
        assert client.command("NOOP").status == "421 4.7.0"
        assert client.closed()
    assert len(upstream.messages) == 1


def test_mail_passes_after_many_refusals(waxseal, scripted):
    """What is good is never held back: an accepted message least of all."""
    proxy = waxseal(scripted(), limits={"max_errors": 6, "error_delay": "300ms"})
    with proxy.client() as client:
        client.ehlo()
        for _ in range(5):
            assert client.command("WHAT").code == 500
        assert client.transaction(message("after errors")).code == 250
        client.quit()
    end = proxy.wait_event("session_end")
    assert end["end"] == "quit" and end["last_refusal"].startswith("500 5.5.2")


@pytest.mark.parametrize("pipelined", [False, True], ids=["one by one", "pipelined"])
def test_each_refusal_beyond_half_costs_the_delay(waxseal, scripted, pipelined):
    """In order, none lost, then 421; what stands behind that is not executed."""
    proxy = waxseal(scripted(), limits={"max_errors": 6, "error_delay": "200ms"})
    lines = [b"NOOP\r\n"] + [b"WHAT\r\n"] * 3 + [b"VRFY x\r\n"] + [b"WHAT\r\n"] * 4
    with proxy.client() as client:
        client.ehlo()
        started = time.monotonic()
        if pipelined:
            client.send(b"".join(lines) + b"WHAT\r\n" * 20)
            replies = client.replies(len(lines))
        else:
            replies = [client.command(line.strip()) for line in lines]
        assert [reply.code for reply in replies] == [250, 500, 500, 500, 252, 500, 500, 500, 421]
        assert client.closed()
        assert time.monotonic() - started >= 3 * 0.2
    end = proxy.wait_event("session_end")
    assert end["end"] == "violation" and end["last_refusal"].startswith("500 5.5.2")


def test_stop_does_not_forget_what_is_held_back(waxseal, scripted):
    proxy = waxseal(scripted(), limits={"max_errors": 2, "error_delay": "5s"}, timeouts={"drain": "1s"})
    with proxy.client() as client:
        client.ehlo()
        assert client.command("WHAT").code == 500
        client.send(b"WHAT\r\n")
        assert client.silent()
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(20) == 0
        assert [line[:9] for line in client.until_closed().split(b"\r\n")] == [b"500 5.5.2", b"421 4.3.2", b""]
    proxy.check()


# The log


def plain(secret):
    return "AUTH PLAIN " + base64.b64encode(f"\0printer\0{secret}".encode()).decode()


@pytest.fixture
def locked_out(waxseal, scripted, directory):
    """A proxy where 127.0.0.1 has failed so often that it is locked out: ten wrong passwords at once."""
    write_private(f"{directory}/printer", SECRET + "\n")
    proxy = waxseal(scripted(), listen={"auth": "local"}, user=[{"name": "printer", "password_file": f"{directory}/printer"}])
    clients = [proxy.client() for _ in range(10)]
    for client in clients:
        client.ehlo()
        client.send(plain("wrong").encode() + b"\r\n")

    def locked():
        with proxy.client() as client:
            client.ehlo()
            return client.command(plain(SECRET)).status == "454 4.7.0"

    wait_until(locked, 20, "127.0.0.1 to be locked out")
    yield proxy
    for client in clients:
        client.close()


def test_who_is_locked_out_is_one_line(locked_out):
    before = len(locked_out.events("session_end"))
    for _ in range(10):
        with locked_out.client() as client:
            client.ehlo()
            for line in (plain("wrong"), plain(SECRET), "AUTH LOGIN"):
                assert client.command(line).status == "454 4.7.0"
            client.quit()
    ended(locked_out, before + 10)
    told = locked_out.events("login_failed", reason="locked out")
    assert len(told) == 1 and told[0]["client"] == "127.0.0.1" and told[0]["reply"].startswith("454 4.7.0 ")
    with locked_out.client(source="127.0.0.2") as other:  # who is somebody else
        other.ehlo()
        assert other.command(plain(SECRET)).code == 235


@pytest.mark.parametrize("ending", ["NOOP", "FIN"])
def test_failed_handshakes_of_one_client_are_one_line(tls_listener, ending):
    proxy = tls_listener("starttls")
    for _ in range(30):
        with proxy.client() as client:
            client.ehlo()
            assert client.command("STARTTLS").code == 220
            if ending == "NOOP":
                client.send(b"NOOP\r\n")
            else:
                client.socket.shutdown(socket.SHUT_WR)
            client.until_closed()
    assert {end["end"] for end in ended(proxy, 30)} == {"tls_failed"}
    told = proxy.events("client_tls_failed")
    assert len(told) == 1 and told[0]["client"] == "127.0.0.1" and told[0]["reason"]
    with proxy.client(source="127.0.0.2") as other:
        other.ehlo()
        assert other.command("STARTTLS").code == 220
        other.send(b"NOOP\r\n")
        other.until_closed()
    proxy.wait_event("client_tls_failed", client="127.0.0.2")


def test_handshakes_that_fail_from_the_first_octet_are_one_line(tls_listener):
    proxy = tls_listener("implicit")
    for _ in range(30):
        with proxy.client(greeting=False) as client:
            client.send(b"EHLO device.example\r\n")
            client.until_closed()
    with proxy.client(source="127.0.0.2", greeting=False) as other:
        other.send(b"EHLO device.example\r\n")
        other.until_closed()
    proxy.wait_event("client_failed", client="127.0.0.2")
    assert [event["cause"] for event in proxy.events("client_failed", client="127.0.0.1")] == ["tls"]


@pytest.mark.parametrize("octets, hint", [
    (b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n", "a health check"),
    (b"PROXY TCP4 192.0.2.9 192.0.2.1 40000 25\r\n", "proxy_protocol"),
    (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(197), 'tls = "auto"'),
], ids=["HTTP", "PROXY", "TLS"])
def test_one_line_says_what_to_do_about_it(waxseal, scripted, octets, hint):
    proxy = waxseal(scripted())
    for _ in range(20):
        with proxy.client() as client:
            client.send(octets)
            client.until_closed()
    ended(proxy, 20, end="violation")
    told = proxy.events("protocol_violation")
    assert len(told) == 1 and hint in told[0]["hint"]
    with proxy.client() as client:  # another kind is another line
        client.send(b"BDAT 1 LAST\r\nx")
        client.until_closed()
    assert "BDAT" in proxy.wait_event("protocol_violation", count=2)["reason"]
