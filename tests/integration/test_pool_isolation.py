"""What one sender leaves on a connection, the next one never meets: two accounts at one server, a connection each, devices that
take turns on it and give up in every state. And who logs in with credentials of its own shares with nobody."""

import base64
import os
import random
import re
import threading

import pytest

import support.upstream
from support.client import Client
from support.net import free_port, wait_until
from support.pool import OFFERS, workers
from support.proxy import Waxseal, upstream_table, write_private
from support.upstream import Peer

ACCOUNTS = {"alpha@example.test": "alpha's pässword", "beta@example.test": "beta's"}
TOKEN = rb"t[0-9a-f]{16}t"
SESSIONS = 1000

# Where a device gives up, and how often among others. In the order of a dialog.
STATES = {"greeting": 1, "ehlo": 1, "mail": 1, "rcpt, unread": 2, "rcpt": 2, "two of three": 1, "reset": 2, "data": 2, "half": 3,
          "half, much": 2, "all but the end": 2, "whole, unread": 2, "whole": 8, "whole, twice": 3,
          "refused at mail": 1, "refused at rcpt": 1, "refused at end": 1}
ENDINGS = ["fin", "rst", "quit"]


class Echo(Peer):
    """Repeats in each reply whose it is, and refuses what says so itself."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.taken = []

    def _act(self, step, normal=None):
        if step == "auth":
            self.authenticated = ACCOUNTS.get(self.credentials[0]) == self.credentials[1]
            return super()._act(step, b"235 2.7.0 welcome" if self.authenticated else b"535 5.7.8 no")
        if step not in ("mail", "rcpt", "end"):
            return super()._act(step, normal)
        line = self.messages[-1].mail if step == "end" else self.commands[-1][0]
        token = re.search(TOKEN, line)[0]
        if b"refused-at-" + step.encode() in line:
            self.wire.send(b"550 5.7.1 not for " + token + b"\r\n")
            return False
        if step == "end":
            self.taken.append(self.messages[-1])
        return super()._act(step, normal + b" for " + token)


class Device:
    """One that sends again and again, each time as somebody else. account: whose its messages should be."""

    def __init__(self, port, account, seed):
        self.port, self.account, self.random = port, account, random.Random(seed)
        self.whole = {}  # of those that were confirmed
        self.possible = {}  # of those whose confirmation was not waited for
        self.tokens = set()
        self.heard = []  # (token, reply)

    def session(self):
        state = self.random.choices(list(STATES), STATES.values())[0]
        client = Client(self.port, timeout=60)
        self._play(client, state)
        ending = self.random.choice(ENDINGS[:2] if state.endswith("unread") or "half" in state or state in ("data", "all but the end")
                                    else ENDINGS)
        if ending == "quit":
            client.command("QUIT")
        if ending == "rst":
            client.reset()
        else:
            client.close()

    def _token(self):
        token = f"t{self.random.randbytes(8).hex()}t"
        self.tokens.add(token)
        return token

    def _play(self, client, state):
        if state == "greeting":
            return
        client.ehlo()
        if state == "ehlo":
            return
        if state == "reset":
            self._envelope(client, self._token(), 2)
            assert client.command("RSET").code == 250
        for _ in range(2 if state == "whole, twice" else 1):
            self._transaction(client, state, self._token())

    def _say(self, client, token, line):
        reply = client.command(line)
        self.heard.append((token, reply.raw))
        return reply

    @staticmethod
    def _address(token, state="", number=""):
        return f"{number}{token}-{re.sub('[^a-z]+', '-', state)}@example.test"

    def _envelope(self, client, token, recipients, state=""):
        assert self._say(client, token, f"MAIL FROM:<{self._address(token, state)}>").code == 250
        for number in range(recipients):
            reply = self._say(client, token, f"RCPT TO:<{self._address(token, state, number)}>")
            assert token in reply.text or state == "", reply
            if reply.code != 250:
                assert reply.code == 550 and state in ("refused at mail", "refused at rcpt"), reply
                return False
        return True

    def _transaction(self, client, state, token):
        if state == "mail":
            assert self._say(client, token, f"MAIL FROM:<{self._address(token)}>").code == 250
            return
        if state == "rcpt, unread":
            client.send(f"MAIL FROM:<{self._address(token)}>\r\nRCPT TO:<{self._address(token)}>\r\n".encode())
            return
        recipients = self.random.randint(1, 3)
        if not self._envelope(client, token, recipients, state) or state == "rcpt":
            return
        if state == "two of three":
            client.send(f"RCPT TO:<{self._address(token)}>\r\nRCPT TO:<{token}@ex".encode())
            return
        assert self._say(client, token, "DATA").code == 354
        if state == "data":
            return
        content = self._content(token, 60_000 if state == "half, much" else self.random.choice([0, 300, 9_000, 40_000]))
        if state.startswith("half"):
            client.send(content[: self.random.randint(len(content) // 2, len(content) - 1)])
            return
        if state == "all but the end":
            client.send(content + self.random.choice([b"", b".", b".\r", b"\n.\n"]))
            return
        expected = (f"FROM:<{self._address(token, state)}>",
                    [f"TO:<{self._address(token, state, number)}>" for number in range(recipients)], content)
        if state == "whole, unread":
            self.possible[token] = expected
            client.send(content + b".\r\n")
            return
        reply = client.finish(content)
        self.heard.append((token, reply.raw))
        assert token in reply.text
        if state == "refused at end":
            assert reply.code == 550
        else:
            assert reply.code == 250
            self.whole[token] = expected

    def _content(self, token, octets):
        lines = [f"Subject: {token}", ""]
        size = 0
        while size < octets:
            lines.append(f"{token} {'x' * self.random.randint(0, 900)}")
            size += len(lines[-1])
        return "".join(line + "\r\n" for line in lines).encode()


@pytest.fixture
def two_accounts(directory, scripted, monkeypatch):
    """two_accounts(offer, workers): the server, and a proxy with a listener for each account; .ports: by account."""
    monkeypatch.setattr(support.upstream, "Peer", Echo)
    made = []

    def make(offer, count):
        upstream = scripted(offer=offer, mechanisms=("PLAIN",))
        ports = {account: free_port() for account in ACCOUNTS}
        tables = []
        for number, (account, password) in enumerate(ACCOUNTS.items()):
            file = os.path.join(directory, f"secret-{number}")
            write_private(file, password + "\n")
            tables.append(upstream_table(directory, upstream, name=f"account-{number}", username=account, password_file=file,
                                         max_connections=1))
        listen = [{"address": f"127.0.0.1:{port}", "upstream": [table["name"]]} for port, table in zip(ports.values(), tables)]
        made.append(Waxseal(directory, {"listen": listen, "upstream": tables}, port=next(iter(ports.values())), env=workers(count),
                            log_level="info"))
        made[-1].ports = ports
        return upstream, made[-1]

    yield make
    for one in made:
        one.discard()


def plays(device, count, failures):
    try:
        for _ in range(count):
            device.session()
    except Exception as error:  # pylint: disable=broad-exception-caught  # told by the test's own thread
        failures.append(error)


def tokens_in(octets):
    return {token.decode() for token in re.findall(TOKEN, octets)}


def one_at_a_time(peer):
    """Between two borrowers of a connection there is a RSET, and each octet is of one of them."""
    for borrowed in re.split(rb"(?m)^RSET\r$", bytes(peer.wire.inside)):
        assert len(tokens_in(borrowed)) <= 1, borrowed[:2000]


@pytest.mark.slow
@pytest.mark.workers
@pytest.mark.parametrize("offer, count", [("DATA", 1), ("BDAT", 1), ("BDAT", 4), ("one by one", 2)])
def test_two_accounts_and_devices_that_give_up(two_accounts, offer, count):
    upstream, proxy = two_accounts(OFFERS[offer], count)
    wait_until(lambda: len(proxy.events("upstream_ready")) == 2, what="both accounts to be ready")
    devices = [Device(port, account, f"{account} {number}") for account, port in proxy.ports.items() for number in range(2)]
    failures = []
    threads = [threading.Thread(target=plays, args=(device, SESSIONS // 4, failures)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert all(device.whole and device.possible for device in devices)
    proxy.wait_event("session_end", count=SESSIONS)
    assert proxy.stop() == 0  # whatever is on its way has arrived then
    upstream.wait_ended()
    for device in devices:
        account_is_right(upstream, device)
        for token, reply in device.heard:
            assert tokens_in(reply) <= {token}
    for peer in upstream.peers:
        one_at_a_time(peer)
    arrived_whole(upstream, devices)
    assert max(len(peer.lines("MAIL")) for peer in upstream.peers) > 3, "a connection that was shared"
    for secret in ACCOUNTS.values():
        assert secret not in proxy.log_text()


def account_is_right(upstream, device):
    for peer in upstream.peers:
        if peer.credentials and peer.credentials[0] != device.account:
            assert not tokens_in(bytes(peer.wire.inside)) & device.tokens
    assert len(upstream.in_clear) == 0


def arrived_whole(upstream, devices):
    """Each message that was confirmed is there once, octet by octet; one whose reply nobody waited for at most once; no other."""
    whole = {token: expected for device in devices for token, expected in device.whole.items()}
    possible = {token: expected for device in devices for token, expected in device.possible.items()}
    seen = []
    for sent in (sent for peer in upstream.peers for sent in peer.taken):
        [token] = tokens_in(sent.mail)
        seen.append(token)
        mail, recipients, content = (whole | possible)[token]
        assert sent.mail.split()[0].decode() == mail and [line.decode() for line in sent.recipients] == recipients
        assert sent.content == content
    assert len(seen) == len(set(seen))
    assert set(whole) <= set(seen)


# Credentials of the devices' own


def login(client, account):
    secret = base64.b64encode(f"\0{account}\0{ACCOUNTS[account]}".encode()).decode()
    client.ehlo()
    reply = client.command(f"AUTH PLAIN {secret}")
    assert reply.code == 235, reply


@pytest.mark.parametrize("accounts", [list(ACCOUNTS), list(ACCOUNTS)[:1] * 2], ids=["two accounts", "one account"])
def test_passthrough_shares_nothing(waxseal, scripted, monkeypatch, accounts):
    """Each device has a connection of its own from its login to its end, whoever else has the same password."""
    monkeypatch.setattr(support.upstream, "Peer", Echo)
    upstream = scripted(mechanisms=("PLAIN",))
    proxy = waxseal(upstream, {"username": None, "password_file": None}, {"auth": "passthrough"}, env=workers(1))
    proxy.wait_event("upstream_ready")
    for around in range(2):
        devices = [Device(proxy.port, account, f"{number} {around}") for number, account in enumerate(accounts)]
        clients = [proxy.client() for _ in devices]
        tokens = []
        for client, account in zip(clients, accounts):
            login(client, account)
        for device, client in [*zip(devices, clients)] * 3:
            device._transaction(client, "whole", device._token())  # pylint: disable=protected-access
        peers = [peer for peer in upstream.peers if peer.credentials][2 * around :]
        assert len(peers) == 2
        for peer, device in zip(peers, devices):
            assert peer.credentials == (device.account, ACCOUNTS[device.account])
            tokens.append(tokens_in(bytes(peer.wire.inside)))
            assert tokens[-1] == device.tokens and len(peer.taken) == 3
            assert peer.ended is None
        clients[0].quit()
        wait_until(lambda: peers[0].ended, what="the end of the first device's connection")  # pylint: disable=cell-var-from-loop
        assert peers[1].ended is None
        devices[1]._transaction(clients[1], "whole", devices[1]._token())  # pylint: disable=protected-access
        clients[1].close()
        wait_until(lambda: peers[1].ended, what="the end of the other's")  # pylint: disable=cell-var-from-loop
        assert [peer.ended for peer in peers] == ["quit", "quit"]
    assert len([peer for peer in upstream.peers if peer.credentials]) == 4
