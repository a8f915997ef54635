"""An upstream that dies, stalls, refuses or is not there, at every step. Whatever it does: no credential and no mail in
clear, no end mark after an abort, no 250 that it did not give, the reply of the table, and a session that goes on."""

import socket
import time

import pytest

from support.attempts import attempt, not_completed, nothing_leaked
from support.messages import big_body, message
from support.net import wait_until
from support.upstream import drop, finish, reset, says, stall

SHORT = {"upstream_reply": "2s", "data_reply": "2s", "tls_handshake": "2s"}
BEFORE_BODY = ["greeting", "ehlo_tls", "auth", "mail", "rcpt", "data"]
STARTTLS_STEPS = ["greeting", "ehlo", "starttls"]
COMMANDS = ["mail", "rcpt", "data", "end"]


# It dies


@pytest.mark.parametrize("ending", [drop, finish, reset])
@pytest.mark.parametrize("step", BEFORE_BODY)
def test_dies_before_the_body(hostile, step, ending):
    proxy, upstream = hostile({step: [ending]})
    attempt(proxy, "451 4.4.2")
    nothing_leaked(upstream)
    not_completed(upstream)


@pytest.mark.parametrize("ending", [drop, reset])
@pytest.mark.parametrize("step", STARTTLS_STEPS)
def test_dies_before_tls(hostile, step, ending):
    proxy, upstream = hostile({step: [ending]}, "starttls")
    # A reset at once after the handshake of TCP may come before connect() has been told of its success: then it is a
    # connection that could not be made.
    at_once = step == "greeting" and ending is reset
    attempt(proxy, ("451 4.4.1", "451 4.4.2") if at_once else "451 4.4.2")
    nothing_leaked(upstream)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("ending", [drop, reset])
def test_dies_in_the_handshake(hostile, tls, ending):
    proxy, upstream = hostile({"handshake": [ending]}, tls)
    # As above.
    at_once = tls == "implicit" and ending is reset
    attempt(proxy, ("451 4.4.1", "451 4.7.5") if at_once else "451 4.7.5")
    nothing_leaked(upstream)


@pytest.mark.parametrize("step, ending", [("handshake", drop), ("handshake", reset), ("greeting", drop)])
def test_dies_when_a_session_is_offered(hostile, step, ending):
    """It may be for the session: nobody hears of it, and the next handshake is a full one."""
    proxy, upstream = hostile({step: [ending]}, tickets=1)
    attempt(proxy, "250 2.0.0")
    proxy.wait_event("tls_session_refused")
    assert len(upstream.messages) == 2


@pytest.mark.parametrize("ending", [drop, finish, reset])
def test_dies_in_the_body(hostile, ending):
    """Noticed before the device has said all: it hears so at its end of data."""
    proxy, upstream = hostile({"body": [ending]})
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        client.send(message("first"))
        proxy.wait_event("upstream_failed")
        assert client.silent(0.1)
        assert client.finish(b"the rest\r\n").status == "451 4.4.2"
        assert client.transaction(message("second")).code == 250
    not_completed(upstream)
    assert not proxy.events("outcome_unknown")


@pytest.mark.parametrize("ending", [drop, finish, reset])
def test_dies_in_a_large_body(hostile, ending):
    """Larger than what sockets and buffers hold."""
    proxy, upstream = hostile({"body": [ending]})
    attempt(proxy, "451 4.4.2", message("first", big_body(24_000_000, dots=False)))
    not_completed(upstream)


@pytest.mark.parametrize("ending", [drop, finish, reset])
def test_dies_before_it_confirms(hostile, ending):
    """It may or may not have the message: 451, so that nothing is lost, and the log says that the outcome is unknown."""
    proxy, _ = hostile({"end": [ending]})
    attempt(proxy, "451 4.4.2")
    proxy.wait_event("outcome_unknown")
    end = proxy.wait_event("session_end", end="quit", helo="device.example")
    wait_until(lambda: any([t["outcome"] for t in e["transactions"]] == ["unknown", "accepted"]
                           for e in proxy.events("session_end")), what=f"outcomes unknown, accepted; last: {end}")


