"""Connections are opened ahead of need and no further, and who has to wait for one waits in order, for so long and no longer."""

import threading

import pytest

from support.messages import message
from support.net import wait_until
from support.pool import accepted, arrived, connections, connections_towards, never, once_each, start, workers
from support.upstream import stall

ENVELOPE = b"MAIL FROM:<device@example.test>\r\nRCPT TO:<inbox@example.test>\r\n"


def devices(proxy, count):
    """That many that have said hello."""
    clients = [proxy.client(timeout=60) for _ in range(count)]
    for client in clients:
        client.ehlo()
    return clients


# Ahead


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_at_the_start(waxseal, scripted, tls, count):
    """One, logged in, that waits."""
    upstream = scripted(tls)
    proxy = start(waxseal, upstream, count)
    assert len(proxy.events("upstream_ready", level="info")) == 1
    [peer] = upstream.peers
    assert peer.authenticated and peer.ended is None
    assert [line.split()[0] for line, _ in peer.commands][-2:] == [b"EHLO", b"AUTH"]


def test_when_a_device_says_hello(waxseal, scripted):
    """While none is ready: before it says MAIL."""
    upstream = scripted()
    proxy = start(waxseal, upstream)
    [first] = devices(proxy, 1)
    first.open_data()  # takes the one that was ready
    [second] = devices(proxy, 1)
    peer = upstream.wait_peer(lambda peer: peer.number == 1 and peer.resting)
    assert peer.lines("MAIL") == []
    assert second.transaction(message("second")).code == 250
    assert first.finish(message("first")).code == 250
    for client in (first, second):
        client.quit()
    assert connections(proxy, 2) == ["ready", "ready"]
    assert [sent.content for sent in peer.messages] == [message("second")]
    assert len(upstream.peers) == 2


def test_not_for_who_says_nothing(waxseal, scripted):
    """A health check, a scanner, a device that is switched off again: none of these says EHLO or HELO."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"idle_timeout": "1s"})
    upstream.wait_ended()
    for number in range(5):
        with proxy.client() as client:
            if number % 2:
                assert client.command("NOOP").code == 250
    with proxy.client() as client:
        client.quit()
    proxy.wait_event("session_end", count=6)
    assert len(upstream.peers) == 1
    devices(proxy, 1)  # while this makes one be opened
    upstream.wait_peer(lambda peer: peer.number == 1 and peer.resting)


def test_no_more_than_are_kept(waxseal, scripted):
    """However many say hello."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"idle_connections": 3, "max_connections": 10})
    clients = devices(proxy, 8)
    upstream.wait_peer(lambda peer: peer.number == 2)
    upstream.wait_settled()
    for client in clients:
        assert client.command("NOOP").code == 250
    assert len(upstream.peers) == 3
    for client in clients:
        client.quit()


def test_for_who_waits_already(waxseal, scripted):
    """A device that is quicker than the login it has set off: it gets that connection, and none of its own."""
    let_go = threading.Event()

    def slowly(peer):
        peer.authenticated = let_go.wait(30)
        return b"235 2.7.0 welcome"

    upstream = scripted(script={"auth": [None, slowly]})
    proxy = start(waxseal, upstream, upstream={"idle_timeout": "1s"})
    upstream.wait_ended()
    [client] = devices(proxy, 1)
    client.send(ENVELOPE)
    assert client.reply().code == 250
    upstream.wait_peer(lambda peer: peer.number == 1 and peer.lines("AUTH"))
    assert client.silent(0.1)
    let_go.set()
    assert client.reply().code == 250
    assert client.command("DATA").code == 354 and client.finish(message("first")).code == 250
    assert len(upstream.peers) == 2


def test_an_opening_that_fails_is_nobodys_failure(waxseal, scripted):
    """What was opened ahead breaks off while the device that set it off waits for it: it tries for itself."""
    let_go = threading.Event()

    def die(peer):
        let_go.wait(30)
        peer.wire.reset()

    upstream = scripted(script={"auth": [None, die]})
    proxy = start(waxseal, upstream, upstream={"idle_timeout": "1s"})
    upstream.wait_ended()
    [client] = devices(proxy, 1)
    client.send(ENVELOPE)
    assert client.reply().code == 250
    upstream.wait_peer(lambda peer: peer.number == 1 and peer.lines("AUTH"))
    let_go.set()
    assert client.reply().code == 250
    assert client.command("DATA").code == 354 and client.finish(message("first")).code == 250
    once_each(upstream, ["first"])


