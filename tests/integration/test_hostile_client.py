"""A device that dies, stalls, floods or speaks anything but SMTP."""

import socket
import time

import pytest

from support.client import Client
from support.messages import big_body, message
from support.net import wait_until
from support.proxy import sanitized
from support.upstream import CHUNKING, OFFER, stall

HALF = b"Subject: half\r\n\r\nthe first half\r\n"
# What is sent before the connection ends; the replies to what came before are read.
PHASES = {
    "nothing": [],
    "ehlo": [b"EHLO x\r\n"],
    "half a command": [b"EHLO x\r\n", b"MAIL FROM:<a@exam"],
    "mail": [b"EHLO x\r\n", b"MAIL FROM:<a@example.test>\r\n"],
    "rcpt": [b"EHLO x\r\n", b"MAIL FROM:<a@example.test>\r\n", b"RCPT TO:<b@example.test>\r\n"],
}
ENVELOPE = [*PHASES["rcpt"], b"DATA\r\n"]
PHASES |= {
    "data": ENVELOPE,
    "body": [*ENVELOPE, HALF],
    "body, in a line": [*ENVELOPE, HALF + b"not ended"],
    "body, at a dot": [*ENVELOPE, HALF + b"."],
    "body, at a dot and CR": [*ENVELOPE, HALF + b".\r"],
    "body, at a bare LF dot": [*ENVELOPE, HALF + b"x\n.\n"],
    "large body": [*ENVELOPE, HALF + big_body(2_000_000)],
}


def play(client, lines):
    for line in lines:
        client.send(line)
        if line.endswith(b"\r\n") and not line.startswith(HALF):
            client.reply()


def recipients(count):
    return b"".join(b"RCPT TO:<b%d@example.test>\r\n" % number for number in range(count))


@pytest.mark.parametrize("offer", [OFFER, CHUNKING], ids=["DATA", "BDAT"])
@pytest.mark.parametrize("ending", ["fin", "rst", "half-close"])
@pytest.mark.parametrize("phase", PHASES)
def test_dies(waxseal, scripted, phase, ending, offer):
    """The upstream sees no end mark and no message; a connection with a part of one goes; the next device notices nothing."""
    upstream = scripted(offer=offer)
    proxy = waxseal(upstream, {"max_connections": 1})
    proxy.wait_offer("8BITMIME")
    with proxy.client() as client:
        play(client, PHASES[phase])
        if ending == "rst":
            client.reset()
        elif ending == "fin":
            client.close()
        else:
            client.socket.shutdown(socket.SHUT_WR)
            assert client.closed()
        proxy.wait_event("session_end")
    upstream.wait_settled()
    assert upstream.messages == []
    for peer in upstream.peers:
        assert b" LAST\r\n" not in peer.wire.inside
        content = bytes(peer.wire.inside).partition(b"BDAT " if offer is CHUNKING else b"DATA\r\n")[2]
        assert offer is CHUNKING or b"\r\n.\r\n" not in content and not content.startswith(b".\r\n")
        if content:
            assert b"QUIT" not in content and b"RSET" not in content
            assert peer.ended in ("truncated", "reset", "fin", "close_notify")
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("next")).code == 250
    assert [sent.content for sent in upstream.messages] == [message("next")]


def test_gone_after_end_of_data(waxseal, scripted):
    """The message is the upstream's: it stays, and the log says that nobody heard so."""

    def late(_peer):
        time.sleep(0.5)
        return b"250 2.0.0 queued"

    upstream = scripted(script={"end": late})
    proxy = waxseal(upstream)
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        client.send(message("late") + b".\r\n")
    proxy.wait_event("client_gone_after_eod")
    end = proxy.wait_event("session_end")
    assert [transaction["outcome"] for transaction in end["transactions"]] == ["accepted"]
    assert len(upstream.messages) == 1


@pytest.mark.parametrize("last", [b"", b"QUIT\r\n"])
def test_half_close_behind_a_complete_message_is_legal(waxseal, scripted, last):
    upstream = scripted()
    with waxseal(upstream).client() as client:
        client.ehlo()
        client.open_data()
        client.send(message("half-close") + b".\r\n" + last)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.reply().status == "250 2.0.0"
        if last:
            assert client.reply().status == "221 2.0.0"
        assert client.closed()
    assert len(upstream.messages) == 1


