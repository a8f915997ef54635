"""Reload: what SIGHUP changes, what it leaves alone, and that a bad configuration changes nothing."""

import socket
import time

import pytest

from support.client import Client
from support.messages import message
from support.net import free_port, listening, wait_until
from support.upstream import stall


def listening_at(address, port):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def test_reload(waxseal, scripted):
    """New sessions use the new configuration, running ones keep the old."""
    old, new = scripted(), scripted("starttls")
    proxy = waxseal(old, server={"hostname": "old.example.test"})
    other = waxseal(new)  # only for its [[upstream]]
    with proxy.client() as client:
        client.ehlo()
        client.open_data()
        proxy.reload(dict(other.configuration, server={"hostname": "new.example.test"}))
        proxy.wait_event("reloaded")
        with proxy.client() as fresh:
            assert fresh.greeting.text.startswith("new.example.test ")
            fresh.ehlo()
            assert fresh.transaction(message("new")).code == 250
        assert client.finish(message("old")).code == 250
        assert client.ehlo().lines[0].startswith("old.example.test")
        assert client.transaction(message("old")).code == 250
    assert len(old.messages) == 2 and len(new.messages) == 1


@pytest.mark.parametrize("damage", [
    lambda text: text + "\n[limits]\nmax_sesions = 3\n",
    lambda text: text + "\n[[[",
    lambda text: text.replace("implicit", "perhaps"),
    lambda text: text.replace("password-", "no-such-file-"),
    lambda text: "",
], ids=["unknown key", "no TOML", "bad value", "missing file", "empty"])
def test_bad_reload_changes_nothing(waxseal, scripted, damage):
    upstream = scripted()
    proxy = waxseal(upstream)
    with open(proxy.file, encoding="utf-8") as file:
        good = file.read()
    with open(proxy.file, "w", encoding="utf-8") as file:
        file.write(damage(good))
    proxy.reload()
    wait_until(lambda: [entry for entry in proxy.log if entry.get("level") == "error"], what="an error in the log")
    assert not proxy.events("reloaded")
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("still")).code == 250
    with open(proxy.file, "w", encoding="utf-8") as file:
        file.write(good)
    proxy.reload()
    proxy.wait_event("reloaded")
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("again")).code == 250


def test_reload_onto_a_taken_port_changes_nothing(waxseal, scripted):
    """Not the log level either, nor the listener that could be opened before the one that could not."""
    proxy = waxseal(scripted(), log={"level": "info"}, log_level=None)
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        more = [{"address": f"127.0.0.1:{number}"} for number in (free, port)]
        proxy.reload(dict(proxy.configuration, listen=[*proxy.configuration["listen"], *more], log={"level": "error"}))
        assert str(port) in proxy.wait_event("reload_failed")["reason"]
    assert not listening(free)
    with proxy.client() as client:
        client.ehlo()
    proxy.wait_event("session_end")  # an info line
    proxy.reload(dict(proxy.configuration, log={"level": "debug"}))
    proxy.wait_event("reloaded")


def test_reload_changes_the_log_level(waxseal, scripted):
    proxy = waxseal(scripted(), log={"level": "error"}, log_level=None)
    proxy.reload(dict(proxy.configuration, log={"level": "info"}))
    proxy.wait_event("reloaded")
    with proxy.client() as client:
        client.ehlo()
    proxy.wait_event("session_end")


def test_reload_changes_the_log_format(waxseal, scripted):
    proxy = waxseal(scripted(), log={"format": "json"}, log_format=None)
    proxy.reload(dict(proxy.configuration, log={"format": "logfmt"}))
    proxy.wait_text(" level=info event=reloaded ")
    proxy.reload(proxy.configuration)
    proxy.wait_event("reloaded")


def test_reload_says_where_the_mistake_is(waxseal, scripted):
    proxy = waxseal(scripted())
    with open(proxy.file, "a", encoding="utf-8") as file:
        file.write("[log]\nlevl = \"info\"\n")
    with open(proxy.file, encoding="utf-8") as file:
        line = len(file.read().splitlines())
    proxy.reload()
    proxy.wait_text(f"waxseal.toml:{line}:1: ")
    proxy.wait_text("did you mean level?")


def test_reload_reads_secrets_and_authorities_again(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream)
    table = proxy.configuration["upstream"][0]
    with open(table["password_file"], "w", encoding="utf-8") as file:
        file.write("another")
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("old secret")).code == 250
    proxy.reload()
    proxy.wait_event("reloaded")
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("new secret")).status == "451 4.7.0"


