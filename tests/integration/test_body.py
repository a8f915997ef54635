"""What happens to the octets of a message, and the forms an envelope may take. The upstream is scripted: it records
exactly what was sent."""

import pytest

from support.messages import big_body, message, stuff
from support.upstream import CHUNKING, OFFER

HEAD = b"Subject: t\r\n\r\n"

by_offer = pytest.mark.parametrize("offer", [OFFER, CHUNKING], ids=["DATA", "BDAT"])


@pytest.fixture
def relayed(waxseal, scripted):
    """relayed(content): sends it (as on the wire) through a proxy; (reply, upstream)."""

    def send(wire, tls="implicit", line_endings="repair", pieces=None, offer=OFFER, **options):
        upstream = scripted(tls, offer=offer)
        with waxseal(upstream, listen={"line_endings": line_endings}, **options).client(timeout=120) as client:
            client.ehlo()
            client.open_data()
            if pieces:
                client.send_slowly(pieces)
                reply = client.reply()
            else:
                reply = client.finish(wire)
            assert client.command("NOOP").code == 250
        return reply, upstream

    return send


@by_offer
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("line_endings", ["repair", "reject"])
def test_twenty_five_mebibytes_octet_for_octet(relayed, tls, line_endings, offer):
    content = HEAD + big_body(25 * 1024 * 1024)
    reply, upstream = relayed(stuff(content), tls, line_endings, offer=offer)
    assert reply.status == "250 2.0.0"
    assert len(upstream.messages) == 1
    assert upstream.messages[0].content == content
    assert upstream.messages[0].chunked == (offer is CHUNKING)


@pytest.mark.parametrize("content", [
    b".\r\n", b"..\r\n", b".x\r\n", b"..x\r\n", b"a\r\n.\r\nb\r\n", b"...\r\n....\r\n", b"\r\n.\r\n\r\n", b". \r\n", b" .\r\n",
    b"x" * 998 + b"\r\n", b"x" * 5000 + b"\r\n", b"." * 2000 + b"\r\n", bytes(range(1, 10)) + b"\x0b\x0c\x0e\x1b\x7f\r\n",
    "Grüße, 🦭\r\n".encode(), bytes(range(128, 256)) + b"\r\n", b"\r\n" * 100,
], ids=lambda content: repr(content[:12]))
@by_offer
@pytest.mark.parametrize("line_endings", ["repair", "reject"])
def test_awkward_lines_arrive_as_they_are(relayed, content, line_endings, offer):
    reply, upstream = relayed(stuff(HEAD + content), line_endings=line_endings, offer=offer)
    assert reply.status == "250 2.0.0"
    assert [message.content for message in upstream.messages] == [HEAD + content]


@by_offer
def test_empty_message(relayed, offer):
    """The end mark right after 354 (RFC 5321 4.1.1.4)."""
    reply, upstream = relayed(b"", offer=offer)
    assert reply.status == "250 2.0.0"
    assert [message.content for message in upstream.messages] == [b""]


@by_offer
def test_every_octet_in_a_segment_of_its_own(relayed, offer):
    wire = stuff(HEAD + b"a\r\n.\r\n.b\r\n") + b".\r\n"
    reply, upstream = relayed(None, pieces=[wire[i : i + 1] for i in range(len(wire))], offer=offer)
    assert reply.status == "250 2.0.0"
    assert [message.content for message in upstream.messages] == [HEAD + b"a\r\n.\r\n.b\r\n"]


