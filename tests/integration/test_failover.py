"""Two providers: one dies in the middle of the mail; senders have their own; the device's address goes along with XCLIENT."""

import base64
import collections
import smtplib
import struct
import threading

import pytest

from support import servers
from support.certificates import NAME, OTHER_NAME
from support.mailbox import body_hash
from support.messages import message
from support.net import free_port, wait_until
from support.upstream import OFFER

MESSAGES, DEVICES = 200, 4
KILLED_AFTER = 60


class Device(threading.Thread):
    """Sends its messages one by one, each in a session of its own; keeps the last word on each."""

    def __init__(self, port, tokens, verdicts):
        super().__init__(daemon=True)
        self.port, self.tokens, self.verdicts = port, tokens, verdicts

    def run(self):
        for token in self.tokens:
            self.verdicts[token] = self.send(message(token))

    def send(self, content):
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as smtp:
                smtp.sendmail("device@example.test", ["inbox@example.test"], content)
        except smtplib.SMTPRecipientsRefused as refused:
            return self.words(*refused.recipients["inbox@example.test"])
        except smtplib.SMTPResponseException as refused:
            return self.words(refused.smtp_code, refused.smtp_error)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            return f"lost: {error!r}"
        return "250"

    @staticmethod
    def words(code, text):
        return f"{code} {text.decode().split(' ')[0]}"


def send_all(port, token, when_accepted, act):
    """All messages from several devices at once; act() once so many were accepted. token of each: verdict."""
    tokens = [f"{token}-{number:03}" for number in range(MESSAGES)]
    verdicts = {}
    devices = [Device(port, tokens[first::DEVICES], verdicts) for first in range(DEVICES)]
    for device in devices:
        device.start()
    wait_until(lambda: list(verdicts.values()).count("250") >= when_accepted, 120, f"{when_accepted} messages to be accepted")
    act()
    for device in devices:
        device.join(180)
    assert len(verdicts) == MESSAGES
    return verdicts


def copies(pair, token):
    """How often the servers took each message. One that was killed may deliver again what it took once: the same Received."""
    taken = {(mail.header("Subject"), mail.header("Received")) for server in pair for mail in server.mailbox.find(token)}
    return collections.Counter(subject for subject, _ in taken)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["postfix-smtps", "postfix-starttls"])
def test_one_of_two_is_killed_in_the_middle(waxseal, pair, token, way):
    """Delivered, or refused for now; none lost, none twice; the other one takes over at once."""
    first, second = pair
    proxy = waxseal([server.endpoints()[way] for server in pair])
    verdicts = send_all(proxy.port, token, KILLED_AFTER, first.kill)
    first.launch()  # delivers what it had accepted

    accepted = {name for name, verdict in verdicts.items() if verdict == "250"}
    refused = {name: verdict for name, verdict in verdicts.items() if verdict != "250"}
    assert all(verdict.startswith("4") for verdict in refused.values()), refused
    # No more than what was under way when it died, so that no message waits for a dead upstream.
    assert len(refused) <= 2 * DEVICES, refused
    unknown = proxy.events("outcome_unknown")
    may_have_arrived = {name for name, verdict in refused.items() if verdict == "451 4.4.2"}
    assert len(unknown) <= len(may_have_arrived)

    wait_until(lambda: accepted <= set(copies(pair, token)), 60, "every accepted message to be delivered")
    wait_until(lambda: not any(server.unfinished() for server in pair), 60, "both queues to be empty")
    counted = copies(pair, token)
    assert [name for name in accepted if counted[name] != 1] == []
    assert {name for name in counted if name in refused} <= may_have_arrived
    assert sum(counted[name] for name in may_have_arrived) <= len(unknown)
    assert all(mail.hash == body_hash(b"Hello.\r\n") for server in pair for mail in server.mailbox.find(token))
    by_server = [len(server.mailbox.find(token)) for server in pair]
    assert by_server[0] >= KILLED_AFTER and by_server[1] >= MESSAGES - KILLED_AFTER - 20 * DEVICES, by_server


