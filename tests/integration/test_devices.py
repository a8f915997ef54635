"""What devices do, in front of real servers that take nothing else than what is right; devices that give up; slow ones."""

import os
import time

import pytest
from support import dialog, servers
from support.messages import big_body, message, stuff
from support.net import wait_until
from support.proxy import DEVICE
from support.upstream import finish


def repaired_dialogs():
    """What devices do, as the dialogs have it; those that end in an accepted message and need no setting."""
    return [name for name in dialog.names() if (one := dialog.Dialog(name)).row and one.plain]


@pytest.fixture(scope="session")
def strict_exim(workspace, authority, certificate):
    server = servers.Exim(os.path.join(workspace, "exim-strict"), authority, certificate, strict=True).launch()
    yield server
    server.stop()


def play_all(proxy, names):
    for name in names:
        with proxy.client(greeting=False) as client:
            dialog.Dialog(name).play(client)
    ends = wait_until(lambda: ends if len(ends := proxy.events("session_end")) >= len(names) else None, 30, "every session")
    return {tuple(t["outcome"] for t in end["transactions"] if t["size"]) for end in ends}


@pytest.mark.parametrize("name", ["postfix-smtps", "exim-strict"])
def test_repaired_messages_are_accepted_by_strict_servers(waxseal, endpoint, request, name):
    names = repaired_dialogs()
    assert len(names) >= 10, names
    if name == "exim-strict":
        upstream = request.getfixturevalue("strict_exim").endpoints()["exim-implicit"]
    else:
        upstream = endpoint(name)
    before = len(upstream.mailbox.mails())
    proxy = waxseal(upstream, listen=DEVICE)
    outcomes = play_all(proxy, names)
    assert all(set(each) == {"accepted"} for each in outcomes), outcomes
    wait_until(lambda: len(upstream.mailbox.mails()) >= before + len(names), 30, "the messages")


def test_strict_exim_refuses_what_is_not_repaired(waxseal, request):
    """So that the test above can fail."""
    upstream = request.getfixturevalue("strict_exim").endpoints()["exim-implicit"]
    for content in (b"Subject: x\r\n\r\nno From, Date, Message-ID\r\n", b"From: a@b.example\r\nSubject: \xfc\r\n\r\nx\r\n"):
        with waxseal(upstream).client() as client:
            client.ehlo()
            assert client.transaction(content).code == 550


# Devices that give up


def late(seconds, reply=b"250 2.0.0 queued late"):
    def action(peer):
        time.sleep(seconds)
        peer.wire.send(reply + b"\r\n")

    return action


def offer_until(proxy, content, patience, until):
    """A device with so little patience, which tries again at once, as often as it takes."""
    replies = []
    deadline = time.monotonic() + until
    while time.monotonic() < deadline:
        client = proxy.client(timeout=20)
        client.ehlo()
        assert client.command("MAIL FROM:<device@example.test>").code == 250
        assert client.command("RCPT TO:<inbox@example.test>").code == 250
        assert client.command("DATA").code == 354
        client.send(content + b".\r\n")
        client.socket.settimeout(patience)
        try:
            replies.append(client.reply())
        except TimeoutError:
            continue
        finally:
            client.close()
        return replies
    raise AssertionError("never answered")


@pytest.mark.parametrize("chunking", [False, True])
def test_a_reply_that_came_too_late_is_told_when_the_device_comes_again(waxseal, scripted, token, chunking):
    offer = ("PIPELINING", "SIZE 100000000", "8BITMIME") + (("CHUNKING",) if chunking else ())
    upstream = scripted(script={"end": [late(5)] + [None] * 20}, offer=offer)
    proxy = waxseal(upstream, listen=DEVICE, timeouts={"lost_reply_memory": "10m"})
    replies = offer_until(proxy, message(token), 2, 30)
    assert replies[-1].code == 250 and "Accepted before" in replies[-1].text, replies
    assert len(upstream.messages) == 1
    proxy.wait_event("client_gone_after_eod")
    assert max(event["reply_ms"] for event in proxy.events("client_gone_after_eod")) >= 4000
    proxy.wait_event("lost_reply_repeated")
    ends = proxy.events("session_end")
    assert any(t.get("slowest") == "reply_ms" for end in ends for t in end["transactions"])


def test_without_the_memory_it_is_sent_twice(waxseal, scripted, token):
    """So that the test above can fail."""
    upstream = scripted(script={"end": [late(5)] + [None] * 20})
    proxy = waxseal(upstream, listen=DEVICE, timeouts={"lost_reply_memory": "0s"})
    offer_until(proxy, message(token), 2, 30)
    wait_until(lambda: len(upstream.messages) >= 2, 10, "the second copy")


