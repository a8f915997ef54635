"""Fixtures of the integration tests. Run with the system's Python:

    /usr/bin/python3 -m pytest tests/integration            (as root, or where sudo asks for no password)

WAXSEAL_BINARY names the program to test; default: build/release/waxseal, else build/dev/waxseal.
WAXSEAL_TEST_WORKERS=4 runs every waxseal with so many workers; default: as many as there are processors.
"""

import os
import resource
import shutil
import sys
import tempfile
import uuid

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support import certificates, matrix, process, proxy, servers, upstream  # noqa: E402
from support.net import free_port  # noqa: E402

TABLES = ("server", "limits", "timeouts", "log", "user", "route")


def pytest_configure():
    # Postfix's master runs as root or not at all.
    if os.geteuid() != 0:
        kept = [f"{key}={value}" for key, value in os.environ.items() if key.startswith("WAXSEAL_") or key == "HOME"]
        os.execvp("sudo", ["sudo", "-n", *kept, sys.executable, "-m", "pytest", *sys.argv[1:]])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


def pytest_collection_modifyitems(items):
    for item in items:
        if {"endpoint", "postfix", "dovecot", "exim"} & set(item.fixturenames):
            item.add_marker("realserver")


def pytest_collection_finish(session):
    if session.items and not session.config.option.collectonly:
        try:
            proxy.binary()
        except FileNotFoundError as error:
            pytest.exit(str(error), 1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what every program wrote."""
    report = (yield).get_result()
    if report.failed:
        for title, text in process.all_tails():
            report.sections.append((f"output of {title}", text))


def pytest_terminal_summary(terminalreporter):
    if matrix.SEEN:
        terminalreporter.section("every way in with every way out")
        for line in matrix.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def workspace():
    """Short, because it holds Unix sockets, and open to the servers' own users."""
    directory = tempfile.mkdtemp(prefix="waxseal-")
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(workspace):
    return certificates.Authority(os.path.join(workspace, "ca"))


@pytest.fixture(scope="session")
def certificate(authority):
    """For mail.example.test and 127.0.0.1, as it should be."""
    return authority.leaf()


@pytest.fixture(scope="session")
def stranger(workspace):
    """An authority that nobody trusts."""
    return certificates.Authority(os.path.join(workspace, "stranger"), "Test CA")  # of the same name as the one that is


@pytest.fixture(scope="session")
def relay_port():
    """Where Dovecot's submission server hands its mail to Postfix."""
    return free_port()


@pytest.fixture(scope="session")
def dovecot(workspace, authority, certificate, relay_port):
    server = servers.Dovecot(os.path.join(workspace, "dovecot"), authority, certificate, relay_port).launch()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postfix(workspace, authority, certificate, relay_port, dovecot):
    server = servers.Postfix(os.path.join(workspace, "postfix"), authority, certificate, dovecot.auth_socket, relay_port).launch()
    dovecot.mailbox = server.mailbox
    yield server
    server.stop()


@pytest.fixture(scope="session")
def exim(workspace, authority, certificate):
    server = servers.Exim(os.path.join(workspace, "exim"), authority, certificate).launch()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def endpoint(request):
    """endpoint("postfix-smtps"): starts that server when it is first asked for."""

    def find(name):
        server = name.split("-")[0]
        if server == "dovecot":
            request.getfixturevalue("postfix")  # which it relays to
        return request.getfixturevalue(server).endpoints()[name]

    return find


@pytest.fixture
def scripted(authority, certificate):
    """scripted("starttls", {step: action}): a scripted upstream, closed at the end of the test."""
    made = []

    def make(tls="implicit", script=None, **options):
        options.setdefault("certificate", certificate)
        options.setdefault("ca_file", authority.ca_file)
        made.append(upstream.ScriptedUpstream(tls=tls, script=script, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def directory(workspace):
    path = tempfile.mkdtemp(dir=workspace)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def pair(directory, authority, certificate, dovecot):
    """Two Postfix of this test's own."""
    os.chmod(directory, 0o755)
    running = [servers.Postfix(os.path.join(directory, name), authority, certificate, dovecot.auth_socket, free_port()).launch()
               for name in ("first", "second")]
    yield running
    for server in running:
        server.stop()


@pytest.fixture
def waxseal(directory):
    """waxseal(upstream, ...): a running proxy in front of one upstream or a list of them.

    upstream=…     keys of [[upstream]] to change (None: leave out)
    listen=…       keys of [[listen]]
    server=… limits=… timeouts=… log=… user=… route=…: further tables; all else: see support.proxy.Waxseal
    """
    made = []

    def make(upstreams, upstream=None, listen=None, **options):
        upstreams = upstreams if isinstance(upstreams, list) else [upstreams]
        configuration = {
            "listen": [listen or {}],
            "upstream": [proxy.upstream_table(directory, one, **(upstream or {})) for one in upstreams],
        }
        configuration |= {table: options.pop(table) for table in TABLES if table in options}
        own = os.path.join(directory, f"waxseal-{len(made)}")
        running = proxy.Waxseal(own, configuration, **options)
        running.configuration = configuration
        made.append(running)
        return running

    yield make
    for running in made:
        running.discard()


@pytest.fixture
def hostile(waxseal, scripted):
    """hostile(script): a proxy that has met the upstream at its best, which from then on follows the script. Each message has a
    connection of its own; kept=True: the first one finds one that is ready. tickets: sessions of TLS 1.3 that it gives out; a
    handshake that fails with one is tried again without."""

    def make(script, tls="implicit", upstream_options=None, kept=False, tickets=0, **options):
        upstream = scripted(tls, **(upstream_options or {}))
        upstream.context.num_tickets = tickets
        if kept:
            # Each worker keeps its own; also where WAXSEAL_TEST_WORKERS wants several.
            options.setdefault("env", proxy.environment(WAXSEAL_WORKERS="1"))
        else:
            options["upstream"] = {"idle_connections": 0} | options.get("upstream", {})
        met = waxseal(upstream, **options)
        met.wait_offer("8BITMIME")
        if kept:
            upstream.wait_settled()
        else:
            upstream.wait_ended()
            upstream.peers.clear()
        upstream.script = script
        return met, upstream

    return make


@pytest.fixture
def tls_listener(waxseal, scripted, certificate):
    """tls_listener("starttls", auth=…): a proxy whose listener has TLS, and keys of [[listen]]; .upstream: a scripted one."""

    def make(tls, own=None, upstream=None, tables=None, **listen):
        own = own or certificate
        upstream = upstream or scripted()
        listen = {"tls": tls, "certificate_file": own.chain, "key_file": own.key} | listen
        proxy = waxseal(upstream, listen={key: value for key, value in listen.items() if value is not None}, **(tables or {}))
        proxy.upstream = upstream
        return proxy

    return make


@pytest.fixture
def token():
    """What tells this test's messages from all others."""
    return uuid.uuid4().hex