@pytest.mark.parametrize("phase, said", [("ehlo", b"421 4.4.2"), ("rcpt", b"421 4.4.2"), ("body", None), ("body, in a line", None)])
def test_says_nothing_for_too_long(waxseal, scripted, phase, said):
    upstream = scripted()
    with waxseal(upstream, timeouts={"downstream_idle": "1s"}).client() as client:
        play(client, PHASES[phase])
        rest = client.until_closed()
        assert rest.startswith(said) if said else rest == b"" or rest.startswith(b"421 4.4.2")
    upstream.wait_settled()
    assert upstream.messages == []
    assert all(b"\r\n.\r\n" not in peer.wire.inside for peer in upstream.peers)


def test_slow_but_alive_device_is_not_cut_off(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream, timeouts={"downstream_idle": "1s"}, limits={"min_data_rate": "10B"}).client() as client:
        client.ehlo()
        client.open_data()
        client.send_slowly([b"line %d\r\n" % number for number in range(8)], 0.4)
        assert client.finish(b"").code == 250
    assert len(upstream.messages) == 1


def test_body_that_trickles_is_cut_off(waxseal, scripted):
    """Slower than min_data_rate on average, though never silent for long: no end mark goes upstream."""
    upstream = scripted()
    with waxseal(upstream, timeouts={"downstream_idle": "1s"}, limits={"min_data_rate": "1000B"}).client() as client:
        client.ehlo()
        client.open_data()
        client.send_slowly([b"x"] * 8, 0.3)
        assert client.until_closed().startswith(b"421 4.4.2 ")
    upstream.wait_settled()
    assert upstream.messages == []


# Pipelining and synchronisation


def test_commands_before_the_greeting_wait(waxseal, scripted):
    with Client(waxseal(scripted()).port, greeting=False) as client:
        client.send(b"EHLO x\r\nMAIL FROM:<a@example.test>\r\n")
        assert [reply.code for reply in client.replies(3)] == [220, 250, 250]


def test_content_before_the_reply_to_data(waxseal, scripted):
    """Content must never become commands, whatever the upstream would have said to DATA."""
    upstream = scripted(script={"data": b"554 5.7.1 no"})
    with waxseal(upstream).client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nMAIL FROM:<evil@example.test>\r\n.\r\n")
        assert [reply.status for reply in client.replies(3)] == ["250 2.1.0", "250 2.1.5", "554 5.5.0"]
        assert client.closed()
    upstream.wait_settled()
    assert not any(b"evil" in line for line in upstream.commands("MAIL")) and upstream.messages == []


@pytest.mark.parametrize("upstream_is", ["there", "away"])
def test_long_envelope_in_one_go(waxseal, scripted, upstream_is):
    """More replies than wait for room at a time: each command gets one, and what comes after gets its own."""
    upstream = scripted()
    proxy = waxseal(upstream)
    proxy.wait_offer("8BITMIME")
    if upstream_is == "away":
        upstream.close()
    with proxy.client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.test>\r\n" + recipients(1000) + b"DATA\r\n")
        statuses = [reply.status for reply in client.replies(1002)]
        if upstream_is == "away":
            assert statuses == ["250 2.1.0"] + ["451 4.4.1"] * 1001
        else:
            assert statuses == ["250 2.1.0"] + ["250 2.1.5"] * 1000 + ["354"]
            assert client.finish(message("many")).code == 250
        client.quit()
    assert [len(sent.recipients) for sent in upstream.messages] == ([1000] if upstream_is == "there" else [])


def test_whole_session_octet_by_octet(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream).client() as client:
        for line in [b"EHLO x\r\n", b"MAIL FROM:<a@example.test>\r\n", b"RCPT TO:<b@example.test>\r\n", b"DATA\r\n", HALF + b".\r\n"]:
            client.send_slowly([line[i : i + 1] for i in range(len(line))], 0.001)
            assert client.reply().code in (250, 354)
        client.quit()
    assert [sent.content for sent in upstream.messages] == [HALF]


def test_noop_flood_is_answered_in_order_and_ends(waxseal, scripted):
    with waxseal(scripted()).client() as client:
        client.ehlo()
        client.send(b"NOOP\r\n" * 5000)
        replies = client.until_closed().split(b"\r\n")
    assert replies.pop() == b""
    assert replies[-1].startswith(b"421 4.7.0")
    assert 20 <= len(replies) <= 200 and all(reply.startswith(b"250 2.0.0") for reply in replies[:-1])