@pytest.mark.parametrize("sent, arrives", [
    (b"a\nb\n\nc\r\n", b"a\r\nb\r\n\r\nc\r\n"),
    (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
    (b"a\rb\r\n", b"a b\r\n"),
    (b"only\nbare\nlines\n\r\n", b"only\r\nbare\r\nlines\r\n\r\n"),
])
def test_repair_of_line_ends(relayed, sent, arrives):
    reply, upstream = relayed(HEAD + sent)
    assert reply.status == "250 2.0.0"
    assert [message.content for message in upstream.messages] == [HEAD + arrives]


@pytest.mark.parametrize("sent", [b"a\nb\r\n", b"a\rb\r\n", b"a\n.\nb\r\n"])
def test_reject_of_line_ends(relayed, sent):
    reply, upstream = relayed(HEAD + sent, line_endings="reject")
    assert reply.status == "550 5.6.11"
    upstream.wait_settled()
    assert upstream.messages == []


@pytest.mark.parametrize("line_endings", ["repair", "reject"])
def test_nul_is_refused(relayed, line_endings):
    reply, upstream = relayed(HEAD + b"a\0b\r\n", line_endings=line_endings)
    assert reply.status == "550 5.6.0"
    upstream.wait_settled()
    assert upstream.messages == []


def test_message_over_the_limit(waxseal, scripted):
    """The whole of it is read, the upstream never gets an end mark, and the session goes on."""
    upstream = scripted()
    proxy = waxseal(upstream, limits={"max_message_size": "1MiB"})
    with proxy.client() as client:
        assert client.offers()["SIZE"] == str(1024 * 1024)
        client.open_data()
        assert client.finish(HEAD + big_body(3 * 1024 * 1024, dots=False)).status == "552 5.3.4"
        assert client.transaction(message("after")).code == 250
    assert [b"after" in sent.content for sent in upstream.messages] == [True]


def test_announced_size_over_the_limit(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream, limits={"max_message_size": "1MiB"}).client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<a@example.test> SIZE=1048577").status == "552 5.3.4"
        assert client.command("MAIL FROM:<a@example.test> SIZE=1048576").code == 250


def test_smaller_limit_of_the_upstream_is_offered(waxseal, scripted):
    proxy = waxseal(scripted(offer=("SIZE 5000", "8BITMIME")))
    proxy.wait_offer("8BITMIME")
    with proxy.client() as client:
        assert client.offers()["SIZE"] == "5000"
        assert client.command("MAIL FROM:<a@example.test> SIZE=5001").status == "552 5.3.4"


def test_offer_is_an_allow_list(waxseal, scripted):
    offer = ("PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME", "XCLIENT NAME ADDR", "XFORWARD NAME", "ETRN", "VRFY", "BURL imap",
             "X-EVIL", "REQUIRETLS", "SMTPUTF8", "DSN", "PIPECONNECT", "SIZE 1000000")
    proxy = waxseal(scripted("starttls", offer=offer))
    proxy.wait_offer("8BITMIME")
    with proxy.client() as client:
        offers = set(client.offers())
    assert offers <= {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "LIMITS"}
    assert offers >= {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"}


def test_what_the_upstream_lacks_is_not_offered(waxseal, scripted):
    """Also after the proxy has spoken with it: the log tells when."""
    upstream = scripted(offer=("SIZE 1000000",))
    proxy = waxseal(upstream)
    with proxy.client() as client:
        client.ehlo()
        assert client.transaction(message("first")).code == 250
    with proxy.client() as client:
        assert not {"8BITMIME", "SMTPUTF8", "DSN"} & set(client.offers())


def test_null_reverse_path(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream).client() as client:
        client.ehlo()
        assert client.transaction(message("bounce"), sender="").code == 250
    assert [sent.mail.split(b" ")[0] for sent in upstream.messages] == [b"FROM:<>"]


def test_smtputf8_envelope(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream)
    proxy.wait_offer("SMTPUTF8")
    with proxy.client() as client:
        client.ehlo()
        assert client.command("MAIL FROM:<gerät@example.test>".encode()).status == "553 5.6.7"
        assert client.command("MAIL FROM:<gerät@example.test> SMTPUTF8 BODY=8BITMIME".encode()).code == 250
        assert client.command("RCPT TO:<empfänger@exämple.test>".encode()).code == 250
        assert client.command("DATA").code == 354
        assert client.finish(message("utf8", "Grüße\r\n".encode())).code == 250
    sent = upstream.messages[0]
    assert sent.mail.startswith("FROM:<gerät@example.test>".encode()) and b"SMTPUTF8" in sent.mail and b"BODY=8BITMIME" in sent.mail
    assert sent.recipients == ["TO:<empfänger@exämple.test>".encode()]


def test_parameters_are_rebuilt(waxseal, scripted):
    upstream = scripted()
    proxy = waxseal(upstream)
    proxy.wait_offer("DSN")
    with proxy.client() as client:
        client.ehlo()
        line = "mail from:<a@example.test>  RET=hdrs ENVID=QQ314159 AUTH=admin@example.test SIZE=100"
        assert client.command(line).code == 250
        assert client.command("rcpt to:<@evil.example:b@example.test> NOTIFY=failure,SUCCESS ORCPT=rfc822;b@example.test").code == 250
        assert client.command("DATA").code == 354
        assert client.finish(message("parameters")).code == 250
    sent = upstream.messages[0]
    assert sent.mail.startswith(b"FROM:<a@example.test> ")
    assert {b"RET=HDRS", b"ENVID=QQ314159", b"AUTH=<>"} <= set(sent.mail.split(b" "))
    assert b"admin" not in sent.mail
    recipient = sent.recipients[0].split(b" ")
    assert recipient[0] == b"TO:<b@example.test>" and b"ORCPT=rfc822;b@example.test" in recipient
    assert b"evil" not in sent.recipients[0]


def test_undeclared_eight_bit_body_goes_as_8bitmime(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream).client() as client:
        client.ehlo()
        assert client.transaction(message("eight", "Grüße\r\n".encode())).code == 250
    assert b"BODY=8BITMIME" in upstream.messages[0].mail.split(b" ")


def test_two_messages_and_a_reset_between(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream).client() as client:
        client.ehlo()
        assert client.transaction(message("one"), recipients=["first@example.test"]).code == 250
        assert client.command("MAIL FROM:<forgotten@example.test>").code == 250
        assert client.command("RCPT TO:<forgotten@example.test>").code == 250
        assert client.command("RSET").status == "250 2.0.0"
        assert client.command("DATA").code == 503
        assert client.transaction(message("two"), recipients=["second@example.test"]).code == 250
        client.quit()
    assert [sent.recipients for sent in upstream.messages] == [[b"TO:<first@example.test>"], [b"TO:<second@example.test>"]]
    assert [sent.content for sent in upstream.messages] == [message("one"), message("two")]


def test_helo_without_extensions(waxseal, scripted):
    upstream = scripted()
    with waxseal(upstream).client() as client:
        reply = client.command("HELO printer")
        assert reply.code == 250 and len(reply.lines) == 1
        assert client.transaction(message("helo")).code == 250
    assert len(upstream.messages) == 1


def test_envelope_pipelined(waxseal, scripted):
    upstream = scripted(script={"rcpt": [None, b"550 5.1.1 no such user"]})
    with waxseal(upstream).client() as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n")
        assert [reply.code for reply in client.replies(4)] == [250, 250, 550, 354]
        assert client.finish(message("pipelined")).code == 250
    assert [sent.recipients for sent in upstream.messages] == [[b"TO:<b@example.test>"]]
