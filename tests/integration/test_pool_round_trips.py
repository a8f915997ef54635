"""How often something has to go there and back before a message is through. Nothing is timed: the upstream holds back its
replies until what must not wait for them is there, or the path says how often the proxy has begun to speak."""

import pytest

import support.upstream
from support.messages import big_body, message
from support.pool import CHUNKING, OFFERS, accepted, connections, never, once_each, start, workers
from support.relay import Relay
from support.upstream import OFFER, Peer

MAIL = b"MAIL FROM:<device@example.test> BODY=8BITMIME\r\n"


def holds(*wanted, reply=None, seen=None):
    """Nothing is answered until all of this has come behind the command; seen: gets what had come with it, in its record."""

    def action(peer):
        if seen is not None:
            seen.append(peer.wire.unread)
        octets = b""
        while not all(one in octets for one in wanted):
            octets += peer.wire.read()  # first what is there already
        peer.wire.push_back(octets)
        return reply

    return action


RESET = b"250 2.0.0 forgotten"


def rcpt(number):
    return b"RCPT TO:<%d@example.test>\r\n" % number


# What goes out together


@pytest.mark.parametrize("offer", [OFFER, CHUNKING], ids=["DATA", "BDAT"])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_reset_mail_and_rcpt_in_one_record(waxseal, scripted, tls, offer):
    seen = []
    upstream = scripted(tls, offer=offer)
    proxy = start(waxseal, upstream)
    upstream.script = {"rset": [holds(b"RCPT TO:<inbox@example.test>\r\n", reply=RESET, seen=seen)] * 2}
    for number in range(2):
        accepted(proxy, f"message-{number}")
    assert seen == [MAIL + b"RCPT TO:<inbox@example.test>\r\n"] * 2
    once_each(upstream, ["message-0", "message-1"])


class Patient(Peer):
    """Answers nothing of a transaction before it has all of its envelope."""

    wanted = [rcpt(number) for number in range(8)]

    def _command(self, line):
        if line.startswith((b"RSET", b"MAIL")):
            holds(*self.wanted)(self)
        super()._command(line)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
def test_pipelined_recipients_go_out_together(waxseal, scripted, monkeypatch, kept):
    """As many as may be refused without a pause: of more than that the replies may matter."""
    monkeypatch.setattr(support.upstream, "Peer", Patient)
    upstream = scripted()
    proxy = waxseal(upstream, upstream={"idle_connections": 2 if kept else 0}, env=workers(1))
    proxy.wait_event("upstream_ready")
    with proxy.client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<device@example.test>\r\n" + b"".join(Patient.wanted) + b"DATA\r\n")
        assert [reply.code for reply in client.replies(10)] == [250] * 9 + [354]
        assert client.finish(message("first")).code == 250
        client.quit()
    [sent] = upstream.messages
    assert sent.recipients == [b"TO:<%d@example.test>" % number for number in range(8)]
    assert connections(proxy, 1) == ["ready" if kept else "new"]


@pytest.mark.parametrize("pipelined", [True, False], ids=["pipelined", "one by one"])
def test_many_recipients(waxseal, scripted, pipelined):
    """Each gets its own reply, in order."""
    upstream = scripted(script={"rcpt": [b"550 5.1.1 not %d" % number if number % 3 == 1 else None for number in range(100)]})
    proxy = start(waxseal, upstream, limits={"max_errors": 100})
    codes = [550 if number % 3 == 1 else 250 for number in range(30)]
    with proxy.client() as client:
        client.ehlo()
        if pipelined:
            client.send(b"MAIL FROM:<device@example.test>\r\n" + b"".join(map(rcpt, range(30))) + b"DATA\r\n")
            replies = client.replies(32)[1:-1]
        else:
            assert client.command("MAIL FROM:<device@example.test>").code == 250
            replies = [client.command(rcpt(number).strip()) for number in range(30)]
            assert client.command("DATA").code == 354
        assert [reply.code for reply in replies] == codes
        assert [reply.text for reply in replies if reply.code == 550] == [f"5.1.1 not {number}" for number in range(1, 30, 3)]
        assert client.finish(message("first")).code == 250
        client.quit()
    [sent] = upstream.messages
    assert sent.recipients == [b"TO:<%d@example.test>" % number for number in range(30) if number % 3 != 1]
    never(proxy, 1, "upstream_replaced")


def test_mail_alone_goes_nowhere(waxseal, scripted):
    """The device has its 250 for it; the upstream hears of it with the first recipient, and not of one that is taken back."""
    upstream = scripted()
    proxy = start(waxseal, upstream)
    with proxy.client() as client:
        client.ehlo()
        for _ in range(3):
            assert client.command("MAIL FROM:<another@example.test>").status == "250 2.1.0"
            assert client.command("RSET").code == 250
        assert client.transaction(message("first")).code == 250
    assert upstream.commands("MAIL") == [MAIL] and len(upstream.commands("RSET")) == 1


@pytest.mark.parametrize("content", [message("first"), message("first", big_body(3_000_000))], ids=["small", "large"])
def test_chunks_wait_for_no_reply(waxseal, scripted, content):
    """All of the message is there before one chunk is answered; no DATA is said, so there is no 354 to wait for."""
    upstream = scripted(offer=CHUNKING)
    proxy = start(waxseal, upstream)
    large = len(content) > 100_000
    if large:
        upstream.script = {"body": [holds(b" LAST\r\n")]}
    sent = content.replace(b"\r\n.", b"\r\n..")
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert client.transaction(sent).code == 250
    [arrived] = upstream.messages
    assert arrived.chunked and arrived.content == content
    assert (len(upstream.commands("BDAT")) > 100) == large and upstream.commands("DATA") == []


