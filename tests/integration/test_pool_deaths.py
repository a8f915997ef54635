"""A connection that was kept dies: in each state, in each way, to each kind of upstream. Before it has an octet of a message
no device hears of it and the message arrives once; from then on the device hears 451, and what is not known is said so."""

import threading

import pytest

from support.messages import big_body, message
from support.pool import ENDINGS, OFFERS, accepted, connections, never, once_each, send, start, workers
from support.upstream import drop, finish, reset, says

pytestmark = pytest.mark.parametrize("tls", ["implicit", "starttls"])

by_offer = pytest.mark.parametrize("offer", OFFERS)

# What the administrator would have to look into.
TROUBLE = ("upstream_failed", "upstream_down", "outcome_unknown")

# Those that a connection hears of a message, in order, and whether it that replaces it hears so too.
STEPS = {"rset": False, "mail": True, "rcpt": True, "data": True}


def each_time(step, endings):
    """A script in which each ending comes upon a connection that was kept, and not upon the one that replaces it."""
    between = [None] if STEPS[step] else []
    return {step: [action for ending in endings for action in (ending, *between)]}


@pytest.mark.parametrize("step, offer", [(step, offer) for step in STEPS for offer in OFFERS if (step, offer) != ("data", "BDAT")])
def test_at_a_command(waxseal, scripted, tls, offer, step):
    """The first one was opened ahead, the others have carried a message."""
    upstream = scripted(tls, offer=OFFERS[offer])
    proxy = start(waxseal, upstream)
    upstream.script = each_time(step, ENDINGS.values())
    for number, ending in enumerate(ENDINGS, 1):
        accepted(proxy, f"message-{number}")
        assert connections(proxy, number)[-1] == "replaced", ending
        assert len(proxy.events("upstream_replaced")) == number and len(upstream.peers) == 1 + number, ending
    once_each(upstream, [f"message-{number}" for number, _ in enumerate(ENDINGS, 1)])
    never(proxy, len(ENDINGS), *TROUBLE)


@by_offer
def test_between_the_envelope_and_data(waxseal, scripted, tls, offer):
    """Its recipients stand, and the device has not said DATA yet."""
    upstream = scripted(tls, offer=OFFERS[offer])
    proxy = start(waxseal, upstream)
    upstream.script = each_time("rcpt", [says(b"250 2.1.5 recipient ok", ending) for ending in ENDINGS.values()])
    for number, ending in enumerate(ENDINGS, 1):
        with proxy.client(timeout=60) as client:
            client.ehlo()
            assert client.command("MAIL FROM:<device@example.test>").code == 250
            assert client.command("RCPT TO:<inbox@example.test>").code == 250
            proxy.wait_event("upstream_replaced", count=number)
            assert client.command("DATA").code == 354, ending
            assert client.finish(message(f"message-{number}")).code == 250, ending
            client.quit()
    once_each(upstream, [f"message-{number}" for number, _ in enumerate(ENDINGS, 1)])
    never(proxy, len(ENDINGS), *TROUBLE)
    assert len(proxy.events("upstream_replaced")) == len(ENDINGS)


def when_told(told, reply, ending):
    """The step's reply; the ending only when the test says so."""

    def action(peer):
        peer.wire.send(reply + b"\r\n")
        assert told.wait(30)
        return ending(peer)

    return action


@pytest.mark.parametrize("ending", ENDINGS)
@by_offer
def test_while_idle(waxseal, scripted, tls, offer, ending):
    """Nobody had it, so nothing is replaced: the next device gets another one. The first was opened ahead, the second has
    carried a message."""
    ahead, used = threading.Event(), threading.Event()
    upstream = scripted(tls, offer=OFFERS[offer], script={
        "auth": [when_told(ahead, b"235 2.7.0 welcome", ENDINGS[ending])],
        "end": [when_told(used, b"250 2.0.0 queued", ENDINGS[ending])],
    })
    proxy = waxseal(upstream, env=workers(1))
    proxy.wait_event("upstream_ready")
    for number, told in enumerate([ahead, used], 1):
        told.set()
        upstream.wait_peer(lambda peer, number=number: peer.number == number - 1 and peer.ended)
        accepted(proxy, f"message-{number}")
    accepted(proxy, "message-3")
    once_each(upstream, ["message-1", "message-2", "message-3"])
    assert len(upstream.peers) == 3
    never(proxy, 3, "upstream_replaced", *TROUBLE)


# With octets of the message


LOST = {"FIN": drop, "close_notify": finish, "RST": reset}


@by_offer
def test_in_the_body(waxseal, scripted, tls, offer):
    """A part of it has been passed on: never again, and the device hears 451 at its end of data. (What it
    would hear had it been quicker: below.)"""
    upstream = scripted(tls, offer=OFFERS[offer])
    proxy = start(waxseal, upstream)
    upstream.script = {"body": [action for ending in LOST.values() for action in (ending, None)]}
    for number, ending in enumerate(LOST, 1):
        with proxy.client(timeout=60) as client:
            client.ehlo()
            client.open_data()
            client.send(message(f"lost-{number}", big_body(100_000, dots=False)))
            proxy.wait_event("upstream_failed", count=number)
            assert client.silent(0.05), ending
            assert client.finish(b"the rest\r\n").status == "451 4.4.2", ending
            client.quit()
        accepted(proxy, f"message-{number}")
    once_each(upstream, [f"message-{number}" for number, _ in enumerate(LOST, 1)])
    for peer in upstream.peers:
        octets = bytes(peer.wire.inside)
        at = octets.find(b"lost-")
        assert at < 0 or (b"\r\n.\r\n" not in octets[at:] and b" LAST\r\n" not in octets[at:])
    never(proxy, 2 * len(LOST), "upstream_replaced", "outcome_unknown")


@by_offer
def test_after_the_end_of_data(waxseal, scripted, tls, offer):
    """Whether it was taken nobody knows, so it is not sent again; the device hears so."""
    upstream = scripted(tls, offer=OFFERS[offer])
    proxy = start(waxseal, upstream)
    upstream.script = {"end": [action for ending in LOST.values() for action in (ending, None)]}
    tokens = []
    for number, ending in enumerate(LOST, 1):
        lost = send(proxy, f"lost-{number}")
        assert lost.status == "451 4.4.2", (ending, lost)
        assert "before it confirmed" in lost.text
        accepted(proxy, f"message-{number}")
        tokens += [f"lost-{number}", f"message-{number}"]
    once_each(upstream, tokens)
    never(proxy, 2 * len(LOST), "upstream_replaced")
    assert len(proxy.events("outcome_unknown")) == len(LOST)
