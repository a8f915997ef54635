"""How long connections are kept, and how they end: in time, with QUIT, and at a reload or the end of the program at once."""

import contextlib
import signal
import threading

import pytest

from support.messages import message
from support.net import wait_until
from support.pool import accepted, arrived, connections, never, once_each, start, workers
from support.proxy import write_private
from support.wire import Ended

FAREWELL = b"421 4.4.2 idle for too long\r\n"


class Impatient(threading.Thread):
    """Closes each connection of an upstream that has been idle for so long, with 421 and an orderly end."""

    def __init__(self, upstream, seconds):
        super().__init__(daemon=True)
        self._upstream, self._seconds, self._over = upstream, seconds, threading.Event()
        self.closed = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()

    def run(self):
        idle = {}  # for how many rounds, with how many commands
        while not self._over.wait(0.05):
            for peer in [peer for peer in self._upstream.peers if peer.resting and not peer.ended]:
                rounds, commands = idle.get(peer, (0, 0))
                idle[peer] = (rounds + 1 if commands == len(peer.commands) else 0, len(peer.commands))
                if idle[peer][0] * 0.05 >= self._seconds:
                    idle[peer] = (-1000, len(peer.commands))
                    self.closed += 1
                    with contextlib.suppress(Ended, OSError):  # the proxy may go at the same moment
                        peer.wire.send(FAREWELL)
                        peer.wire.finish()


def all_ended(upstream, how, of=slice(None)):
    wait_until(lambda: all(peer.ended for peer in upstream.peers[of]), 20, "connections to end")
    assert [peer.ended for peer in upstream.peers[of]] == [how] * len(upstream.peers[of])
    if how == "quit":
        assert [peer.commands[-1][0] for peer in upstream.peers[of]] == [b"QUIT\r\n"] * len(upstream.peers[of])


# How long


@pytest.mark.slow
def test_learns_the_upstreams_limit(waxseal, scripted):
    """Once an idle connection has been closed under it, waxseal is the first to go."""
    upstream = scripted()
    proxy = start(waxseal, upstream)
    with Impatient(upstream, 3) as impatient:
        limit = proxy.wait_event("upstream_idle_limit", level="debug")["idle_ms"]
        assert limit < 3000
        for number in range(3):
            accepted(proxy, f"message-{number}")
            all_ended(upstream, "quit", slice(1, None))
        assert impatient.closed == 1
    assert len(upstream.peers) == 4  # nothing is opened again for nobody
    once_each(upstream, [f"message-{number}" for number in range(3)])
    never(proxy, 3, "upstream_replaced", "upstream_failed", "upstream_down")
    assert len(proxy.events("upstream_idle_limit")) == 1


@pytest.mark.slow
def test_messages_around_the_upstreams_limit(waxseal, scripted):
    """Devices that come just when it closes: none sees an error, none is there twice."""
    upstream, tokens = scripted(), [f"message-{number}" for number in range(8)]
    proxy = start(waxseal, upstream)
    with Impatient(upstream, 0.4):
        for token in tokens:
            threading.Event().wait(0.33 + 0.02 * len(tokens[: tokens.index(token)]))
            accepted(proxy, token)
    once_each(upstream, tokens)
    never(proxy, len(tokens), "upstream_failed", "upstream_down", "outcome_unknown")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_idle_timeout(waxseal, scripted, tls):
    upstream = scripted(tls)
    proxy = start(waxseal, upstream, upstream={"idle_timeout": "1s"})
    all_ended(upstream, "quit")
    accepted(proxy, "first")
    all_ended(upstream, "quit")
    assert len(upstream.peers) == 2
    never(proxy, 1, "upstream_idle_limit", "upstream_replaced", "upstream_failed")


def test_every_use_begins_it_anew(waxseal, scripted):
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"idle_timeout": "3s"})
    for number in range(6):
        threading.Event().wait(0.7)
        accepted(proxy, f"message-{number}")
    assert len(upstream.peers) == 1
    all_ended(upstream, "quit")


