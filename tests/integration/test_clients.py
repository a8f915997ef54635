"""Real clients, as people use them, in front of the proxy; Postfix behind it."""

import re
import smtplib
import subprocess
import sys

import pytest

from support.mailbox import body_hash
from support.messages import big_body, message
from support.proxy import DEVICE

BODY = b"Scanned page.\r\n.a dot\r\n.\r\n..\r\n\r\nend\r\n"


@pytest.fixture(params=["postfix-starttls", "postfix-smtps"])
def relay(request, waxseal, endpoint):
    """A proxy and the mailbox behind it."""
    upstream = endpoint(request.param)
    proxy = waxseal(upstream, listen=DEVICE)
    proxy.mailbox = upstream.mailbox
    return proxy


def client(*argv, stdin=b"", status=0):
    done = subprocess.run([str(arg) for arg in argv], input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == status, (argv, done.returncode, done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def arrived_once(relay, token, body=BODY):
    mails = relay.mailbox.wait(token)
    assert len(mails) == 1
    assert mails[0].hash == body_hash(body)
    return mails[0]


def test_swaks(relay, token, directory):
    path = f"{directory}/mail"
    with open(path, "wb") as file:
        file.write(message(token, BODY).replace(b"\r\n", b"\n")[:-1])  # swaks ends the last line itself
    output = client("swaks", "--server", f"127.0.0.1:{relay.port}", "--from", "device@example.test",
                    "--to", "inbox@example.test", "--data", f"@{path}")
    assert "250 2." in output
    arrived_once(relay, token)


def test_swaks_pipelining(relay, token):
    output = client("swaks", "--server", f"127.0.0.1:{relay.port}", "--pipeline", "--from", "device@example.test",
                    "--to", "one@example.test,two@example.test", "--header", f"Subject: {token}", "--body", "x")
    assert "PIPELINING" in output
    assert len(relay.mailbox.wait(token, count=2)) == 2


@pytest.mark.parametrize("count", [1, 3])
def test_curl(relay, token, directory, count):
    path = f"{directory}/mail"
    with open(path, "wb") as file:
        file.write(message(token, BODY))
    recipients = [part for n in range(count) for part in ("--mail-rcpt", f"inbox{n}@example.test")]
    client("curl", "--silent", "--show-error", f"smtp://127.0.0.1:{relay.port}", "--mail-from", "device@example.test",
           *recipients, "--upload-file", path)
    mails = relay.mailbox.wait(token, count)
    assert len(mails) == count
    assert {mail.hash for mail in mails} == {body_hash(BODY)}


def test_msmtp(relay, token):
    client("msmtp", "--host=127.0.0.1", f"--port={relay.port}", "--tls=off", "--auth=off", "--from=device@example.test",
           "inbox@example.test", stdin=message(token, BODY).replace(b"\r\n", b"\n"))
    arrived_once(relay, token)


def test_smtplib(relay, token):
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        refused = smtp.sendmail("device@example.test", ["inbox@example.test", "refused@example.test"], message(token, BODY))
    assert list(refused) == ["refused@example.test"] and refused["refused@example.test"][0] == 550
    arrived_once(relay, token)


def test_smtplib_many_messages_on_one_connection(relay, token):
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        for number in range(20):
            smtp.sendmail("device@example.test", ["inbox@example.test"], message(f"{token}-{number}", BODY))
    mails = relay.mailbox.wait(token, 20)
    assert sorted(mail.header("Subject") for mail in mails) == sorted(f"{token}-{n}" for n in range(20))


def test_smtplib_large_attachment(relay, token):
    body = big_body(5 * 1024 * 1024)
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        smtp.sendmail("device@example.test", ["inbox@example.test"], message(token, body))
    arrived_once(relay, token, body)


def test_smtplib_smtputf8(relay, token):
    relay.wait_offer("SMTPUTF8")
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        smtp.sendmail("gerät@example.test", ["posteingang@example.test"], message(token, "Grüße\r\n".encode()),
                      mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    mail = arrived_once(relay, token, "Grüße\r\n".encode())
    assert mail.header("Return-Path") == "<gerät@example.test>"


def test_a_device_that_says_helo_and_never_quit(relay, token):
    """HELO, one command at a time, and gone."""
    script = ("import socket,sys\n"
              "s=socket.create_connection(('127.0.0.1',int(sys.argv[1])));f=s.makefile('rb');f.readline()\n"
              "for c in ['HELO x','MAIL FROM:<a@example.test>','RCPT TO:<b@example.test>','DATA']:\n"
              " s.sendall(c.encode()+b'\\r\\n'); assert f.readline()[:1] in b'23', c\n"
              "s.sendall(b'Subject: '+sys.argv[2].encode()+b'\\r\\n\\r\\nhi\\r\\n.\\r\\n'); assert f.readline()[:3]==b'250'\n")
    client(sys.executable, "-c", script, relay.port, token)
    arrived_once(relay, token, b"hi\r\n")


@pytest.mark.slow
def test_smtp_source_fifty_sessions(waxseal, endpoint, token):
    """500 messages over 50 sessions at a time: each arrives, none twice. -N numbers the recipients."""
    upstream = endpoint("postfix-smtps")
    proxy = waxseal(upstream, {"max_connections": 50}, listen=DEVICE)
    client("smtp-source", "-s", 50, "-m", 500, "-c", "-N", "-S", token, "-l", 4096, "-f", "device@example.test",
           "-t", "inbox@example.test", f"127.0.0.1:{proxy.port}")
    mails = upstream.mailbox.wait(token, 500, timeout=120)
    recipients = [mail.header("Delivered-To") for mail in mails]
    assert len(recipients) == 500
    assert len(set(recipients)) == 500, "a message arrived twice"
    assert len({mail.hash for mail in mails}) == 1
    numbers = sorted(int(re.match(r"\d+", recipient)[0]) for recipient in recipients)
    assert numbers == list(range(numbers[0], numbers[0] + 500))


@pytest.mark.slow
def test_smtp_source_waits_for_slots(waxseal, endpoint, token):
    """50 sessions and 10 upstream connections (the default): the rest wait their turn, within timeouts.queue."""
    upstream = endpoint("postfix-starttls")
    proxy = waxseal(upstream, listen=DEVICE)
    client("smtp-source", "-s", 50, "-m", 200, "-N", "-S", token, "-f", "device@example.test",
           "-t", "inbox@example.test", f"127.0.0.1:{proxy.port}")
    mails = upstream.mailbox.wait(token, 200, timeout=120)
    assert len(mails) == len({mail.header("Delivered-To") for mail in mails}) == 200
