"""Certificates of a listener, ours and the devices': by name, reloaded, made by itself; required, optional, wrong."""

import base64
import hashlib
import os
import re
import shutil
import ssl

import pytest

from support.certificates import NAME, OTHER_NAME, Replaceable
from support.client import ConnectionEnded
from support.messages import message
from support.proxy import write_private


def shown(proxy, context, server_name=NAME):
    """The names in the certificate that a client is shown."""
    with proxy.client(tls=context, server_name=server_name) as client:
        client.ehlo()
        return [value for kind, value in client.socket.getpeercert()["subjectAltName"] if kind == "DNS"]


def without_name_check(authority):
    context = authority.client_context()
    context.check_hostname = False
    return context


def test_certificate_by_name(tls_listener, authority):
    first, second = authority.leaf(), authority.leaf(dns=(OTHER_NAME, "*.example.net"), ip=())
    proxy = tls_listener("auto", certificate_file=[first.chain, second.chain], key_file=[first.key, second.key])
    context = without_name_check(authority)
    for name in (NAME, NAME.upper(), "unknown.example", None):
        assert shown(proxy, context, name) == [NAME], name
    for name in (OTHER_NAME, OTHER_NAME.upper(), "any.example.net"):
        assert shown(proxy, context, name) == [OTHER_NAME, "*.example.net"], name
    with proxy.client() as client:  # after STARTTLS too
        client.ehlo()
        client.starttls(authority.client_context(), OTHER_NAME)
        assert OTHER_NAME in str(client.socket.getpeercert())


def test_one_of_each_kind_of_key(tls_listener, authority):
    """A device that verifies only ECDSA, and one that verifies only RSA."""
    rsa, ecdsa = authority.leaf(key="rsa2048"), authority.leaf()
    proxy = tls_listener("implicit", certificate_file=[ecdsa.chain, rsa.chain], key_file=[ecdsa.key, rsa.key])
    for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"):
        context = authority.client_context(maximum=ssl.TLSVersion.TLSv1_2, ciphers=suite)
        with proxy.client(tls=context) as client:
            assert client.socket.cipher()[0] == suite
            client.ehlo()


def peer_certificate(client):
    return client.socket.getpeercert(binary_form=True)


def test_reload_shows_the_new_certificate_to_the_next_connection(tls_listener, authority, directory):
    files = Replaceable(directory, authority.leaf())
    proxy = tls_listener("implicit", own=files)
    context = authority.client_context()
    with proxy.client(tls=context) as before:
        before.ehlo()
        files.put(authority.leaf(cn="renewed"))
        proxy.reload()
        proxy.wait_event("reloaded")
        with proxy.client(tls=context) as after:
            after.ehlo()
            assert peer_certificate(after) != peer_certificate(before)
            assert "renewed" in str(after.socket.getpeercert()["subject"])
        assert before.transaction(message("before")).code == 250  # and is not harmed
        before.quit()


GARBAGE = "-----BEGIN CERTIFICATE-----\nnot base64\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("broken", ["garbage", "another key", "gone"])
def test_reload_of_a_broken_certificate_changes_nothing(tls_listener, authority, directory, broken):
    files = Replaceable(directory, authority.leaf())
    proxy = tls_listener("implicit", own=files)
    context = authority.client_context()
    with proxy.client(tls=context) as client:
        before = peer_certificate(client)
    if broken == "another key":
        shutil.copy(authority.leaf(cn="another").key, files.key)
    elif broken == "gone":
        os.remove(files.chain)
    else:
        write_private(files.chain, GARBAGE)
    proxy.reload()
    proxy.wait_event("reload_failed")
    with proxy.client(tls=context) as client:
        assert peer_certificate(client) == before
        client.ehlo()


@pytest.mark.parametrize("broken", ["garbage", "empty", "text", "a key", "binary", "gone"])
@pytest.mark.parametrize("mode", ["required", "optional"])
def test_reload_of_broken_client_authorities_changes_nothing(tls_listener, authority, stranger, directory, mode, broken):
    """Who was let in still is, and nobody else; one line says which file or key it is; a good file is taken again."""
    path = os.path.join(directory, "clients.crt")
    shutil.copy(authority.ca_file, path)
    proxy = tls_listener("implicit", client_ca_file=path, client_certificate=mode)
    good, bad = authority.client_context(device(authority)), authority.client_context(stranger.leaf(usage="clientAuth"))
    if broken == "gone":
        os.remove(path)
    else:
        with open(path, "wb") as file:
            file.write({"garbage": GARBAGE.encode(), "empty": b"", "text": b"none yet\n", "binary": os.urandom(4096),
                        "a key": read(authority.leaf().key)}[broken])
    proxy.reload()
    reason = proxy.wait_event("reload_failed")["reason"]
    assert (path in reason or "client_ca_file" in reason) and re.fullmatch(r"[ -~]+", reason), reason
    with proxy.client(tls=good) as client:
        client.ehlo()
        assert client.transaction(message("still")).code == 250
    nothing_passes(proxy, bad, "implicit")
    shutil.copy(stranger.ca_file, path)
    proxy.reload()
    proxy.wait_event("reloaded")
    with proxy.client(tls=bad) as client:
        client.ehlo()
    nothing_passes(proxy, good, "implicit")