@pytest.mark.slow
def test_more_than_are_kept(waxseal, scripted):
    """Those beyond idle_connections stay for a moment, for who comes right after; one stays for good."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"idle_connections": 1, "idle_timeout": "60s"})
    clients = [proxy.client() for _ in range(4)]
    for client in clients:
        client.ehlo()
        client.open_data()
    assert len(upstream.peers) == 4
    for number, client in enumerate(clients):
        assert client.finish(message(f"message-{number}")).code == 250
        client.quit()
    for number in range(4, 8):
        accepted(proxy, f"message-{number}")
    assert len(upstream.peers) == 4
    wait_until(lambda: sum(peer.ended == "quit" for peer in upstream.peers) == 3, 20, "three to be closed")
    accepted(proxy, "message-8")
    assert len(upstream.peers) == 4 and sum(peer.ended is None for peer in upstream.peers) == 1
    once_each(upstream, [f"message-{number}" for number in range(9)])


# How many messages


@pytest.mark.parametrize("most", [1, 2])
def test_as_many_messages_as_a_connection_may_have(waxseal, scripted, most):
    """The next one gets another, and the one that is used up is closed with QUIT."""
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_transactions_per_connection": most, "idle_connections": 1})
    for number in range(6):
        accepted(proxy, f"message-{number}")
    used = [peer for peer in upstream.peers if peer.messages]
    assert [len(peer.messages) for peer in used] == [most] * (6 // most)
    assert arrived(upstream) == [f"message-{number}" for number in range(6)]
    wait_until(lambda: all(peer.ended for peer in used), what="those that are used up to be closed")
    assert {peer.ended for peer in used} == {"quit"}


def test_as_many_messages_in_one_session(waxseal, scripted):
    upstream = scripted()
    proxy = start(waxseal, upstream, upstream={"max_transactions_per_connection": 2, "idle_connections": 1})
    with proxy.client() as client:
        client.ehlo()
        for number in range(5):
            assert client.transaction(message(f"message-{number}")).code == 250
        client.quit()
    assert [len(peer.messages) for peer in upstream.peers if peer.messages] == [2, 2, 1]


def test_none_is_kept(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream, upstream={"idle_connections": 0}, env=workers(1))
    proxy.wait_event("upstream_ready")
    all_ended(upstream, "quit")
    for number in range(3):
        accepted(proxy, f"message-{number}")
        all_ended(upstream, "quit")
    assert [len(peer.messages) for peer in upstream.peers] == [0, 1, 1, 1]
    assert upstream.commands("RSET") == []
    assert connections(proxy, 3) == ["new"] * 3


# A reload, and the end


@pytest.fixture
def two(scripted):
    """Two upstreams that take any password, and what they were told."""

    def judge(peer):
        peer.authenticated = True
        return b"235 2.7.0 welcome"

    return [scripted(script={"auth": judge}) for _ in range(2)]


def test_reload_with_another_password(waxseal, two):
    upstream = two[0]
    proxy = start(waxseal, upstream)
    accepted(proxy, "before")
    write_private(proxy.configuration["upstream"][0]["password_file"], "an0ther\n")
    proxy.reload()
    proxy.wait_event("reloaded")
    all_ended(upstream, "quit", slice(1))
    upstream.wait_peer(lambda peer: peer.number == 1 and peer.resting)
    accepted(proxy, "after")
    assert [peer.credentials[1] for peer in upstream.peers] == [upstream.password, "an0ther"]
    assert [len(peer.messages) for peer in upstream.peers] == [1, 1]


def test_reload_with_another_address(waxseal, two):
    old, new = two
    proxy = start(waxseal, old)
    accepted(proxy, "before")
    other = waxseal(new, upstream={"idle_connections": 0}, env=workers(1)).configuration["upstream"]
    new.wait_ended()
    del new.peers[:]
    proxy.reload(proxy.configuration | {"upstream": [{key: value for key, value in other[0].items() if key != "idle_connections"}]})
    proxy.wait_event("reloaded")
    all_ended(old, "quit")
    new.wait_peer(lambda peer: peer.resting)
    accepted(proxy, "after")
    assert [len(old.peers), len(new.peers)] == [1, 1]
    assert arrived(old) == ["before"] and arrived(new) == ["after"]


@pytest.mark.parametrize("change", [{"username": "somebody.else@example.test"}, {"idle_connections": 1}], ids=["account", "number"])
def test_reload_with_a_transaction_under_way(waxseal, two, change):
    """It ends where it began; its connection is then closed, and nobody else gets it."""
    upstream = two[0]
    proxy = start(waxseal, upstream)
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        changed = [proxy.configuration["upstream"][0] | change]
        proxy.reload(proxy.configuration | {"upstream": changed})
        proxy.wait_event("reloaded")
        upstream.wait_peer(lambda peer: peer.number == 1 and peer.resting)
        accepted(proxy, "new")
        assert client.finish(message("old")).code == 250
        all_ended(upstream, "quit", slice(1))
        assert client.transaction(message("old-2")).code == 250  # this session has the old configuration to its end
        client.quit()
    assert [sent.content for sent in upstream.peers[0].messages] == [message("old")]
    assert [peer.credentials[0] for peer in upstream.peers[:2]] == [upstream.username, change.get("username", upstream.username)]
    old = [peer for peer in upstream.peers if message("old-2") in [sent.content for sent in peer.messages]]
    assert [peer.credentials[0] for peer in old] == [upstream.username]
    once_each(upstream, ["old", "new", "old-2"])


@pytest.mark.parametrize("count", [1, 4])
def test_end_of_the_program(waxseal, scripted, count):
    upstream = scripted()
    proxy = start(waxseal, upstream, count, upstream={"idle_connections": 2})
    clients = [proxy.client() for _ in range(4)]
    for client in clients:
        client.ehlo()
        client.open_data()
    for number, client in enumerate(clients):
        assert client.finish(message(f"message-{number}")).code == 250
        client.quit()
    assert any(peer.ended is None for peer in upstream.peers)
    assert proxy.stop() == 0
    all_ended(upstream, "quit")


def test_end_of_the_program_with_a_transaction_under_way(waxseal, scripted):
    upstream = scripted()
    proxy = start(waxseal, upstream)
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        proxy.signal(signal.SIGTERM)
        assert client.finish(message("last")).code == 250
        assert client.reply().code == 421
    assert proxy.process.wait(20) == 0
    all_ended(upstream, "quit")
    once_each(upstream, ["last"])