@pytest.mark.slow
def test_it_comes_back(waxseal, pair, token):
    """After its back-off the first one is the first again."""
    first, second = pair
    proxy = waxseal([server.endpoints()["postfix-smtps"] for server in pair])

    def send(name):
        with proxy.client(timeout=60) as client:
            client.ehlo()
            return client.transaction(message(name)).code

    assert send(f"{token}-before") == 250
    first.kill()
    wait_until(lambda: send(f"{token}-away") == 250, 30, "the second one to take over")
    assert len(second.mailbox.wait(f"{token}-away")) == 1
    first.launch()

    def at_first():
        name = f"{token}-{free_port()}"
        return send(name) == 250 and wait_until(lambda: first.mailbox.find(name) or second.mailbox.find(name), 30, name) \
            and first.mailbox.find(name)

    assert wait_until(at_first, 90, "the first one to be used again")


# What makes the next upstream take over

BROKEN = {  # how TLS begins; the script, None: a certificate for another name; cause and words in the log
    "wrong name": ("implicit", None, "tls", f"is for {OTHER_NAME}, not {NAME}"),
    "STARTTLS refused": ("starttls", {"starttls": b"454 4.7.0 TLS not available"}, "tls", "454 4.7.0 TLS not available"),
    "greeting": ("implicit", {"greeting": b"554 5.3.2 no service here"}, "unavailable", "554 5.3.2 no service here"),
    "login": ("implicit", {"auth": b"535 5.7.8 your password has expired"}, "credentials", "535 5.7.8 your password has expired"),
    "XCLIENT": ("implicit", {"xclient": b"550 5.7.0 you may not"}, "unavailable", "550 5.7.0 you may not"),
}


@pytest.mark.parametrize("when", ["from the start", "later"])
@pytest.mark.parametrize("kind", BROKEN)
def test_next_upstream_takes_over(waxseal, scripted, authority, kind, when):
    """Within the same transaction where the first one was well until then."""
    tls, script, cause, words = BROKEN[kind]
    first, second = (scripted(tls, offer=(*OFFER, "XCLIENT ADDR")) for _ in range(2))

    def break_first():
        first.script = script or {}
        if script is None:
            first.context = authority.leaf(dns=(OTHER_NAME,), ip=()).server_context()

    if when == "from the start":
        break_first()
    proxy = waxseal([first, second], {"xclient": True})
    if when == "later":
        for upstream in (first, second):
            proxy.wait_event("upstream_ready", upstream=f"upstream-{upstream.port}")
        break_first()
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert client.transaction(message("in")).code == 250
    assert first.messages == [] and len(second.messages) == 1
    where = {"upstream": f"upstream-{first.port}"}
    if when == "later":
        where["session"] = proxy.wait_event("session_end")["session"]
    failed = proxy.wait_event("upstream_failed", **where)
    assert failed["cause"] == cause and words in failed["reason"], failed


# Routes


@pytest.fixture
def routed(waxseal, scripted):
    """routed(conditions): the mail that meets them goes to .other, all else to .usual."""

    def make(**conditions):
        usual, other = scripted(), scripted()
        proxy = waxseal([usual, other], route=[conditions | {"upstream": [f"upstream-{other.port}"]}])
        proxy.usual, proxy.other = usual, other
        return proxy

    return make


def went_to(proxy, sender="device@example.test", recipient="inbox@example.test"):
    before = len(proxy.usual.messages), len(proxy.other.messages)
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("routed"), sender=sender, recipients=(recipient,)).code == 250
    grown = len(proxy.usual.messages) - before[0], len(proxy.other.messages) - before[1]
    assert sorted(grown) == [0, 1]
    return "other" if grown[1] else "usual"


