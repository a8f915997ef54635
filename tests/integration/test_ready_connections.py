"""Connections that are kept ready: lent from one session to the next, and replaced unseen when they turn out to be dead."""

import time

import pytest

from support.attempts import attempt, not_completed
from support.messages import message
from support.net import wait_until
from support.upstream import CHUNKING, OFFER, drop, finish, says, stall

SHORT = {"upstream_reply": "2s", "data_reply": "2s"}


def send(proxy, token, content=None):
    """A session with one message; the first reply that refuses, or the last one."""
    with proxy.client(timeout=60) as client:
        client.ehlo()
        reply = client.transaction(content or message(token))
        client.quit()
    return reply


def subjects(upstream):
    return [line for sent in upstream.messages for line in sent.content.split(b"\r\n") if line.startswith(b"Subject: ")]


# They die


@pytest.mark.parametrize("step", ["rset", "mail", "rcpt", "data"])
def test_silent_connection_is_replaced_unseen(hostile, step):
    """Until there is an octet of the message. Other deaths: test_pool_deaths.py."""
    proxy, upstream = hostile({step: [stall]}, kept=True, timeouts=SHORT)
    assert send(proxy, "first").status == "250 2.0.0"
    assert subjects(upstream) == [b"Subject: first"]
    end = proxy.wait_event("session_end", end="quit")
    assert [transaction["connection"] for transaction in end["transactions"]] == ["replaced"]
    assert len(proxy.events("upstream_replaced")) == 1 and len(upstream.peers) == 2
    assert not proxy.events("upstream_down")


@pytest.mark.parametrize("said", [b"451 4.7.1 one message a connection", b"503 5.5.1 bad sequence", b"550 5.7.1 no"])
def test_refusal_by_a_used_connection_counts_only_when_repeated(hostile, said):
    proxy, upstream = hostile({"mail": [said, None, said, said]}, kept=True)
    assert send(proxy, "first").code == 250
    assert send(proxy, "second").status == said.decode()[:9]
    assert send(proxy, "third").code == 250
    assert subjects(upstream) == [b"Subject: first", b"Subject: third"]


@pytest.mark.parametrize("death, expected", [(drop, "451 4.4.2"), (finish, "451 4.4.2"), (stall, "451 4.4.1"),
                                             (says(b"421 4.3.2 closing", finish), "451 4.3.2")], ids=["drop", "finish", "stall", "421"])
def test_replaced_once(hostile, death, expected):
    proxy, upstream = hostile({"mail": [death, death]}, kept=True, timeouts=SHORT)
    attempt(proxy, expected)
    not_completed(upstream)
    assert len(proxy.events("upstream_replaced")) == 1


def test_recipients_that_stand_are_said_again(hostile):
    """And those that were refused are not."""
    proxy, upstream = hostile({"rcpt": [None, b"550 5.1.1 no such user"], "data": [drop]}, kept=True)
    with proxy.client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.test>\r\n" + b"".join(b"RCPT TO:<%d@example.test>\r\n" % n for n in range(3)) + b"DATA\r\n")
        assert [reply.code for reply in client.replies(5)] == [250, 250, 550, 250, 354]
        assert client.finish(message("first")).code == 250
    assert [sent.recipients for sent in upstream.messages] == [[b"TO:<0@example.test>", b"TO:<2@example.test>"]]
    assert upstream.commands("RCPT")[3:] == [b"RCPT TO:<0@example.test>\r\n", b"RCPT TO:<2@example.test>\r\n"]


def test_recipient_that_stands_is_refused_by_the_other_one(hostile):
    """The device was told otherwise: the message goes to nobody."""
    proxy, upstream = hostile({"rcpt": [None, b"550 5.1.1 no such user"], "data": [drop]}, kept=True)
    attempt(proxy, "451 4.4.2")
    not_completed(upstream)


# They live


@pytest.mark.parametrize("offer", [OFFER, CHUNKING], ids=["DATA", "BDAT"])
def test_one_connection_for_many_sessions(hostile, offer):
    """Each message begins with RSET; the last of them leaves it ready, and QUIT is said when nobody wants it any more."""
    proxy, upstream = hostile({}, kept=True, upstream_options={"offer": offer}, upstream={"idle_timeout": "2s"})
    sent = [message(f"number-{number}") for number in range(20)]
    for one in sent:
        assert send(proxy, None, one).code == 250
    assert [one.content for one in upstream.messages] == sent
    assert len(upstream.peers) == 1 and len(upstream.commands("RSET")) == len(sent)
    verb = "BDAT" if offer is CHUNKING else "DATA"
    assert len(upstream.commands(verb)) == len(sent) == len(upstream.commands("BDAT") + upstream.commands("DATA"))
    assert upstream.peers[0].ended is None
    upstream.wait_ended()
    assert upstream.peers[0].ended == "quit"


def test_as_many_messages_as_a_connection_may_have(hostile):
    proxy, upstream = hostile({}, kept=True, upstream={"max_transactions_per_connection": 3})
    for number in range(7):
        assert send(proxy, f"number-{number}").code == 250
    assert sorted(len(peer.messages) for peer in upstream.peers if peer.messages) == [1, 3, 3]


def test_no_connection_is_kept_where_none_is_wanted(hostile):
    proxy, upstream = hostile({})
    for number in range(3):
        assert send(proxy, f"number-{number}").code == 250
    upstream.wait_ended()
    assert [(len(peer.messages), peer.ended) for peer in upstream.peers] == [(1, "quit")] * 3
    assert upstream.commands("RSET") == []


def test_ready_before_the_device_asks(hostile):
    """One for each that has said hello, of those that are kept at most."""
    proxy, upstream = hostile({}, kept=True, upstream={"idle_connections": 3})
    clients = [proxy.client() for _ in range(3)]
    for client in clients:
        client.ehlo()
    wait_until(lambda: len(upstream.peers) == 3, what="three connections")
    upstream.wait_settled()
    for client in clients:
        assert client.transaction(message("x")).code == 250
        client.quit()
    proxy.wait_event("session_end", count=3, end="quit")
    ends = proxy.events("session_end", end="quit")
    assert [t["connection"] for end in ends for t in end["transactions"]] == ["ready"] * 3
    assert len(upstream.peers) == 3


def test_silence_while_idle_costs_nothing(hostile):
    """What is kept is closed in time, and nothing is opened again for nobody."""
    proxy, upstream = hostile({}, kept=True, upstream={"idle_timeout": "1s"})
    upstream.wait_ended()
    connections = len(upstream.peers)
    time.sleep(1.5)
    assert len(upstream.peers) == connections
