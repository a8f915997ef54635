"""The real servers by themselves, without a proxy: that each mechanism of the matrix is there and works, and that a wrong
secret is refused. What fails here says nothing about waxseal."""

import smtplib
import ssl

import pytest

from support import oauth, sasl
from support.clients import CLIENTS, Job, Refused
from support.mailbox import body_hash
from support.matrix import BODY, CANNOT
from support.messages import message
from support.servers import BY_EXIM, BY_PASSWORD, BY_TOKEN, PASSWORD, USER

MECHANISMS = {
    "plain": lambda smtp, secret: smtp.auth("PLAIN", sasl.plain(USER, secret)),
    "login": lambda smtp, secret: smtp.auth("LOGIN", smtp.auth_login, initial_response_ok=False),
    "cram-md5": lambda smtp, secret: smtp.auth("CRAM-MD5", smtp.auth_cram_md5, initial_response_ok=False),
    "scram-sha-256": lambda smtp, secret: smtp.auth("SCRAM-SHA-256", sasl.scram_sha_256(USER, secret)),
    "xoauth2": lambda smtp, secret: smtp.auth("XOAUTH2", sasl.xoauth2(USER, secret)),
    "oauthbearer": lambda smtp, secret: smtp.auth("OAUTHBEARER", sasl.oauthbearer(USER, secret)),
}
BY_SERVER = {
    "postfix-smtps": BY_PASSWORD | BY_TOKEN,
    "postfix-starttls": BY_PASSWORD | BY_TOKEN,
    "postfix-mx": BY_PASSWORD | BY_TOKEN,
    "dovecot-implicit": BY_PASSWORD | BY_TOKEN,
    "exim-implicit": BY_EXIM,
}
CELLS = [(server, mechanism) for server, mechanisms in BY_SERVER.items() for mechanism in sorted(mechanisms)]


def connect(endpoint):
    context = ssl.create_default_context(cafile=endpoint.ca_file)
    if endpoint.tls == "implicit":
        return smtplib.SMTP_SSL("127.0.0.1", endpoint.port, context=context, timeout=30)
    smtp = smtplib.SMTP("127.0.0.1", endpoint.port, timeout=30)
    smtp.starttls(context=context)
    return smtp


def login(smtp, mechanism, secret):
    smtp.ehlo()
    assert mechanism.upper() in smtp.esmtp_features["auth"].split()
    smtp.user, smtp.password = USER, secret
    return MECHANISMS[mechanism](smtp, secret)


@pytest.mark.parametrize("server,mechanism", CELLS)
def test_mechanism(endpoint, token, server, mechanism):
    upstream = endpoint(server)
    with connect(upstream) as smtp:
        secret = oauth.token(USER) if mechanism in BY_TOKEN else PASSWORD
        assert login(smtp, mechanism, secret)[0] == 235
        smtp.sendmail("device@example.test", ["inbox@example.test"], message(token))
    assert len(upstream.mailbox.wait(token)) == 1


WRONG = {"another's": oauth.token("somebody@example.test"), "expired": oauth.token(USER, -600),
         "forged": oauth.token(USER, secret=b"x" * 32)}


@pytest.mark.parametrize("mechanism", sorted(BY_PASSWORD))
@pytest.mark.parametrize("server", ["postfix-smtps", "dovecot-implicit"])
def test_wrong_password(endpoint, server, mechanism):
    with connect(endpoint(server)) as smtp, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        login(smtp, mechanism, "wrong")
    assert refused.value.smtp_code == 535


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("mechanism", sorted(BY_TOKEN))
@pytest.mark.parametrize("server", ["postfix-smtps", "dovecot-implicit", "exim-implicit"])
def test_wrong_token(endpoint, server, mechanism, kind):
    with connect(endpoint(server)) as smtp, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        login(smtp, mechanism, WRONG[kind])
    assert refused.value.smtp_code == 535


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
@pytest.mark.parametrize("client", CLIENTS)
def test_client(endpoint, token, directory, client, mechanism):
    """What the matrix takes its clients to be able to, and that they tell a refusal."""
    if client in CANNOT.get(mechanism, ()):
        mechanism = "PLAIN"
    for server, way in (("postfix-starttls", "starttls"), ("postfix-smtps", "implicit")):
        upstream = endpoint(server)
        job = Job(directory, upstream.port, upstream.ca_file, way, message(token, BODY), mechanism, USER, PASSWORD)
        CLIENTS[client](job)
    mails = upstream.mailbox.wait(token, 2)
    assert [mail.hash for mail in mails] == [body_hash(BODY)] * 2
    job.password = "wrong"
    with pytest.raises(Refused):
        CLIENTS[client](job)


def test_postfix_believes_xclient(endpoint, token):
    """And begins anew, before a login."""
    upstream = endpoint("postfix-smtps")
    with connect(upstream) as smtp:
        smtp.ehlo()
        assert smtp.docmd("XCLIENT", "ADDR=127.0.0.77")[0] == 220
        login(smtp, "plain", PASSWORD)
        smtp.sendmail("device@example.test", ["inbox@example.test"], message(token))
    upstream.mailbox.wait(token)
    assert "[127.0.0.77]" in upstream.server.client_of(token)