def test_flood_that_reads_nothing_costs_nothing(waxseal, scripted):
    proxy = waxseal(scripted(), limits={"max_errors": 10_000})
    before = proxy.memory()
    with proxy.client() as client:
        client.ehlo()
        client.socket.settimeout(2)
        try:
            for _ in range(200):
                client.send(b"NOOP\r\n" * 20_000)
        except OSError:
            pass
        assert sanitized() or proxy.memory() - before < 4096
    with proxy.client() as client:
        client.ehlo()


# Limits on who and how many


def test_address_that_is_not_allowed(waxseal, scripted):
    proxy = waxseal(scripted(), listen={"allow": ["127.0.0.1/32"]})
    with proxy.client(source="127.0.0.2", greeting=False) as other:
        heard = other.until_closed()
    assert heard.startswith(b"554 5.7.1 ") and heard.count(b"\r\n") == 1
    assert proxy.wait_event("client_refused")["client"].startswith("127.0.0.2")
    with proxy.client() as client:
        client.ehlo()


@pytest.mark.parametrize("limit, said", [("max_sessions", "421 4.3.2"), ("max_sessions_per_client", "421 4.7.0")])
def test_too_many_sessions(waxseal, scripted, limit, said):
    proxy = waxseal(scripted(), limits={limit: 3})
    clients = [proxy.client() for _ in range(3)]
    with Client(proxy.port, greeting=False) as fourth:
        assert fourth.reply().status == said
        assert fourth.closed()
    clients[0].quit()
    wait_until(lambda: len(proxy.events("session_end", end="quit")) == 1)
    with proxy.client() as again:
        again.ehlo()
    for client in clients:
        client.close()


def test_too_many_recipients(waxseal, scripted):
    with waxseal(scripted(), limits={"max_recipients": 3}).client() as client:
        assert client.offers().get("LIMITS", "RCPTMAX=3") == "RCPTMAX=3"
        assert client.command("MAIL FROM:<a@example.test>").code == 250
        codes = [client.command(f"RCPT TO:<b{number}@example.test>").status for number in range(5)]
        assert codes == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2


def test_many_recipients_too_many(waxseal, scripted):
    """One reply each; those beyond are not the message's, nor errors; the log has the last word on them."""
    upstream = scripted()
    proxy = waxseal(upstream, limits={"max_recipients": 3, "max_errors": 5})
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<a@example.test>").code == 250
        client.send(recipients(700))
        assert [reply.status for reply in client.replies(700)] == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 697
        assert client.command("DATA").code == 354
        assert client.finish(message("three")).code == 250
        client.quit()
    end = proxy.wait_event("session_end")
    assert end["end"] == "quit" and end["last_refusal"].startswith("452 4.5.3 ")
    assert [sent.recipients for sent in upstream.messages] == [[b"TO:<b%d@example.test>" % number for number in range(3)]]


def test_recipients_without_end(waxseal, scripted):
    """A thousand beyond the limit are borne, each further one is an error."""
    upstream = scripted()
    proxy = waxseal(upstream, limits={"max_recipients": 3, "max_errors": 5, "error_delay": "0s"})
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<a@example.test>").code == 250
        client.send(recipients(3000))
        replies = client.until_closed().split(b"\r\n")
    assert replies.pop() == b"" and replies.pop().startswith(b"421 4.7.0 ")
    assert [reply[:9] for reply in replies] == [b"250 2.1.5"] * 3 + [b"452 4.5.3"] * (1000 + 5)
    end = proxy.wait_event("session_end")
    assert end["end"] == "violation" and end["last_refusal"].startswith("452 4.5.3 ")
    upstream.wait_settled()
    assert len(upstream.commands("RCPT")) == 3 and upstream.messages == []


# Isolation (one slot: the next device gets the connection that the last one had, or its place)


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_of_one_device_reaches_the_next(waxseal, scripted, phase):
    upstream = scripted(script={"quit": stall})
    proxy = waxseal(upstream, {"max_connections": 1}, timeouts={"queue": "10s"})
    with proxy.client() as first:
        play(first, PHASES[phase])
        first.reset()
    with proxy.client() as second:
        assert second.ehlo("second").lines[0] != ""
        assert second.transaction(message("second"), "second@example.test", ["inbox@example.test"]).code == 250
    assert [(sent.mail.split(b" ")[0], sent.recipients) for sent in upstream.messages] == [
        (b"FROM:<second@example.test>", [b"TO:<inbox@example.test>"])]
    assert upstream.messages[0].content == message("second")
