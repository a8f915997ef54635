"""Logins of devices: what RFC 4954 has of bad ones, local users and what they may, passthrough, and what must not be said."""

import base64
import contextlib
import json
import os
import subprocess

import pytest

from support import proxy as files, sasl
from support.messages import message
from support.servers import PASSWORD, USER

SECRET = "p4ssw0rd of the printer"
OTHER_SECRET = "0ther p4ssw0rd"


def encoded(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def plain(name, password):
    return "AUTH PLAIN " + encoded(f"\0{name}\0{password}")


@pytest.fixture
def local(waxseal, scripted, directory):
    """local(): a proxy with the users printer and scanner; keys are of the printer."""

    def make(upstreams=None, route=None, limits=None, **keys):
        tables = []
        for name, secret in (("printer", SECRET), ("scanner", OTHER_SECRET)):
            path = os.path.join(directory, name)
            files.write_private(path, secret + "\n")
            tables.append({"name": name, "password_file": path} | (keys if name == "printer" else {}))
        upstreams = upstreams or scripted()
        more = {key: value for key, value in (("route", route), ("limits", limits)) if value}
        proxy = waxseal(upstreams, listen={"auth": "local"}, user=tables, **more)
        proxy.upstreams = upstreams if isinstance(upstreams, list) else [upstreams]
        return proxy

    return make


def log_in(client, name="printer", secret=SECRET):
    client.ehlo()
    assert client.command(plain(name, secret)).status == "235 2.7.0"


# The offer, and order


def test_offer_has_what_can_succeed(local, waxseal, scripted):
    with local().client() as client:
        assert client.offers()["AUTH"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256", "CRAM-MD5"]
    for auth in ("any", "passthrough"):
        with waxseal(scripted(), listen={"auth": auth}).client() as client:
            assert client.offers()["AUTH"].split() == ["PLAIN", "LOGIN"]
    with waxseal(scripted()).client() as client:
        assert "AUTH" not in client.offers()
        assert client.command(plain("a", "b")).status == "502 5.5.1"


def test_order_of_commands(local):
    with local().client() as client:
        assert client.command(plain("printer", SECRET)).status == "503 5.5.1"  # before EHLO
        client.ehlo()
        for line in ("MAIL FROM:<device@example.test>", "MAIL FROM:<>"):
            assert client.command(line).status == "530 5.7.0"
        assert client.command(plain("printer", SECRET)).status == "235 2.7.0"
        assert client.command(plain("printer", SECRET)).status == "503 5.5.1"  # a second time
        assert client.command("MAIL FROM:<device@example.test>").code == 250
        assert client.command("AUTH PLAIN").status == "503 5.5.1"  # in a transaction
        assert client.command("RSET").code == 250
        assert client.transaction(message("after")).code == 250


@pytest.mark.parametrize("line", ["auth plain {}", "Auth Plain {}", "AUTH pLaIn {}"])
@pytest.mark.parametrize("hello", ["EHLO", "HELO"])
def test_any_case_and_after_helo(local, line, hello):
    with local().client() as client:
        assert client.command(f"{hello} device.example").code == 250
        assert client.command(line.format(encoded(f"\0printer\0{SECRET}"))).status == "235 2.7.0"
        assert client.transaction(message("in")).code == 250


def test_prompts_are_what_devices_compare_with(local):
    with local().client() as client:
        client.ehlo()
        assert client.command("AUTH LOGIN").raw == b"334 VXNlcm5hbWU6\r\n"
        assert client.command(encoded("printer")).raw == b"334 UGFzc3dvcmQ6\r\n"
        assert client.command(encoded(SECRET)).status == "235 2.7.0"
    with local().client() as client:
        client.ehlo()
        assert client.command("AUTH LOGIN " + encoded("printer")).raw == b"334 UGFzc3dvcmQ6\r\n"
        assert client.command("*").status == "501 5.0.0"
        assert client.command("AUTH PLAIN").raw == b"334 \r\n"
        assert client.command(encoded(f"\0printer\0{SECRET}")).status == "235 2.7.0"


# What is no login

UNDECODABLE = ["=AAA", "AAA=BBB", "A", "AAAAA", "dGVzdA", "AHByaW50ZXIAeA== ", "AHByaW50ZXIA!A==", "AHByaW50ZXIAeA==AAAA",
               "AHBy aW50ZXIAeA=="]
MALFORMED = {
    "no NUL": b"printer",
    "one NUL": b"printer\0p",
    "three NULs": b"\0printer\0p\0extra",
    "no name": b"\0\0p",
    "no password": b"\0printer\0",
    "a line in the name": b"\0printer\r\nRCPT TO:<victim@example.test>\0p",
    "a line in the password": b"\0printer\0p\r\nRCPT TO:<victim@example.test>",
    "not UTF-8": b"\0print\xff\xfer\0p",
    "nothing": b"",
}


@pytest.mark.parametrize("text", UNDECODABLE)
def test_undecodable(local, text):
    """As initial response and as a line of its own; no failure of a login, and the session goes on."""
    with local().client() as client:
        client.ehlo()
        assert client.command("AUTH PLAIN " + text).status == "501 5.5.2"
        assert client.command("AUTH PLAIN").code == 334
        assert client.command(text).status == "501 5.5.2"
        assert client.command(plain("printer", SECRET)).status == "235 2.7.0"


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed(local, kind):
    with local().client() as client:
        client.ehlo()
        reply = client.command("AUTH PLAIN " + (encoded(MALFORMED[kind]) or "="))
        assert reply.code in (501, 535), reply
        assert "victim" not in reply.text and "printer" not in reply.text
        assert client.command("MAIL FROM:<device@example.test>").status == "530 5.7.0"
        assert client.command(plain("printer", SECRET)).status == "235 2.7.0"


def test_nobody_acts_as_somebody_else(local):
    with local().client() as client:
        client.ehlo()
        assert client.command("AUTH PLAIN " + encoded(f"scanner\0printer\0{SECRET}")).code == 535
        assert client.command("AUTH PLAIN " + encoded(f"printer\0printer\0{SECRET}")).code == 235


@pytest.mark.parametrize("name", ["GSSAPI", "NTLM", "XOAUTH2", "EXTERNAL", "ANONYMOUS", "SCRAM-SHA-256-PLUS", "PLAINX"])
def test_unknown_mechanism(local, name):
    with local().client() as client:
        client.ehlo()
        assert client.command("AUTH " + name).status == "504 5.5.4"
        assert client.command(plain("printer", SECRET)).code == 235


@pytest.mark.parametrize("word", ["QUIT", "RSET", "NOOP", "*"])
def test_response_is_never_a_command(local, word):
    with local().client() as client:
        client.ehlo()
        assert client.command("AUTH LOGIN").code == 334
        reply = client.command(word)
        assert reply.code in (334, 501), reply
        if reply.code == 334:
            assert client.command("*").code == 501
        assert client.command("NOOP").code == 250
        assert client.command(plain("printer", SECRET)).code == 235


def test_line_that_is_too_long(local):
    """Its tail is no command; and memory does not grow with it."""
    proxy = local()
    with proxy.client() as client:
        client.ehlo()
        assert client.command("AUTH PLAIN " + "A" * 12292).status == "500 5.5.6"
        assert client.command("AUTH LOGIN").code == 334
        assert client.command("A" * 12289 + "QUIT").status == "500 5.5.6"
        assert client.command("NOOP").code == 250
        assert client.command("AUTH PLAIN " + encoded(b"\0printer\0" + b"x" * 9000)).code in (501, 535)  # decoded: it fits
        assert client.command("NOOP").code == 250
    with proxy.client() as client:
        client.ehlo()
        client.send(b"AUTH LOGIN\r\n")
        assert client.reply().code == 334
        with contextlib.suppress(ConnectionError):  # it may be closed before all of this is sent
            client.send(b"A" * 1_000_000)
        assert b"250" not in client.until_closed()
    with proxy.client() as client:
        log_in(client)


# Users


def test_senders(local):
    proxy = local(senders=["printer@example.test", "*@printers.example.test"])
    with proxy.client() as client:
        log_in(client)
        for sender in ("printer@example.test", "Any@Printers.Example.Test"):
            assert client.transaction(message("mine"), sender=sender).code == 250
        for sender in ("scanner@example.test", "printer@example.org", "printer@sub.printers.example.test", ""):
            reply = client.transaction(message("not mine"), sender=sender)
            assert reply.code in (550, 553) and reply.enhanced == "5.7.1", reply
    with proxy.client() as client:  # the other user has no such list
        log_in(client, "scanner", OTHER_SECRET)
        assert client.transaction(message("free"), sender="anybody@example.test").code == 250
    assert [b"not mine" in sent.content for sent in proxy.upstreams[0].messages] == [False] * 3


def test_user_from_elsewhere(local):
    """With the right password, and as if it were the wrong one."""
    proxy = local(allow=["192.0.2.0/24"])
    with proxy.client() as client:
        client.ehlo()
        elsewhere, wrong = client.command(plain("printer", SECRET)), client.command(plain("scanner", "wrong"))
        assert elsewhere.raw == wrong.raw and elsewhere.status == "535 5.7.8"
    with proxy.client() as client:
        log_in(client, "scanner", OTHER_SECRET)


def test_upstream_of_a_user(local, scripted):
    upstreams = [scripted(), scripted()]
    proxy = local(upstreams, upstream=f"upstream-{upstreams[1].port}")
    for name, secret in (("printer", SECRET), ("scanner", OTHER_SECRET)):
        with proxy.client() as client:
            log_in(client, name, secret)
            assert client.transaction(message(name)).code == 250
    assert [[sent.content for sent in upstream.messages] for upstream in upstreams] == [[message("scanner")], [message("printer")]]


def test_password_hash(waxseal, scripted, directory):
    """No cleartext of one, no CRAM-MD5 for any; all else logs in."""
    path = os.path.join(directory, "hashed")
    files.write_private(path, SECRET + "\n")
    with open(path, "rb") as secret:
        done = subprocess.run([files.binary(), "hash-password"], stdin=secret, capture_output=True, text=True, timeout=30, check=True)
    users = [{"name": "printer", "password_hash": done.stdout.strip()}, {"name": "scanner", "password_file": path}]
    proxy = waxseal(scripted(), listen={"auth": "local"}, user=users)
    with proxy.client() as client:
        assert client.offers()["AUTH"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        assert client.command("AUTH CRAM-MD5").status == "504 5.5.4"
        assert client.command(plain("printer", "wrong")).code == 535
        log_in(client)
    for name in ("printer", "scanner"):
        with proxy.client() as client:
            client.ehlo()
            assert exchange(client, "SCRAM-SHA-256", sasl.scram_sha_256(name, SECRET)).status == "235 2.7.0"
    proxy.reload(proxy.configuration | {"user": users[1:]})
    proxy.wait_event("reloaded")
    with proxy.client() as client:
        assert "CRAM-MD5" in client.offers()["AUTH"]


def test_reload_of_users(local, directory):
    """A password is replaced under a running session, which is not harmed."""
    proxy = local()
    with proxy.client() as before:
        log_in(before)
        files.write_private(os.path.join(directory, "printer"), "changed\n")
        proxy.reload()
        proxy.wait_event("reloaded")
        assert before.transaction(message("before")).code == 250
    with proxy.client() as after:
        after.ehlo()
        assert after.command(plain("printer", SECRET)).code == 535
        assert after.command(plain("printer", "changed")).code == 235


# The password is proved, not said

PROOFS = {"SCRAM-SHA-256": sasl.scram_sha_256, "CRAM-MD5": sasl.cram_md5}


def exchange(client, mechanism, step):
    """The last reply."""
    first = step()
    reply = client.command(f"AUTH {mechanism}" + (f" {encoded(first)}" if first else ""))
    while reply.code == 334:
        reply = client.command(encoded(step(base64.b64decode(reply.text))))
    return reply


@pytest.mark.slow
@pytest.mark.parametrize("mechanism", PROOFS)
def test_proof(local, mechanism):
    proxy, proves = local(), PROOFS[mechanism]
    with proxy.client() as client:
        client.ehlo()
        for name, secret in (("printer", OTHER_SECRET), ("nobody", SECRET)):
            assert exchange(client, mechanism, proves(name, secret)).status == "535 5.7.8"
        assert exchange(client, mechanism, proves("printer", SECRET)).status == "235 2.7.0"
        assert client.transaction(message("proved")).code == 250
        client.quit()
    assert proxy.wait_event("session_end")["user"] == "printer"
    assert [event["mechanism"] for event in proxy.events("login_failed")] == [mechanism] * 2


@pytest.mark.parametrize("mechanism", PROOFS)
def test_proof_is_good_once(local, mechanism):
    """What somebody has overheard answers no other challenge."""
    proxy, said, step = local(), [], PROOFS[mechanism]("printer", SECRET)
    with proxy.client() as client:
        client.ehlo()
        assert exchange(client, mechanism, lambda challenge=None: said.append(step(challenge)) or said[-1]).code == 235
    with proxy.client() as client:
        client.ehlo()
        assert exchange(client, mechanism, lambda _challenge=None: said.pop(0)).status == "535 5.7.8"


# Any


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_any_takes_every_login(waxseal, scripted, mechanism):
    """And authorises nobody: without one it is the same."""
    upstream = scripted()
    proxy = waxseal(upstream, listen={"auth": "any"})
    with proxy.client() as client:
        client.ehlo()
        if mechanism == "PLAIN":
            assert client.command(plain("who", "ever-3f81")).status == "235 2.7.0"
        else:
            assert client.command("AUTH LOGIN " + encoded("who")).code == 334
            assert client.command(encoded("ever-3f81")).status == "235 2.7.0"
        assert client.transaction(message("in")).code == 250
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("without")).code == 250
    assert {peer.credentials for peer in upstream.peers if peer.messages} == {(USER, PASSWORD)}


@pytest.mark.parametrize("told", [b"\0who\0", b"other\0who\0secret", b"\0b\xfcro\0pa\xdf", b"\0\0", b"", b"who", b"\0" * 9], ids=repr)
def test_any_takes_whatever_it_is_told(waxseal, scripted, told):
    """As PLAIN, and part by part as LOGIN: what a device says whose fields were left empty, or are not UTF-8."""
    proxy = waxseal(scripted(), listen={"auth": "any"})
    name, password = [*told.split(b"\0")[1:], b"", b""][:2]
    for lines in ([f"AUTH PLAIN {encoded(told) or '='}"], ["AUTH PLAIN", encoded(told)], ["AUTH LOGIN", encoded(name), encoded(password)]):
        with proxy.client() as client:
            client.ehlo()
            codes = [client.command(line).code for line in lines]
            assert codes == [334] * (len(lines) - 1) + [235], lines
            assert client.transaction(message("in")).code == 250
    proxy.wait_event("session_end", count=3)
    assert not any("\ufffd" in end["user"] for end in proxy.events("session_end"))  # no octet in the log that is not UTF-8
    assert not proxy.events("login_failed")


# Too often


def test_three_failures_end_the_session(local):
    proxy = local()
    with proxy.client(timeout=60) as client:
        client.ehlo()
        replies = [client.command(plain("printer", f"wrong-{n}")) for n in range(2)]
        client.send(plain("printer", "wrong-2").encode() + b"\r\nNOOP\r\n")
        rest = client.until_closed(60)
        assert [reply.status for reply in replies] == ["535 5.7.8"] * 2
        assert rest.startswith(b"535 5.7.8") and rest.split(b"\r\n")[1].startswith(b"421 4.7.0"), rest
    assert "too many failed logins" in json.dumps(proxy.wait_event("protocol_violation"))
    assert proxy.wait_event("session_end")["end"] == "violation"


@pytest.mark.slow
def test_address_is_locked_out(local):
    """After ten failures over several sessions, and then the right password is of no use; said once in the log."""
    proxy = local(limits={"max_auth_failures": 20})
    clients = [proxy.client(timeout=90) for _ in range(11)]
    for client in clients:
        client.ehlo()
        client.send(plain("printer", "wrong").encode() + b"\r\n")
    # The eleventh was under way when the lock fell; its word is the same.
    assert {client.reply().status for client in clients} <= {"535 5.7.8", "454 4.7.0"}
    with proxy.client() as client:
        client.ehlo()
        assert client.command(plain("printer", SECRET)).status == "454 4.7.0"
    proxy.wait_text("lock")
    for client in clients:
        client.close()


def test_nothing_in_the_log(local):
    """At the lowest level, whatever became of it."""
    proxy = local()
    wrong = "wr0ng-51c7"
    with proxy.client(timeout=60) as client:
        client.ehlo()
        assert client.command(plain("printer", wrong)).code == 535
        assert client.command("AUTH LOGIN").code == 334
        assert client.command(encoded("printer")).code == 334
        assert client.command(encoded(wrong)).code == 535
        assert client.command(plain("printer", wrong) + "!").code == 501
        assert client.command("AUTH NTLM " + encoded(wrong)).code == 504
        assert client.command(plain("printer", SECRET)).code == 235
        client.quit()
    proxy.wait_event("session_end")
    proxy.stop()
    text = proxy.log_text()
    for secret in (wrong, SECRET, OTHER_SECRET):
        for form in (secret, encoded(secret), encoded(f"\0printer\0{secret}"), encoded(f"\0printer\0{secret}")[:-4]):
            assert form not in text
