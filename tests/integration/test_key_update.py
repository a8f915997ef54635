"""A TLS 1.3 server that updates its keys: mbedTLS 3.6 cannot follow. The mail must end as 451, never be lost."""

import pytest

from support.messages import message
from support.s_server import SServer


@pytest.fixture
def server(authority, certificate):
    made = SServer(authority, certificate, "-tls1_3")
    yield made
    made.close()


@pytest.fixture
def client(waxseal, server):
    """A device whose session is open, and whose proxy has asked the upstream what it offers."""
    proxy = waxseal(server, {"idle_connections": 0})  # it takes one connection at a time
    server.log_in()
    server.expect(b"QUIT")
    server.expect(b"CONNECTION CLOSED")
    with proxy.client() as client:
        client.ehlo()
        client.proxy = proxy
        yield client


def begin(client, server):
    assert client.command("MAIL FROM:<a@example.test>").status == "250 2.1.0"
    client.send(b"RCPT TO:<b@example.test>\r\n")
    server.log_in()
    server.expect(b"MAIL FROM:<a@example.test>")
    server.type("250 2.1.0 ok")
    server.expect(b"RCPT TO:<b@example.test>")
    server.type("250 2.1.5 ok")
    assert client.reply().status == "250 2.1.5"


def add_content(client, server):
    assert client.command("DATA").code == 354
    server.expect(b"DATA")
    server.type("354 go on")
    client.send(message("body"))
    server.expect(b"Hello.")


@pytest.mark.parametrize("update", ["k", "K"])
@pytest.mark.parametrize("when", ["envelope", "body", "outcome"])
def test_key_update(client, server, update, when):
    begin(client, server)
    if when == "envelope":
        server.update_keys(update)
        client.proxy.wait_text("KeyUpdate")
        reply = client.command("DATA")
    else:
        add_content(client, server)
        if when == "body":
            server.update_keys(update)
            client.send(b"more\r\n.\r\n")
        else:
            client.send(b".\r\n")
            server.expect(b"\r\n.\r\n")
            server.update_keys(update)
        reply = client.reply()
    assert reply.code == 451, reply
    client.proxy.wait_text("KeyUpdate")
    assert client.command("NOOP").code == 250
    if when == "outcome":
        assert reply.status == "451 4.4.2"
        client.proxy.wait_event("outcome_unknown")
    if when == "body":
        assert b"\r\n.\r\n" not in server.output