# Waiting


def test_in_the_order_of_asking(waxseal, scripted):
    """One connection, eight devices that want it at once."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_connections": 1})
    clients = devices(proxy, 8)
    witness = proxy.client()
    clients[0].open_data()
    order = [0, 3, 1, 7, 5, 2, 6, 4]  # not that of their connections
    for number in order[1:]:
        clients[number].send(ENVELOPE)
        assert clients[number].reply().code == 250
        assert witness.command("NOOP").code == 250  # the RCPT has been looked at, and has no answer
    for number in order[1:]:
        assert clients[number].silent(0.02)
    assert clients[0].finish(message("message-0")).code == 250
    for number in order[1:]:
        assert clients[number].reply().code == 250
        assert clients[number].command("DATA").code == 354
        assert clients[number].finish(message(f"message-{number}")).code == 250
    assert arrived(upstream) == [f"message-{number}" for number in order]
    assert len(upstream.peers) == 1
    for client in clients:
        client.quit()
    assert connections(proxy, 8) == ["ready"] * 8
    never(proxy, 8, "upstream_failed")


@pytest.mark.workers
@pytest.mark.parametrize("kept", [0, 2])
@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("count", [1, 4])
def test_a_crowd_and_few_connections(waxseal, scripted, count, most, kept):
    """Whichever worker they are with: everybody is served, and never are there more than allowed."""
    upstream, highest, failures = scripted(), [0], []

    def judge(peer):
        highest[0] = max(highest[0], min(len(connections_towards(upstream)) for _ in range(2)))  # no snapshot: one may go meanwhile
        peer.authenticated = True
        return b"235 2.7.0 welcome"

    upstream.script = {"auth": judge}
    proxy = waxseal(upstream, env=workers(count), upstream={"max_connections": most, "idle_connections": kept})
    proxy.wait_event("upstream_ready")

    def send(device):
        try:
            for number in range(5):
                accepted(proxy, f"message-{device}-{number}")
        except Exception as error:  # pylint: disable=broad-exception-caught  # told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=send, args=(device,)) for device in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    once_each(upstream, [f"message-{device}-{number}" for device in range(8) for number in range(5)])
    assert 1 <= highest[0] <= most
    if kept and count == 1:
        assert len(upstream.peers) <= most
    never(proxy, 40, "upstream_failed", "upstream_down")


@pytest.mark.parametrize("used", [False, True], ids=["first", "after another"])
def test_no_longer_than_the_queue_allows(waxseal, scripted, used):
    """451 4.3.2, and on the same session it may try again."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_connections": 1}, timeouts={"queue": "1s"})
    if used:
        accepted(proxy, "used")
    holder, waiting = devices(proxy, 2)
    holder.open_data()
    assert waiting.transaction(message("in vain")).status == "451 4.3.2"
    assert holder.finish(message("holder")).code == 250
    assert waiting.transaction(message("again")).code == 250
    assert arrived(upstream) == ["used"] * used + ["holder", "again"]
    assert len(upstream.peers) == 1


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_who_leaves_the_queue_is_in_nobodys_way(waxseal, scripted, ending):
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_connections": 1})
    holder, *waiting = devices(proxy, 5)
    holder.open_data()
    for client in waiting:
        client.send(ENVELOPE)
        assert client.reply().code == 250
    for client in waiting[:2]:
        getattr(client, ending)()
    assert holder.finish(message("holder")).code == 250
    for number, client in enumerate(waiting[2:]):
        assert client.reply().code == 250
        assert client.command("DATA").code == 354
        assert client.finish(message(f"message-{number}")).code == 250
        client.quit()
    once_each(upstream, ["holder", "message-0", "message-1"])
    assert len(upstream.peers) == 1
    proxy.wait_event("session_end", count=2, end="disconnected")