def test_route_by_sender(routed):
    proxy = routed(sender=["*@sales.example.test", "boss@example.test", "<>"])
    for sender in ("a@sales.example.test", "B@SALES.example.test", "boss@example.test", ""):
        assert went_to(proxy, sender) == "other", sender
    for sender in ("a@example.test", "a@x.sales.example.test", "a@sales.example.test.example", "sales@example.test"):
        assert went_to(proxy, sender) == "usual", sender


def test_recipients_choose_nothing(routed):
    proxy = routed(sender=["*@sales.example.test"])
    assert went_to(proxy, recipient="inbox@sales.example.test") == "usual"
    assert went_to(proxy, "a@sales.example.test", "inbox@example.test") == "other"


def test_senders_of_one_session(routed):
    """Each transaction by its own sender, on a connection of its own."""
    proxy = routed(sender=["*@sales.example.test"])
    senders = ["a@example.test", "a@sales.example.test", "b@example.test", "b@sales.example.test"]
    with proxy.client() as client:
        client.ehlo()
        for sender in senders:
            assert client.transaction(message(sender), sender=sender).code == 250
    assert [sent.content for sent in proxy.usual.messages] == [message(sender) for sender in senders[::2]]
    assert [sent.content for sent in proxy.other.messages] == [message(sender) for sender in senders[1::2]]


def test_route_by_listener(waxseal, scripted):
    usual, other = scripted(), scripted()
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    port = int(addresses[0].rpartition(":")[2])
    proxy = waxseal([usual, other], listen={"address": addresses[0]}, port=port,
                    route=[{"listen": [addresses[0]], "upstream": [f"upstream-{other.port}"]}])
    proxy.usual, proxy.other = usual, other
    assert went_to(proxy) == "other"
    proxy.configuration["listen"] = [{"address": address} for address in addresses]
    proxy.configuration["route"][0]["listen"] = [addresses[1]]
    proxy.reload(proxy.configuration)
    proxy.wait_event("reloaded")
    assert went_to(proxy) == "usual"
    proxy.port = int(addresses[1].rpartition(":")[2])
    assert went_to(proxy) == "other"


def test_first_route_that_is_met_counts(waxseal, scripted):
    upstreams = [scripted() for _ in range(3)]
    names = [f"upstream-{upstream.port}" for upstream in upstreams]
    proxy = waxseal(upstreams, route=[{"sender": ["boss@example.test"], "upstream": [names[1]]},
                                      {"sender": ["*@example.test"], "upstream": [names[2]]}])
    for sender in ("boss@example.test", "device@example.test", "device@example.org"):
        with proxy.client() as client:
            client.ehlo()
            assert client.transaction(message(sender), sender=sender).code == 250
    assert [[sent.content for sent in upstream.messages] for upstream in upstreams] == [
        [message("device@example.org")], [message("boss@example.test")], [message("device@example.test")]]


def test_route_with_two_upstreams_fails_over_within_it(waxseal, scripted):
    """And not to an upstream that it does not name."""
    usual, away, other = scripted(), scripted(), scripted()
    away.close()
    proxy = waxseal([usual, away, other], route=[{"sender": ["*@example.test"],
                                                  "upstream": [f"upstream-{away.port}", f"upstream-{other.port}"]}])
    proxy.usual, proxy.other = usual, other
    assert went_to(proxy) == "other"
    other.close()
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert client.transaction(message("nowhere")).code == 451
    assert usual.messages == []


# XCLIENT


@pytest.mark.parametrize("way", ["postfix-smtps", "postfix-starttls"])
@pytest.mark.parametrize("xclient", [True, False])
def test_postfix_sees_the_device_with_xclient_only(waxseal, endpoint, token, way, xclient):
    upstream = endpoint(way)
    proxy = waxseal(upstream, {"xclient": xclient})
    with smtplib.SMTP("127.0.0.1", proxy.port, source_address=("127.0.0.77", 0), timeout=30) as smtp:
        smtp.sendmail("device@example.test", ["inbox@example.test"], message(token))
    assert len(upstream.mailbox.wait(token)) == 1
    client = wait_until(lambda: upstream.server.client_of(token), 10, "the message in Postfix's log")
    assert ("[127.0.0.77]" in client) == xclient and ("[127.0.0.1]" in client) != xclient, client


