"""A firewall on the way forgets a connection that was kept, and says nothing: no octet gets through, no end either. The next
device waits a few seconds, and no message is lost or arrives twice."""

import ctypes
import itertools
import os
import shutil
import subprocess

import pytest

from support.messages import message
from support.net import wait_until
from support.pool import OFFERS, accepted, connections, connections_towards, never, once_each, start
from support.relay import Relay
from support.upstream import ScriptedUpstream

SHORT = {"upstream_reply": "2s"}  # else 5 s: that is what the first reply on a connection may take that was kept


@pytest.fixture
def relay():
    """relay(upstream): what is between the proxy and this upstream."""
    made = []

    def make(upstream, **options):
        made.append(Relay(upstream.port, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def behind(relay):
    return {"address": f"127.0.0.1:{relay.port}"}


@pytest.mark.parametrize("tls, offer", [("implicit", "DATA"), ("implicit", "BDAT"), ("starttls", "one by one")])
@pytest.mark.parametrize("used", [False, True], ids=["opened ahead", "used"])
def test_forgotten_while_idle(waxseal, scripted, relay, tls, offer, used):
    upstream = scripted(tls, offer=OFFERS[offer])
    path = relay(upstream)
    proxy = start(waxseal, upstream, upstream=behind(path), timeouts=SHORT)
    tokens = ["before"] if used else []
    for token in tokens:
        accepted(proxy, token)
    path.links[0].forget()
    accepted(proxy, "first")
    accepted(proxy, "second")
    assert connections(proxy, len(tokens) + 2) == ["ready"] * len(tokens) + ["replaced", "ready"]
    once_each(upstream, [*tokens, "first", "second"])
    assert [len(peer.messages) for peer in upstream.peers] == [len(tokens), 2]
    replaced = proxy.events("upstream_replaced")
    assert [event["cause"] for event in replaced] == ["timeout"] and " 2 s " in replaced[0]["reason"]
    never(proxy, 2, "upstream_failed", "upstream_down", "outcome_unknown")


def test_all_forgotten_at_once(waxseal, scripted, relay):
    """Each of three devices has one that is dead; nobody is given another's."""
    upstream = scripted()
    path = relay(upstream)
    proxy = start(waxseal, upstream, upstream={"idle_connections": 3} | behind(path), timeouts=SHORT)
    clients = [proxy.client(timeout=60) for _ in range(3)]
    for client in clients:
        client.ehlo()
    wait_until(lambda: len(path.links) == 3, what="three connections")
    upstream.wait_settled()
    for link in path.links:
        link.forget()
    for client in clients:
        client.send(b"MAIL FROM:<device@example.test>\r\nRCPT TO:<inbox@example.test>\r\nDATA\r\n")
    for number, client in enumerate(clients):
        assert [reply.code for reply in client.replies(3)] == [250, 250, 354]
        assert client.finish(message(f"message-{number}")).code == 250
        client.quit()
    once_each(upstream, ["message-0", "message-1", "message-2"])
    assert connections(proxy, 3) == ["replaced"] * 3


def test_given_up_connection_is_still_forgotten(waxseal, scripted, relay):
    """The device leaves while its first command is on its way into nothing: the next one need not wait behind that."""
    upstream = scripted()
    path = relay(upstream)
    proxy = start(waxseal, upstream, upstream={"max_connections": 1} | behind(path), timeouts=SHORT)
    path.links[0].forget()
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<device@example.test>").code == 250
        client.send(b"RCPT TO:<inbox@example.test>\r\n")
        assert client.silent(0.2)
    accepted(proxy, "next")
    once_each(upstream, ["next"])


@pytest.mark.slow
def test_quit_into_nothing(waxseal, scripted, relay):
    """What is closed because nobody uses it may be forgotten too; that keeps neither a slot nor a descriptor."""
    upstream = scripted()
    path = relay(upstream)
    proxy = start(waxseal, upstream, upstream={"idle_timeout": "1s", "max_connections": 1} | behind(path))
    before = proxy.descriptors()
    path.links[0].forget()
    wait_until(lambda: proxy.descriptors() < before, 30, "the proxy to close what it does not use")
    accepted(proxy, "next")
    assert connections(proxy, 1) == ["ready"]  # opened when the device said hello
    once_each(upstream, ["next"])


# A network of its own, where octets are not even confirmed


class Network:
    """A namespace behind a pair of virtual interfaces, with a firewall. Needs CAP_NET_ADMIN."""

    numbers = itertools.count()

    def __init__(self):
        number = next(self.numbers)  # the kernel takes its time to remove the one before
        self.name = f"waxseal-{os.getpid()}-{number}"
        net = self._free()
        self.here, self.there = f"{net}.1", f"{net}.2"
        self._interface = f"wx{os.getpid()}-{number}"
        self._ip("netns", "add", self.name)
        try:
            self._ip("link", "add", self._interface, "type", "veth", "peer", "name", "upstream", "netns", self.name)
            self._ip("address", "add", f"{self.here}/30", "dev", self._interface)
            self._ip("link", "set", self._interface, "up")
            self.inside("address", "add", f"{self.there}/30", "dev", "upstream")
            self.inside("link", "set", "upstream", "up")
        except subprocess.CalledProcessError:
            self.close()
            raise

    @staticmethod
    def _ip(*words):
        return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout

    def _free(self):
        """A network of RFC 2544's range that has no route of its own here: nobody else's may be touched."""
        taken = self._ip("route", "show", "table", "all")
        return next(net for net in (f"198.{18 + n // 256}.{n % 256}" for n in range(os.getpid() % 256, 512)) if f"{net}." not in taken)

    def inside(self, *words):
        self._ip("-n", self.name, *words)

    def forget(self, port):
        """From now on nothing reaches this port out here, and nothing that comes from it arrives."""
        self.inside("rule", "add", "ipproto", "tcp", "dport", str(port), "blackhole")
        self.inside("rule", "add", "ipproto", "tcp", "sport", str(port), "blackhole")

    def enter(self, make):
        """Calls it inside; what sockets it opens stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as ours, open(f"/run/netns/{self.name}", "rb") as theirs:
            assert libc.setns(theirs.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
            try:
                return make()
            finally:
                assert libc.setns(ours.fileno(), 0) == 0, os.strerror(ctypes.get_errno())

    def close(self):
        subprocess.run(["ip", "link", "del", self._interface], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], check=False, capture_output=True)


@pytest.fixture
def network():
    if not shutil.which("ip"):
        pytest.skip("no ip command")
    allowed = subprocess.run(["unshare", "--net", "ip", "link", "add", "type", "veth"], check=False, capture_output=True, text=True)
    if allowed.returncode:
        pytest.skip(f"no networks of our own here: {allowed.stderr.strip()}")
    made = Network()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("offer", OFFERS)
def test_dropped_by_a_firewall(waxseal, network, authority, certificate, offer):
    upstream = network.enter(lambda: ScriptedUpstream(certificate, ca_file=authority.ca_file, host=network.there, offer=OFFERS[offer]))
    with upstream:
        proxy = start(waxseal, upstream)
        accepted(proxy, "before")
        [port] = connections_towards(upstream)
        network.forget(port)
        accepted(proxy, "first")
        accepted(proxy, "second")
        assert connections(proxy, 3) == ["ready", "replaced", "ready"]
        once_each(upstream, ["before", "first", "second"])
        replaced = proxy.events("upstream_replaced")
        assert [event["cause"] for event in replaced] == ["timeout"] and " 5 s " in replaced[0]["reason"]
        never(proxy, 3, "upstream_failed", "upstream_down", "outcome_unknown")
