"""Each connection of a device is a handshake of its own: no session is resumed, none is renegotiated, nothing comes early."""

import contextlib
import os

import pytest

from support.clients import Typed
from support.messages import message
from support.net import wait_until
from support.s_client import s_client
from support.s_server import SServer


@pytest.fixture
def without_ems(directory):
    """An environment for OpenSSL without RFC 7627, as 1.0 and what was built on it: many devices."""
    path = os.path.join(directory, "openssl.cnf")
    with open(path, "w", encoding="ascii") as file:
        file.write("openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = options\n"
                   "[options]\nOptions = -ExtendedMasterSecret\n")
    return {"OPENSSL_CONF": path}


@pytest.mark.parametrize("ems", ["yes", "no"])
@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_session_of_tls_1_2_cannot_be_resumed(tls_listener, directory, without_ems, way, ems):
    """Above all not where the extended master secret is missing (RFC 7627 5.3): no ticket, and no use for the session id."""
    proxy, env, file = tls_listener(way), without_ems if ems == "no" else None, f"{directory}/session"
    suite, output = s_client(proxy, way, "-tls1_2", "-sess_out", file, env=env)
    assert suite and f"Extended master secret: {ems}" in output, output
    assert "session ticket" not in output, output
    if os.path.exists(file):  # not for a session without an id
        again, output = s_client(proxy, way, "-tls1_2", "-sess_in", file, env=env)
        assert again and "Reused" not in output, output


@pytest.mark.parametrize("ems", ["yes", "no"])
def test_no_renegotiation(tls_listener, without_ems, monkeypatch, ems):
    """And the next connection is not touched by it."""
    proxy = tls_listener("implicit")
    if ems == "no":
        monkeypatch.setenv("OPENSSL_CONF", without_ems["OPENSSL_CONF"])
    typed = Typed(proxy.port, "-tls1_2", "-no_ign_eof")
    try:
        assert typed.reply().startswith("220 ")
        typed.type(b"R\n")  # alone: of s_client's own commands
        assert "no renegotiation" in typed.last_words()
    finally:
        typed.close()
    assert proxy.wait_event("session_end")["transactions"] == []
    assert s_client(proxy, "implicit", "-tls1_2")[0]


@pytest.fixture
def foreign_session(authority, certificate, directory):
    """foreign_session("-tls1_3"): a file with a session of another server, which resumes and takes early data."""

    def make(version):
        file = f"{directory}/foreign"
        with contextlib.closing(SServer(authority, certificate, version, *(["-early_data"] if version == "-tls1_3" else []))) as server:
            typed = Typed(server.port, version, "-sess_out", file, "-no_ign_eof")
            wait_until(lambda: os.path.exists(file) and os.path.getsize(file), 20, "a ticket")
            typed.type(b"Q\n")  # a session that does not end well is not resumed
            typed.last_words()
            typed.close()
            reused = s_client(server, "implicit", version, "-sess_in", file)[1]
            assert "Reused" in reused, reused  # there it would be good
        return file

    return make


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_ticket_of_another_server(tls_listener, foreign_session, version):
    """Not ours: the handshake goes on in full."""
    suite, output = s_client(tls_listener("implicit"), "implicit", version, "-sess_in", foreign_session(version))
    assert suite and "Reused" not in output and "session ticket" not in output, output


def early(proxy, session, directory):
    """A connection that begins with a command, and its end."""
    file = f"{directory}/early"
    with open(file, "wb") as octets:
        octets.write(b"EHLO early.example\r\nMAIL FROM:<early@example.test>\r\n")
    _, output = s_client(proxy, "implicit", "-tls1_3", "-sess_in", session, "-early_data", file)
    assert "Early data was rejected" in output and "Reused" not in output, output
    wait_until(lambda: proxy.events("session_end") or proxy.events("client_failed"), what="the end of that connection")


def test_early_data_is_not_executed(tls_listener, foreign_session, directory, authority):
    proxy = tls_listener("implicit")
    early(proxy, foreign_session("-tls1_3"), directory)
    assert all(end["helo"] == "" and end["transactions"] == [] for end in proxy.events("session_end"))
    with proxy.client(tls=authority.client_context()) as client:  # the next one is not touched by it
        client.ehlo()
        assert client.transaction(message("next")).code == 250
    assert len(proxy.upstream.commands("MAIL")) == 1
