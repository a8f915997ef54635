"""Several workers in one process: who gets which connection, and that every limit holds for all of them together."""

import concurrent.futures
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from support import proxy as files
from support.client import Client
from support.messages import message
from support.net import free_port, listening, wait_until
from support.upstream import says, stall

WORKERS = 4

pytestmark = pytest.mark.workers


class UnixClient(Client):
    def __init__(self, path):  # pylint: disable=super-init-not-called
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self._input = b""
        self.greeting = self.reply()
        assert self.greeting.code == 220, self.greeting


@pytest.fixture
def workers(waxseal):
    """As waxseal, with four workers."""

    def make(*arguments, count=WORKERS, **options):
        return waxseal(*arguments, env=files.environment(WAXSEAL_WORKERS=str(count)), **options)

    return make


def threads(proxy):
    """Those of the workers, by name: how often each has had to wait for something to do."""
    counts = {}
    base = f"/proc/{proxy.pid}/task"
    for thread in os.listdir(base):
        with open(f"{base}/{thread}/comm", encoding="ascii") as file:
            name = file.read().strip()
        if int(thread) != proxy.pid and not name.startswith("waxseal-"):
            continue
        with open(f"{base}/{thread}/status", encoding="ascii") as file:
            counts[name] = next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches:"))
    return counts


def worked(before, after):
    return {name for name, count in after.items() if count > before[name]}


# Who gets which connection


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_all_workers_have_sessions(workers, scripted, directory, kind):
    """The kernel spreads the connections of a port, the first worker those of a unix socket. Each of these many devices sends
    a message, so no worker without work is left."""
    upstream, path = scripted(), f"{directory}/smtp.sock"
    proxy = workers(upstream) if kind == "tcp" else unix_proxy(workers, upstream, path)
    assert proxy.wait_event("workers")["count"] == WORKERS
    before = wait_until(lambda: found if len(found := threads(proxy)) == WORKERS else None, what="a thread for each worker")
    clients = []
    for number in range(48 if kind == "tcp" else WORKERS):
        clients.append(UnixClient(path) if kind == "unix" else proxy.client())
        clients[-1].ehlo(f"device-{number}.example")
    for client in clients:
        assert client.transaction(message("spread")).code == 250
        client.quit()
    assert len(upstream.messages) == len(clients)
    assert worked(before, threads(proxy)) == set(before)
    proxy.wait_event("session_end", count=len(clients))
    ids = [end["session"] for end in proxy.events("session_end")]
    assert len(ids) == len(set(ids))
    assert proxy.stop() == 0


def unix_proxy(workers, upstream, path):
    """With a TCP listener too, by which one sees that it has started."""
    proxy = workers(upstream)
    proxy.reload(dict(proxy.configuration, listen=[*proxy.configuration["listen"], {"address": f"unix:{path}"}]))
    proxy.wait_event("reloaded")
    return proxy


def test_one_probe_for_all(workers, scripted):
    """At the start one worker asks the upstream; what it heard, all know."""
    upstream = scripted()
    proxy = workers(upstream, upstream={"idle_connections": 0})
    proxy.wait_event("upstream_ready")
    upstream.wait_ended()
    assert len(upstream.peers) == 1
    for _ in range(24):
        with proxy.client() as client:
            assert "8BITMIME" in client.offers()
    assert len(upstream.peers) == 1


def test_a_refused_account_is_tried_once(workers, scripted):
    """However many workers meet it: providers lock accounts."""
    upstream = scripted(script={"auth": b"535 5.7.8 no"})
    proxy = workers(upstream)
    assert proxy.wait_event("upstream_down")["cause"] == "credentials"
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        def send(_):
            with proxy.client() as client:
                client.ehlo()
                client.command("MAIL FROM:<a@example.test>")
                return client.command("RCPT TO:<b@example.test>").status

        assert set(pool.map(send, range(32))) <= {"451 4.7.0", "503 5.5.1"}
    assert len(upstream.commands("AUTH")) == 1
    assert len(proxy.events("upstream_down")) == 1


# Limits