@pytest.mark.parametrize("pause", [0, 0.3])
@pytest.mark.parametrize("ending", [drop, finish, reset])
def test_goes_away_between_two_messages(hostile, ending, pause):
    """Right after its confirmation, or later: the first message stands, and the second goes over a new connection."""

    def leave(peer):
        peer.wire.send(b"250 2.0.0 queued\r\n")
        time.sleep(pause)
        return ending(peer)

    proxy, upstream = hostile({"end": [leave]}, kept=True)
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("first")).status == "250 2.0.0"
        upstream.wait_peer(lambda peer: peer.ended)
        time.sleep(0.1)  # for the proxy to notice, where it is cut off by RST
        assert client.transaction(message("second")).status == "250 2.0.0"
    assert [sent.content for sent in upstream.messages] == [message("first"), message("second")]


# It stalls


@pytest.mark.parametrize("step", BEFORE_BODY)
def test_stalls_before_the_body(hostile, step):
    proxy, upstream = hostile({step: [stall]}, timeouts=SHORT)
    attempt(proxy, "451 4.4.1")
    not_completed(upstream)


@pytest.mark.parametrize("step", [*STARTTLS_STEPS, "handshake"])
def test_stalls_before_tls(hostile, step):
    proxy, upstream = hostile({step: [stall]}, "starttls", timeouts=SHORT)
    attempt(proxy, "451 4.4.1")
    nothing_leaked(upstream)


def test_stalls_before_it_confirms(hostile):
    proxy, _ = hostile({"end": [stall]}, timeouts=SHORT)
    attempt(proxy, "451 4.4.2")
    proxy.wait_event("outcome_unknown")


def test_stops_reading_in_the_body(hostile):
    """More than sockets and buffers hold: the device waits, then hears 451."""

    def freeze(peer):
        wait_until(lambda: getattr(peer, "let_go", False), 60)
        return drop(peer)

    proxy, upstream = hostile({"body": [freeze]}, timeouts=SHORT)
    attempt(proxy, "451 4.4.1", message("first", big_body(24_000_000, dots=False)))
    for peer in upstream.peers:
        peer.let_go = True
    upstream.wait_ended()
    not_completed(upstream)


# It refuses


@pytest.mark.parametrize("step, said, expected", [
    ("greeting", b"421 4.3.2 too busy", "451 4.4.1"),
    ("greeting", b"554 5.7.1 go away", "451 4.4.1"),
    ("ehlo_tls", b"421 4.3.2 too busy", "451 4.4.1"),
    ("ehlo_tls", b"502 5.5.1 what", "451 4.4.1"),
    ("auth", b"421 4.3.2 too busy", "451 4.4.1"),
    ("auth", b"535 5.7.8 bad credentials", "451 4.7.0"),
    ("auth", b"454 4.7.0 try later", "451 4.7.0"),
    ("mail", b"421 4.3.2 closing down", "451 4.3.2"),
    ("mail", b"451 4.3.0 local trouble", "451 4.3.0"),
    ("mail", b"550 5.7.60 not yours", "550 5.7.60"),
    ("rcpt", b"421 4.3.2 closing down", "451 4.3.2"),
    ("rcpt", b"450 4.2.1 greylisted", "450 4.2.1"),
    ("rcpt", b"550 5.1.1 no such user", "550 5.1.1"),
    ("data", b"421 4.3.2 closing down", "451 4.3.2"),
    ("data", b"452 4.3.1 disk full", "452 4.3.1"),
    ("data", b"554 5.7.1 no", "554 5.7.1"),
    ("end", b"421 4.3.2 closing down", "451 4.3.2"),
    ("end", b"452 4.3.1 disk full", "452 4.3.1"),
    ("end", b"554 5.6.0 virus", "554 5.6.0"),
    ("end", b"554-5.6.0 virus\r\n554 5.6.0 found", "554 5.6.0"),
    ("end", b"550 no enhanced code", "550 5.0.0"),
])
def test_refuses(hostile, step, said, expected):
    proxy, _ = hostile({step: [says(said, finish) if said.startswith(b"421") else said]})
    # A login that was refused is not tried again at once: the account might be locked.
    reply = attempt(proxy, expected, retry=expected != "451 4.7.0")
    if step in COMMANDS:
        assert said.split(b" ")[-1].decode() in reply.text, "the upstream's own text"