def test_a_lost_reply_and_an_unlike_message(waxseal, scripted, token):
    upstream = scripted(script={"end": [late(3)] + [None] * 20})
    proxy = waxseal(upstream, listen=DEVICE)
    with proxy.client() as client:
        client.ehlo()
        for line in ("MAIL FROM:<device@example.test>", "RCPT TO:<inbox@example.test>", "DATA"):
            client.command(line)
        client.send(message(token) + b".\r\n")
        time.sleep(0.3)
    proxy.wait_event("client_gone_after_eod")
    with proxy.client() as client:
        client.ehlo()
        assert "queued as" in client.transaction(message(token, b"Another.\r\n")).text
        assert "Accepted before" in client.transaction(message(token)).text
        # And that was read: once more is a new message.
        assert "queued as" in client.transaction(message(token)).text
    assert len(upstream.messages) == 3


# Slow ones


@pytest.mark.parametrize("buffer, accepted", [("stream", False), ("auto", True), ("whole", True)])
@pytest.mark.parametrize("chunking", [False, True])
def test_a_device_slower_than_the_upstream_is_patient(waxseal, scripted, token, buffer, accepted, chunking):
    offer = ("PIPELINING", "SIZE 100000000", "8BITMIME") + (("CHUNKING",) if chunking else ())
    # It gives up in the middle of the first body: half a second after that has begun.
    script = {"body": [lambda peer: (time.sleep(0.5), finish(peer))]}
    upstream = scripted(script=script if buffer != "whole" else {}, offer=offer)
    proxy = waxseal(upstream, listen=DEVICE | {"buffer": buffer})
    body = big_body(200_000)
    with proxy.client() as client:
        client.ehlo()
        for line in ("MAIL FROM:<device@example.test>", "RCPT TO:<inbox@example.test>", "DATA"):
            client.command(line)
        content = stuff(message(token, body))
        client.send(content[:20_000])
        time.sleep(1.5)
        client.send(content[20_000:100_000])
        time.sleep(0.5)
        if buffer == "whole":
            assert upstream.commands("DATA") + upstream.commands("BDAT") == []
        client.send(content[100_000:])
        reply = client.finish(b"")
    assert (reply.code == 250) == accepted, reply
    assert len(upstream.messages) == (1 if reply.code == 250 else 0)
    if accepted:
        assert upstream.messages[0].content.endswith(body)


def test_a_large_message_that_is_collected_goes_through_a_file(waxseal, scripted, token):
    upstream = scripted()
    proxy = waxseal(upstream, listen=DEVICE | {"buffer": "whole"})
    body = big_body(8 * 1024 * 1024)
    with proxy.client(timeout=60) as client:
        client.ehlo()
        for line in ("MAIL FROM:<device@example.test>", "RCPT TO:<inbox@example.test>", "DATA"):
            client.command(line)
        content = stuff(message(token, body))
        client.send(content[: len(content) // 2])
        wait_until(lambda: any("(deleted)" in target for target in proxy_files(proxy)), 10, "a file without a name")
        client.send(content[len(content) // 2 :])
        assert client.finish(b"").code == 250
    assert upstream.messages[0].content.endswith(body)
    wait_until(lambda: not any("(deleted)" in target for target in proxy_files(proxy)), 10, "the file to be gone")


def proxy_files(proxy):
    directory = f"/proc/{proxy.pid}/fd"
    for name in os.listdir(directory):
        try:
            yield os.readlink(os.path.join(directory, name))
        except OSError:
            continue


# Senders and recipients


def test_a_foreign_sender_is_rewritten_and_can_still_be_answered(waxseal, endpoint, token):
    upstream = endpoint("postfix-smtps")
    rule = {"envelope": "scanner@corp.example", "header": "rewrite", "when": "foreign"}
    proxy = waxseal(upstream, listen=DEVICE | {"sender": rule, "recipients": ["*@example.test"]},
                    server={"own_domains": ["corp.example"]})
    with proxy.client() as client:
        client.ehlo()
        reply = client.transaction(message(token, sender="host.@printer.local"), sender="host.@printer.local")
        assert reply.code == 250, reply
        assert client.transaction(message(token), recipients=("x@elsewhere.example",)).status == "550 5.7.1"
    mail = upstream.mailbox.wait(token)[0]
    assert mail.header("Return-Path") == "<scanner@corp.example>"
    assert "scanner@corp.example" in mail.header("From")
    assert "printer.local" in mail.header("Reply-To")
    end = proxy.wait_event("session_end")
    assert {"envelope_rewritten", "from_rewritten", "reply_to_added"} <= set(end["transactions"][0]["repairs"])