def test_xclient_goes_only_to_whom_offers_it(waxseal, endpoint, scripted, token):
    for upstream in (endpoint("exim-implicit"), scripted()):
        with waxseal(upstream, {"xclient": True}).client() as client:
            client.ehlo()
            assert client.transaction(message(token)).code == 250
    assert upstream.commands("XCLIENT") == []


@pytest.mark.parametrize("line", ["XCLIENT ADDR=192.0.2.1", "XCLIENT NAME=trusted.example LOGIN=admin", "XFORWARD ADDR=192.0.2.1"])
def test_xclient_from_a_device_is_unknown(waxseal, endpoint, token, line):
    upstream = endpoint("postfix-smtps")
    with waxseal(upstream, {"xclient": True}).client() as client:
        assert not {"XCLIENT", "XFORWARD"} & set(client.offers())
        assert client.command(line).code in (500, 502, 503)
        assert client.transaction(message(token)).code == 250
    client = wait_until(lambda: upstream.server.client_of(token), 10, "the message in Postfix's log")
    assert "[127.0.0.1]" in client


PROXY_HEADERS = {
    "v1": (b"PROXY TCP4 192.0.2.77 192.0.2.1 4711 25\r\n", b"ADDR=192.0.2.77 PORT=4711 "),
    "v1, IPv6": (b"PROXY TCP6 2001:db8::77 2001:db8::1 4711 25\r\n", b"ADDR=IPV6:2001:db8::77 PORT=4711 "),
    "v2": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((192, 0, 2, 77, 192, 0, 2, 1)) + struct.pack(">HH", 4711, 25),
           b"ADDR=192.0.2.77 PORT=4711 "),
}
BALANCED = {"proxy_protocol": ["127.0.0.0/8"], "allow": ["192.0.2.0/24", "2001:db8::/32"]}


@pytest.mark.parametrize("auth", ["none", "passthrough"])
@pytest.mark.parametrize("kind", PROXY_HEADERS)
def test_xclient_has_the_address_of_the_proxy_header(waxseal, scripted, kind, auth):
    """And not the load balancer's."""
    header, told = PROXY_HEADERS[kind]
    upstream = scripted(offer=(*OFFER, "XCLIENT NAME ADDR PORT PROTO HELO LOGIN"))
    own = {"username": None, "password_file": None} if auth == "passthrough" else {}
    with waxseal(upstream, {"xclient": True} | own, BALANCED | {"auth": auth}).client(first=header) as client:
        client.ehlo()
        if auth == "passthrough":
            account = base64.b64encode(f"\0{servers.USER}\0{servers.PASSWORD}".encode()).decode()
            assert client.command(f"AUTH PLAIN {account}").code == 235
        assert client.transaction(message("in")).code == 250
    peer = upstream.wait_peer(lambda peer: peer.messages)
    assert peer.lines("XCLIENT") == [b"XCLIENT " + told + b"NAME=[UNAVAILABLE] HELO=device.example\r\n"]
    assert [line.split()[0] for line, _ in peer.commands][:4] == [b"EHLO", b"XCLIENT", b"EHLO", b"AUTH"]


def test_postfix_sees_the_address_of_the_proxy_header(waxseal, endpoint, token):
    upstream = endpoint("postfix-smtps")
    with waxseal(upstream, {"xclient": True}, BALANCED).client(first=PROXY_HEADERS["v1"][0]) as client:
        client.ehlo()
        assert client.transaction(message(token)).code == 250
    assert len(upstream.mailbox.wait(token)) == 1
    client = wait_until(lambda: upstream.server.client_of(token), 10, "the message in Postfix's log")
    assert "[192.0.2.77]" in client
