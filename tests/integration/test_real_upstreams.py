"""Mail through the proxy to each real submission server, with each mechanism that the server has."""

import pytest

from support.mailbox import body_hash
from support.messages import big_body, message, stuff
from support.proxy import DEVICE

ENDPOINTS = ["postfix-starttls", "postfix-smtps", "dovecot-starttls", "dovecot-implicit", "exim-starttls", "exim-implicit"]
BODY = b"A line.\r\n.one dot\r\n..two dots\r\n.\x2e.\r\n\r\nthe last line\r\n"


@pytest.mark.parametrize("mechanism", ["auto", "plain", "login", "cram-md5"])
@pytest.mark.parametrize("name", ENDPOINTS)
def test_message_arrives_unchanged(waxseal, endpoint, token, name, mechanism):
    upstream = endpoint(name)
    proxy = waxseal(upstream, {"auth": mechanism}, listen=DEVICE)
    with proxy.client() as client:
        client.ehlo()
        reply = client.transaction(stuff(message(token, BODY)))
        assert reply.code == 250, reply
        client.quit()
    mails = upstream.mailbox.wait(token)
    assert len(mails) == 1
    assert mails[0].hash == body_hash(BODY)
    assert mails[0].header("Return-Path") == "<device@example.test>"

    end = proxy.wait_event("session_end")
    assert end["upstream_tls"] == "TLSv1.3"
    assert end["account"] == upstream.username
    strongest = "scram-sha-256" if "scram-sha-256" in upstream.mechanisms else "plain"
    assert end["mechanism"].lower() == (strongest if mechanism == "auto" else mechanism)
    assert [transaction["outcome"] for transaction in end["transactions"]] == ["accepted"]


@pytest.mark.parametrize("name", ["postfix-starttls", "exim-implicit"])
def test_upstream_saw_tls_our_name_and_the_account(waxseal, endpoint, token, name):
    """The device's own EHLO name does not travel."""
    upstream = endpoint(name)
    proxy = waxseal(upstream, server={"hostname": "relay.example.test"})
    with proxy.client() as client:
        client.ehlo("secret-printer-name")
        assert client.transaction(message(token)).code == 250
    mail = upstream.mailbox.wait(token)[0]
    received = mail.header("Received")
    assert "relay.example.test" in received and "esmtpsa" in received.lower()
    assert b"secret-printer-name" not in mail.octets


@pytest.mark.parametrize("name", ["postfix-starttls", "exim-implicit", "dovecot-starttls"])
def test_wrong_password_is_our_problem_not_the_devices(waxseal, endpoint, token, name):
    upstream = endpoint(name)
    upstream.password = "wrong"
    proxy = waxseal(upstream, listen=DEVICE)
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message(token)).status == "451 4.7.0"
        assert client.command("NOOP").code == 250  # the session stays
    proxy.wait_text("535")
    assert upstream.mailbox.find(token) == []


@pytest.mark.parametrize("name", ["postfix-starttls", "exim-implicit"])
def test_refused_recipient_among_accepted_ones(waxseal, endpoint, token, name):
    upstream = endpoint(name)
    with waxseal(upstream).client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<device@example.test>").code == 250
        assert client.command("RCPT TO:<one@example.test>").code == 250
        refused = client.command("RCPT TO:<refused@example.test>")
        assert refused.code == 550 and refused.enhanced.startswith("5."), refused
        assert "no such user here" in refused.text
        assert client.command("RCPT TO:<two@example.test>").code == 250
        assert client.command("DATA").code == 354
        assert client.finish(message(token)).code == 250
    mails = upstream.mailbox.wait(token, count=2)
    recipients = ",".join(mail.header("Delivered-To") or mail.header("Envelope-to") for mail in mails)
    assert "one@" in recipients and "two@" in recipients and "refused@" not in recipients


def test_refused_sender(waxseal, endpoint, token):
    upstream = endpoint("postfix-smtps")
    with waxseal(upstream).client() as client:
        client.ehlo()
        reply = client.transaction(message(token), sender="refused@example.test")
        assert reply.status == "553 5.7.1" and "not your address" in reply.text
        assert client.command("RSET").code == 250
        assert client.transaction(message(token)).code == 250
    assert len(upstream.mailbox.wait(token)) == 1


@pytest.mark.parametrize("name", ENDPOINTS)
def test_twenty_five_mebibytes(waxseal, endpoint, token, name):
    upstream = endpoint(name)
    body = big_body(25 * 1024 * 1024)
    with waxseal(upstream).client(timeout=120) as client:
        client.ehlo()
        assert client.transaction(stuff(message(token, body))).code == 250
    mails = upstream.mailbox.wait(token)
    assert len(mails) == 1 and mails[0].hash == body_hash(body)


def test_second_upstream_takes_over_when_the_first_is_away(waxseal, endpoint, scripted, token):
    upstream = endpoint("postfix-smtps")
    away = scripted()
    away.close()
    proxy = waxseal([away, upstream])
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message(token)).code == 250
    assert len(upstream.mailbox.wait(token)) == 1