def test_who_holds_one_and_goes_lets_the_next_have_it(waxseal, scripted):
    """Its envelope is forgotten by RSET; with a part of its message the connection goes too."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_connections": 1})
    for number, leave in enumerate(["rcpt", "data"]):
        holder, waiting = devices(proxy, 2)
        if leave == "rcpt":
            holder.send(ENVELOPE)
            assert [reply.code for reply in holder.replies(2)] == [250, 250]
        else:
            holder.open_data()
            holder.send(b"Subject: half\r\n\r\n")
            upstream.wait_peer(lambda peer: b"half" in peer.wire.inside)
        waiting.send(ENVELOPE)
        assert waiting.reply().code == 250
        holder.reset()
        assert waiting.reply().code == 250
        assert waiting.command("DATA").code == 354
        assert waiting.finish(message(f"message-{number}")).code == 250
        waiting.quit()
    once_each(upstream, ["message-0", "message-1"])
    wait_until(lambda: upstream.peers[0].ended, what="the end of the connection with half a message")
    assert len(upstream.peers) == 2 and upstream.peers[0].ended != "quit"


@pytest.mark.parametrize("first", ["keeps it", "breaks off"])
def test_two_wait_while_one_comes_back(waxseal, scripted, first):
    """The first waits for a slot, the second came when the connection was about to be free: that goes to the first, and if
    it does not come back from there, the second gets one all the same."""
    let_go = threading.Event()

    def late(_peer):
        assert let_go.wait(30)
        return b"250 2.0.0 forgotten"

    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_connections": 1}, timeouts={"queue": "5s"})
    upstream.script = {"rset": [None, late]}
    holder, one, two = devices(proxy, 3)
    holder.send(ENVELOPE)
    assert [reply.code for reply in holder.replies(2)] == [250, 250]
    one.send(ENVELOPE)
    assert one.reply().code == 250 and holder.command("NOOP").code == 250
    assert holder.command("RSET").code == 250
    two.send(ENVELOPE)
    assert two.reply().code == 250 and holder.command("NOOP").code == 250
    let_go.set()
    assert one.reply().code == 250 and one.command("DATA").code == 354
    if first == "keeps it":
        assert one.finish(message("one")).code == 250
    else:
        one.send(b"Subject: half\r\n")
        one.reset()
    assert two.reply().code == 250
    assert two.command("DATA").code == 354 and two.finish(message("two")).code == 250
    assert arrived(upstream) == ["one"] * (first == "keeps it") + ["two"]


@pytest.mark.workers
@pytest.mark.parametrize("count", [1, 4])
def test_its_turn_comes_while_it_speaks(waxseal, scripted, count):
    """A device that goes on with its recipients just when it is given what another one has let go of."""
    upstream = scripted()
    proxy = start(waxseal, upstream, count, upstream={"max_connections": 1})
    for _ in range(30):
        holder, waiting = devices(proxy, 2)
        holder.open_data()
        holder.send(b"Subject: half\r\n\r\n")
        waiting.send(ENVELOPE)
        assert waiting.reply().code == 250
        leaving = threading.Thread(target=holder.reset)
        leaving.start()
        for number in range(30):
            waiting.send(b"RCPT TO:<%d@example.test>\r\n" % number)
        leaving.join()
        assert [reply.code for reply in waiting.replies(31)] == [250] * 31
        waiting.quit()


def test_a_waiting_device_is_told_what_a_stalled_upstream_costs_it(waxseal, scripted):
    """The one whose turn it is gets the upstream's failure, the next its own connection."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_connections": 1}, timeouts={"upstream_reply": "2s"})
    accepted(proxy, "first")
    upstream.script = {"mail": [stall, stall]}
    one, two = devices(proxy, 2)
    for client in (one, two):
        client.send(ENVELOPE)
        assert client.reply().code == 250
    assert one.reply().status == "451 4.4.1"  # replaced once, and it stalls again
    assert two.reply().code == 250
    assert two.command("DATA").code == 354 and two.finish(message("second")).code == 250
    once_each(upstream, ["first", "second"])