def test_credentials_refused_every_time_and_the_device_hears_no_535(hostile):
    proxy, upstream = hostile({"auth": b"535 5.7.8 bad credentials"})
    for _ in range(3):
        attempt(proxy, "451 4.7.0", retry=False)
    assert upstream.commands("MAIL") == []
    proxy.wait_text("bad credentials")


@pytest.mark.parametrize("offered, configured", [(("XOAUTH2",), "auto"), ((), "auto"), (("PLAIN", "LOGIN"), "cram-md5")])
def test_no_weaker_mechanism_than_configured(waxseal, scripted, offered, configured):
    upstream = scripted(mechanisms=offered)
    proxy = waxseal(upstream, {"auth": configured})
    attempt(proxy, "451 4.7.0", retry=False)
    assert upstream.commands("AUTH") == [] and upstream.commands("MAIL") == []


def test_asks_for_more_credentials_for_ever(hostile):
    def ask(peer):
        for _ in range(10_000):
            peer.wire.send(b"334 \r\n")
            peer.wire.read_line()

    proxy, upstream = hostile({"auth": ask})
    attempt(proxy, "451 4.7.5", retry=False)
    upstream.wait_ended()
    assert len(upstream.in_tls) < 4000


def test_refuses_in_the_middle_of_the_body(hostile):
    """552 while content is still coming: the device hears it at the end of its data, the upstream gets no end mark."""
    proxy, upstream = hostile({"body": [says(b"552 5.3.4 too much", stall)]})
    attempt(proxy, "552 5.3.4", message("first", big_body(24_000_000, dots=False)))
    not_completed(upstream)


def test_refuses_all_recipients(hostile):
    proxy, upstream = hostile({"rcpt": [b"550 5.1.1 no", b"550 5.1.1 no"]})
    with proxy.client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n")
        assert [reply.status for reply in client.replies(4)] == ["250 2.1.0", "550 5.1.1", "550 5.1.1", "554 5.5.1"]
        assert client.command("RSET").code == 250
        assert client.transaction(message("second")).code == 250
    assert len(upstream.messages) == 1


# It is not there


def test_nobody_listens(waxseal, scripted):
    upstream = scripted()
    upstream.close()
    attempt(waxseal(upstream), "451 4.4.1", retry=False)


def test_name_does_not_resolve(waxseal, scripted):
    proxy = waxseal(scripted(), {"address": "no-such-host.invalid:465"}, timeouts={"connect": "3s"})
    attempt(proxy, "451 4.4.3", retry=False)


def test_connection_is_never_accepted(waxseal, scripted):
    upstream = scripted()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = []
        for _ in range(3):  # fills the queue: from then on the kernel ignores connection requests
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        started = time.monotonic()
        proxy = waxseal(upstream, {"address": f"127.0.0.1:{full.getsockname()[1]}"}, timeouts={"connect": "1s"})
        attempt(proxy, "451 4.4.1", retry=False)
        assert time.monotonic() - started < 15
        for one in waiting:
            one.close()


def test_no_slot_in_time(hostile):
    proxy, _ = hostile({"mail": [stall]}, upstream={"max_connections": 1},
                       timeouts={"upstream_reply": "8s", "queue": "1s"})
    with proxy.client() as first, proxy.client() as second:
        first.ehlo()
        assert first.command("MAIL FROM:<a@example.test>").code == 250
        first.send(b"RCPT TO:<b@example.test>\r\n")
        time.sleep(0.3)
        second.ehlo()
        assert second.transaction(message("x")).status == "451 4.3.2"
        assert first.reply().status == "451 4.4.1"
        assert second.transaction(message("x")).code == 250