@pytest.mark.parametrize("offer", [OFFER, CHUNKING], ids=["DATA", "BDAT"])
def test_data_is_answered_at_once(waxseal, scripted, offer):
    """What the upstream says to it decides only about the message: the device need not wait for that."""
    upstream = scripted(offer=offer)
    proxy = start(waxseal, upstream)
    go_on = []
    upstream.script = {"data": [lambda peer: go_on.append(peer)]}  # says nothing
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        client.send(message("first"))
        if offer is OFFER:
            upstream.wait_peer(lambda _: go_on)
            assert client.silent(0.1)
            assert b"Subject" not in upstream.in_tls, "not before its 354"
            go_on[0].wire.send(b"451 4.3.0 not now\r\n")
            assert client.finish(b"").status == "451 4.3.0"
        else:
            assert client.finish(b"").code == 250


class Strict(Peer):
    """Bears nothing behind a command before its own reply."""

    ahead = []

    def _command(self, line):
        if self.wire.unread and not line.startswith(b"BDAT"):
            self.ahead.append((line, self.wire.unread[:100]))
        super()._command(line)


@pytest.mark.parametrize("offer", ["one by one", "one by one, chunks"])
def test_one_command_at_a_time_without_pipelining(waxseal, scripted, monkeypatch, offer):
    """Nor chunks, even where CHUNKING is offered: those would need it."""
    monkeypatch.setattr(support.upstream, "Peer", Strict)
    monkeypatch.setattr(Strict, "ahead", [])
    upstream = scripted(offer=OFFERS["one by one"] + (("CHUNKING",) if "chunks" in offer else ()))
    proxy = start(waxseal, upstream)
    for number in range(3):
        with proxy.client() as client:
            client.ehlo()
            client.send(b"MAIL FROM:<device@example.test>\r\n" + b"".join(map(rcpt, range(5))) + b"DATA\r\n")
            assert [reply.code for reply in client.replies(7)] == [250] * 6 + [354]
            assert client.finish(message(f"message-{number}")).code == 250
            client.send(b"MAIL FROM:<device@example.test>\r\n" + b"".join(map(rcpt, range(3))) + b"RSET\r\nQUIT\r\n")
            assert [reply.code for reply in client.replies(6)] == [250] * 5 + [221]
    assert Strict.ahead == []
    assert [len(sent.recipients) for sent in upstream.messages] == [5, 5, 5]
    assert upstream.commands("BDAT") == []


# Over a path that takes time


@pytest.fixture
def flights(waxseal):
    """flights(upstream, sessions): for each session's message, how often the proxy has begun to speak on its connection, since
    that was ready, until all of the message was there; with idle_connections=0: since it was asked for."""
    relays = []

    def measure(upstream, sessions, pipelined=False, **options):
        relay, counts = Relay(upstream.port, delay=0.1), [0]
        relays.append(relay)
        upstream.script = {"end": lambda peer: counts.append(relay.links[peer.number].flights) or b"250 2.0.0 queued"}
        proxy = waxseal(upstream, upstream={"address": f"127.0.0.1:{relay.port}"} | options, env=workers(1))
        proxy.wait_event("upstream_ready")
        upstream.wait_settled()
        own = "idle_connections" in options
        counts[0] = 0 if own else relay.links[0].flights
        for number in range(sessions):
            send(proxy, f"message-{number}", pipelined)
        return [count - (0 if own else before) for before, count in zip(counts, counts[1:])]

    yield measure
    for relay in relays:
        relay.close()


def send(proxy, token, pipelined):
    if not pipelined:
        return accepted(proxy, token)
    with proxy.client(timeout=60) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<device@example.test>\r\n" + b"".join(map(rcpt, range(5))) + b"DATA\r\n")
        assert client.replies(7)[-1].code == 354
        assert client.finish(message(token)).code == 250


@pytest.mark.slow
@pytest.mark.parametrize("pipelined", [False, True], ids=["one by one", "pipelined"])
@pytest.mark.parametrize("offer, expected", [("BDAT", 2), ("DATA", 3)])
def test_ready_connection(flights, scripted, offer, expected, pipelined):
    """RSET, MAIL and RCPT; [DATA;] the message."""
    assert flights(scripted(offer=OFFERS[offer]), 3, pipelined) == [expected] * 3


@pytest.mark.slow
@pytest.mark.parametrize("tls, offer, expected", [("implicit", "BDAT", 6), ("implicit", "DATA", 7),
                                                  ("starttls", "BDAT", 7), ("starttls", "DATA", 8)])
def test_connection_of_its_own(flights, scripted, tls, offer, expected):
    """No more than a client needs that speaks to the upstream itself: [EHLO, STARTTLS,] ClientHello, Finished, EHLO (after STARTTLS
    together with Finished: there is no other greeting), AUTH, MAIL and RCPT, [DATA,] the message."""
    assert flights(scripted(tls, offer=OFFERS[offer]), 2, idle_connections=0) == [expected] * 2
