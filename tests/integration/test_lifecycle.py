"""Signals, and what is left behind."""

import signal
import time

import pytest

from support.client import Client
from support.messages import message
from support.net import listening, wait_until
from support.proxy import environment, sanitized
from support.upstream import stall


# Stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(waxseal, scripted, number):
    """Idle devices hear 421; who is in a transaction finishes it; nobody new gets in; exit code 0."""
    upstream = scripted()
    proxy = waxseal(upstream)
    idle, fresh, busy = proxy.client(), proxy.client(), proxy.client()
    idle.ehlo()
    busy.ehlo()
    busy.open_data()
    busy.send(b"Subject: busy\r\n\r\nfirst half\r\n")
    proxy.signal(number)
    assert idle.reply().status == "421 4.3.2" and idle.closed()
    assert fresh.reply().status == "421 4.3.2" and fresh.closed()
    wait_until(lambda: not listening(proxy.port))
    assert proxy.process.running
    assert busy.finish(b"second half\r\n").status == "250 2.0.0"
    assert busy.until_closed().startswith(b"421 4.3.2")
    assert proxy.process.wait(10) == 0
    assert [sent.content for sent in upstream.messages] == [b"Subject: busy\r\n\r\nfirst half\r\nsecond half\r\n"]
    assert len(proxy.events("session_end")) == 3
    proxy.check()


def test_drain_in_the_envelope(waxseal, scripted):
    """A transaction under way is one even before its body."""
    upstream = scripted()
    proxy = waxseal(upstream)
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<a@example.test>").code == 250
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: not listening(proxy.port))
        assert client.command("RCPT TO:<b@example.test>").code == 250
        assert client.command("DATA").code == 354
        assert client.finish(message("drain")).code == 250
    assert proxy.process.wait(10) == 0
    assert len(upstream.messages) == 1


def test_drain_is_limited(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream, timeouts={"drain": "1s"})
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        client.send(b"never ended\r\n")
        started = time.monotonic()
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(10) == 0
        assert 0.5 < time.monotonic() - started < 5
    upstream.wait_ended()
    assert upstream.messages == []
    assert all(b"\r\n.\r\n" not in peer.wire.inside for peer in upstream.peers)


def test_second_signal_ends_at_once(waxseal, scripted):
    proxy = waxseal(scripted(), timeouts={"drain": "1m"})
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        proxy.signal(signal.SIGTERM)
        wait_until(lambda: not listening(proxy.port))
        assert proxy.process.running
        proxy.signal(signal.SIGTERM)
        proxy.process.wait(3)
    proxy.check()
    assert proxy.events("session_end")[-1]["transactions"] != []  # the log still names what was cut short


def test_restart_on_the_same_port_at_once(waxseal, scripted):
    upstream = scripted()
    first = waxseal(upstream)
    with first.client() as client:
        client.ehlo()
        first.stop()
    second = waxseal(upstream, port=first.port)
    with second.client() as client:
        client.ehlo()


# What is left behind


def test_no_descriptor_or_memory_leaks(waxseal, scripted):
    """500 sessions that end in every way."""
    upstream = scripted()
    proxy = waxseal(upstream, {"idle_timeout": "1s"}, log_level="info")
    endings = [b"QUIT\r\n", b"MAIL FROM:<a@example.test>\r\n", b"GET / HTTP/1.1\r\n", b"NOOP\n", b""]

    def sessions(count):
        for number in range(count):
            with proxy.client() as client:
                client.ehlo()
                if number % 5 == 0:
                    assert client.transaction(message("leak")).code == 250
                client.send(endings[number % len(endings)])
                if number % 7 == 0:
                    client.reset()
        wait_until(lambda: len(proxy.events("session_end")) >= sessions.total + count)
        sessions.total += count

    sessions.total = 0
    sessions(50)
    upstream.wait_ended()
    wait_until(lambda: proxy.descriptors() < 30)
    descriptors, memory = proxy.descriptors(), proxy.memory()
    sessions(450)
    upstream.wait_ended()
    wait_until(lambda: proxy.descriptors() <= descriptors, what=f"at most {descriptors} descriptors")
    assert sanitized() or proxy.memory() - memory < 4096


def test_memory_is_given_back_after_a_crowd(waxseal, scripted):
    """And nothing is done after each lone device."""
    proxy = waxseal(scripted())

    def sessions(count):
        before = len(proxy.events("session_end"))
        clients = [proxy.client() for _ in range(count)]
        for client in clients:
            client.close()
        wait_until(lambda: len(proxy.events("session_end")) == before + count)

    sessions(1)
    sessions(63)
    time.sleep(1.5)
    assert not proxy.events("memory_trimmed")
    sessions(64)
    proxy.wait_event("memory_trimmed")


def test_more_sessions_than_descriptors_are_warned_about(waxseal, scripted):
    upstream = scripted()
    few = ["prlimit", "--nofile=256:256"]
    proxy = waxseal(upstream, prefix=few, limits={"max_sessions": 97}, env=environment(WAXSEAL_WORKERS="1"))
    warning = proxy.wait_event("max_sessions_capped")
    assert (warning["max_sessions"], warning["possible"]) == (97, 96)
    assert "LimitNOFILE" in warning["advice"] and "ulimit -n" in warning["advice"]
    proxy.reload()
    proxy.wait_event("max_sessions_capped", count=2)
    proxy.reload(dict(proxy.configuration, limits={"max_sessions": 96}))
    proxy.wait_event("reloaded", count=2)
    assert len(proxy.events("max_sessions_capped")) == 2


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_out_of_descriptors(waxseal, scripted):
    """It neither ends nor spins, and recovers."""
    upstream = scripted()
    proxy = waxseal(upstream, prefix=["prlimit", "--nofile=64:64"], log_level="info")
    clients = []
    for _ in range(120):
        clients.append(Client(proxy.port, greeting=False))
    time.sleep(0.5)
    before = processor_seconds(proxy.pid)
    time.sleep(2)
    assert processor_seconds(proxy.pid) - before < 0.5
    assert proxy.process.running
    for client in clients:
        client.close()

    def works():
        try:
            with proxy.client(timeout=2) as client:
                client.ehlo()
                return client.transaction(message("recovered")).code == 250
        except (AssertionError, OSError):
            return False

    wait_until(works, 20, "the proxy to work again")
    assert len(upstream.messages) >= 1


def test_stalled_upstream_does_not_keep_it_from_ending(waxseal, scripted):
    proxy = waxseal(scripted(script={"mail": stall}), timeouts={"drain": "1s"})
    with proxy.client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n")
        time.sleep(0.2)
        proxy.signal(signal.SIGTERM)
        assert proxy.process.wait(10) == 0