def test_max_connections(workers, scripted):
    """One connection to the upstream at a time is one for all workers, and everybody gets his turn."""
    upstream = scripted()
    proxy = workers(upstream, upstream={"max_connections": 1})
    proxy.wait_event("upstream_ready")
    most, stop = [0], threading.Event()

    def watch():
        while not stop.wait(0.002):
            most[0] = max(most[0], sum(peer.in_transaction for peer in list(upstream.peers)))

    threading.Thread(target=watch, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        def send(number):
            with proxy.client() as client:
                client.ehlo()
                code = client.transaction(message(f"turn {number}")).code
                client.quit()
                return code

        assert set(pool.map(send, range(36))) == {250}
    stop.set()
    assert len(upstream.messages) == 36
    assert most[0] == 1


def test_max_sessions(workers, scripted):
    proxy = workers(scripted(), limits={"max_sessions": 6})
    clients = [proxy.client() for _ in range(6)]
    for _ in range(8):
        refused = proxy.client(greeting=False)
        assert refused.reply().status.startswith("421 4.")
        assert refused.closed()
    clients.pop().close()

    def admitted():
        client = proxy.client(greeting=False)
        if client.reply().code == 220:
            return client
        client.close()
        return None

    clients.append(wait_until(admitted, what="the place that has become free"))
    assert proxy.client(greeting=False).reply().code == 421
    for client in clients:
        client.close()


def test_max_sessions_per_client(workers, scripted):
    proxy = workers(scripted(), limits={"max_sessions_per_client": 3})
    clients = [proxy.client(source="127.0.0.3") for _ in range(3)]
    for _ in range(6):
        assert proxy.client(source="127.0.0.3", greeting=False).reply().code == 421
    clients.append(proxy.client(source="127.0.0.4"))
    for client in clients:
        client.close()


# Reload and drain


def send_until(proxy, stop, failures):
    """Messages, a connection each, as long as it is wanted. How many were accepted."""
    accepted = 0
    while not stop.is_set():
        with proxy.client() as client:
            client.ehlo()
            reply = client.transaction(message("load"))
            if reply.code != 250:
                failures.append(reply)
            accepted += 1
            client.quit()
    return accepted


@pytest.mark.slow
def test_reload_under_load(workers, scripted):
    """Listeners come and go, the upstream changes, and every message arrives once."""
    upstreams = [scripted(), scripted()]
    proxy = workers(upstreams[0])
    other = files.upstream_table(proxy.directory, upstreams[1])
    extra = free_port()
    stop, failures = threading.Event(), []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        senders = [pool.submit(send_until, proxy, stop, failures) for _ in range(8)]
        try:
            for number in range(1, 9):
                configuration = dict(proxy.configuration)
                configuration["upstream"] = [other] if number % 2 else proxy.configuration["upstream"]
                if number % 2:
                    configuration["listen"] = [{}, {"address": f"127.0.0.1:{extra}"}]
                before = sum(len(upstream.messages) for upstream in upstreams)
                proxy.reload(configuration)
                proxy.wait_event("reloaded", count=number)
                assert listening(extra) == bool(number % 2)
                if number % 2:
                    with Client(extra) as client:
                        client.ehlo()
                wait_until(lambda: sum(len(upstream.messages) for upstream in upstreams) >= before + 16, 60, "mail to go through")
        finally:
            stop.set()
        accepted = sum(sender.result() for sender in senders)
    assert not failures
    assert sum(len(upstream.messages) for upstream in upstreams) == accepted
    assert all(upstream.messages for upstream in upstreams)
    assert proxy.stop() == 0


def test_drain(workers, scripted):
    """The end waits for the transactions of every worker."""
    upstream = scripted()
    proxy = workers(upstream, upstream={"max_connections": 30})
    idle = [proxy.client() for _ in range(12)]
    for client in idle:
        client.ehlo()
    busy = [proxy.client() for _ in range(12)]
    for client in busy:
        client.ehlo()
        client.open_data()
    proxy.signal(signal.SIGTERM)
    for client in idle:
        assert client.reply().status == "421 4.3.2" and client.closed()
    wait_until(lambda: not listening(proxy.port))
    for client in busy:
        assert proxy.process.running
        assert client.finish(message("drained")).code == 250
    assert proxy.process.wait(20) == 0
    assert len(upstream.messages) == len(busy)
    proxy.check()


@pytest.mark.parametrize("again", [False, True])
def test_end_without_waiting(workers, scripted, again):
    """The drain is limited, or a second signal comes: no worker keeps the others."""
    upstream = scripted(script={"end": stall})
    proxy = workers(upstream, upstream={"max_connections": 30}, timeouts={"drain": "1m" if again else "500ms"})
    busy = [proxy.client() for _ in range(12)]
    for client in busy:
        client.ehlo()
        client.open_data()
        client.send(b"Subject: never\r\n\r\n.\r\n")
    upstream.wait_peer(lambda peer: peer.messages)
    proxy.signal(signal.SIGTERM)
    wait_until(lambda: not listening(proxy.port))
    if again:
        proxy.signal(signal.SIGTERM)
    assert proxy.process.wait(20) == 0
    proxy.check()


def test_number_changes_at_a_restart_only(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream, server={"workers": 2}, env=without_workers())
    assert proxy.wait_event("workers")["count"] == 2
    proxy.reload(dict(proxy.configuration, server={"workers": 3}))
    warning = proxy.wait_event("workers_unchanged")
    assert (warning["running"], warning["configured"]) == (2, 3)
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("still")).code == 250