def test_garbage_for_authorities_keeps_the_old_ones(waxseal, scripted, directory):
    upstream = scripted()
    own = f"{directory}/ca.pem"
    with open(upstream.ca_file, encoding="ascii") as source, open(own, "w", encoding="ascii") as copy:
        copy.write(source.read())
    proxy = waxseal(upstream, {"ca_file": own})
    with open(own, "w", encoding="ascii") as file:
        file.write("-----BEGIN CERTIFICATE-----\ngarbage\n-----END CERTIFICATE-----\n")
    proxy.reload()
    wait_until(lambda: [entry for entry in proxy.log if entry.get("level") == "error"], what="an error in the log")
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("kept")).code == 250


def test_reload_keeps_what_the_upstream_offered(waxseal, scripted):
    """Until it has been asked again; but not for another account."""
    upstream = scripted()
    proxy = waxseal(upstream)
    proxy.wait_offer("8BITMIME")
    upstream.wait_settled()
    upstream.script = {"ehlo_tls": stall}
    proxy.reload()
    proxy.wait_event("reloaded")
    with proxy.client() as client:
        assert "8BITMIME" in client.offers()
    table = dict(proxy.configuration["upstream"][0], username="another@example.test")
    proxy.reload(dict(proxy.configuration, upstream=[table]))
    proxy.wait_event("reloaded", count=2)
    with proxy.client() as client:
        assert "8BITMIME" not in client.offers()


def test_max_connections_holds_over_a_reload(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream, {"max_connections": 2}, timeouts={"queue": "1s"})
    proxy.wait_offer("8BITMIME")
    upstream.wait_settled()
    with proxy.client() as first, proxy.client() as second, proxy.client() as third:
        for client in (first, second):
            client.ehlo()
            client.open_data()
        proxy.reload()
        proxy.wait_event("reloaded")
        third.ehlo()
        assert third.transaction(message("early")).status == "451 4.3.2"
        table = dict(proxy.configuration["upstream"][0], max_connections=3)
        proxy.reload(dict(proxy.configuration, upstream=[table]))
        proxy.wait_event("reloaded", count=2)
        third.ehlo()
        assert third.transaction(message("third")).code == 250
        for client in (first, second):
            assert client.finish(message("busy")).code == 250


def test_reload_opens_and_closes_listeners(waxseal, scripted):
    proxy = waxseal(scripted())
    second = free_port()
    both = [*proxy.configuration["listen"], {"address": f"127.0.0.1:{second}"}]
    proxy.reload(dict(proxy.configuration, listen=both))
    wait_until(lambda: listening(second))
    with Client(second) as kept:
        kept.ehlo()
        proxy.reload(proxy.configuration)
        wait_until(lambda: not listening(second))
        assert kept.command("NOOP").code == 250
    with proxy.client() as client:
        client.ehlo()


def test_reload_to_an_address_that_overlaps(waxseal, scripted):
    """From one address of a port to all of them and back; the old one stands when the new cannot be opened."""
    proxy = waxseal(scripted())
    everywhere = {"address": f"0.0.0.0:{proxy.port}", "allow": ["127.0.0.0/8"]}
    with proxy.client() as kept, socket.create_server(("127.0.0.2", proxy.port)):
        kept.ehlo()
        proxy.reload(dict(proxy.configuration, listen=[everywhere]))  # somebody else is part of everywhere
        assert "in use" in proxy.wait_event("reload_failed")["reason"]
        assert kept.command("NOOP").code == 250
    with proxy.client() as client:
        client.ehlo()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        blocked = {"address": f"127.0.0.1:{taken.getsockname()[1]}"}
        proxy.reload(dict(proxy.configuration, listen=[everywhere, blocked]))
        proxy.wait_event("reload_failed", count=2)
    with proxy.client() as client:
        client.ehlo()
    assert not listening_at("127.0.0.3", proxy.port)
    for count, (listen, reachable) in enumerate([(everywhere, True), ({}, False)] * 2, 1):
        proxy.reload(dict(proxy.configuration, listen=[listen]))
        proxy.wait_event("reloaded", count=count)
        with proxy.client() as client:
            client.ehlo()
        assert listening_at("127.0.0.3", proxy.port) == reachable
        for shared in (False, True):  # nobody else gets the port
            with socket.socket() as other:
                if shared:
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(OSError):
                    other.bind(("127.0.0.1", proxy.port))
                    other.listen()


def test_reload_storm(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream)
    before = None
    for number in range(60):
        proxy.reload()
        if number % 6 == 0:
            with proxy.client() as client:
                client.ehlo()
                assert client.transaction(message("storm")).code == 250
        if number == 20:
            time.sleep(0.5)
            before = proxy.descriptors()
    wait_until(lambda: proxy.descriptors() <= before, what="descriptors to be closed")
    assert len(upstream.messages) == 10