def test_certificate_that_expires_soon_is_warned_about(tls_listener, authority):
    proxy = tls_listener("implicit", own=authority.leaf(end=10))
    proxy.wait_text("expires")
    assert shown(proxy, authority.client_context()) == [NAME]


def test_certificate_that_waxseal_makes_itself(tls_listener, directory):
    """Once: the same after a restart; its fingerprint is told."""
    state = {"server": {"hostname": NAME, "state_dir": os.path.join(directory, "state")}}
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    seen = []
    for _ in range(2):
        proxy = tls_listener("implicit", certificate_file=None, key_file=None, tables=state)
        with proxy.client(tls=context) as client:
            client.ehlo()
            seen.append(peer_certificate(client))
        told = proxy.log_text().replace(":", "").lower()
        digest = hashlib.sha256(seen[-1]).digest()
        assert digest.hex() in told or base64.b64encode(digest).decode().lower() in told
        proxy.stop()
    assert seen[0] == seen[1]
    text = ssl.DER_cert_to_PEM_cert(seen[0])
    trusting = ssl.create_default_context(cadata=text)
    proxy = tls_listener("implicit", certificate_file=None, key_file=None, tables=state)
    assert NAME in shown(proxy, trusting)  # a device that imports it is content
    for folder, _, names in os.walk(directory + "/state"):
        for name in names:
            assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0 or not _has_key(os.path.join(folder, name))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def _has_key(path):
    return b"PRIVATE KEY" in read(path)


# The devices' own certificates

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
WRONG = {
    "of another authority": lambda ours, theirs: theirs.leaf(usage="clientAuth"),
    "self-signed": lambda ours, theirs: ours.self_signed(),
    "expired": lambda ours, theirs: ours.leaf(usage="clientAuth", start=-10, end=-3),
    "for servers": lambda ours, theirs: ours.leaf(),
}


def device(authority):
    return authority.leaf(dns=("device.example.test",), ip=(), cn="device", usage="clientAuth")


def context_of(authority, version, own=None):
    return authority.client_context(own, minimum=version, maximum=version)


def nothing_passes(proxy, context, way):
    """Not even a greeting inside; in TLS 1.3 the refusal comes behind the client's own handshake."""
    with pytest.raises((ssl.SSLError, ConnectionEnded, ConnectionError)):
        if way == "implicit":
            proxy.client(tls=context)
        else:
            with proxy.client() as client:
                client.ehlo()
                client.starttls(context)
                client.ehlo()


@VERSIONS
@pytest.mark.parametrize("way", ["implicit", "starttls"])
def test_required_client_certificate(tls_listener, authority, way, version):
    proxy = tls_listener("auto", client_ca_file=authority.ca_file)
    nothing_passes(proxy, context_of(authority, version), way)
    proxy.wait_text("certificate")
    context = context_of(authority, version, device(authority))
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<device@example.test>").status == "530 5.7.0"  # nor without TLS
        if way == "starttls":
            client.starttls(context)
            client.ehlo()
            assert client.transaction(message("device")).code == 250
    if way == "implicit":
        with proxy.client(tls=context) as client:
            client.ehlo()
            assert client.transaction(message("device")).code == 250
    assert len(proxy.upstream.messages) == 1


@VERSIONS
@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_client_certificate(tls_listener, authority, stranger, kind, mode, version):
    proxy = tls_listener("implicit", client_ca_file=authority.ca_file, client_certificate=mode)
    nothing_passes(proxy, context_of(authority, version, WRONG[kind](authority, stranger)), "implicit")
    proxy.wait_text("client certificate")
    assert proxy.upstream.messages == []


@VERSIONS
def test_optional_client_certificate_stands_in_for_a_login(tls_listener, authority, directory, version):
    password = os.path.join(directory, "password")
    with open(password, "w", encoding="ascii") as file:
        file.write("secret\n")
    proxy = tls_listener("implicit", client_ca_file=authority.ca_file, client_certificate="optional", auth="local",
                         tables={"user": [{"name": "printer", "password_file": password}]})
    with proxy.client(tls=context_of(authority, version, device(authority))) as client:
        client.ehlo()
        assert client.transaction(message("by certificate")).code == 250
    with proxy.client(tls=context_of(authority, version)) as client:
        assert "AUTH" in client.offers()
        assert client.command("MAIL FROM:<device@example.test>").status == "530 5.7.0"
        login = base64.b64encode(b"\0printer\0secret").decode()
        assert client.command(f"AUTH PLAIN {login}").status == "235 2.7.0"
        assert client.transaction(message("by password")).code == 250
    assert len(proxy.upstream.messages) == 2