def without_workers():
    return {key: value for key, value in files.environment().items() if key != "WAXSEAL_WORKERS"}


# Ports


@pytest.mark.parametrize("shared", [False, True])
def test_port_in_use(directory, scripted, shared):
    """Although workers share a port among them: nobody else's is joined, not even where it would be possible."""
    upstream = scripted()
    with socket.socket() as taken:
        if shared:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file = os.path.join(directory, "taken.toml")
        files.write_private(file, files.to_toml({"server": {"workers": WORKERS}, "listen": [{"address": f"127.0.0.1:{port}"}],
                                                 "upstream": [files.upstream_table(directory, upstream)]}))
        done = files.run("run", "-c", file)
    assert done.returncode == 71
    assert done.stderr.count(f"cannot listen on 127.0.0.1:{port}: address already in use") == 1


def test_two_at_one_port(workers, scripted, directory):
    proxy = workers(scripted())
    done = files.run("run", "-c", proxy.file, env=files.environment(WAXSEAL_WORKERS=str(WORKERS)))
    assert done.returncode == 71
    assert f"127.0.0.1:{proxy.port}: address already in use" in done.stderr


def test_port_zero_is_one_port(directory, scripted):
    """All workers have the same, whichever it is."""
    upstream = scripted()
    file = os.path.join(directory, "zero.toml")
    files.write_private(file, files.to_toml({"listen": [{"address": "127.0.0.1:0"}],
                                             "upstream": [files.upstream_table(directory, upstream)]}))
    with subprocess.Popen([files.binary(), "run", "-c", file, "--log-format", "json"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env=files.environment(WAXSEAL_WORKERS=str(WORKERS)), text=True) as process:
        try:
            lines = (json.loads(line) for line in process.stderr)
            told = [next(line for line in lines if line["event"] == "listening")]
            assert next(line for line in lines if line["event"] != "upstream_ready")["event"] == "workers"
            port = int(told[0]["address"].rpartition(":")[2])
            for _ in range(16):
                with Client(port) as client:
                    client.ehlo()
        finally:
            process.terminate()
            process.communicate(timeout=20)
    assert process.returncode == 0


def test_upstream_that_goes_down_is_down_for_all(workers, scripted):
    """One worker's session finds out, and the prober of another finds out when it is back."""
    upstream = scripted()
    proxy = workers(upstream)
    proxy.wait_event("upstream_ready")
    upstream.script = {"greeting": says(b"421 4.3.2 closed", stall)}
    while not proxy.events("upstream_down"):
        with proxy.client() as client:
            client.ehlo()
            client.command("MAIL FROM:<a@example.test>")
            client.command("RCPT TO:<b@example.test>")
    upstream.script = {}
    proxy.wait_event("upstream_up")
    assert len(proxy.events("upstream_down")) == len(proxy.events("upstream_up")) == 1
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("again")).code == 250
